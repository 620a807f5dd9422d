"""`adopt`: a description drafted from the files of another project, and both judged."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torchpin import paths
from torchpin.adopt.draft import draft_adoption
from torchpin.adopt.draft_values import DraftAnswers
from torchpin.checks import run
from torchpin.commands.adopted_project import TODAY, as_of_day, check_answers, project_folder
from torchpin.commands.edited_pins import EditOptions
from torchpin.commands.new_service import described_text, is_written, require_new_name, write_service
from torchpin.commands.project_files import read_folder, take_out_generated
from torchpin.commands.report import CommandReport, report_outcomes
from torchpin.commands.selection import Selection, open_repository, open_workspace
from torchpin.description import patterns, read
from torchpin.description.environments import select_environments
from torchpin.errors import InputError, TorchpinError
from torchpin.model import Outcome
from torchpin.workspace import evidence

if TYPE_CHECKING:
    from collections.abc import Callable

    from torchpin import model
    from torchpin.adopt.draft import Adoption
    from torchpin.adopt.draft_values import OpenValue
    from torchpin.checks.registry import Result
    from torchpin.commands.project_files import FolderTexts
    from torchpin.commands.report import Watcher
    from torchpin.workspace.workspace import Repository

    Ask = Callable[[OpenValue], str]

_UNCHANGED = "\nnothing was changed"  # by `add`; the draft was written before
_MOST_REASONS = 20  # why nothing could be read, in a message


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """A draft with the matches of the rules, and the judge's results about it."""

    adoption: Adoption
    results: tuple[Result, ...]
    skipped: tuple[str, ...]  # what was passed over: the path and the reason

    @property
    def further_results(self) -> tuple[Result, ...]:
        """The results without the findings that the steps which are left to do say."""
        return tuple(map(_without_steps, self.results))


def _without_steps(result: Result) -> Result:
    if result.check in {"BAS002", "DES001", "DES002"}:
        return replace(result, findings=(), notices=())
    if result.check == "DEV001":
        return replace(result, findings=tuple(row for row in result.findings if row.about != "requirements"))
    return result


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptOptions:
    """`folder`: the project to read. `destination`: services/NAME, where the draft is written; nowhere when empty.

    `answers`: what no line of the project gives. `resolve`: packages without a version get the newest that fits, and the
    service is locked; `as_of`: the day of which, `today`, `commit` (the project's last one) or 2025-03-31; `recorded` as in
    `lock`.
    """

    folder: str
    destination: str = ""
    answers: DraftAnswers = field(default_factory=DraftAnswers)
    resolve: bool = False
    as_of: str = TODAY
    recorded: bool = False


def adopt(
    folder: Path,
    *,
    name: str = "",
    answers: DraftAnswers = DraftAnswers(),  # noqa: B008 - it is frozen
    root: Path | None = None,
    resolved_later: bool = False,
    ask: Ask | None = None,
) -> Adopted:
    """Reads and judges a project below a folder. Raises InputError for a folder without a file to read.

    `root`: the repository that gets the description, the current folder where it is None. `resolved_later`: its packages
    without a version get one after the draft is written. `ask`: the answer of a person to a question, "" for none.
    """
    files = _read_project(folder)
    check_answers(answers)
    if answers.file and answers.file not in files.texts:
        raise InputError(f"--dockerfile: there is no {answers.file} in {folder}")
    service = name or _service_name(folder)
    place = project_folder(folder, root or Path.cwd(), service, files)

    def draft_with(current: DraftAnswers) -> Adoption:
        return draft_adoption(
            files.texts, service, files.unreadable,
            answers=current, folder=place.folder, copy_to=place.copy_to, resolved_later=resolved_later,
        )  # fmt: skip

    draft = draft_with(answers)
    for question in draft.questions if ask else ():
        answers = _with_answer(answers, question, ask)
    draft = draft_with(answers) if ask and draft.questions else draft
    written = described_text(draft.name, draft.text) if root else ""
    return Adopted(adoption=draft, results=_judge_draft(draft, written), skipped=tuple(files.skipped))


def _read_project(folder: Path) -> FolderTexts:
    """The files of a project. Raises InputError where there is none to read."""
    files = read_folder(folder)
    files.skipped += take_out_generated(files)
    if not files.texts:
        reasons = [*files.skipped, *(f"{location}: {reason}" for location, reason in files.unreadable)]
        names = "Dockerfile, requirements*.txt, constraints*.txt, pyproject.toml or uv.lock"
        raise InputError("\n".join([*reasons[:_MOST_REASONS], f"no {names} in {folder}"]))
    return files


def _with_answer(answers: DraftAnswers, question: OpenValue, ask: Ask | None) -> DraftAnswers:
    """The answers with the answer to a question, which is repeated until the answer is valid or empty."""
    while ask and (text := ask(question)):
        try:
            changed = replace(answers, **{question.key: text})
            check_answers(changed)
        except InputError as error:
            question = replace(question, text=str(error))
            continue
        return changed
    return answers


def _service_name(folder: Path) -> str:
    """The folder's name as the name of a service, `adopted` where it cannot be one."""
    slug = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    return slug if patterns.NAME.pattern.fullmatch(slug) else "adopted"


def _judge_draft(draft: Adoption, text: str = "") -> tuple[Result, ...]:
    """The judge's results about a draft; `text`: as it is written, if not as it is, for the lines of findings."""
    if not draft.text or draft.questions:
        return ()
    services = read.read_services({paths.description_path(draft.name): text or draft.text})
    return run.run(evidence.from_descriptions(select_environments(services)), judge=True)


