"""BuildKit's plain log becomes events, step titles, failures and repeated installs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from torchpin import facts
from torchpin.image import build_log
from torchpin.image.build_log import Event, Failure

DOCKERFILE = (Path(__file__).parents[3] / "docker/lora-gpu/Dockerfile").read_text(encoding="utf-8")
LAYER = (
    "[ 4/14] RUN --mount=type=secret,id=network,target=/run/torchpin/network "
    "--mount=type=bind,source=layers/00-torch.requirements.txt,target=/run/torchpin/layers/00-torch.requirements.txt "
    "/run/torchpin/uv pip install --requirements /run/torchpin/layers/00-torch.requirements.txt"
)
SOLVE = (
    'ERROR: failed to solve: process "/bin/sh -c HOME=/tmp python -B /opt/torchpin/probe.py --expect '
    '/run/torchpin/expect.json >/opt/torchpin/proof.json" did not complete successfully: exit code: 1'
)  # fmt: skip


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "#1 [internal] load build definition from Dockerfile",
            Event(step=1, kind="started", text="[internal] load build definition from Dockerfile"),
        ),
        ("#1 transferring dockerfile: 7.32kB done", Event(step=1, kind="output", text="transferring dockerfile: 7.32kB done")),
        ("#1 DONE 0.0s", Event(step=1, kind="done", seconds=0.0)),
        ("#12 DONE 3.2s\n", Event(step=12, kind="done", seconds=3.2)),
        ("#12 DONE 1843.7s", Event(step=12, kind="done", seconds=1843.7)),
        ("#7 CACHED", Event(step=7, kind="cached")),
        ("#9 [stage-0  5/14] COPY smoke.py /opt/lora/smoke.py", Event(step=9, kind="started", text="[stage-0  5/14] COPY smoke.py /opt/lora/smoke.py")),
        ("#12 0.345 Using CPython 3.10.14", Event(step=12, kind="output", text="Using CPython 3.10.14")),
        ("#12 63.01   \u00d7 No solution found", Event(step=12, kind="output", text="  \u00d7 No solution found")),
        ("#12 0.345 DONE 3.2s", Event(step=12, kind="output", text="DONE 3.2s")),
        ("#12 0.345 ERROR: that is a program's word", Event(step=12, kind="output", text="ERROR: that is a program's word")),
        (
            "#5 sha256:96d54c3075c9eeaed5561fd620828fd6bb5d80ecae7cb25f9ba5f7d88ea6e15c 12.3MB / 45MB 1.4s",
            Event(
                step=5,
                kind="output",
                text="sha256:96d54c3075c9eeaed5561fd620828fd6bb5d80ecae7cb25f9ba5f7d88ea6e15c 12.3MB / 45MB 1.4s",
                bytes="12.3MB / 45MB",
            ),
        ),
        (
            "#5 sha256:96d5 1.02GB / 3.71GB 14.2s",
            Event(step=5, kind="output", text="sha256:96d5 1.02GB / 3.71GB 14.2s", bytes="1.02GB / 3.71GB"),
        ),
        ("#5 sha256:96d5 0B / 437B", Event(step=5, kind="output", text="sha256:96d5 0B / 437B", bytes="0B / 437B")),
        ("#5 sha256:96d5 77.6kB / 77.6kB 0.3s done", Event(step=5, kind="output", text="sha256:96d5 77.6kB / 77.6kB 0.3s done", bytes="77.6kB / 77.6kB")),
        ("#5 extracting sha256:96d5 0.9s done", Event(step=5, kind="output", text="extracting sha256:96d5 0.9s done")),
        ("#18 exporting to image", Event(step=18, kind="output", text="exporting to image")),
        ("#12 ...", Event(step=12, kind="output", text="...")),
        ("#10 CANCELED", Event(step=10, kind="failed", text="CANCELED")),
        ('#17 ERROR: process "/bin/sh -c false" did not complete successfully: exit code: 1',
         Event(step=17, kind="failed", text='ERROR: process "/bin/sh -c false" did not complete successfully: exit code: 1')),
        ('#0 building with "default" instance using docker driver', Event(step=0, kind="output", text='building with "default" instance using docker driver')),
    ],
)  # fmt: skip
def test_a_line_of_a_step_is_its_event(line: str, expected: Event) -> None:
    assert build_log.parse_event(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n",
        "------",
        " > [14/14] RUN python -B /opt/torchpin/probe.py:",
        "3.412 probe: FAIL torch is 2.5.1+cu124",
        "Dockerfile:131",
        " 131 | >>> RUN --mount=type=bind,source=expect.json",
        SOLVE,
        "#",
        "#x DONE 0.1s",
        "WARNING: No output specified",
        "View build details: docker-desktop://dashboard/build/default",
    ],
)
def test_other_lines_are_no_events(line: str) -> None:
    assert build_log.parse_event(line) is None


@given(st.one_of(st.text(), st.from_regex(r"#\d{1,3} (?:DONE|CACHED|ERROR|CANCELED|\[|\d+\.\d+)? ?.*")))
@example("#1 DONE soon")
@example("#1 DONE s")
@example("#1 DONE 1m3.2s")
@example("#12 DONE 3.2s (cached)")
@example("#1 ")
def test_no_line_breaks_the_reader(line: str) -> None:
    event = build_log.parse_event(line)
    assert event is None or (event.step >= 0 and event.kind)


def dockerfile_steps(dockerfile: str) -> list[str]:
    """A Dockerfile's steps as BuildKit prints them: one line each, numbered."""
    lines = [line for line in dockerfile.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n", "", "\n".join(lines)).splitlines()
    steps = [
        line for line in joined if line.startswith(("FROM ", "RUN ", "COPY ", "WORKDIR "))
    ]  # ENV, LABEL and others are no steps
    return [f"[{number:2}/{len(steps)}] {line}" for number, line in enumerate(steps, start=1)]


TITLES = [
    "FROM nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04@sha256:ad6d5",
    "Python",
    "layer 00-torch",
    "layer 01-torch-deps.with_torch",
    "layer 00-torch.companions",
    "system packages",
    "layer 02-training.bitsandbytes",
    "layer 02-training.transformers",
    "layer 04-analysis.numpy",
    "layer 04-analysis.opencv-python-headless",
    "layer 04-analysis.scipy",
    "layer 01-torch-deps",
    "layer 02-training",
    "layer 03-tools.up_to_8_MB",
    "layer 03-tools",
    "layer 03-tools.from_source",
    "layer 04-analysis",
    "layer 05-utilities",
    "layer 06-sd-scripts",
    "layer 06-sd-scripts.from_source",
    "source sd-scripts",
    "torchpin's files",
    "WORKDIR /opt/lora",
    "FROM image AS proof",
    "verification",
    "FROM image",
    "report of the verification",
]


def test_each_step_of_our_dockerfile_has_a_short_name() -> None:
    assert [build_log.step_title(step) for step in dockerfile_steps(DOCKERFILE)] == TITLES


def test_a_stage_s_name_is_left_out() -> None:
    steps = [step.replace("[", "[stage-0 ", 1) for step in dockerfile_steps(DOCKERFILE)]
    assert [build_log.step_title(step) for step in steps] == TITLES


@pytest.mark.parametrize(
    "text",
    [
        "[internal] load build definition from Dockerfile",
        "[internal] load metadata for docker.io/nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04",
        "[internal] load .dockerignore",
        "[internal] load build context",
        "[auth] nvidia/cuda:pull token for registry-1.docker.io",
    ],
)
def test_what_buildkit_does_for_itself_has_no_name(text: str) -> None:
    assert build_log.step_title(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "[context nvidia/cuda:12.1.1-base] load metadata for registry.local/hub/nvidia/cuda:12.1.1-base",
        "[context nvidia/cuda:12.1.1-base] docker-image://registry.local/hub/nvidia/cuda:12.1.1-base",
    ],
)
def test_a_mirrored_base_has_no_half_of_a_bracket_in_its_name(text: str) -> None:
    assert build_log.step_title(text).count("[") == build_log.step_title(text).count("]")


