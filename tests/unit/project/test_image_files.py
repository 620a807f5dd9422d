"""A path of the image is followed to the file of the project that was copied there."""

from __future__ import annotations

import pytest

from torchpin.project.build_steps import build_steps
from torchpin.project.image_files import ImageFile, ImageFiles, choose_context, copy_sources
from torchpin.project.run_commands import parse_commands
from torchpin.project.stages import parse_build

PATHS = (
    "requirements.txt", "deploy/requirements-gpu.txt", "requirements/gpu.txt", "requirements/common.txt", "app/pyproject.toml",
    "app/sub/requirements.txt",
)  # fmt: skip


def files_at(text: str, path: str, **settings: object) -> list[str] | None:
    """What lies at a path at the last RUN of a Dockerfile."""
    dockerfile = f"FROM a {text}" if text.startswith("AS ") else f"FROM a\n{text}"
    build = parse_build(dockerfile)
    files = ImageFiles(paths=PATHS, stages=build.stages, **settings)  # type: ignore[arg-type]
    view = None
    for step in build_steps(dockerfile):
        if step.instruction.keyword in {"COPY", "ADD"}:
            files.copy(step)
        elif step.instruction.keyword == "RUN":
            view = files.view(step)
            for command in parse_commands(step.instruction).commands:
                view = files.follow(view, command.texts)
    assert view
    files_there = view.find(path)
    return (
        None
        if files_there is None
        else [file.heredoc.name if file.heredoc else file.path for file in files_there]
    )


@pytest.mark.parametrize(
    ("text", "path", "sources"),
    [
        ("COPY deploy/requirements-gpu.txt requirements.txt\nRUN x\n", "requirements.txt", ["deploy/requirements-gpu.txt"]),
        ("WORKDIR /w\nCOPY requirements.txt ./r.txt\nRUN x\n", "/w/r.txt", ["requirements.txt"]),
        ("COPY . /app\nRUN x\n", "/app/requirements/gpu.txt", ["requirements/gpu.txt"]),
        ("COPY . /app\nWORKDIR /app\nRUN x\n", "requirements.txt", ["requirements.txt"]),
        ("COPY requirements/ /r/\nRUN x\n", "/r/gpu.txt", ["requirements/gpu.txt"]),
        ("COPY requirements /r\nRUN x\n", "/r/common.txt", ["requirements/common.txt"]),
        ("COPY requirements/*.txt /r/\nRUN x\n", "/r/gpu.txt", ["requirements/gpu.txt"]),
        ("COPY requirements/[f-h]?u.tx[t] /r/\nRUN x\n", "/r/gpu.txt", ["requirements/gpu.txt"]),
        ("COPY requirements.txt app/pyproject.toml /r/\nRUN x\n", "/r/pyproject.toml", ["app/pyproject.toml"]),
        ('COPY ["requirements.txt", "/a b/"]\nRUN x\n', "/a b/requirements.txt", ["requirements.txt"]),
        ("COPY requirements.txt /tmp\nRUN x\n", "/tmp/requirements.txt", ["requirements.txt"]),
        ("COPY requirements.txt /r.txt\nCOPY deploy/requirements-gpu.txt /r.txt\nRUN x\n", "/r.txt", ["deploy/requirements-gpu.txt"]),
        ("COPY requirements.txt /r.txt\nRUN x\nCOPY deploy/requirements-gpu.txt /r.txt\n", "/r.txt", ["requirements.txt"]),
        ("ARG D=deploy\nCOPY $D/requirements-gpu.txt /r.txt\nRUN x\n", "/r.txt", ["deploy/requirements-gpu.txt"]),
        ("COPY --parents requirements/gpu.txt /r/\nRUN x\n", "/r/requirements/gpu.txt", ["requirements/gpu.txt"]),
        ("RUN --mount=type=bind,source=deploy/requirements-gpu.txt,target=r.txt x\n", "/r.txt", ["deploy/requirements-gpu.txt"]),
        ("WORKDIR /w\nRUN --mount=type=bind,target=. x\n", "requirements.txt", ["requirements.txt"]),
        ("COPY . /a\nRUN cd /a/app && x\n", "sub/requirements.txt", ["app/sub/requirements.txt"]),
        ("COPY <<EOF /r.txt\ntorch\nEOF\nRUN x\n", "/r.txt", ["EOF"]),
        ("COPY requirements.txt /r.txt\nRUN x\n", "/other.txt", []),
        ("ADD https://example.com/requirements.txt /r.txt\nRUN x\n", "/r.txt", []),
    ],
)  # fmt: skip
def test_a_copy_is_followed(text: str, path: str, sources: list[str]) -> None:
    assert files_at(text, path) == sources


def test_a_copy_from_a_stage_is_followed_through_it() -> None:
    text = "COPY . /src\nFROM b\nCOPY --from=0 /src/requirements /r\nRUN x\n"
    assert files_at(text, "/r/gpu.txt") == ["requirements/gpu.txt"]
    inherited = "COPY . /src\nFROM b AS c\nCOPY --from=0 /src/requirements.txt /r.txt\nFROM c\nRUN x\n"
    assert files_at(inherited, "/r.txt") == ["requirements.txt"]


@pytest.mark.parametrize(
    "clone",
    [
        "git clone https://e.example/a/thing.git",
        "git clone -b v1 --depth 1 https://e.example/a/thing",
        "git clone u thing",
    ],
)
def test_a_file_of_a_clone_is_none_of_the_project(clone: str) -> None:
    assert files_at(f"COPY . /\nRUN {clone} && cd thing && x\n", "requirements.txt") is None
    assert files_at(f"RUN {clone}\nCOPY requirements.txt /thing/\nRUN x\n", "/thing/requirements.txt") == [
        "requirements.txt"
    ]


