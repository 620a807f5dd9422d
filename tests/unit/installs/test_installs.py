"""What commands install, by the files, projects, locks and settings that they read."""

from __future__ import annotations

from textwrap import dedent
from time import process_time

import pytest

from support.adoption import BASE
from torchpin.adopt.draft import draft_adoption
from torchpin.description import read
from torchpin.installs.commands import InstallCommand, install_commands
from torchpin.installs.project import parse_project
from torchpin.lint.scan import find_matches

CHANNEL = "https://download.pytorch.org/whl"
PYPI = "https://mirror.example/pypi/simple"
CUDA = "FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04\n"
SLIM = "FROM python:3.11-slim-bookworm\n"


def steps(dockerfile: str, **files: str) -> tuple[InstallCommand, ...]:
    """The installs of a Dockerfile; `__` in a keyword is a dot, and `_of_` a slash."""
    texts = {name.replace("_of_", "/").replace("__", "."): text for name, text in files.items()}
    return install_commands(parse_project({**texts, "Dockerfile": dockerfile}), "Dockerfile")


def targets(dockerfile: str, **files: str) -> list[str]:
    return [target.text for step in steps(dockerfile, **files) for target in step.targets]


def drafted(dockerfile: str, **files: str) -> tuple[str, str, str]:
    """Torch, channel and Python of a draft; what is missing where there is none."""
    texts = {name.replace("_of_", "/").replace("__", "."): text for name, text in files.items()}
    draft = draft_adoption({**texts, "Dockerfile": dockerfile}, "x")
    if not draft.text:
        return draft.missing, "", ""
    (service,) = read.read_services({"services/x/service.yaml": draft.text})
    return str(service.torch.version), service.variants[0].channel, str(service.python)


def rules(dockerfile: str, **files: str) -> dict[str, str]:
    """The place of the first match of each rule."""
    texts = {name.replace("__", "."): text for name, text in files.items()}
    matches = find_matches(parse_project({**texts, "Dockerfile": dockerfile}))
    return {match.id: match.finding.location for match in reversed(matches)}


PYPROJECT = dedent(f"""\
    [project]
    name = "demo"
    version = "0.1"
    requires-python = ">=3.11"
    dependencies = ["torch>=2.6", "einops>=0.8", "uvicorn[standard]"]
    [project.optional-dependencies]
    gpu = ["triton>=3"]
    [dependency-groups]
    dev = ["pytest"]
    docs = ["sphinx"]
    [tool.uv]
    constraint-dependencies = ["numpy<2"]
    override-dependencies = ["protobuf==5.29.3"]
    [tool.uv.sources]
    torch = {{ index = "pt" }}
    [[tool.uv.index]]
    name = "pt"
    url = "{CHANNEL}/cu128"
    explicit = true
    """)
LOCK = dedent(f"""\
    version = 1
    requires-python = ">=3.11"
    [[package]]
    name = "demo"
    version = "0.1"
    source = {{ virtual = "." }}
    dependencies = [{{ name = "einops" }}, {{ name = "torch" }}, {{ name = "uvicorn", extra = ["standard"] }}]
    [package.dev-dependencies]
    dev = [{{ name = "pytest" }}]
    [[package]]
    name = "einops"
    version = "0.8.1"
    source = {{ registry = "{PYPI}" }}
    [[package]]
    name = "pytest"
    version = "8.0"
    source = {{ registry = "{PYPI}" }}
    [[package]]
    name = "torch"
    version = "2.7.1+cu128"
    source = {{ registry = "{CHANNEL}/cu128" }}
    dependencies = [{{ name = "triton" }}]
    [[package]]
    name = "triton"
    version = "3.3.1"
    source = {{ registry = "{PYPI}" }}
    [[package]]
    name = "uvicorn"
    version = "0.30.1"
    source = {{ registry = "{PYPI}" }}
    """)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("uv sync --frozen --no-dev", ["einops==0.8.1", "torch==2.7.1+cu128", "uvicorn[standard]==0.30.1"]),
        ("uv sync --locked", ["einops==0.8.1", "torch==2.7.1+cu128", "uvicorn[standard]==0.30.1", "pytest==8.0"]),
        ("uv sync --only-group dev", ["pytest==8.0"]),
        ("uv --quiet sync --no-default-groups --no-install-package einops", ["torch==2.7.1+cu128", "uvicorn[standard]==0.30.1"]),
    ],
)  # fmt: skip
def test_a_sync_installs_the_rows_of_its_lock(command: str, expected: list[str]) -> None:
    (step,) = steps(f"{SLIM}RUN {command}\n", pyproject__toml=PYPROJECT, uv__lock=LOCK)
    assert sorted(target.text for target in step.targets) == sorted(expected)
    assert step.program == "uv"


