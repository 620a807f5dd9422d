"""What the lab runs of the user's own code: the imports, the smoke test, and the container's command."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torchpin import paths
from torchpin.errors import ToolError
from torchpin.lab import docker_engine
from torchpin.lab.absent import absent_of, explain, failing_line
from torchpin.tools import docker, process
from torchpin.tools.files import read_inside, write_files
from torchpin.workspace import generated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torchpin.lab.absent import Absent
    from torchpin.lab.lab import Lab
    from torchpin.model import Environment

    # A command of Python with its files, path to text; what it gave.
    Runner = Callable[[Sequence[str], Mapping[str, str]], "Ending"]

SECONDS = 5  # within which a command that cannot start ends
_STARTED = b"--- END ENVIRONMENT INFO ---"  # of the report that start.sh prints before it runs the command
# Prints a JSON object: each module with the traceback of its import, "" without one.
_IMPORTS = """
import contextlib, importlib, json, sys, traceback
errors = {}
with contextlib.redirect_stdout(sys.stderr):
    for name in sys.argv[1:]:
        try:
            importlib.import_module(name)
            errors[name] = ""
        except BaseException:
            errors[name] = traceback.format_exc()
print("\\n" + json.dumps(errors))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a program ended: its exit code, None for one that still ran; what it printed."""

    code: int | None
    output: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """The result of something that the lab ran. `stopped`: by a gap of the lab. `lines`: details for `--verbose`."""

    what: str
    status: Literal["ran", "stopped", "failed"]
    detail: str
    lines: tuple[str, ...] = ()


def try_out(lab: Lab, env: Environment) -> tuple[Attempt, ...]:
    """The imports and the smoke test of an environment that was built or installed in the lab and, in an image, its command."""
    described = lab.described(env)
    absent = absent_of(described, lab.locks[env.name], lab.scope(env))
    with _python(lab, env) as run:
        attempts = [_try_imports(described, absent, run), _try_smoke_test(lab, described, absent, run)]
    if lab.has_docker:
        attempts.append(_try_command(lab, described, absent))
    return tuple(attempt for attempt in attempts if attempt)


def _try_imports(env: Environment, absent: Absent, run: Runner) -> Attempt | None:
    names = env.service.imports
    if not names:
        return None
    ending = run(("-c", _IMPORTS, *names), {})
    lines = [line for line in ending.output.splitlines() if line.startswith("{")]
    if ending.code or not lines:  # an import has ended the interpreter
        return Attempt(what="imports", status="failed", detail=_last_lines(ending))
    errors: dict[str, str] = json.loads(lines[-1])
    reasons = {name: explain(absent, text) for name, text in errors.items() if text}
    if broken := [name for name, reason in reasons.items() if not reason]:
        detail = f"{broken[0]} cannot be imported:\n{process.indent(errors[broken[0]].strip())}"
        return Attempt(what="imports", status="failed", detail=detail)
    loaded = [name for name in names if name not in reasons]
    stubs = [name for name in loaded if name.partition(".")[0] in absent.stubs]
    of_stubs = f" ({len(stubs)} as {'a stub' if len(stubs) == 1 else 'stubs'})" if stubs else ""
    return Attempt(
        what="imports",
        status="stopped" if reasons else "ran",
        detail=f"{len(loaded)} of {len(names)} load{of_stubs}{_skipped(len(reasons))}",
        lines=tuple(f"{name}: {reason}" for name, reason in reasons.items()),
    )


def _skipped(number: int) -> str:
    if not number:
        return ""
    return f", {number} skipped: {'it needs' if number == 1 else 'they need'} what the lab leaves out"


def _try_smoke_test(lab: Lab, env: Environment, absent: Absent, run: Runner) -> Attempt | None:
    path = paths.smoke_path(env.service.name)
    text = read_inside(lab.original.root, path)
    if text is None:
        return None
    target = f"{env.service.home}/smoke.py" if lab.has_docker else str(lab.folder / "own" / path)
    ending = run((target,), {target: text})
    if ending.code == 0:
        printed = ending.output.strip().rpartition("\n")[2]
        return Attempt(what=path, status="ran", detail=f"passed{f': {printed}' if printed else ''}")
    place = failing_line(ending.output, path)
    if reason := explain(absent, ending.output):
        return Attempt(
            what=place or path, status="stopped", detail=f"skipped from here on, as expected: {reason}"
        )
    return Attempt(what=place or path, status="failed", detail=_last_lines(ending))


def _try_command(lab: Lab, env: Environment, absent: Absent) -> Attempt:
    run = env.service.run
    command = [*run.entrypoint, *run.command]
    subject = f"command `{' '.join(command)}`" if command else "start of the container"
    with docker.engine() as client:
        code, output = docker_engine.run_attempt(
            client,
            _image(lab, env),
            seconds=SECONDS,
            begins_after=b"" if run.entrypoint else _STARTED,
        )
    output = output.rpartition(_STARTED.decode())[2]
    if code is None:
        return Attempt(what=subject, status="ran", detail=f"still runs after {SECONDS} s, and was ended")
    if code == 0:
        return Attempt(what=subject, status="ran", detail="ended with exit code 0")
    if reason := explain(absent, output):
        return Attempt(what=subject, status="stopped", detail=f"cannot run in the lab, as expected: {reason}")
    return Attempt(what=subject, status="failed", detail=_last_lines(Ending(code=code, output=output)))


@contextmanager
def _python(lab: Lab, env: Environment) -> Iterator[Runner]:
    """Runs Python in the image, or in the environment of this machine."""
    if not lab.has_docker:
        yield lambda arguments, files: _run_natively(lab, env, arguments, files)
        return
    with docker.engine() as client:

        def run(arguments: Sequence[str], files: Mapping[str, str]) -> Ending:
            code, output = docker_engine.run_attempt(
                client, _image(lab, env), command=("python", "-B", *arguments), files=files
            )
            return Ending(code=code, output=output)

        yield run


def _run_natively(lab: Lab, env: Environment, arguments: Sequence[str], files: Mapping[str, str]) -> Ending:
    from pathlib import Path

    root = lab.repo.root
    runtime = lab.folder / "runtime"
    write_files({Path(path): text for path, text in files.items()})
    write_files({runtime / name: text for name, text in generated.runtime_scripts(lab.repo).items()})
    python = root / ".venvs" / env.name / "bin" / "python"
    environ = process.plain_environment() | {"TORCHPIN_HOME": str(root), "TORCHPIN_RUNTIME": str(runtime)}
    command = (str(python), "-B", *arguments)
    try:
        done = process.run(command, cwd=root, env=environ, check=False, timeout=process.LONG)
    except ToolError as error:
        return Ending(code=1, output=str(error))
    return Ending(code=done.returncode, output=f"{done.stderr}\n{done.stdout}")


def _image(lab: Lab, env: Environment) -> str:
    return f"{docker.image_repository(env, lab.repo.settings, prefix=lab.repo.prefix)}:latest"


def _last_lines(ending: Ending) -> str:
    lines = ending.output.strip().splitlines()[-15:]
    return f"failed with exit code {ending.code}\n{process.indent(chr(10).join(lines))}"
