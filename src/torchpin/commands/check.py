"""`check`: the rules over Dockerfiles, requirement files, lock files and descriptions of any project, and their fixes."""

from __future__ import annotations

import datetime as dt
import difflib
import posixpath
import re
import shlex
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from torchpin.commands.check_files import STDIN, is_dockerfile_name, read_checked_files
from torchpin.errors import FINDINGS, INPUT, InputError, ToolError
from torchpin.installs.commands import install_commands
from torchpin.installs.project import parse_project
from torchpin.lint import scan
from torchpin.lint.baseline import baseline_text, parse_baseline
from torchpin.lint.directives import INVALID, UNUSED
from torchpin.lint.fixes import FixedTexts, fix_texts
from torchpin.lint.inline_places import with_file_columns
from torchpin.lint.judged_stages import CHECKS, judged_matches, without_repeats
from torchpin.lint.result import lint_result, sort_matches
from torchpin.lint.rules.pins import required_packages
from torchpin.lint.selection import selected_ids
from torchpin.memory import remembering
from torchpin.paths import WORK
from torchpin.project.dockerfile import parse_instructions
from torchpin.project.image_builds import built_texts, inline_builds
from torchpin.tools import transaction
from torchpin.tools.files import read_bytes, read_text, write_files

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from torchpin.checks.context import CheckContext
    from torchpin.commands.check_files import CheckedFiles, CheckedProject
    from torchpin.installs.commands import Project
    from torchpin.lint.baseline import Key
    from torchpin.lint.directives import Directive
    from torchpin.lint.matches import Match
    from torchpin.lint.result import FailOn, LintResult
    from torchpin.model import Environment
    from torchpin.project.image_builds import InlineBuild

NOTHING_TO_CHECK = (
    "there is no Dockerfile, requirement file, pyproject.toml, uv.lock or service.yaml to check"
)
_MOST_MATCHES = 20_000  # of one rule in a project; packages without a version are shown by file
_BYTE_ORDER_MARK = "\ufeff"
_OF_THE_PROJECT = {"pyproject.toml", "uv.lock"}


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckOptions:
    """`paths`: files and folders, `-` for `stdin` by the name `stdin_name`; `select` and `ignore`: beginnings of ids.

    `baseline`: a file whose findings do not fail, "" for none; with `write_baseline` it is written. `fix`: the safe fixes,
    or all of them, are written, or only shown with `diff`.
    """

    paths: tuple[str, ...] = ()
    stdin: str | None = None
    stdin_name: str = ""
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: FailOn = "error"
    baseline: str = ""
    write_baseline: bool = False
    fix: Literal["none", "safe", "all"] = "none"
    diff: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckReport:
    """The result, with what was fixed: the unified diff, the matches that ended, and those whose edits did not stay.

    `problems`: files that were named and cannot be read; `skipped`: what was passed over; `written`: files;
    `baseline_command`: what writes the baseline again, "" without one; `fix_requested`: also where there was nothing to fix.
    """

    result: LintResult
    exit_code: int
    problems: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    fixed: tuple[Match, ...] = ()
    refused: tuple[Match, ...] = ()
    difference: str = ""
    written: tuple[str, ...] = ()
    baseline_command: str = ""
    fix_requested: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rules:
    """The rules that are asked: `ids`, of all that there are."""

    ids: frozenset[str]
    known_ids: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Matched:
    """The open matches, those that directives ignore, and how many packages each file requires."""

    matches: tuple[Match, ...]
    ignored: tuple[tuple[Match, Directive], ...]
    packages: dict[str, int]


def check(options: CheckOptions) -> CheckReport:
    """Checks files. Raises InputError for an unknown id, a baseline that cannot be read, and a named folder without a file.

    The current folder may have none yet: a check of what is there passes, as in a new repository.
    """
    if options.write_baseline and not options.baseline:
        raise InputError(
            f"`--write-baseline` needs the name of the file: `{_baseline_command(options.paths, 'known.json')}`"
        )
    if STDIN in options.paths and options.fix != "none" and not options.diff:
        raise InputError("standard input cannot be written to; add --diff, which shows the fixes")
    files = read_checked_files(options.paths, stdin=options.stdin, stdin_name=options.stdin_name)
    if not files.texts and not files.problems and options.paths:
        raise InputError(f"{NOTHING_TO_CHECK} in {', '.join(options.paths)}")
    rules = _choose_rules(options, files)
    baseline = _read_baseline(options)
    matched = _match(files, rules)
    fixes = FixedTexts(texts={}, fixed=(), refused=())
    before = files.texts
    if options.fix != "none":
        fixes = fix_texts(
            before,
            matched.matches,
            lambda texts: _match(_with_texts(files, texts, before), rules).matches,
            unsafe=options.fix == "all",
            fixed_files=_writable(matched.matches, before, options.stdin_name, files.skipped),
        )
    written = _write_fixes(fixes.texts, before) if not options.diff else ()
    if fixes.texts and not options.diff:
        files = _with_texts(files, {**before, **fixes.texts}, before)
        matched = _match(files, rules)
    result = _result(files.texts, matched, baseline, by_folder=_has_folder(options))
    if options.write_baseline:
        written += _write_baseline(options, matched.matches, files.texts)
        result = replace(result, matches=(), known=matched.matches, stale=Counter())
    exit_code = INPUT if files.problems else FINDINGS if result.fails(options.fail_on) else 0
    return CheckReport(
        result=result,
        exit_code=exit_code,
        problems=tuple(files.problems),
        skipped=tuple(files.skipped),
        fixed=fixes.fixed,
        refused=fixes.refused,
        difference=_difference(before, fixes.texts) if options.diff else "",
        written=written,
        fix_requested=options.fix != "none",
        baseline_command=_baseline_command(options.paths, options.baseline) if options.baseline else "",
    )