@given(st.text())
def test_a_name_is_one_short_line_of_the_step(text: str) -> None:
    assert len(build_log.step_title(f"[1/2] RUN {text}")) <= len("layer ") + len(text) + 60


FAILED_BUILD_LOG = [
    '#0 building with "default" instance using docker driver\n',
    "#1 [internal] load build definition from Dockerfile\n",
    "#1 DONE 0.0s\n",
    "#7 [ 2/14] RUN apt-get update\n",
    "#7 CACHED\n",
    f"#8 {LAYER}\n",
    "#8 0.512 Using Python 3.10.14 environment at: /opt/venv\n",
    "#9 [ 5/14] COPY smoke.py /opt/lora/smoke.py\n",
    "#8 2.200 error: Failed to install\n",
    "#8 2.201   \u00d7 Hash mismatch for `torch==2.5.1+cu121`\n",
    "#9 CANCELED\n",
    '#8 ERROR: process "/bin/sh -c /run/torchpin/uv pip install" did not complete successfully: exit code: 2\n',
    "------\n",
    f" > {LAYER}:\n",
    "2.201   \u00d7 Hash mismatch for `torch==2.5.1+cu121`\n",
    "------\n",
    'ERROR: failed to solve: process "/bin/sh -c /run/torchpin/uv" did not complete successfully: exit code: 2\n',
]


