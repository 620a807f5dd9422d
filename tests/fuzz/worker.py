"""Fuzzes one target with atheris, in a process of its own: `python -m fuzz.worker TARGET FOLDER [libFuzzer's options]`.

An input that fails is kept in FOLDER/crashes and does not end the run; of inputs that fail at the same line the shortest.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import atheris
from hypothesis import HealthCheck, settings

from fuzz.crashes import Crash, crash_key, write_crash

with atheris.instrument_imports(include=["torchpin"]):
    from fuzz.harness import property_test
    from fuzz.targets import TARGETS

_STATS_SECONDS = 1.0  # between two writings of the counts


class _Run:
    """What a run has seen: the inputs that were checked, and the shortest failing one at each line."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.checked = 0
        self.value: Any = None
        self.written_at = 0.0
        self.lengths: dict[str, int] = {}
        self.test = property_test(TARGETS[name], observe=self.observe).hypothesis.fuzz_one_input

    def observe(self, value: Any) -> None:
        self.value = value
        self.checked += 1
        if time.monotonic() - self.written_at > _STATS_SECONDS:
            self.written_at = time.monotonic()
            (self.folder / "checked").write_text(str(self.checked))

    def check_bytes(self, data: bytes) -> None:
        try:
            self.test(data)
        except Exception as error:  # noqa: BLE001 - whatever a reader raises is what is looked for
            key = crash_key(error)
            length = len(repr(self.value))
            if length < self.lengths.get(key, length + 1):
                self.lengths[key] = length
                write_crash(
                    self.folder / "crashes",
                    Crash(target=self.name, key=key, value=self.value, data=data, error=error),
                )


def main() -> None:
    name, folder, *options = sys.argv[1:]
    settings.register_profile(
        "fuzz", database=None, deadline=None, print_blob=False, suppress_health_check=list(HealthCheck)
    )
    settings.load_profile("fuzz")
    run = _Run(name, Path(folder))
    if options[:1] == ["--repeat"]:
        run.test(Path(options[1]).read_bytes())
        sys.stdout.write(f"{options[1]} is handled as promised now\n")
        return
    atheris.Setup([sys.argv[0], *options], run.check_bytes)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