def test_what_a_lock_adds_stands_apart_and_each_row_has_its_index() -> None:
    (step,) = steps(f"{SLIM}RUN uv sync --frozen --no-dev\n", pyproject__toml=PYPROJECT, uv__lock=LOCK)
    assert [target.text for target in step.locked] == ["triton==3.3.1"]
    (torch,) = [target for target in step.targets if target.name == "torch"]
    assert (torch.index, torch.origin, torch.location) == (f"{CHANNEL}/cu128", "lock", "uv.lock:19:1")
    assert step.origin(torch).channel == "cu128"


def test_the_lock_decides_the_draft_of_a_sync() -> None:
    files = {"pyproject__toml": PYPROJECT, "uv__lock": LOCK}
    assert drafted(f"{SLIM}WORKDIR /srv\nRUN uv sync --frozen --no-dev\n", **files)[:2] == ("2.7.1", "cu128")
    cpu = {**files, "uv__lock": LOCK.replace("cu128", "cpu")}
    assert drafted(f"{SLIM}RUN cd /srv && uv sync\n", **cpu)[:2] == ("2.7.1", "cpu")


def test_a_sync_without_a_lock_asks_for_what_pyproject_says() -> None:
    (step,) = steps(f"{SLIM}RUN uv sync --frozen --extra gpu --group docs\n", pyproject__toml=PYPROJECT)
    assert [target.text for target in step.targets] == [
        "torch>=2.6", "einops>=0.8", "uvicorn[standard]", "triton>=3", "pytest", "sphinx",
    ]  # fmt: skip
    assert step.missing == ("uv.lock",)
    assert (step.targets[0].index, step.targets[0].location) == (f"{CHANNEL}/cu128", "pyproject.toml:5:18")


def test_a_folder_brings_what_its_project_requires() -> None:
    dockerfile = f"{CUDA}RUN pip install torch==2.7.1 --index-url {CHANNEL}/cu128\nCOPY . /srv\nRUN cd /srv && pip install -e .\n"
    project = '[project]\nname = "demo"\nversion = "0.1"\ndependencies = ["einops==0.8.1", "torch<2.7"]\n'
    assert targets(dockerfile, pyproject__toml=project)[1:] == [".", "einops==0.8.1", "torch<2.7"]
    assert rules(dockerfile, pyproject__toml=project)["ADO004"] == "pyproject.toml:4:35"
    fine = project.replace("torch<2.7", "torch<2.8")
    assert "ADO004" not in rules(dockerfile, pyproject__toml=fine)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("pip install '.[gpu]'", [".[gpu]", "torch>=2.6", "einops>=0.8", "uvicorn[standard]", "triton>=3"]),
        ("uv pip install -r pyproject.toml --extra gpu", ["torch>=2.6", "einops>=0.8", "uvicorn[standard]", "triton>=3"]),
        ("uv pip install --group docs", ["sphinx"]),
        ("pip install --group pyproject.toml:dev", ["pytest"]),
        ("uv add tqdm==4.66.5", ["tqdm==4.66.5"]),
        ("uv tool install ruff", []),
        ("uvx ruff", []),
        ("pipx install ruff", []),
        ("pip download torch", []),
    ],
)  # fmt: skip
def test_which_command_brings_which_part_of_a_project(command: str, expected: list[str]) -> None:
    assert targets(f"{SLIM}RUN {command}\n", pyproject__toml=PYPROJECT) == expected


