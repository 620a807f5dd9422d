"""What is read from uv's output: what requires a package, its file and the file's size."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from support.addresses import ADDRESS
from torchpin.errors import ToolError
from torchpin.lock.layers import layer_lock
from torchpin.model import Artifact, Lock, Settings
from torchpin.tools import file_sizes, http, located_files, uv_selection

if TYPE_CHECKING:
    from pathlib import Path

    from support.fixture_types import Environments

PINS = """\
accelerate==1.6.0         # via lora (pyproject.toml)
Jinja2==3.1.4             # via torch
filelock==3.16.1          # via -c pins.txt, huggingface-hub, torch, transformers
torch==2.5.1+cu121        # via accelerate, diffusers[torch], lora (pyproject.toml)
zope.interface==5.0       # via Ruamel_YAML
"""
ARTIFACT = Artifact(name="a", version="1", filename="a-1-py3-none-any.whl", sha256="0f" * 32)


def test_who_wants_a_package_is_read_from_uv_s_comments() -> None:
    assert uv_selection.parse_required_by(PINS, "lora") == {
        "accelerate": ("lora",),
        "jinja2": ("torch",),
        "filelock": ("huggingface-hub", "torch", "transformers"),
        "torch": ("accelerate", "diffusers", "lora"),
        "zope-interface": ("ruamel-yaml",),
    }


def test_the_service_does_not_require_what_stands_in_the_project_for_its_index() -> None:
    pins = "torchvision==0.23.0+cpu   # via timm, lora (pyproject.toml)\n"
    assert uv_selection.parse_required_by(pins, "lora") == {"torchvision": ("lora", "timm")}
    assert uv_selection.parse_required_by(pins, "lora", {"torchvision"}) == {"torchvision": ("timm",)}


def test_a_project_and_a_package_are_told_apart_by_what_uv_writes() -> None:
    pins = "torch==2.7.1   # via vllm, vllm-service (pyproject.toml)\nrich==1   # via vllm\n"
    assert uv_selection.parse_required_by(pins, "server") == {"torch": ("server", "vllm"), "rich": ("vllm",)}


def test_a_line_without_a_comment_tells_nothing() -> None:
    assert uv_selection.parse_required_by("torch==2.5.1\n# a comment\n\n", "lora") == {}


def wheel(name: str, digest: str | None = "0f" * 32) -> dict[str, object]:
    hashes = {"sha256": digest} if digest else {}
    return {"url": f"https://example.org/a/{name}#x", "hashes": hashes, "size": 7}


def test_one_file_of_a_package_is_chosen_by_its_address(environment: Environments) -> None:
    package = {
        "name": "Torch_X",
        "version": "1+cu121",
        "wheels": [
            wheel("torch_x-1%2Bcu121-cp310-cp310-linux_x86_64.whl"),
            wheel("torch_x-1%2Bcu121-cp311-cp311-linux_x86_64.whl"),
        ],
        "sdist": wheel("torch_x-1.tar.gz"),
    }
    artifact = uv_selection._select_file(environment(), package).artifact
    assert (artifact.name, artifact.filename, artifact.size) == (
        "torch-x",
        "torch_x-1+cu121-cp310-cp310-linux_x86_64.whl",
        7,
    )


def test_a_package_without_a_hashed_file_for_the_platform_is_refused(environment: Environments) -> None:
    package = {
        "name": "a",
        "version": "1",
        "wheels": [wheel("a-1-cp311-cp311-linux_x86_64.whl"), wheel("a-1-py3-none-any.whl", None)],
    }
    with pytest.raises(ToolError) as excinfo:
        uv_selection._select_file(environment(), package)
    assert str(excinfo.value) == (
        "a 1 has no hashed file for Python 3.10.14 on linux/amd64; pin a version that has one"
    )


def test_an_address_s_host_is_asked_with_the_mirror_s_credentials(
    environment: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    env = environment()
    settings = Settings(mirrors={"pypi": "https://a:b@mirror.example/simple"})

    def requested_url(name: str, index: str | None, url: str) -> str:
        candidate = located_files.LocatedArtifact(artifact=ARTIFACT, url=url)
        return uv_selection._absolute_url(
            candidate, tmp_path, uv_selection._package_indexes(env, settings, index, {"name": name})
        ).url

    channel_index = "https://c:d@mirror.example/cu121"
    assert (
        requested_url("tqdm", channel_index, "https://mirror.example/f/a.whl")
        == "https://a:b@mirror.example/f/a.whl"
    )
    assert (
        requested_url("Torch", channel_index, "https://mirror.example/f/a.whl")
        == "https://c:d@mirror.example/f/a.whl"
    )
    assert (
        requested_url("torch", "https://x/cu", "https://mirror.example/a") == "https://a:b@mirror.example/a"
    )
    assert (
        requested_url("tqdm", channel_index, "https://e:f@mirror.example/a.whl")
        == "https://e:f@mirror.example/a.whl"
    )
    for address in (
        "https://files.example/a.whl",
        "http://mirror.example/a.whl",
        "https://mirror.example:8/a",
    ):
        assert requested_url("tqdm", channel_index, address) == address
    assert (
        requested_url("tqdm", channel_index, "../files/a%20b.whl")
        == (tmp_path.parent / "files" / "a%20b.whl").as_uri()
    )


def test_a_file_by_its_path_is_chosen(environment: Environments) -> None:
    row = {"path": "../files/a-1-py3-none-any.whl", "hashes": {"sha256": "0f" * 32}}
    candidate = uv_selection._select_file(environment(), {"name": "a", "version": "1", "wheels": [row]})
    assert (candidate.artifact.filename, candidate.url) == ("a-1-py3-none-any.whl", row["path"])


def fake_web(monkeypatch: pytest.MonkeyPatch, response: http.HttpResponse | http.FetchError) -> list[str]:
    """The requests that are made while each gets the same response."""
    requests: list[str] = []

    def fake_fetch(url: str, method: str = "GET", **options: object) -> http.HttpResponse:
        requests.append(f"{method} {url}")
        if isinstance(response, http.FetchError):
            raise response
        return response

    file_sizes.fetch_size.cache_clear()
    monkeypatch.setattr(http, "fetch", fake_fetch)
    return requests


def lock_with_size(environment: Environments, size: int | None) -> Lock:
    env = environment()
    return Lock(layers=(), build=layer_lock(env, "build", [replace(ARTIFACT, size=size)], uv="1"))


def test_a_size_is_asked_for_where_the_index_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = fake_web(monkeypatch, http.HttpResponse(status=200, length=7, content=b""))
    (sized,) = located_files.with_sizes([located_files.LocatedArtifact(artifact=ARTIFACT, url=ADDRESS)], None)
    assert sized.size == 7
    (sized,) = located_files.with_sizes(
        [located_files.LocatedArtifact(artifact=replace(ARTIFACT, size=5), url="x")], None
    )
    assert sized.size == 5
    assert requests == [f"HEAD {ADDRESS}"]


def test_a_size_that_the_present_lock_knows_is_not_asked_for(
    environment: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = fake_web(monkeypatch, http.HttpResponse(status=200, length=7, content=b""))
    candidates = [located_files.LocatedArtifact(artifact=ARTIFACT, url=ADDRESS)]
    assert located_files.with_sizes(candidates, lock_with_size(environment, 9))[0].size == 9
    assert requests == []
    assert located_files.with_sizes(candidates, lock_with_size(environment, None))[0].size == 7
    assert requests == [f"HEAD {ADDRESS}"]


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_server_without_the_file_keeps_the_present_lock_s_size(
    status: int, environment: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_web(monkeypatch, http.FetchError(ADDRESS, "HTTP", status=status))
    candidates = [located_files.LocatedArtifact(artifact=ARTIFACT, url=ADDRESS)]
    assert located_files.with_sizes(candidates, None)[0].size is None
    assert located_files.with_sizes(candidates, lock_with_size(environment, None))[0].size is None
    assert located_files.with_sizes(candidates, lock_with_size(environment, 9))[0].size == 9
    changed_candidates = [
        located_files.LocatedArtifact(artifact=replace(ARTIFACT, sha256="ab" * 32), url=ADDRESS)
    ]
    assert located_files.with_sizes(changed_candidates, lock_with_size(environment, 9))[0].size is None


@pytest.mark.parametrize("status", [410, 429, 500, None])
def test_a_server_that_refuses_is_no_server_without_the_file(
    status: int | None, environment: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_web(monkeypatch, http.FetchError(ADDRESS, f"HTTP {status}", status=status))
    with pytest.raises(ToolError) as excinfo:
        located_files.with_sizes(
            [located_files.LocatedArtifact(artifact=ARTIFACT, url=ADDRESS)], lock_with_size(environment, None)
        )
    assert str(excinfo.value) == (
        "the size of a-1-py3-none-any.whl could not be read from https://mirror.example/a-1-py3-none-any.whl: "
        f"HTTP {status}; check TORCHPIN_MIRROR_PYPI and the channel's mirror, or try again"
    )


def test_a_source_archive_is_what_its_hash_says(monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = replace(ARTIFACT, filename="a-1.tar.gz", sha256=sha256(b"x").hexdigest())
    fake_web(monkeypatch, http.HttpResponse(status=200, length=1, content=b"x"))
    assert located_files.fetch_source(located_files.LocatedArtifact(artifact=artifact, url=ADDRESS)) == b"x"
    fake_web(monkeypatch, http.HttpResponse(status=200, length=1, content=b"y"))
    with pytest.raises(ToolError, match="does not match the hash that the index lists"):
        located_files.fetch_source(located_files.LocatedArtifact(artifact=artifact, url=ADDRESS))
    fake_web(monkeypatch, http.FetchError(ADDRESS, "HTTP 403 Forbidden", status=403))
    with pytest.raises(ToolError, match=r"HTTP 403 Forbidden.*TORCHPIN_MIRROR_PYPI") as excinfo:
        located_files.fetch_source(located_files.LocatedArtifact(artifact=artifact, url=ADDRESS))
    assert "SECRET" not in str(excinfo.value)