def _writable(
    matches: Iterable[Match], texts: Mapping[str, str], stdin_name: str, skipped: list[str]
) -> frozenset[str]:
    """The files with edits that are UTF-8. Others, whose encoding would be lost, are added to `skipped`."""
    files = {edit.file for match in matches for edit in match.edits if edit.file in texts}
    plain = {
        file
        for file in files
        if file == stdin_name or read_bytes(Path(file)) == (_mark(file) + texts[file]).encode()
    }
    skipped += [
        f"{file}: not fixed, since it is not UTF-8; save it as UTF-8" for file in sorted(files - plain)
    ]
    return frozenset(plain)


def _mark(file: str) -> str:
    """The byte order mark that a file of UTF-8 begins with, "" for none."""
    return _BYTE_ORDER_MARK if (read_bytes(Path(file)) or b"").startswith(_BYTE_ORDER_MARK.encode()) else ""


def _choose_rules(options: CheckOptions, files: CheckedFiles) -> _Rules:
    """The ids of the rules and of the judge's checks of Dockerfiles; of all checks where an id may be one of them.

    To import all checks takes as long as to check a small file.
    """
    known_ids = scan.rule_ids() | {*CHECKS}
    prefixes = [
        part.strip().upper() for text in (*options.select, *options.ignore) for part in text.split(",")
    ]
    is_known = all(any(id_.startswith(prefix) for id_ in known_ids) for prefix in prefixes)
    if not is_known or files.descriptions or any("torchpin" in text for text in files.texts.values()):
        from torchpin.checks.run import registered_checks

        known_ids |= {check.id for check in registered_checks()}
    return _Rules(ids=selected_ids(known_ids, options.select, options.ignore), known_ids=known_ids)


def _match(files: CheckedFiles, rules: _Rules) -> _Matched:
    """The open matches in all files, those that are ignored, and how many packages each file requires."""
    matches: list[Match] = []
    starts: dict[str, list[int]] = {}
    packages: dict[str, int] = {}
    for checked in files.projects:
        for texts in built_texts(checked.texts, str(Path.cwd())):
            built = replace(checked, texts=texts)
            project = _parse(built)
            matches += _project_matches(built, project, rules)
            packages |= required_packages(project)
        for build in inline_builds(checked.texts, str(Path.cwd())):
            if checked.named is None or build.path in checked.named:
                matches += _inline_matches(checked, build, rules)
                starts[build.path] = sorted([*starts.get(build.path, []), *_starts(build.dockerfile.text)])
        starts |= {file: _starts(text) for file, text in checked.texts.items() if is_dockerfile_name(file)}
    for path, text in files.descriptions.items():
        matches += _description_matches(path, text)
    open_matches, ignored = sort_matches(
        matches, files.texts, starts, ids=rules.ids, known_ids=rules.known_ids
    )
    named = _named(files)
    is_own = [match.id not in {INVALID, UNUSED} or match.place[0] in named for match in open_matches]
    return _Matched(matches=tuple(compress(open_matches, is_own)), ignored=ignored, packages=packages)


def _starts(text: str) -> list[int]:
    """The lines on which the instructions of a Dockerfile begin."""
    return [instruction.line for instruction in parse_instructions(text)]


def _inline_matches(checked: CheckedProject, build: InlineBuild, rules: _Rules) -> Iterable[Match]:
    """The matches in a Dockerfile of a compose file, and in the files that its installs read."""
    built = replace(checked, texts=build.texts)
    project = _parse(built, [build.path])
    read = {
        target.location.rsplit(":", 2)[0]
        for step in install_commands(project, build.path)
        for target in (*step.targets, *step.constraints)
    }
    for match in _project_matches(built, project, rules):
        if match.place[0] in {build.path, *read}:
            yield with_file_columns(match, build)


def _project_matches(checked: CheckedProject, project: Project, rules: _Rules) -> list[Match]:
    with remembering():
        matches = scan.find_matches(project, rules.ids, most=_MOST_MATCHES)
        judged = [*judged_matches(project, _stage_context)] if rules.ids & {*CHECKS} else []
    replaced = {match.place for match in matches if match.id == "ADO003"}
    # a torch that is replaced contradicts the earlier pin, which is the same once more
    matched = [match for match in matches if match.id != "ADO004" or match.place not in replaced]
    return [match for match in (*matched, *without_repeats(matched, judged)) if _is_checked(match, checked)]


