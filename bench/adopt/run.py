"""Holds `adopt` and the rules for other projects' files against the corpus.

    python bench/adopt/run.py [-v] [NAME ...]

Writes each project of `projects/` to a temporary folder, reads it as the tool does, in one process, and prints:

- precision of errors and of warnings: of the findings at that level, those that a project expects, at the place and not
  heavier than it says; and the same by kind alone, for findings about a line of the draft instead of the project;
- recall of the traps, by kind: projects with a trap that is named at its place, at whatever level; and how many are named
  at another place only, or at a lower level than they are worth;
- clean projects that get an error or a warning;
- drafts: made, of the projects whose files say enough for one; right, of those that are made, in base image, torch,
  channel, Python and platform.

With `-v` all that differs is listed. NAME: the projects to run, all without one. Ends with 1 where a goal is missed:
precision of errors 0.97, of warnings 0.9, recall 0.85, drafts made 0.75, right 0.9, and no text of a file passed on that
must not be.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

from adopt.corpus import LEVELS, Project, load_projects
from adopt.scoring import Answer, Share
from adopt.tool import Found, read_draft, read_findings, read_printed

from adopt import scoring

if TYPE_CHECKING:
    from collections.abc import Sequence

ERRORS, WARNINGS, RECALL, MADE, RIGHT = 0.97, 0.9, 0.85, 0.75, 0.9


def ask(project: Project, folder: Path) -> Answer:
    """What the tool says of a project, which is written below a folder."""
    place = folder / project.name
    project.write(place)
    start = time.process_time()
    draft, missing = read_draft(place)
    findings = tuple(read_findings(place))
    seconds = time.process_time() - start
    return Answer(
        project=project,
        draft=draft,
        missing=missing,
        findings=findings,
        seconds=seconds,
        printed=read_printed(place) if project.forbidden else "",
    )


def draft_shares(answers: Sequence[Answer]) -> dict[str, Share]:
    """`made`, `right` and the share of each value, of the drafts that are made and scored."""
    wanted = [answer for answer in answers if scoring.should_be_drafted(answer.project)]
    made = [
        (answer, answer.draft)
        for answer in answers
        if answer.draft and "unscored" not in answer.project.draft
    ]
    wrong = [scoring.differences(answer.project, draft) for answer, draft in made]
    shares = {
        "made": Share(right=sum(answer.draft is not None for answer in wanted), all=len(wanted)),
        "right": Share(right=sum(not names for names in wrong), all=len(made)),
    }
    for name in scoring.VALUES:
        asked = [
            (name not in names and "draft" not in names)
            for (answer, _), names in zip(made, wrong, strict=True)
            if name in answer.project.draft or "none" in answer.project.draft
        ]
        shares[name] = Share(right=sum(asked), all=len(asked))
    return shares


def print_traps(answers: Sequence[Answer]) -> Share:
    print(f"{'trap':<24} {'projects':>8} {'named':>6} {'elsewhere':>10} {'too low':>8}")
    named = 0
    for kind, rows in scoring.traps(answers).items():
        right = [row for row in rows if scoring.names_trap(row)]
        elsewhere = [row for row in rows if row not in right and scoring.names_trap(row, with_place=False)]
        low = [row for row in right if _heaviest(row) < LEVELS.index(scoring.trap_of(row.project).level)]
        named += len(right)
        print(f"{kind:<24} {len(rows):>8} {len(right):>6} {len(elsewhere):>10} {len(low):>8}")
    return Share(right=named, all=sum(bool(answer.project.trap) for answer in answers))


def _heaviest(answer: Answer) -> int:
    """The weight of the heaviest finding that names the trap."""
    trap = scoring.trap_of(answer.project)
    return max(LEVELS.index(found.level) for found in answer.findings if scoring.fits(found, trap))


def print_details(answers: Sequence[Answer]) -> None:
    print("\nfindings that are wrong, here or at this level:")
    for answer in answers:
        for found in answer.findings:
            if scoring.is_counted(found) and scoring.verdict(answer.project, found) == "wrong":
                print(
                    f"  {_title(answer)}: {found.level} {found.rule} {found.file}:{found.line} {found.message!r}"
                )
    print("\ntraps that are not named at their place:")
    for answer in answers:
        if answer.project.trap and not scoring.names_trap(answer):
            places = ", ".join(
                f"{file}:{line}" for file, line in sorted(scoring.trap_of(answer.project).places)
            )
            print(f"  {_title(answer)}: {answer.project.trap} at {places}")
    print("\ndrafts that differ:")
    for answer in answers:
        if answer.draft and "unscored" not in answer.project.draft:
            for name, (right, value) in scoring.differences(answer.project, answer.draft).items():
                print(f"  {_title(answer)}: {name} is {value}, right is {right}")
        elif not answer.draft and scoring.should_be_drafted(answer.project):
            print(f"  {_title(answer)}: none, {answer.missing!r}")


def _title(answer: Answer) -> str:
    return f"{answer.project.style}/{answer.project.name}"


def main(names: Sequence[str], *, verbose: bool) -> int:
    unknown = sorted({*names} - {project.name for project in load_projects()})
    if unknown:
        sys.exit(f"unknown project: {', '.join(unknown)}")
    with tempfile.TemporaryDirectory(prefix="tpa-") as folder:
        answers = [
            ask(project, Path(folder)) for project in load_projects() if not names or project.name in names
        ]
    errors, warnings = (scoring.precision(answers, level) for level in ("error", "warning"))
    anywhere = [scoring.precision(answers, level, with_place=False) for level in ("error", "warning")]
    recall = print_traps(answers)
    clean = [answer for answer in answers if answer.project.is_clean]
    alarmed = [answer for answer in clean if any(_is_alarm(answer, found) for found in answer.findings)]
    drafts = draft_shares(answers)
    leaked = {_title(answer): texts for answer in answers if (texts := scoring.leaks(answer))}
    print(f"\nprecision of errors     {errors}; by kind alone {anywhere[0]}")
    print(f"precision of warnings   {warnings}; by kind alone {anywhere[1]}")
    print(f"recall of traps         {recall}")
    print(f"clean with an alarm     {Share(right=len(alarmed), all=len(clean))}")
    for name, share in drafts.items():
        print(f"drafts {name:<16} {share}")
    print(f"texts passed on         {leaked or 'none'}")
    seconds = [answer.seconds for answer in answers]
    print(f"CPU seconds             {sum(seconds):.1f}, at most {max(seconds):.2f} a project")
    if verbose:
        print_details(answers)
    goals = (
        (errors, ERRORS),
        (warnings, WARNINGS),
        (recall, RECALL),
        (drafts["made"], MADE),
        (drafts["right"], RIGHT),
    )
    is_met = all(share.number is None or share.number >= goal for share, goal in goals) and not leaked
    return 0 if is_met else 1


def _is_alarm(answer: Answer, found: Found) -> bool:
    return scoring.is_counted(found) and scoring.verdict(answer.project, found) == "wrong"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="hold adopt and its rules against the corpus")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("-v", "--verbose", action="store_true", help="list what differs")
    options = parser.parse_args()
    sys.exit(main(options.names, verbose=options.verbose))