def parse_destination(repo: Repository, text: str) -> str:
    """The service's name of `--write services/NAME`. Raises InputError for another place, and for one that is taken.

    A description that has no lock is let pass: it may be the draft of an earlier try, which `write` knows.
    """
    match = re.fullmatch(rf"(?:\./)?{paths.SERVICES}/([^/]+)/?", text)
    if not match or not patterns.NAME.pattern.fullmatch(match[1]):
        raise InputError(
            f"--write requires services/NAME, where NAME is {patterns.NAME.expected}; not {text!r}"
        )
    if not _is_unlocked(repo, match[1]):
        require_new_name(repo, match[1])
    return match[1]


def _is_unlocked(repo: Repository, name: str) -> bool:
    is_described = (repo.root / paths.description_path(name)).is_file()
    return is_described and not any((repo.root / paths.LOCKFILES).glob(f"{name}-*"))


def write(repo: Repository, adopted: Adopted) -> tuple[model.Outcome, ...]:
    """The draft and a smoke test, as `new` writes them; *same* where an earlier try has written just these.

    Raises InputError without a draft, where a question is open, or where it conflicts with another service.
    """
    draft = adopted.adoption
    if not draft.text:
        raise InputError(f"no description to write: {draft.missing}")
    require_answers(draft)
    if is_written(repo, draft.name, draft.text):
        files = (paths.description_path(draft.name), paths.smoke_path(draft.name))
        return tuple(Outcome(name=path, status="same") for path in files)
    if _is_unlocked(repo, draft.name):
        raise InputError(
            f"{paths.description_path(draft.name)} exists and is not this draft; choose another name, or remove it first "
            f"(`torchpin remove --service {draft.name} --everything`)"
        )
    return write_service(repo, draft.name, draft.text)


def require_answers(draft: Adoption) -> None:
    """Raises InputError for a draft with open questions, with the options that answer them."""
    if draft.questions:
        options = " ".join(question.option for question in draft.questions)
        lines = "\n".join(map(str, draft.questions))
        raise InputError(
            f"{lines}\nthe draft is not written while a value is not known; for example: {options}"
        )


def adopt_project(options: AdoptOptions, ask: Ask | None = None) -> Adopted:
    """The project's draft, judged. Raises InputError for a destination that is taken, and to resolve without one."""
    if options.resolve and not options.destination:
        raise InputError("--resolve requires --write services/NAME, where the versions are written")
    folder = Path(options.folder)
    day = as_of_day(folder, options.as_of)
    repo = open_repository(only=()) if options.destination else None
    name = parse_destination(repo, options.destination) if repo else ""
    answers = replace(options.answers, until=day.date)
    return adopt(
        folder, name=name, answers=answers, root=repo.root if repo else None, resolved_later=options.resolve, ask=ask
    )  # fmt: skip


def store_draft(adopted: Adopted, options: AdoptOptions) -> CommandReport:
    """Writes the draft where a destination was named. Raises InputError where there is no draft.

    What was found in the project does not make it fail: `check` is for that.
    """
    written = report_outcomes(write(open_repository(only=()), adopted) if options.destination else ())
    if not adopted.adoption.text:
        raise InputError(f"no description was drafted: {adopted.adoption.missing}")
    return written


def resolve_draft(adopted: Adopted, options: AdoptOptions, watcher: Watcher) -> CommandReport:
    """Gives the written draft's packages without a version the newest that fits, and locks it.

    Raises the error by which that fails; the draft stays as it was written, and the message says how to go on.
    """
    adoption = adopted.adoption
    try:
        report = _resolve(adoption, options, watcher)
    except TorchpinError as error:
        raise type(error)(f"{str(error).removesuffix(_UNCHANGED)}\n{_next_step(adoption)}") from None
    if report.exit_code:
        watcher.notice(_next_step(adoption))
    return report


def _resolve(adoption: Adoption, options: AdoptOptions, watcher: Watcher) -> CommandReport:
    from torchpin.commands.add import AddOptions, add_packages
    from torchpin.commands.lock import lock

    day = as_of_day(Path(options.folder), options.as_of)
    workspace = open_workspace(Selection(service=adoption.name), watcher)
    cutoff = day.cutoff(workspace.repo.policy, workspace.environments)
    watcher.notice(f"resolving as of {day.text}")
    if not adoption.unpinned:
        outcomes = lock(
            workspace.repo, workspace.environments, recorded=options.recorded, cutoff=cutoff, show_status=watcher.status
        )  # fmt: skip
        return report_outcomes(outcomes)
    edit = EditOptions(recorded=options.recorded, cutoff=cutoff)
    edited = add_packages(AddOptions(service=adoption.name, packages=adoption.unpinned, edit=edit), watcher)
    return replace(report_outcomes(edited.outcomes), summary="\n".join(edited.messages))


def _next_step(adoption: Adoption) -> str:
    """What was kept of a draft that cannot be resolved, and the two ways on."""
    file, name = paths.description_path(adoption.name), adoption.name
    away = f"`torchpin remove --service {name} --everything` removes it"
    if not adoption.unpinned:
        return f"{file} is kept without a lock: `torchpin lock --service {name}` tries again, {away}"
    packages = shlex.join(adoption.unpinned)
    return (
        f"{file} is kept without {', '.join(adoption.unpinned)}: this command or `torchpin add {name} {packages}` tries "
        f"again, {away}"
    )