def test_uv_s_constraints_and_overrides_come_with_its_installs() -> None:
    (uv,) = steps(f"{SLIM}RUN uv pip install torch\n", pyproject__toml=PYPROJECT)
    assert [target.text for target in uv.constraints + uv.overrides] == ["numpy<2", "protobuf==5.29.3"]
    assert uv.targets[0].index == f"{CHANNEL}/cu128"
    (pip,) = steps(f"{SLIM}RUN pip install torch\n", pyproject__toml=PYPROJECT)
    assert (pip.constraints, pip.targets[0].index) == ((), "")


def test_a_project_that_names_itself_ends() -> None:
    project = '[project]\nname = "x"\ndynamic = ["dependencies"]\n[tool.setuptools.dynamic]\ndependencies = {file = "r.txt"}\n'
    assert targets(f"{SLIM}RUN pip install .\n", pyproject__toml=project, r__txt="-e .\nA==1\n") == [
        ".",
        ".",
        "A==1",
    ]


@pytest.mark.parametrize(
    "command",
    ["pip3.12 install A", "python3.12 -m pip install A", "/opt/venv/bin/pip install A", "python -u -m pip --quiet install A",
     "sudo -H -u app pip install A", "uv pip install --python /opt/venv A", "PIP_NO_CACHE_DIR=1 pip install A", "conda run -n x pip install A",
     "poetry run pip install A", "micromamba run -n base python -m pip install A", "uv --no-cache pip install A"],
)  # fmt: skip
def test_pip_is_known_in_its_spellings(command: str) -> None:
    assert targets(f"{SLIM}RUN {command}\n") == ["A"]


POETRY = dedent(f"""\
    [tool.poetry]
    name = "demo"
    [tool.poetry.dependencies]
    python = "^3.11"
    torch = {{version = "^2.6", source = "pt"}}
    einops = "^0.8"
    extra-one = {{version = "^1", optional = true}}
    [tool.poetry.extras]
    more = ["extra-one"]
    [tool.poetry.group.dev.dependencies]
    pytest = "*"
    [[tool.poetry.source]]
    name = "pt"
    url = "{CHANNEL}/cu126"
    priority = "explicit"
    """)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("poetry install --no-root", ["torch>=2.6,<3.0", "einops>=0.8,<0.9", "pytest"]),
        ("poetry install --without dev", ["torch>=2.6,<3.0", "einops>=0.8,<0.9"]),
        ("poetry install --only dev", ["pytest"]),
        ("poetry install --only main -E more", ["torch>=2.6,<3.0", "einops>=0.8,<0.9", "extra-one>=1,<2"]),
        ("poetry run python app.py", []),
    ],
)
def test_poetry_installs_its_groups_and_extras(command: str, expected: list[str]) -> None:
    assert targets(f"{SLIM}RUN {command}\n", pyproject__toml=POETRY) == expected


def test_the_lock_of_poetry_has_the_versions() -> None:
    lock = f'[[package]]\nname = "torch"\nversion = "2.7.1+cu126"\n[package.source]\ntype = "legacy"\nurl = "{CHANNEL}/cu126"\n[[package]]\nname = "einops"\nversion = "0.8.1"\n'
    assert drafted(f"{SLIM}RUN poetry install --only main\n", pyproject__toml=POETRY, poetry__lock=lock)[
        :2
    ] == (
        "2.7.1",
        "cu126",
    )
    assert drafted(f"{SLIM}RUN pip install torch==2.7.1\n", pyproject__toml=POETRY)[1] == "pypi"


