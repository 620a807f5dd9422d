"""ADO001, ADO002, ADO009: redirections, hidden failures, GPUs in a build."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from torchpin.installs import commands
from torchpin.lint.registry import build_finding, project_runs, register_rule, replacement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torchpin.installs.commands import Project
    from torchpin.lint.matches import Edit
    from torchpin.model import Finding
    from torchpin.project.runs import RunCommand
    from torchpin.project.shell.values import Redirect, ShellWord

_RELEVANT_PROGRAMS = re.compile(
    r"(pip3?|uv|conda|mamba|apt|apt-get|git|python3?|python3\.\d+|patch|sed|make|cmake|npm|wget|curl|bash|sh)$"
)
_BUILDING_PROGRAMS = re.compile(r"(pip3?|uv|conda|mamba|apt|apt-get|make|cmake|npm|python3?|python3\.\d+)$")
_PIPEFAIL = re.compile(r"\bpipefail\b")
_GPU_USE = re.compile(r"cuda\.(is_available|get_device|device_count|current_device)|\bnvidia-smi\b")
_NO_OP_COMMANDS = {"true", ":", "echo", "exit", "printf"}  # after `||` they end the line with exit code 0
_PREFIXES = {"sudo", "env", "time", "exec", "then", "do", "else", "{", "!"}
# What may fail without anything being left out of the image.
_HARMLESS_VERBS = {
    "uninstall", "remove", "purge", "clean", "autoclean", "autoremove", "cache", "config", "list", "show", "freeze", "debug",
    "gc", "prune", "info", "status", "log",
}  # fmt: skip
_SHOWN_WORDS = 4  # of a command in a message


@register_rule("ADO001", "the shell reads a version specifier as a redirection", "error")
def unquoted_specifier(project: Project) -> Iterator[Finding]:
    """Quote the requirement.

    In a RUN line's shell form an unquoted `>` or `<` redirects: pip does not get the version, and the output goes into a
    file of that name. The build succeeds, with the newest version.

    Example: `RUN pip install lightning>=2.0.0` installs any lightning and writes a file named `=2.0.0`.

    Wrong:
        FROM python:3.11.9-slim
        RUN pip install lightning>=2.0.0

    Right:
        FROM python:3.11.9-slim
        RUN pip install 'lightning>=2.0.0'

    Sources: tested in sh; ckan-docker-base issue 132, flyte-sdk issue 706.
    """
    for run in project_runs(project):
        if not run.command.redirects or commands.parse_install(project, run) is None:
            continue
        places = [(token.line, token.column) for token in run.command.argv]
        by_start = {
            (redirect.target.line, redirect.target.column - len(redirect.operator)): redirect
            for redirect in run.command.redirects
        }
        for number, redirect in enumerate(run.command.redirects):
            operator, token = redirect.operator, redirect.target
            if re.match(r"=?\d", token.text) and operator in {"<", ">"}:
                count = bisect_left(places, (token.line, token.column))
                package = run.command.argv[count - 1] if count else None
                name = package.text if package else ""
                requirement = f"{name}{operator}{token.text}"
                location = f"{run.text_file}:{token.line}:{token.column}"
                message = f"`{requirement}` is not quoted: the shell redirects the output to the file `{token.text}`, and any version of {name or 'the package'} may be installed"
                yield build_finding(
                    "ADO001",
                    location,
                    message,
                    help=f"quote it: `'{requirement}'`" if name else "quote the requirement",
                    about=name,
                    edits=_quotes(run, package, number, by_start) if package else (),
                )


def _quotes(
    run: RunCommand, package: ShellWord, number: int, by_start: Mapping[tuple[int, int], Redirect]
) -> tuple[Edit, ...]:
    """Quotes around a package and all redirects that are written to it without a blank, `a>=1,<2`, from the first one on.

    `by_start`: the redirects by line and column of their operators.
    """
    text, end = package.text, package.column + len(package.text)
    while redirect := by_start.get((package.line, end)):
        text += f"{redirect.operator}{redirect.target.text}"
        end = redirect.target.column + len(redirect.target.text)
    if text == package.text or run.command.redirects[number].target.line != package.line or "'" in text:
        return ()
    quote = '"' if "$" in text else "'"
    return replacement(f"{run.text_file}:{package.line}:{package.column}", text, f"{quote}{text}{quote}")


@register_rule("ADO002", "a failure is hidden", "warning")
def hidden_failure(project: Project) -> Iterator[Finding]:
    """Remove what hides the failure, or handle only the one case that may fail.

    After `|| true`, `|| :`, `|| echo …` or `; exit 0` a step that fails counts as a success: the image is tagged without what
    the step should have done. What only clears up, or asks, may fail.

    Example: `RUN python patch_lightning.py || true` never fails, patched or not.

    Wrong:
        FROM python:3.11.9-slim
        RUN python patch_lightning.py || true

    Right:
        FROM python:3.11.9-slim
        RUN python patch_lightning.py
        RUN pip uninstall -y opencv-python || true

    Sources: coaxialdolor/unnested-coaxial-recorder Dockerfile.gpu; hadolint has no rule for it.
    """
    for file in project.dockerfiles:
        runs = commands.run_commands(project, file)
        pipefail = _PIPEFAIL.search(project.texts[file]) is not None
        tolerant = 0  # the line of a RUN in which `set +e` lets failures pass
        for number, run in enumerate(runs):
            texts = _without_prefixes(run.command.texts)
            program = texts[0].rpartition("/")[2] if texts else ""
            if texts[:2] == ("set", "+e"):
                tolerant = run.instruction.line
            reason = _hiding(run, program, pipefail=pipefail, tolerant=tolerant == run.instruction.line)
            if (
                reason
                and _RELEVANT_PROGRAMS.match(program)
                and not _may_fail(program, texts[1:])
                and not _fails_after_all(run, runs[number + 1 : number + 4])
            ):
                shown = f"{' '.join(texts[:_SHOWN_WORDS])}{' …' if len(texts) > _SHOWN_WORDS else ''}"
                yield build_finding(
                    "ADO002", run.location, f"a failure of `{shown}` is hidden by {reason}", about=program
                )


def _hiding(run: RunCommand, program: str, *, pipefail: bool, tolerant: bool) -> str:
    """What hides the failure of a command, "" for nothing."""
    follows = run.following.texts if run.following else ()
    operator = run.command.operator
    is_swallowed = operator == "||" and follows[:1] and follows[0] in _NO_OP_COMMANDS
    is_covered = operator == ";" and follows[:2] in {("exit", "0"), ("true",), (":",)}
    if is_swallowed or (is_covered and run.command.ignored_by):  # not where `set -e` ends the script before
        return f"`{operator} {' '.join(follows[:2])}`"
    if operator in {"|", "|&"} and follows and not pipefail and _BUILDING_PROGRAMS.match(program):
        return f"`{operator} {follows[0]}`, since the shell has no pipefail"
    is_followed = operator in {";", "\n"} and bool(follows)
    return "`set +e`" if tolerant and is_followed and _BUILDING_PROGRAMS.match(program) else ""


def _without_prefixes(texts: tuple[str, ...]) -> tuple[str, ...]:
    """A command without sudo, settings of the environment and the keywords of the shell before it."""
    start = 0
    while start < len(texts) and (
        texts[start] in _PREFIXES or re.fullmatch(r"\w+=.*", texts[start], re.DOTALL)
    ):
        start += 1
    return texts[start:]


def _may_fail(program: str, arguments: tuple[str, ...]) -> bool:
    """Whether a command only removes, asks or sets something, so that its failure leaves nothing out."""
    verbs = [word for word in arguments if not word.startswith("-")][:2]
    if program == "uv" and verbs[:1] == ["pip"]:
        verbs = verbs[1:]
    if program.startswith("python") and arguments[:2] == ("-m", "pip"):
        verbs = [word for word in arguments[2:] if not word.startswith("-")]
    return bool({*verbs[:1]} & _HARMLESS_VERBS) or bool({"--version", "-V"} & {*arguments[:1]})


def _fails_after_all(run: RunCommand, later: Sequence[RunCommand]) -> bool:
    """Whether the commands behind `||` end with a failure: `|| (echo no; exit 1)`."""
    for following in later:
        texts = following.command.texts
        if following.instruction is not run.instruction:
            return False
        if texts[:1] == ("false",) or (texts[:1] == ("exit",) and texts[1:2] != ("0",)):
            return True
        if not texts or texts[0] not in {"echo", "printf"} or following.command.operator == ")":
            return False
    return False


@register_rule("ADO009", "a build step requires a GPU", "warning")
def gpu_use_in_build(project: Project) -> Iterator[Finding]:
    """Query the GPU when the container starts; in the build, test versions and compiled architectures only.

    A build has no GPU, whatever the machine has: torch.cuda.is_available() is False there and nvidia-smi is missing. Even
    True would not show that a kernel runs.

    Example: `RUN python -c "import torch; assert torch.cuda.is_available()"` fails in every build.

    Wrong:
        FROM python:3.11.9-slim
        RUN python -c "import torch; assert torch.cuda.is_available()"

    Right:
        FROM python:3.11.9-slim
        RUN python -c "import torch; print(torch.version.cuda)"

    Sources: Docker gives devices to containers, not to builds; strands-labs/robots issue 2908.
    """
    bodies: dict[str, bool] = {}  # by place; a heredoc may have thousands of commands
    for run in project_runs(project):
        place = f"{run.file}:{run.instruction.line}"
        if place not in bodies:
            bodies[place] = bool(
                _GPU_USE.search("".join(document.content.text for document in run.instruction.heredocs))
            )
        if bodies[place] or _GPU_USE.search(" ".join(run.command.texts)):
            yield build_finding(
                "ADO009", run.location, "requires a GPU, which is not available during a build"
            )
