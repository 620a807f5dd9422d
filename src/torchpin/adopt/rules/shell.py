"""What the shell makes of a line: redirections, hidden failures, scripts unseen, GPUs that a build has not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin.adopt import installs
from torchpin.adopt.registry import all_runs, caught_at, trap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.adopt.installs import Project, Run
    from torchpin.model import Finding

_MATTERS = re.compile(
    r"(pip3?|uv|conda|mamba|apt|apt-get|git|python3?|python3\.\d+|patch|sed|make|cmake|npm|wget|curl|bash|sh)$"
)
_NOTHING = {"true", ":", "echo", "exit", "printf"}


@trap("ADO001", "A version specifier that the shell takes for a redirection")
def redirected(project: Project) -> Iterator[Finding]:
    """Quote the requirement.

    In a RUN line's shell form an unquoted `>` or `<` redirects: the version is not asked for, and the output goes into a
    file of that name. The build succeeds, with the newest version.

    Example: `RUN pip install lightning>=2.0.0` installs any lightning and writes a file named `=2.0.0`.

    Sources: own run in sh; ckan-docker-base issue 132, flyte-sdk issue 706.
    """
    for run in all_runs(project):
        if installs.install(project, run) is None:
            continue
        for operator, word in run.command.redirects:
            if re.match(r"=?\d", word.text) and operator in {"<", ">"}:
                before = _before(run, word.line, word.column)
                asked = f"{before}{operator}{word.text}"
                where = f"{run.file}:{word.line}:{word.column}"
                message = f"`{asked}` is not quoted: the shell redirects the output into a file `{word.text}`, and any {before} is installed"
                yield caught_at("ADO001", where, message, remedy=f"Write `'{asked}'`.", about=before)


def _before(run: Run, line: int, column: int) -> str:
    words = [w for w in run.command.words if (w.line, w.column) < (line, column)]
    return words[-1].text if words else ""


@trap("ADO002", "A failure that is hidden")
def hidden(project: Project) -> Iterator[Finding]:
    """Remove what hides the failure, or test for the one case that may fail.

    After `|| true`, `|| :`, `|| echo …` or `; exit 0` the step's failure is a success: the image is tagged without what
    the step should have done.

    Example: `RUN python patch_lightning.py || true` never fails, whether or not anything was patched.

    Sources: coaxialdolor/unnested-coaxial-recorder Dockerfile.gpu; hadolint has no rule for it.
    """
    for run in all_runs(project):
        texts = run.command.texts
        follows = run.next.texts if run.next else ()
        word = texts[0].rpartition("/")[2] if texts else ""
        quiet = (
            run.command.after == "||"
            and follows[:1]
            and follows[0] in _NOTHING
            and follows[:2] != ("exit", "1")
        )
        ends = run.command.after == ";" and follows[:2] == ("exit", "0")
        if _MATTERS.match(word) and (quiet or ends):
            message = f"a failure of `{' '.join(texts[:4])}{' …' if len(texts) > 4 else ''}` is hidden by `{' '.join(follows[:2])}`"  # noqa: PLR2004
            yield caught_at("ADO002", run.where, message, about=word)


@trap("ADO007", "A script from the network, run unseen")
def piped(project: Project) -> Iterator[Finding]:
    """Download it at a fixed version, compare its hash, then run it; or install the tool from a package.

    What the address serves tomorrow runs as root in the build; a cut connection runs half of it.

    Example: `RUN curl -LsSf https://example.com/install.sh | sh`.

    Sources: hadolint DL4006 names the pipe alone; aws/deep-learning-containers fetches its scanner this way.
    """
    for run in all_runs(project):
        texts = run.command.texts
        follows = run.next.texts if run.next else ()
        shells = {word.rpartition("/")[2] for word in follows[:2]} & {
            "sh",
            "bash",
            "zsh",
            "python",
            "python3",
        }
        if texts[:1] and texts[0] in {"curl", "wget"} and run.command.after in {"|", "|&"} and shells:
            address = next((w for w in texts if "://" in w), "what it downloads")
            yield caught_at(
                "ADO007", run.where, f"{address} is run by {', '.join(sorted(shells))} unseen", about=address
            )


@trap("ADO009", "A GPU that is asked for while the image is built")
def no_gpu_in_a_build(project: Project) -> Iterator[Finding]:
    """Ask for the GPU when the container starts; in the build, test versions and compiled architectures only.

    A build has no GPU, whatever the machine has: torch.cuda.is_available() is False there and nvidia-smi is missing. Nor
    would True prove that a kernel runs.

    Example: `RUN python -c "import torch; assert torch.cuda.is_available()"` fails in every build.

    Sources: Docker gives devices to containers, not to builds; strands-labs/robots issue 2908.
    """
    for run in all_runs(project):
        text = " ".join(run.command.texts) + "".join(c.text for c in run.instruction.body)
        if re.search(r"cuda\.(is_available|get_device|device_count|current_device)|\bnvidia-smi\b", text):
            yield caught_at(
                "ADO009", run.where, "asks for a GPU while the image is built, where there is none"
            )
