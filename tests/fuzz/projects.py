"""Other people's files: Dockerfiles, requirement files, and what is drafted of them."""

from __future__ import annotations

from hypothesis import strategies as st

from fuzz.harness import Target
from fuzz.texts import CONTROL, fragments, mutated, read_texts
from support.descriptions import LORA, PLAIN, read_service
from torchpin.adopt.draft import draft_adoption
from torchpin.checks import run
from torchpin.compat.recommendations import applicable_requirements
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.installs import commands
from torchpin.installs.project import parse_project
from torchpin.lock import file_format
from torchpin.model import Environment
from torchpin.project import dockerfile
from torchpin.project.run_commands import parse_commands
from torchpin.project.runs import parse_runs
from torchpin.project.stages import parse_stages
from torchpin.project.variables import BoundError
from torchpin.workspace import evidence

_DOCKERFILES = read_texts("tests/adopt/**/Dockerfile*", "docker/*/Dockerfile")
_INSTRUCTIONS = (
    "# escape=`\n", "# syntax=docker/dockerfile:1\n", "FROM nvidia/cuda:12.6.3-base-ubuntu22.04\n", "FROM python:3.11 AS a\n",
    "FROM a\n", "FROM --platform=linux/arm64 pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel\n", "FROM ${BASE:-debian:12}@sha256:00\n",
    "ARG A=1\n", "ARG A\n", "ENV A=$A$A B=${A:-x}\n", "ENV A b c\n", "ENV A=\"a b\" TOKEN='c'\n", "RUN pip install torch==2.5.1\n",
    "RUN pip install -r requirements.txt -c constraints.txt\n", "RUN uv pip install --index-url https://u:p@example.org/whl/cu121 torch\n",
    "RUN pip install flash-attn==2.8.3 --no-build-isolation && \\\n", "RUN apt-get update && apt-get install -y git\n",
    "RUN <<EOF\npip install torch\nEOF\n", "RUN cat <<A <<B\na\nA\nb\nB\n", 'RUN ["pip", "install", "torch"]\n', "RUN [\n",
    "RUN git clone -b v0.10.0 https://github.com/kohya-ss/sd-scripts\n", "RUN conda install -c pytorch pytorch=2.5 numpy\n",
    "COPY --from=a /x /y\n", "EXPOSE 80/tcp 70000\n", "VOLUME /a /b\n", 'VOLUME ["/a"]\n', 'CMD ["python", "a.py", "--token", "x"]\n',
    'ENTRYPOINT ["a"]\n', "HEALTHCHECK CMD true\n", "ONBUILD RUN pip install torch\n", 'SHELL ["/bin/bash", "-c"]\n', "nonsense\n",
)  # fmt: skip
_DOCKERFILE_PIECES = fragments(
    *_INSTRUCTIONS, "\\\n", "`\n", "&& ", " ; ", "| ", "$A", "${A:-${B}}", "${", "2>&1", "(", "`pip`", "if true; then ", "<<-'E O'\n"
)  # fmt: skip
dockerfiles = st.one_of(
    mutated(_DOCKERFILES, _DOCKERFILE_PIECES),
    st.lists(st.sampled_from(_INSTRUCTIONS), max_size=12).map("".join),
    st.lists(st.sampled_from(_INSTRUCTIONS), max_size=12).map("".join).flatmap(
        lambda text: mutated([text], _DOCKERFILE_PIECES)
    ),
    st.text(alphabet="FROM RUNENVARG a$\\{}<>='\"\n#&|;()`-:", max_size=100),
)  # fmt: skip

_REQUIREMENTS = read_texts("tests/adopt/**/requirements*.txt", "tests/adopt/**/constraints*.txt")
_LINES = (
    "torch==2.5.1\n", "torchvision\n", "torch>=2,<3 ; python_version < '3.11'\n", "numpy==1.26.*\n", "a===1.0-custom\n", "a~=2\n",
    "a[b,c]==1 --hash=sha256:00\n", "a==1 \\\n    --hash=sha256:00\n", "-r requirements.txt\n", "-r other.txt\n", "-c constraints.txt\n",
    "--extra-index-url https://u:p@example.org/simple\n", "-e .\n", "-e git+https://example.org/a@v1#egg=a\n", "./a.whl\n", "--no-binary :all:\n",
    "flash-attn @ https://example.org/flash_attn-2.8.3+cu12torch2.6cxx11abiTRUE-cp310-cp310-linux_x86_64.whl\n",
    "a==1 ; os_name ~= 'x'\n", "a==1 ; extra == 'b'\n", "a==1; python_version >= 'x'\n", "a==1; platform_release >= '5'\n", "a==1 ; 'a' in 'b'\n",
    "a==1 ; python_full_version in '3.10 3.11'\n", "a==1 ; (sys_platform == 'linux' and (os_name == 'nt' or extra != 'x'))\n", "# x\n", "\n",
)  # fmt: skip
_LINE_PIECES = fragments(
    *_LINES,
    "; ",
    " and ",
    " or ",
    " in ",
    "not in",
    "==",
    "~=",
    "[a]",
    " @ ",
    "os_name",
    "'x'",
    "extra",
    "(" * 50,
)
requirement_files = st.one_of(
    mutated(_REQUIREMENTS, _LINE_PIECES),
    st.lists(st.sampled_from(_LINES), max_size=10).map("".join),
    st.lists(st.sampled_from(_LINES), max_size=10)
    .map("".join)
    .flatmap(lambda text: mutated([text], _LINE_PIECES)),
)
_ENVIRONMENT = Environment(service=read_service(PLAIN), variant=read_service(PLAIN).variants[0])


