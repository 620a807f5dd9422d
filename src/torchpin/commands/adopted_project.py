"""Where an adopted project lies, what a person answers about it, and the day that it is resolved as of."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.adopt.draft_files import ProjectFolder
from torchpin.commands.ignore_files import read_ignore_files
from torchpin.commands.project_files import FolderTexts, read_file
from torchpin.compat.pins import file_packages
from torchpin.description import patterns
from torchpin.errors import InputError
from torchpin.lint.baseline import parse_baseline
from torchpin.lock.cooldown import CutOff, newest_cutoff, pinned_packages
from torchpin.project.image_files import ProjectPaths
from torchpin.tools.git_checkout import last_change
from torchpin.workspace.evidence import current_date

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torchpin.adopt.draft_values import DraftAnswers
    from torchpin.description.policy import Policy
    from torchpin.model import Environment

_DESCRIPTION = re.compile(r"services/[^/]+/service\.yaml")
TODAY, _COMMIT = "today", "commit"
_ANSWERS = {
    "python": patterns.ANY_PYTHON,
    "channel": patterns.CHANNEL,
    "torch": patterns.RELEASE,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectPlace:
    """A project's files for the description. `copy_to`: where in the repository they have to be copied first, "" for nowhere."""

    folder: ProjectFolder
    copy_to: str = ""


def project_folder(folder: Path, root: Path, name: str, files: FolderTexts) -> ProjectPlace:
    """Where a project is in a repository. One that is elsewhere has a place below its service."""
    ignored = read_ignore_files(folder, files)
    inside = folder.resolve().is_relative_to(root.resolve())
    copy_to = "" if inside else f"{paths.service_folder(name)}/project"
    relative_path = folder.resolve().relative_to(root.resolve()).as_posix() if inside else copy_to
    place = "" if relative_path == "." else relative_path
    return ProjectPlace(
        folder=ProjectFolder(
            paths=ProjectPaths(files.paths), root=place, ignored=ignored, own=_own_files(folder, files.paths)
        ),
        copy_to=copy_to,
    )


def _own_files(folder: Path, names: Iterable[str]) -> tuple[str, ...]:
    """The files and folders at a project's root that torchpin writes; none in one without a description.

    A file counts where it names torchpin or is a baseline of `check`, a folder where nothing of others is in it.
    """
    inner: dict[str, list[str]] = {}
    for name in names:
        inner.setdefault(name.partition("/")[0], []).append(name)
    if not any(_DESCRIPTION.fullmatch(name) for name in inner.get(paths.SERVICES, ())):
        return ()
    folders = (
        name for name in (paths.DOCKER, "docs") if name in inner and all(map(_is_generated, inner[name]))
    )
    files = (name for name in inner if inner[name] == [name] and _is_own_file(folder, name))
    return (*folders, paths.SERVICES, paths.LOCKFILES, paths.RECORDS, *files)


def _is_generated(path: str) -> bool:
    environment = path.rpartition("/")[0].rpartition("/")[2]
    return (
        paths.is_document(path)
        or path in {*paths.environment_paths(environment), paths.SCHEMA, paths.DOCKERFILE_TEMPLATE}
        or path.startswith(f"{paths.RUNTIME}/")
    )


def _is_own_file(folder: Path, name: str) -> bool:
    if name == paths.DEVIATIONS:
        return True
    if name not in {paths.TASKS, paths.NOXFILE} and not name.endswith(".json"):
        return False
    text = read_file(folder, name, FolderTexts()) or ""
    if not name.endswith(".json"):
        return "torchpin" in text
    try:
        parse_baseline(text)
    except ValueError:
        return False
    return True


def check_answers(answers: DraftAnswers) -> None:
    """Raises InputError for an answer that a description cannot have."""
    for key, rule in _ANSWERS.items():
        text = getattr(answers, key)
        if text and not rule.pattern.fullmatch(text):
            raise InputError(f"--{key} {text!r} is not {rule.expected}")
    image, _, digest = answers.base.partition("@")
    if answers.base and not patterns.IMAGE.pattern.fullmatch(image):
        raise InputError(f"--base {answers.base!r} is not {patterns.IMAGE.expected}")
    if digest and not patterns.DIGEST.pattern.fullmatch(digest):
        raise InputError(f"--base {answers.base!r}: {digest!r} is not {patterns.DIGEST.expected}")


@dataclass(frozen=True, kw_only=True, slots=True)
class AsOf:
    """A day, 2025-03-31, "" for today, with the instant from which on releases are ignored; `text`: how messages name it."""

    date: str = ""
    time: str = ""
    text: str = "today"

    def cutoff(self, policy: Policy, environments: Iterable[Environment]) -> CutOff | None:
        """The cut-off of a resolution, the policy's where that is earlier; None for today. What is pinned is taken whatever its age."""
        if not self.time:
            return None
        pinned = {name for env in environments for name in (*pinned_packages(env), *file_packages(env))}
        taken = dict.fromkeys(pinned, "the project has it")
        newest = newest_cutoff(policy, current_date())
        if policy.cooldown and newest < self.time:
            return CutOff(time=newest, days=policy.cooldown, exceptions={**policy.exceptions, **taken})
        return CutOff(time=self.time, days=0, exceptions=taken)


def as_of_day(folder: Path, text: str) -> AsOf:
    """The day of `--as-of`. Raises InputError for another text, and for `commit` where there is none."""
    if text == TODAY:
        return AsOf()
    if text == _COMMIT:
        seconds = last_change(folder.resolve(), ".")
        if seconds is None:
            raise InputError(
                f"--as-of commit: no commit has changed {folder}; name a day, such as 2025-03-31"
            )
        instant = dt.datetime.fromtimestamp(seconds, tz=dt.timezone.utc)
        name = instant.date().isoformat()
        return AsOf(
            date=name,
            time=f"{instant:%Y-%m-%dT%H:%M:%SZ}",
            text=f"{name}, the day of the project's last commit",
        )
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"--as-of {text!r} is neither `today`, `commit` nor a day such as 2025-03-31"
        ) from None
    following = day + dt.timedelta(days=1)
    return AsOf(date=day.isoformat(), time=f"{following}T00:00:00Z", text=day.isoformat())