@pytest.mark.parametrize(
    ("text", "path", "sources"),
    [
        ("COPY . /a\nRUN cp /a/requirements.txt /tmp/r.txt && x\n", "/tmp/r.txt", ["requirements.txt"]),
        ("COPY . /a\nRUN mv /a/requirements /r && x\n", "/r/gpu.txt", ["requirements/gpu.txt"]),
        ("COPY . /a\nRUN ln -s /a/app /b\nRUN x\n", "/b/pyproject.toml", ["app/pyproject.toml"]),
        ("WORKDIR /a\nCOPY . .\nRUN cp requirements.txt requirements/gpu.txt /r/\nRUN x\n", "/r/gpu.txt", ["requirements/gpu.txt"]),
    ],
)  # fmt: skip
def test_what_is_moved_in_the_image_is_followed(text: str, path: str, sources: list[str]) -> None:
    assert files_at(text, path) == sources


def test_a_further_context_is_a_folder_of_the_project() -> None:
    text = "COPY --from=lists gpu.txt /r.txt\nRUN x\n"
    assert files_at(text, "/r.txt", contexts={"lists": "requirements"}) == ["requirements/gpu.txt"]
    assert files_at(text, "/r.txt") is None
    mount = "RUN --mount=type=bind,from=lists,target=/m x\n"
    assert files_at(mount, "/m/gpu.txt", contexts={"lists": "requirements"}) == ["requirements/gpu.txt"]


def test_a_stage_of_copies_alone_has_those_of_its_parent() -> None:
    text = "AS a\nCOPY . /src\nFROM a AS b\nCOPY requirements.txt /x\nFROM c\nCOPY --from=b /src /s\nRUN x\n"
    assert files_at(text, "/s/requirements/gpu.txt") == ["requirements/gpu.txt"]


def test_a_copy_from_another_image_is_none_of_the_project() -> None:
    assert files_at("COPY . /\nCOPY --from=e.example/x:1 /r /r\nRUN x\n", "/r/requirements.txt") is None


def test_what_is_ignored_is_not_copied() -> None:
    text = "COPY . /app\nRUN x\n"
    build = parse_build(f"FROM a\n{text}")
    files = ImageFiles(
        paths=PATHS, stages=build.stages, is_ignored=lambda path, _: path == "requirements.txt"
    )
    copy, run = build_steps(f"FROM a\n{text}")
    files.copy(copy)
    view = files.view(run)
    assert view.find("/app/requirements.txt") == (ImageFile(path="requirements.txt", left_out=True),)
    assert view.find("/app/requirements/gpu.txt") == (ImageFile(path="requirements/gpu.txt"),)


def test_sources_are_relative_to_the_context() -> None:
    assert files_at("COPY sub/requirements.txt /r.txt\nRUN x\n", "/r.txt", context="app") == [
        "app/sub/requirements.txt"
    ]
    assert files_at("COPY . /a\nRUN x\n", "/a/sub/requirements.txt", context="app") == [
        "app/sub/requirements.txt"
    ]


@pytest.mark.parametrize(
    ("dockerfile", "copies", "context"),
    [
        ("Dockerfile", "COPY requirements.txt .\n", ""),
        ("docker/Dockerfile", "COPY requirements.txt .\n", ""),
        ("app/Dockerfile", "COPY sub/requirements.txt .\n", "app"),
        ("app/Dockerfile", "COPY app/sub/requirements.txt requirements.txt .\n", ""),
        ("app/Dockerfile", "COPY nothing .\n", ""),
    ],
)
def test_the_context_is_the_folder_that_has_the_sources(dockerfile: str, copies: str, context: str) -> None:
    sources = [copy_sources(step) for step in build_steps(f"FROM a\n{copies}")]
    assert choose_context(sources, PATHS, dockerfile) == context


@pytest.mark.parametrize("prefix", ["", "/somewhere/", "../beside/", "../../"])
def test_files_are_followed_however_the_project_is_named(prefix: str) -> None:
    """From the root, beside the current folder, or below it; a COPY cannot leave its context by `..`."""
    paths = [f"{prefix}{path}" for path in PATHS]
    sources = [("deploy/requirements-gpu.txt",), ("../requirements.txt",)]
    context = choose_context(sources, paths, f"{prefix}deploy/Dockerfile")
    files = ImageFiles(paths=paths)
    assert context == prefix.rstrip("/")
    assert files.matched("deploy/requirements-gpu.txt", context) == (f"{prefix}deploy/requirements-gpu.txt",)
    assert files.matched("/../requirements.txt", context) == (f"{prefix}requirements.txt",)
    assert files.matched("requirements/*.txt", context) == (
        f"{prefix}requirements/common.txt",
        f"{prefix}requirements/gpu.txt",
    )


@pytest.mark.parametrize(
    "text",
    [
        "AS a\nCOPY --from=0 / /a b / ./\nRUN x\n",
        "AS a\nCOPY --from=a / /\nRUN x\n",
        "AS a\n" + "RUN cp -r / /b /c /d/\n" * 60,
        "AS a\n" + "RUN cp -r /. /\n" * 60,
    ],
)
def test_copies_of_copies_are_followed_within_bounds(text: str) -> None:
    assert files_at(text, "/d/d/r.txt") in ([], None)