def check_dockerfile(text: str) -> None:
    """A Dockerfile is parsed within bounds, and each word's place is in the text."""
    lines = text.split("\n")
    for instruction in dockerfile.parse_instructions(text):
        assert instruction.keyword == instruction.keyword.upper()
        commands = parse_commands(instruction).commands
        places = [(instruction.line, instruction.column)]
        places += [(word.line, word.column) for command in commands for word in command.argv]
        for line, column in places:
            assert 1 <= line <= len(lines)
            assert 1 <= column <= len(lines[line - 1]) + 1
    try:
        stages = parse_stages(text)
        runs = tuple(parse_runs(text, "Dockerfile"))
    except BoundError:
        return
    starts = [row for row in dockerfile.parse_instructions(text) if row.keyword == "FROM"]
    assert [stage.start for stage in stages] == starts
    assert all(
        lines[run.instruction.line - 1][run.instruction.column - 1 :][:3].upper() == "RUN" for run in runs
    )


def check_requirements(text: str) -> None:
    """Requirement files are read by line, for a draft and for a lock, and their markers are evaluated."""
    project = parse_project({"requirements.txt": text})
    lines = text.removeprefix("\ufeff").split("\n")  # as editors count them
    for row in commands.requirement_lines(project, "requirements.txt"):
        if isinstance(row, commands.InstallTarget):
            file, line, column = row.location.rsplit(":", 2)
            assert file == "requirements.txt"
            if len(row.text) < 80:
                assert lines[int(line) - 1][int(column) - 1 :].startswith(row.text)
    locked = file_format.requirement_lines(text)
    assert locked == tuple(sorted(locked))
    assert file_format.requirement_lines("\n".join(locked)) == locked
    for requirement in applicable_requirements(locked, _ENVIRONMENT):
        assert str(requirement)


@st.composite
def projects(draw: st.DrawFn) -> dict[str, str]:
    """The files of a project by path, in any order."""
    optional = {
        "Dockerfile": dockerfiles,
        "docker/Dockerfile.gpu": dockerfiles,
        "requirements.txt": requirement_files,
        "constraints.txt": requirement_files,
        "pyproject.toml": _tables,
        "uv.lock": _tables,
    }
    names = draw(st.lists(st.sampled_from(sorted(optional)), min_size=1, max_size=4, unique=True))
    return {name: draw(optional[name]) for name in names}


_TABLES = (
    '[project]\nname = "a"\nrequires-python = ">=3.10"\ndependencies = ["torch==2.5.1", "a; os_name ~= \'x\'"]\n',
    '[[package]]\nname = "torch"\nversion = "2.5.1"\n',
    *read_texts("tests/adopt/uv-lock/pyproject.toml", "tests/adopt/uv-lock/uv.lock"),
)
_tables = mutated(
    _TABLES,
    fragments(
        "[project]\n", "project = 1\n", "package = [1]\n", "a.b = {}\n", "[[a]]\n", "[a]\n", '"""', "[" * 300
    ),
)


def check_adoption(texts: dict[str, str]) -> None:
    """What is drafted of any files is a description that the reader takes and the judge judges, or it is said why there is none, or what is to be answered first."""
    draft = draft_adoption(texts, "lora")
    assert draft_adoption(dict(reversed(texts.items())), "lora") == draft
    assert bool(draft.text) != bool(draft.missing)
    for match in draft.matches:
        assert match.finding.location.partition(":")[0] in texts
    if draft.text:
        assert CONTROL.search(draft.text) is None
    if draft.text and not draft.questions:
        services = read.read_services({LORA: draft.text})
        for result in run.run(evidence.from_descriptions(select_environments(services)), judge=True):
            assert not [row.message for row in result.findings if "the check raised" in row.message]


DOCKERFILE = Target(name="dockerfile", strategy=dockerfiles, check=check_dockerfile)
REQUIREMENTS = Target(
    name="requirements",
    strategy=requirement_files,
    check=check_requirements,
    examples=(
        "a==1 ; os_name ~= 'x'\n",  # packaging parses these markers, and raises when it evaluates them
        "a==1 ; 'a' in 'b'\n",
        "a==1 \\\r    --hash=sha256:00\rb",  # lines that end as on old Macs were not joined
        "a==1 \\",  # a continuation at the end of the file stayed in the requirement
        f"a==1 ; {'(' * 3_000}os_name == 'x'{')' * 3_000}\n",
    ),
)
ADOPTION = Target(
    name="adopt",
    strategy=projects(),
    check=check_adoption,
    examples=(
        {"requirements.txt": "torch==2.5.1\na===1.0-custom\n", "Dockerfile": "FROM python:3.11\n"},
        {"requirements.txt": "torch==2.5.1\na==1 ; 'a' in 'b'\n", "Dockerfile": "FROM python:3.11\n"},
    ),
)
