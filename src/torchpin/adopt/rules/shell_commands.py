"""ADO001, ADO002, ADO007, ADO009: redirections, hidden failures, unverified scripts, GPUs in a build."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from torchpin.adopt import installs
from torchpin.adopt.registry import build_finding, project_runs, register_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.adopt.installs import Project
    from torchpin.model import Finding

_RELEVANT_PROGRAMS = re.compile(
    r"(pip3?|uv|conda|mamba|apt|apt-get|git|python3?|python3\.\d+|patch|sed|make|cmake|npm|wget|curl|bash|sh)$"
)
_GPU_USE = re.compile(r"cuda\.(is_available|get_device|device_count|current_device)|\bnvidia-smi\b")
_NO_OP_COMMANDS = {"true", ":", "echo", "exit", "printf"}  # after `||` they end the line with exit code 0


@register_rule("ADO001", "the shell reads a version specifier as a redirection")
def unquoted_specifier(project: Project) -> Iterator[Finding]:
    """Quote the requirement.

    In a RUN line's shell form an unquoted `>` or `<` redirects: pip does not get the version, and the output goes into a
    file of that name. The build succeeds, with the newest version.

    Example: `RUN pip install lightning>=2.0.0` installs any lightning and writes a file named `=2.0.0`.

    Sources: tested in sh; ckan-docker-base issue 132, flyte-sdk issue 706.
    """
    for run in project_runs(project):
        if installs.parse_install(project, run) is None:
            continue
        places = [(token.line, token.column) for token in run.command.argv]
        for operator, token in run.command.redirects:
            if re.match(r"=?\d", token.text) and operator in {"<", ">"}:
                count = bisect_left(places, (token.line, token.column))
                package = run.command.argv[count - 1].text if count else ""
                requirement = f"{package}{operator}{token.text}"
                location = f"{run.file}:{token.line}:{token.column}"
                message = f"`{requirement}` is not quoted: the shell redirects the output to the file `{token.text}`, and any version of {package} may be installed"
                yield build_finding(
                    "ADO001", location, message, help=f"quote it: `'{requirement}'`", about=package
                )


@register_rule("ADO002", "a failure is hidden")
def hidden_failure(project: Project) -> Iterator[Finding]:
    """Remove what hides the failure, or handle only the one case that may fail.

    After `|| true`, `|| :`, `|| echo …` or `; exit 0` a step that fails counts as a success: the image is tagged without what
    the step should have done.

    Example: `RUN python patch_lightning.py || true` never fails, patched or not.

    Sources: coaxialdolor/unnested-coaxial-recorder Dockerfile.gpu; hadolint has no rule for it.
    """
    for run in project_runs(project):
        texts = run.command.texts
        follows = run.following.texts if run.following else ()
        program = texts[0].rpartition("/")[2] if texts else ""
        swallowed = (
            run.command.operator == "||"
            and follows[:1]
            and follows[0] in _NO_OP_COMMANDS
            and follows[:2] != ("exit", "1")
        )
        ends = run.command.operator == ";" and follows[:2] == ("exit", "0")
        if _RELEVANT_PROGRAMS.match(program) and (swallowed or ends):
            message = f"a failure of `{' '.join(texts[:4])}{' …' if len(texts) > 4 else ''}` is hidden by `{run.command.operator} {' '.join(follows[:2])}`"  # noqa: PLR2004
            yield build_finding("ADO002", run.location, message, about=program)


@register_rule("ADO007", "a downloaded script is run unverified")
def piped_script(project: Project) -> Iterator[Finding]:
    """Download a fixed version, compare its hash, then run it; or install the tool from a package.

    Whatever the address serves at build time runs as root; a broken connection runs half of it.

    Example: `RUN curl -LsSf https://example.com/install.sh | sh`.

    Sources: hadolint DL4006 names the pipe alone; aws/deep-learning-containers fetches its scanner this way.
    """
    for run in project_runs(project):
        texts = run.command.texts
        follows = run.following.texts if run.following else ()
        shells = {token.rpartition("/")[2] for token in follows[:2]} & {
            "sh",
            "bash",
            "zsh",
            "python",
            "python3",
        }
        if texts[:1] and texts[0] in {"curl", "wget"} and run.command.operator in {"|", "|&"} and shells:
            address = next((token for token in texts if "://" in token), "a downloaded script")
            yield build_finding(
                "ADO007",
                run.location,
                f"{address} is run by {', '.join(sorted(shells))} without verification",
                about=address,
            )


@register_rule("ADO009", "a build step requires a GPU")
def gpu_use_in_build(project: Project) -> Iterator[Finding]:
    """Query the GPU when the container starts; in the build, test versions and compiled architectures only.

    A build has no GPU, whatever the machine has: torch.cuda.is_available() is False there and nvidia-smi is missing. Even
    True would not show that a kernel runs.

    Example: `RUN python -c "import torch; assert torch.cuda.is_available()"` fails in every build.

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