def test_a_failure_names_its_step_and_says_what_it_last_said() -> None:
    failure = build_log.find_failure(FAILED_BUILD_LOG)
    assert failure.step == "layer 00-torch"
    assert failure.lines == (
        "Using Python 3.10.14 environment at: /opt/venv",
        "error: Failed to install",
        "  \u00d7 Hash mismatch for `torch==2.5.1+cu121`",
        'ERROR: process "/bin/sh -c /run/torchpin/uv pip install" did not complete successfully: exit code: 2',
    )
    (known_failure,) = [candidate for candidate in facts.failures() if candidate.id == "hash-mismatch"]
    assert failure.help == build_log.known_help([known_failure.example])
    assert known_failure.help in failure.help


def test_a_cache_that_is_not_there_is_not_what_failed() -> None:
    log = [
        "#4 importing cache manifest from registry.local/cache/lora-gpu:cache\n",
        "#4 ERROR: failed to configure registry cache importer: registry.local/cache/lora-gpu:cache: not found\n",
        "#9 [lora-gpu stage-1 2/3] RUN uv venv /opt/venv\n",
        "#9 ERROR: process did not complete successfully: exit code: 2\n",
    ]
    assert build_log.find_failure(log).step == "Python"
    assert build_log.find_failure([*log[:2], "ERROR: failed to push\n"]).step == "the build"


def test_a_builder_that_does_not_answer_is_named() -> None:
    failure = build_log.find_failure(
        [
            "#2 [internal] waiting for connection\n",
            "#2 ERROR: context deadline exceeded\n",
            " > [internal] waiting for connection:\n",
            "ERROR: context deadline exceeded\n",
        ]
    )
    assert failure.step == "[internal] waiting for connection"
    (known_failure,) = [candidate for candidate in facts.failures() if candidate.id == "builder-lost"]
    assert known_failure.help in failure.help


def test_a_canceled_step_is_not_the_one_that_failed() -> None:
    log = ["#3 [ 2/3] RUN a", "#4 [ 3/3] RUN b", "#3 CANCELED", "#4 ERROR: exit code: 1"]
    assert build_log.find_failure(log) == Failure(step="RUN b", lines=("ERROR: exit code: 1",))


def test_of_a_long_output_the_last_fifteen_lines_are_said() -> None:
    log = [
        "#3 [ 2/3] RUN a",
        *(f"#3 {number}.1 line {number}" for number in range(40)),
        "#3 ERROR: exit code: 1",
    ]
    assert build_log.find_failure(log).lines == (
        *(f"line {number}" for number in range(26, 40)), "ERROR: exit code: 1"
    )  # fmt: skip


def test_a_step_without_a_beginning_is_called_by_its_number() -> None:
    assert build_log.find_failure(["#21 ERROR: lost"]).step == "step 21"


def test_a_build_that_fails_outside_any_step_says_its_last_lines() -> None:
    line = "ERROR: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    failure = build_log.find_failure(["\n", f"{line}\n"])
    assert (failure.step, failure.lines) == ("the build", (line,))
    (known_failure,) = [candidate for candidate in facts.failures() if candidate.id == "docker-down"]
    assert known_failure.help in failure.help