def test_pipenv_and_pdm_install_what_their_locks_say() -> None:
    pipfile = f'[[source]]\nname = "pt"\nurl = "{CHANNEL}/cu126"\n[packages]\ntorch = {{version = "*", index = "pt"}}\n'
    lock = f'{{"_meta": {{"sources": [{{"name": "pt", "url": "{CHANNEL}/cu126"}}]}}, "default": {{"torch": {{"version": "==2.7.1", "index": "pt"}}}}, "develop": {{"pytest": {{"version": "==8.0"}}}}}}'
    files = {"Pipfile": pipfile, "Pipfile__lock": lock}
    assert drafted(f"{SLIM}RUN pipenv install --deploy --system\n", **files)[:2] == ("2.7.1", "cu126")
    assert targets(f"{SLIM}RUN pipenv sync\n", Pipfile=pipfile) == ["torch"]
    pdm = '[[package]]\nname = "einops"\nversion = "0.8.1"\ngroups = ["default"]\n[[package]]\nname = "pytest"\nversion = "8.0"\ngroups = ["dev"]\n'
    project = '[project]\nname = "x"\ndependencies = ["einops"]\n[dependency-groups]\ndev = ["pytest"]\n'
    assert targets(f"{SLIM}RUN pdm sync --prod\n", pyproject__toml=project, pdm__lock=pdm) == [
        "einops==0.8.1"
    ]


CONDA = "FROM continuumio/miniconda3:24.7.1-0\n"


def test_an_environment_of_conda_has_a_part_for_pip() -> None:
    text = f"name: app\nchannels: [conda-forge]\ndependencies:\n  - python=3.10\n  - ffmpeg\n  - pip:\n    - --index-url {CHANNEL}/cu121\n    - torch==2.5.1\n    - -r more.txt\n"
    files = {"environment__yml": text, "more__txt": "einops==0.8.1\n"}
    conda, pip = steps(f"{CONDA}RUN conda env create -f environment.yml\n", **files)
    assert [target.text for target in conda.targets] == ["python=3.10", "ffmpeg"]
    assert [target.text for target in pip.targets] == ["torch==2.5.1", "einops==0.8.1"]
    assert (pip.index, pip.environment, pip.targets[0].location) == (
        f"{CHANNEL}/cu121",
        "conda app",
        "environment.yml:8:7",
    )
    assert drafted(f"{CONDA}RUN mamba env update --file environment.yml\n", **files) == (
        "2.5.1",
        "cu121",
        "3.10.14",
    )


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        ("python=3.11.9 pytorch=2.4.1 pytorch-cuda=12.1", ("2.4.1", "cu121", "3.11.9")),
        ("python=3.11.9 pytorch=2.3.1 cpuonly", ("2.3.1", "cpu", "3.11.9")),
        ("python=3.11.9 pytorch=2.4.1=py3.11_cuda12.4_cudnn9.1.0_0", ("2.4.1", "cu124", "3.11.9")),
    ],
)
def test_torch_of_conda_is_drafted(packages: str, expected: tuple[str, str, str]) -> None:
    assert drafted(f"{CONDA}RUN micromamba install -y -c pytorch {packages}\n") == expected


@pytest.mark.parametrize(
    ("setting", "channel"),
    [
        (f"ENV PIP_INDEX_URL={CHANNEL}/cu128\nRUN pip install torch==2.7.1", "cu128"),
        (f"RUN PIP_EXTRA_INDEX_URL={CHANNEL}/cu126 pip install torch==2.7.1", "cu126"),
        (f"RUN export PIP_INDEX_URL={CHANNEL}/cpu && pip install torch==2.7.1", "cpu"),
        (f"RUN pip config set global.index-url {CHANNEL}/cu128\nRUN pip install torch==2.7.1", "cu128"),
        (f"ENV UV_EXTRA_INDEX_URL={CHANNEL}/cu128\nRUN uv pip install torch==2.7.1", "cu128"),
        (f"ENV UV_DEFAULT_INDEX={CHANNEL}/cu128\nRUN uv pip install torch==2.7.1", "cu128"),
        ("ENV UV_TORCH_BACKEND=cu126\nRUN uv pip install torch==2.7.1", "cu126"),
        # what is set for one tool is nothing to the other, and an export ends with its RUN
        (f"ENV PIP_INDEX_URL={CHANNEL}/cu128\nRUN uv pip install torch==2.7.1", "pypi"),
        (f"RUN export PIP_INDEX_URL={CHANNEL}/cu128\nRUN pip install torch==2.7.1", "pypi"),
    ],
)
def test_an_index_may_be_set_anywhere(setting: str, channel: str) -> None:
    assert drafted(f"{CUDA}{setting}\n")[1] == channel


