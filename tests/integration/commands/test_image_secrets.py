"""A canary in each way into a real build, and none in any way out: image, history, labels, context, logs and records."""

from __future__ import annotations

import gzip
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import pytest

from support.command_line import whole_tree
from support.git_repositories import git
from support.labs import image_tags
from torchpin.commands.build import BuildOptions, build
from torchpin.tools import buildx, docker
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]

CANARY = b"c4n4ry"
USER = f"user:{CANARY.decode()}@"
NOWHERE = f"http://{USER}127.0.0.1:1/simple?token={CANARY.decode()}"  # nothing listens there
SECRET_FILES = {"torchpin.toml", ".git/config", "third_party/sd-scripts/.git/config"}  # the ways in
CHUNK = 1 << 20


@pytest.fixture
def secretive(scratch: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with secrets in its settings, its remote and its clone, on a machine with secrets in its environment."""
    served = {
        name: url.replace("://127", f"://{USER}127", 1) for name, url in scratch.settings.mirrors.items()
    }
    assert any(USER in url for url in served.values())
    tables = "".join(f'"{name}" = "{url}"\n' for name, url in served.items())
    (scratch.root / "torchpin.toml").write_text(f'[build]\nnetwork = "host"\n[mirrors]\n{tables}')
    git(scratch.root, "init", "--quiet", "--initial-branch=main")
    git(scratch.root, "remote", "add", "origin", f"https://{USER}mirror.example/team/repository.git")
    git(scratch.root, "add", "services", "docker", "lockfiles")
    git(scratch.root, "commit", "--quiet", "--message=state")
    clone = scratch.root / "third_party/sd-scripts"
    git(clone, "remote", "set-url", "origin", f"https://{USER}mirror.example/sd-scripts")
    (tmp_path / "docker").mkdir()
    proxies = {"httpProxy": NOWHERE, "httpsProxy": NOWHERE, "noProxy": "127.0.0.1,*"}
    (tmp_path / "docker/config.json").write_text(json.dumps({"proxies": {"default": proxies}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "UV_DEFAULT_INDEX", "UV_INDEX", "PIP_INDEX_URL", "HF_TOKEN"):
        monkeypatch.setenv(name, NOWHERE)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,*")
    settings = workspace.open_repository(scratch.root).settings
    assert settings.mirrors == served
    return replace(scratch, settings=settings)


def contains(chunks: Iterable[bytes], *texts: bytes) -> set[bytes]:
    """Which texts a stream has, also across the borders of its parts."""
    present: set[bytes] = set()
    tail = b""
    for chunk in chunks:
        window = tail + chunk
        present |= {text for text in texts if text in window}
        tail = window[-max(map(len, texts)) :]
    return present


def read_chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


class ByteStream:
    """A file of the parts of a stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        content, self._rest = self._rest[:size], self._rest[size:]
        return content


def layer_contents(image: Any) -> Iterator[bytes]:
    """All files of an archive of an image, those that a later layer removes included."""
    stream = cast("IO[bytes]", ByteStream(image.save(chunk_size=CHUNK)))
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            start = file.read(CHUNK)
            if start.startswith(b"\x1f\x8b"):  # the containerd store keeps layers compressed
                yield gzip.decompress(start + file.read())
            else:
                yield start
                yield from read_chunks(file)


def build_noting_contexts(
    repo: Repository, env: Environment, monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, list[str], dict[str, bytes]]:
    """A build without cached layers: its outcome, its messages, and the files of its context."""
    contexts: dict[str, bytes] = {}
    real_build = buildx.build

    def note_context(command: tuple[str, ...], *arguments: Any) -> tuple[str, ...]:
        contexts.update(whole_tree(Path(command[-1])))
        contexts["command"] = " ".join(command).encode()
        return real_build(command, *arguments)

    monkeypatch.setattr(buildx, "build", note_context)
    messages: list[str] = []
    (outcome,) = build(
        repo,
        [env],
        BuildOptions(no_cache=True),
        show_status=messages.append,
        watch=lambda event: messages.append(str(event)),
    )
    return outcome, [*messages, str(outcome)], contexts


def expect_no_canary_in_files(root: Path) -> None:
    names = {name for name, content in whole_tree(root).items() if CANARY in content}
    assert names == SECRET_FILES


def test_no_secret_of_the_machine_is_in_an_image_or_beside_it(
    secretive: Repository, env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome, messages, contexts = build_noting_contexts(secretive, env, monkeypatch)
    assert outcome.code == 0, outcome.detail
    assert "Dockerfile" in contexts
    assert [name for name, content in contexts.items() if CANARY in content] == []
    assert CANARY.decode() not in "\n".join(messages)
    expect_no_canary_in_files(secretive.root)
    tag, *_ = image_tags(secretive)
    commit = env.service.sources[0].commit.encode()  # what the search does find
    with docker.engine() as client:
        image = client.images.get(tag)
        assert image.labels["org.opencontainers.image.source"] == "https://mirror.example/team/repository.git"
        assert CANARY.decode() not in json.dumps([image.attrs, image.history()])
        assert contains(layer_contents(image), CANARY, commit) == {commit}
        container = client.containers.create(tag)
        try:
            exported = cast("Iterator[bytes]", container.export(chunk_size=CHUNK))
            assert contains(exported, CANARY, commit) == {commit}
        finally:
            container.remove()


def test_no_secret_is_told_or_kept_of_a_build_that_fails(
    secretive: Repository, env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrors = {**secretive.settings.mirrors, "pypi": NOWHERE}
    repo = replace(secretive, settings=replace(secretive.settings, mirrors=mirrors))
    outcome, messages, _ = build_noting_contexts(repo, env, monkeypatch)
    assert outcome.code == 3
    assert "127.0.0.1:1/simple" in outcome.detail
    assert CANARY.decode() not in "\n".join(messages)
    assert [*(repo.root / ".torchpin/logs").glob("*.log")]
    expect_no_canary_in_files(repo.root)