def test_a_build_that_says_nothing_fails_all_the_same() -> None:
    assert build_log.find_failure([]) == Failure(step="the build", lines=())


@pytest.mark.parametrize("known_failure", facts.failures(), ids=lambda failure: failure.id)
def test_each_known_failure_s_example_gives_its_meaning_and_remedy(known_failure: facts.KnownFailure) -> None:
    help_text = build_log.known_help(["an ordinary line", known_failure.example])
    assert help_text.startswith(known_failure.means)
    assert help_text.endswith(known_failure.help)


def test_meaning_and_remedy_do_not_run_into_each_other() -> None:
    known_failure = facts.failures()[0]
    separator = (
        build_log.known_help([known_failure.example])
        .removeprefix(known_failure.means)
        .removesuffix(known_failure.help)
    )
    assert separator.strip(), "no separator between cause and help"


def test_what_is_special_speaks_before_the_network_s_accompanying_lines() -> None:
    """The table's order: the general rows stand last, because their lines accompany others."""
    lines = [
        "failed to fetch anonymous token: unexpected status from GET request: 403 Forbidden",
        "ERROR: pull access denied for cuda, repository does not exist or may require authorization",
    ]
    (known_failure,) = [candidate for candidate in facts.failures() if candidate.id == "base-denied"]
    assert known_failure.help in build_log.known_help(lines)


def test_ordinary_lines_have_no_remedy() -> None:
    ordinary = [
        *(step for step in dockerfile_steps(DOCKERFILE)),
        "Get:1 http://archive.ubuntu.com/ubuntu jammy InRelease [270 kB]",
        "Reading package lists...",
        "debconf: delaying package configuration, since apt-utils is not installed",
        "Using CPython 3.10.14",
        "Creating virtual environment at: /opt/venv",
        "Resolved 17 packages in 1ms",
        "Prepared 17 packages in 41.20s",
        "Installed 17 packages in 2.31s",
        " + nvidia-cudnn-cu12==9.1.0.70",
        "      Built dadaptation==3.2",
        "probe: ok: 62 distributions as locked; torch 2.5.1+cu121, CUDA 12.1",
        "smoke: ok",
        "exporting layers 12.1s done",
        "naming to docker.io/torchpin/lora-gpu:0123456789ab done",
    ]
    assert build_log.known_help(ordinary) == ""
    assert build_log.known_help([]) == ""


BUILD_LOG = [
    "#11 [ 4/14] RUN /run/torchpin/uv pip install --requirements /run/torchpin/layers/00-torch.requirements.txt\n",
    "#11 0.292 Using Python 3.11.2 environment at: /opt/venv\n",
    "#11 0.300 Resolved 3 packages in 6ms\n",
    "#11 21.31 Installed 3 packages in 2.31s\n",
    "#11 21.31  + torch==2.5.1+cu124\n",
    "#11 21.31  + torchaudio==2.5.1+cu124\n",
    "#11 21.31  + torchvision==0.20.1+cu124\n",
    "#11 DONE 21.9s\n",
    "#12 3.4  + a==1\n",
    "#13 0.412  + flash-attn==2.8.3+cu12torch2.7cxx11abitrue (from http://127.0.0.1:1/flash-attn/files/flash_attn-2.8.3%2Bcu12.whl)\n",
    "#14 CACHED\n",
]  # fmt: skip


def test_a_build_that_installs_each_package_once_says_nothing() -> None:
    assert build_log.repeated_installs(BUILD_LOG) == ()
    assert build_log.repeated_installs([]) == ()