def test_settings_of_both_tools_side_by_side() -> None:
    text = f"""{CUDA}ENV UV_INDEX_STRATEGY="unsafe-best-match" UV_EXTRA_INDEX_URL={CHANNEL}/cu128
RUN pip config set global.extra-index-url https://wheels.example.com/simple
RUN uv pip install torch==2.7.1
RUN pip install einops==0.8.1
"""
    uv, pip = steps(text)
    assert (uv.indexes.strategy, uv.origin(uv.targets[0]).channel) == ("unsafe-best-match", "cu128")
    assert [(index.origin, index.location) for index in pip.indexes.indexes[1:]] == [
        ("pip's extra-index-url", "Dockerfile:3:43")
    ]
    assert "ADO005" not in rules(text)


def test_settings_in_files_count_where_they_are_copied() -> None:
    pip = {"pip__conf": f"[global]\nindex-url = {CHANNEL}/cu126\n"}
    assert drafted(f"{SLIM}COPY pip.conf /etc/pip.conf\nRUN pip install torch==2.7.1\n", **pip)[1] == "cu126"
    uv = {"uv__toml": f'[[index]]\nurl = "{CHANNEL}/cu128"\n'}
    assert drafted(f"{SLIM}COPY uv.toml .\nRUN uv pip install torch==2.7.1\n", **uv)[1] == "cu128"


def test_constraints_may_stand_in_a_variable() -> None:
    files = {"bounds__txt": "torch==2.6.0\n"}
    text = f"{SLIM}COPY bounds.txt /etc/bounds.txt\nENV PIP_CONSTRAINT=/etc/bounds.txt PIP_INDEX_URL={CHANNEL}/cu118\nRUN pip install torch\n"
    assert drafted(text, **files)[:2] == ("2.6.0", "cu118")
    assert "ADO006" not in rules(text, **files)


@pytest.mark.parametrize("channel", ["rocm6.3", "xpu", "nightly/cu128"])
def test_other_channels_are_named_and_not_drafted(channel: str) -> None:
    missing, *_ = drafted(f"{CUDA}RUN pip install torch==2.7.1 --index-url {CHANNEL}/{channel}\n")
    assert f"torch comes from {channel}, which has " in missing


def test_a_list_may_have_any_name() -> None:
    files = {
        "requirements_of_gpu__txt": "-r common.txt\ntorch==2.7.1+cu128\n",
        "requirements_of_common__txt": "einops==0.8.1\n",
    }
    text = f"{CUDA}COPY requirements/ requirements/\nRUN pip install -r requirements/gpu.txt\n"
    assert targets(text, **files) == ["einops==0.8.1", "torch==2.7.1+cu128"]
    odd = {"deps_of_gpu__pip": "torch==2.7.1\n", "gpu__pip": "black==24.1.0\n"}
    assert targets(f"{CUDA}COPY deps/gpu.pip /tmp/list\nRUN pip install -r /tmp/list\n", **odd) == [
        "torch==2.7.1"
    ]


def test_what_an_install_reads_and_is_wrong_is_said_with_its_place() -> None:
    files = {"list__txt": "torch==2.7.1\n--frozen\n-r gone.txt\n"}
    project = parse_project(
        {"Dockerfile": f"{CUDA}RUN pip install -r list.txt\n", "list.txt": files["list__txt"]}
    )
    messages = {
        match.finding.location: match.finding.message
        for match in find_matches(project)
        if match.id == "ADO008"
    }
    assert messages["list.txt:2:1"] == "cannot be read: '--frozen' is not an option of requirement files"
    assert messages["list.txt:3:4"] == "cannot be read: gone.txt is not in the project"