def _named(files: CheckedFiles) -> set[str]:
    """The files that are checked themselves; the others are there to be included."""
    named = {*files.descriptions}
    for checked in files.projects:
        named |= {*checked.texts} if checked.named is None else checked.named
    return named


def _parse(checked: CheckedProject, dockerfiles: Collection[str] | None = None) -> Project:
    project = parse_project(checked.texts, checked.unreadable, checked.ignored, dockerfiles)
    if checked.named is None:
        return project
    lists = [path for path in checked.named if path.endswith(".txt") and path in checked.texts]
    return replace(project, requirement_files=tuple(sorted(lists)))


def _is_checked(match: Match, checked: CheckedProject) -> bool:
    """Whether a match is about what was named: of a project's own pyproject.toml only what breaks the named Dockerfile."""
    file = match.place[0]
    if checked.named is None or file in checked.named:
        return True
    return any(map(is_dockerfile_name, checked.named)) and (
        posixpath.basename(file) not in _OF_THE_PROJECT or match.finding.level == "error"
    )


def _stage_context(environments: Sequence[Environment]) -> CheckContext:
    """The context for the checks of a stage: without anything of a checkout, to which the version of uv belongs."""
    from torchpin.checks.context import CheckContext  # what only a torch needs

    return CheckContext(
        environments=tuple(environments), today=dt.datetime.now(tz=dt.timezone.utc).date(), uv=""
    )


def _description_matches(path: str, text: str) -> Iterable[Match]:
    from torchpin.lint.descriptions import description_matches
    from torchpin.workspace.evidence import from_descriptions

    return description_matches(path, text, from_descriptions)


def _with_texts(files: CheckedFiles, texts: Mapping[str, str], before: Mapping[str, str]) -> CheckedFiles:
    changed = {path: text for path, text in texts.items() if text != before[path]}
    return replace(
        files,
        projects=[checked.with_texts(changed) for checked in files.projects],
        descriptions={path: changed.get(path, text) for path, text in files.descriptions.items()},
    )


def _result(
    texts: Mapping[str, str], matched: _Matched, baseline: Counter[Key], *, by_folder: bool
) -> LintResult:
    result = lint_result(
        matched.matches, matched.ignored, texts, baseline=baseline, packages=matched.packages
    )
    stale = Counter({key: count for key, count in result.stale.items() if by_folder or key[1] in texts})
    return replace(result, stale=stale)


def _has_folder(options: CheckOptions) -> bool:
    return not options.paths or any(Path(path).is_dir() for path in options.paths)


def _read_baseline(options: CheckOptions) -> Counter[Key]:
    if not options.baseline or options.write_baseline:
        return Counter()
    text = read_text(Path(options.baseline))
    if text is None:
        raise InputError(
            f"--baseline: {options.baseline} does not exist; `{_baseline_command(options.paths, options.baseline)}` writes it"
        )
    try:
        return parse_baseline(text)
    except ValueError as error:
        raise InputError(f"--baseline: {options.baseline} cannot be read: {error}") from None


def _baseline_command(paths: Sequence[str], baseline: str) -> str:
    return shlex.join(["invoke", "check", *paths, "--baseline", baseline, "--write-baseline"])


def _write_baseline(
    options: CheckOptions, matches: Sequence[Match], texts: Mapping[str, str]
) -> tuple[str, ...]:
    write_files({Path(options.baseline): baseline_text(matches, texts)})
    return (options.baseline,)


def _write_fixes(changed: Mapping[str, str], before: Mapping[str, str]) -> tuple[str, ...]:
    """Writes the files all or none, as a transaction of the current folder; those outside of it one by one.

    Raises ToolError where a file is no longer as it was read.
    """
    if not changed:
        return ()
    changed = {path: _mark(path) + text for path, text in changed.items()}
    before = {path: _mark(path) + before[path] for path in changed}
    inside = {
        path: text
        for path, text in changed.items()
        if not posixpath.isabs(path) and not path.startswith("..")
    }
    outside = {Path(path): text for path, text in changed.items() if path not in inside}
    root = Path.cwd()
    had_folder = (root / WORK).exists()
    try:
        for path in outside:
            if read_text(path) != before[str(path)]:
                raise ToolError(
                    f"{path} changed while this command ran; nothing was written, run the command again"
                )
        transaction.write(root, inside, before={path: before[path] for path in inside})
        write_files(outside)
    finally:
        if not had_folder:
            with suppress(OSError):
                (root / WORK).rmdir()
    return tuple(sorted(changed))


def _kept_lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _difference(before: Mapping[str, str], changed: Mapping[str, str]) -> str:
    """The changes as a unified diff."""
    lines = [
        line
        for path, text in sorted(changed.items())
        for line in difflib.unified_diff(
            _kept_lines(before[path]), _kept_lines(text), f"a/{path}", f"b/{path}"
        )
    ]
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