@pytest.mark.parametrize(
    ("lines", "packages"),
    [
        (["#15 0.413  - torch==2.5.1+cu124\n", "#15 0.413  + torch==2.6.0\n"], ("torch",)),
        (["#15 0.413  - x==1\n"], ("x",)),
        (["#15 0.413  ~ x==1\n"], ("x",)),
        (["#15 0.413  + a==2\n"], ("a",)),
        (["#15 0.413  + a==1\n"], ("a",)),
        (["#15 0.413  + Flash_Attn==2.8.3\n"], ("flash-attn",)),
        (["#15 0.413  + flash-attn==2.8.3 (from http://127.0.0.1:1/f.whl)\n"], ("flash-attn",)),
        (["#15 0.413  + torch @ file:///torch.whl\n"], ("torch",)),
        (["#15 1.0  - b==1\n", "#15 1.0  + b==2\n", "#16 1.0  ~ a==1\n"], ("b", "a")),
        (["#15 120.5  + a==1"], ("a",)),
    ],
    ids=["replaced", "taken away", "reinstalled", "another version", "the same version", "spelled otherwise", "from a file",
         "a direct reference", "several", "without its end of line"],
)  # fmt: skip
def test_what_is_taken_away_replaced_or_installed_again_is_told(
    lines: list[str], packages: tuple[str, ...]
) -> None:
    assert build_log.repeated_installs([*BUILD_LOG, *lines]) == packages


def test_twice_is_told_when_it_happens_within_one_step() -> None:
    assert build_log.repeated_installs(["#9 0.1  + a==1", "#9 0.2  + a==1"]) == ("a",)


@pytest.mark.parametrize(
    "line",
    [
        "#15 0.4 - a list item of some program",
        "#15 0.4 + set -x",
        "#15 0.4 probe: ok: 62 distributions as locked; a==1",
        " + a==1",
        "#15 [ 5/9] RUN echo ' + a==1'",
        "#15 0.4 +++ a",
    ],
)
def test_other_lines_install_nothing(line: str) -> None:
    assert build_log.repeated_installs([*BUILD_LOG, line]) == ()


@given(st.lists(st.text()))
def test_no_log_breaks_the_search_for_what_came_twice(lines: list[str]) -> None:
    assert isinstance(build_log.repeated_installs(lines), tuple)


def test_the_log_tells_from_which_index_a_layer_came_also_out_of_the_cache() -> None:
    mounts = "--mount=type=bind,source=layers/00-torch.requirements.txt,target=/run/torchpin/layers/00-torch.requirements.txt"
    address = "https://download.pytorch.org/whl/cu124"
    step = f'#9 [4/9] RUN {mounts} export UV_DEFAULT_INDEX="${{TORCHPIN_MIRROR_CU124:-{address}}}" && uv pip install'
    other_step = (
        step.replace("00-torch", "01-torch-deps")
        .replace("export UV_DEFAULT_INDEX", "export NOTHING")
        .replace("#9", "#10")
    )
    assert build_log.layer_indexes([step, "#9 CACHED", other_step, "#10 DONE 0.1s"]) == {
        "00-torch.requirements.txt": address
    }
    assert build_log.layer_indexes([other_step]) == {}


def test_the_stage_that_compiles_has_an_installation_of_its_own() -> None:
    log = [
        "#7 [wheels 3/4] RUN uv pip install --requirements /run/torchpin/layers/00-torch.requirements.txt",
        "#7 0.5  + torch==2.5.1",
        "#9 [image 3/9] RUN uv pip install --requirements /run/torchpin/layers/00-torch.requirements.txt",
        "#9 0.5  + torch==2.5.1",
    ]
    assert build_log.repeated_installs(log) == ()
    assert build_log.repeated_installs([*log, "#7 0.9  + torch==2.5.1"]) == ("torch",)
    assert build_log.repeated_installs([*log, "#9 0.9  + torch==2.5.1"]) == ("torch",)


@pytest.mark.parametrize(
    ("step", "title"),
    [
        ("[wheels 2/6] RUN --mount=type=x,target=/run apt-get update", "build stage: system packages"),
        (
            (
                "[wheels 3/6] RUN --mount=type=bind,source=layers/00-torch.requirements.txt,"
                "target=/run/torchpin/layers/00-torch.requirements.txt uv"
            ),
            "build stage: layer 00-torch",
        ),
        ("[wheels 4/6] RUN python -m pip download --dest /opt/archives", "build stage: source archives"),
        ("[wheels 5/6] RUN cp -R /run/torchpin/source /opt/build/my-ops && uv build", "compiling my-ops"),
        (
            "[image 9/9] RUN uv pip install my-ops==0.1 && sha256sum x >/opt/torchpin/wheels.txt",
            "compiled wheels",
        ),
    ],
)
def test_the_steps_of_the_stage_that_compiles_have_titles(step: str, title: str) -> None:
    assert build_log.step_title(step) == title