def test_markers_that_exclude_each_other_are_no_contradiction() -> None:
    install = f"{CUDA}RUN pip install -r requirements.txt --index-url {CHANNEL}/cu128\n"
    apart = (
        "torch==2.7.1\nprotobuf==4.25.3; sys_platform == 'win32'\nprotobuf>=5.29; sys_platform == 'linux'\n"
    )
    assert "ADO004" not in rules(install, requirements__txt=apart)
    by_python = "torch==2.2.2; python_version < '3.9'\ntorch==2.7.1; python_version >= '3.9'\n"
    assert "ADO004" not in rules(install, requirements__txt=by_python)
    assert drafted(install, requirements__txt=by_python)[0] == "2.7.1"
    together = "torch==2.7.1\nprotobuf==4.25.3\nprotobuf>=5.29; sys_platform == 'linux'\n"
    assert rules(install, requirements__txt=together)["ADO004"] == "requirements.txt:3:1"


def test_extras_that_nobody_asks_for_are_not_installed() -> None:
    text = 'torch==2.7.1\nnumpy==1.26.4\nnumpy==2.1.0; extra == "new"\n'
    assert "ADO004" not in rules(f"{CUDA}RUN pip install -r requirements.txt\n", requirements__txt=text)


def test_a_long_list_is_read_in_linear_time() -> None:
    def seconds(lines: int) -> float:
        text = "torch==2.7.1\n" + "".join(f"made-up-{number}==1.{number}.0\n" for number in range(lines))
        install = f"{CUDA}COPY requirements.txt .\nRUN pip install -r requirements.txt --index-url {CHANNEL}/cu128\n"
        start = process_time()
        draft_adoption({"Dockerfile": install, "requirements.txt": text}, "x")
        return process_time() - start

    seconds(10)  # facts are read once
    assert seconds(150) < 1
    assert seconds(1_500) < 10


@pytest.mark.parametrize(
    "text",
    [
        "RUN uv sync --extra\n", "RUN uv\n", "RUN uv pip\n", "RUN poetry install --only\n", "RUN conda env create\n", "RUN pip config set\n",
        "RUN pip install -r\n", "RUN pip install --group x:y:z\n", "RUN conda run\n", "RUN pip install git+\n", "RUN pip install @ [\n",
        "RUN pipenv install -e\n", "RUN pdm sync -G\n", "RUN pip\n", "RUN python -m\n", "RUN uv pip sync\n", "RUN micromamba install -f\n",
    ],
)  # fmt: skip
def test_commands_without_their_ends_break_nothing(text: str) -> None:
    files = {
        "pyproject__toml": "[project\n",
        "uv__lock": "version = 1\n",
        "Pipfile": "= 1",
        "environment__yml": "- [",
    }
    assert isinstance(steps(BASE + text, **files), tuple)


@pytest.mark.parametrize(
    ("lines", "gpus"),
    [
        ("ENV TORCH_CUDA_ARCH_LIST=8.0;8.6;9.0+PTX\n", ("sm_80", "sm_86", "sm_90")),
        ("ARG CMAKE_CUDA_ARCHITECTURES=86-real;89\n", ("sm_86", "sm_89")),
        ("RUN TCNN_CUDA_ARCHITECTURES=75 python setup.py install\n", ("sm_75",)),
        ("RUN cmake -B build -DCMAKE_CUDA_ARCHITECTURES=120\n", ("sm_120",)),
        ("ENV TORCH_CUDA_ARCH_LIST=native\n", ()),
        ("ENV OTHER=8.0\n", ()),
    ],
)
def test_the_architectures_that_are_compiled_for_are_the_gpus_of_the_draft(
    lines: str, gpus: tuple[str, ...]
) -> None:
    text = f"{CUDA}{lines}RUN pip install torch==2.7.1 --index-url {CHANNEL}/cu128\n"
    (service,) = read.read_services(
        {"services/x/service.yaml": draft_adoption({"Dockerfile": text}, "x").text}
    )
    assert service.gpus == gpus
