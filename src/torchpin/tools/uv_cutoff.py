"""A resolution under a cut-off: uv's options, the age of what it selected, and why it found nothing."""

from __future__ import annotations

import datetime as dt
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from torchpin.errors import FindingsError
from torchpin.lock import cooldown
from torchpin.lock.cooldown import YoungFile
from torchpin.tools.uv_compile import (
    NoSolutionError,
    compile_command,
    pylock_files,
    pylock_packages,
    run_compile,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from torchpin.lock.cooldown import CutOff
    from torchpin.model import Artifact, Environment, Settings

_FILTERED = re.compile(r"`([A-Za-z0-9._-]+)` was filtered by `exclude-newer`")  # of uv's hints
_MOST_RUNS = 20  # to find what keeps a resolution from a solution


@dataclass(frozen=True, kw_only=True, slots=True)
class AgeRule:
    """The cut-off of a resolution. `untimed`: packages whose index publishes no times; `pinned`: those of the description.

    uv looks at both whatever their age; that of the pinned ones is judged afterwards, so that all are named at once.
    """

    cutoff: CutOff
    untimed: frozenset[str]
    pinned: frozenset[str]
    add_notice: Callable[[str], object]

    def options(self, more: Iterable[str] = ()) -> tuple[str, ...]:
        return cooldown.uv_options(self.cutoff, {*self.untimed, *self.pinned, *more})


def age_rule(
    env: Environment, cutoff: CutOff | None, add_notice: Callable[[str], object], *, has_channel: bool
) -> AgeRule | None:
    """The rule of an environment's own resolution; None without a cut-off."""
    if cutoff is None:
        return None
    return AgeRule(
        cutoff=cutoff,
        untimed=cooldown.exempt_packages(env, has_channel=has_channel),
        pinned=frozenset(cooldown.pinned_packages(env)),
        add_notice=add_notice,
    )


def judge_age(
    env: Environment, rule: AgeRule, packages: Iterable[Mapping[str, Any]], selected: Iterable[Artifact]
) -> None:
    """Tells of selected files that are younger than the cut-off and excepted; `packages` are those of the pylock.toml.

    Raises FindingsError for younger files that are not excepted.
    """
    times = _publication_times(packages)
    young = [
        YoungFile(name=artifact.name, version=artifact.version, published=times.get(artifact.sha256))
        for artifact in selected
        if artifact.name not in rule.untimed and _is_young(times.get(artifact.sha256), rule.cutoff)
    ]
    refused = [file for file in young if file.name not in rule.cutoff.exceptions]
    if refused:
        raise FindingsError(cooldown.refusal(env, rule.cutoff, refused))
    for notice in cooldown.notices(rule.cutoff, young):
        rule.add_notice(notice)


def _is_young(published: dt.datetime | None, cutoff: CutOff) -> bool:
    return published is None or published >= cutoff.instant


def _publication_times(packages: Iterable[Mapping[str, Any]]) -> dict[str, dt.datetime]:
    """When each file of a pylock.toml was published, by SHA-256, where its index gives it."""
    times = {}
    for package in packages:
        for row in [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]:
            time = row.get("upload-time")
            if isinstance(time, dt.datetime):
                times[row.get("hashes", {}).get("sha256", "")] = (
                    time if time.tzinfo else time.replace(tzinfo=dt.timezone.utc)
                )
    return times


@contextmanager
def explained(
    env: Environment, settings: Settings, folder: Path, rule: AgeRule | None, options: tuple[str, ...]
) -> Iterator[None]:
    """Raises FindingsError in place of a NoSolutionError where only the age of packages is in the way, and names them."""
    try:
        yield
    except NoSolutionError as error:
        if rule:
            _judge_filtered(env, settings, folder, rule, options, str(error))
        raise


def _judge_filtered(
    env: Environment,
    settings: Settings,
    folder: Path,
    rule: AgeRule,
    options: tuple[str, ...],
    message: str,
) -> None:
    """Looks at what uv left out for its age, too, until there is a solution; raises FindingsError for what it needed."""
    freed: set[str] = set()
    (folder / "pylock.toml").unlink(missing_ok=True)  # whose versions would be kept
    for _ in range(_MOST_RUNS):
        names = {canonicalize_name(name) for name in _FILTERED.findall(message)} - freed
        if not names:
            return
        freed |= names
        try:
            extra = (*options, *rule.options(freed))
            run_compile(env, settings, folder, compile_command(env, "pylock.toml", extra=extra))
        except NoSolutionError as error:
            message = str(error)
            continue
        packages = pylock_packages(folder)
        rows = [row for row in packages if canonicalize_name(row["name"]) in freed | rule.pinned]
        first_files = [next(pylock_files(row))[0] for row in rows]
        judge_age(env, rule, packages, first_files)
        return
