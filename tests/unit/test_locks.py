"""uv's commands, and what is read from its answers and from source archives; no uv is run."""

from __future__ import annotations

import io
import subprocess
import tarfile
import zipfile
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from torchpin.errors import ToolError
from torchpin.image import plan
from torchpin.lock import sdist
from torchpin.lock.layers import layer_lock
from torchpin.model import Artifact, Environment, Lock, Settings
from torchpin.tools import http, process, uv, uv_install, uv_resolve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Environments = Callable[..., Environment]

COMMON = (
    "--no-python-downloads",
    "--python-version",
    "3.10.14",
    "--python-platform",
    "x86_64-manylinux_2_28",
)


# --- commands --------------------------------------------------------------------------------------------------------


def test_pins_are_compiled_with_who_wants_them(environment: Environments) -> None:
    assert uv.compile_command(environment(), "pins.txt", upgrade=("tqdm", "toml")) == (
        uv.uv_executable(), "pip", "compile", "pyproject.toml", "--quiet", "--output-file", "pins.txt",
        "--annotation-style", "line", "--no-header", *COMMON, "--upgrade-package", "tqdm", "--upgrade-package", "toml",
    )  # fmt: skip


def test_a_lock_is_compiled_as_pylock(environment: Environments) -> None:
    assert uv.compile_command(environment(), "pylock.toml", extra=("--no-deps",)) == (
        uv.uv_executable(), "pip", "compile", "pyproject.toml", "--quiet", "--output-file", "pylock.toml",
        "--format", "pylock.toml", *COMMON, "--no-deps",
    )  # fmt: skip


def test_another_platform_and_python_are_resolved_for_themselves(environment: Environments) -> None:
    env = environment(platform="linux/arm64", python=Version("3.12.8"))
    command = uv.compile_command(env, "pins.txt")
    assert command[-4:] == ("--python-version", "3.12.8", "--python-platform", "aarch64-manylinux_2_28")


@pytest.mark.parametrize(
    ("builds", "options"),
    [
        (False, ("--no-build",)),
        (
            True,
            (
                "--preview-features",
                "build-dependency-hashes",
                "--require-build-hashes",
                "--build-constraints",
            ),
        ),
    ],
)
def test_a_layer_is_installed_natively_as_in_the_image(
    tmp_path: Path, builds: bool, options: tuple[str, ...]
) -> None:
    step = plan.InstallStep(
        file="02-a.txt", origin="pypi", index=None, mirror="M", optional=False, builds=builds
    )
    command = uv_install.install_command(step, tmp_path / "venv", tmp_path / "layers")
    constraints = (str(tmp_path / "layers" / "build.txt"),) if builds else ()
    assert command == (
        uv.uv_executable(), "pip", "install", "--python", str(tmp_path / "venv"), "--no-deps", "--require-hashes", *options, *constraints,
        "--requirements", str(tmp_path / "layers" / "02-a.txt"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "UV_INDEX",
        "UV_EXTRA_INDEX_URL",
        "UV_EXCLUDE_NEWER",
        "UV_PRERELEASE",
        "UV_TORCH_BACKEND",
        "VIRTUAL_ENV",
    ],
)
def test_what_would_change_a_resolution_is_hidden_from_uv(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    assert name not in uv.uv_environment(Settings())


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_CACHE_DIR", "SSL_CERT_FILE", "HTTPS_PROXY"])
def test_how_a_machine_reaches_the_world_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    assert uv.uv_environment(Settings())[name] == "x"


def test_mirrors_are_what_uv_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "x")
    mirrors = {"pypi": "http://127.0.0.1/simple", "python": "http://127.0.0.1/python", "cu121": "y"}
    variables = uv.uv_environment(Settings(mirrors=mirrors))
    assert variables["UV_DEFAULT_INDEX"] == mirrors["pypi"]
    assert variables["UV_PYTHON_INSTALL_MIRROR"] == mirrors["python"]


# --- answers ---------------------------------------------------------------------------------------------------------

PINS = """\
accelerate==1.6.0         # via lora (pyproject.toml)
Jinja2==3.1.4             # via torch
filelock==3.16.1          # via -c pins.txt, huggingface-hub, torch, transformers
torch==2.5.1+cu121        # via accelerate, diffusers[torch], lora (pyproject.toml)
zope.interface==5.0       # via Ruamel_YAML
"""


def test_who_wants_a_package_is_read_from_uv_s_comments() -> None:
    assert uv_resolve._parse_required_by(PINS, "lora") == {
        "accelerate": ("lora",),
        "jinja2": ("torch",),
        "filelock": ("huggingface-hub", "torch", "transformers"),
        "torch": ("accelerate", "diffusers", "lora"),
        "zope-interface": ("ruamel-yaml",),
    }


def test_a_line_without_a_comment_tells_nothing() -> None:
    assert uv_resolve._parse_required_by("torch==2.5.1\n# a comment\n\n", "lora") == {}


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
    artifact = uv_resolve._select_file(environment(), package).artifact
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
        uv_resolve._select_file(environment(), package)
    assert str(excinfo.value) == (
        "a 1 has no hashed file for Python 3.10.14 on linux/amd64: pin a version that has one."
    )


def test_an_address_s_host_is_asked_with_the_mirror_s_credentials(
    environment: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    env = environment()
    settings = Settings(mirrors={"pypi": "https://a:b@mirror.example/simple"})

    def requested_url(name: str, index: str | None, url: str) -> str:
        candidate = uv_resolve._LocatedArtifact(artifact=ARTIFACT, url=url)
        return uv_resolve._absolute_url(
            candidate, tmp_path, uv_resolve._package_indexes(env, settings, index, {"name": name})
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
    candidate = uv_resolve._select_file(environment(), {"name": "a", "version": "1", "wheels": [row]})
    assert (candidate.artifact.filename, candidate.url) == ("a-1-py3-none-any.whl", row["path"])


ARTIFACT = Artifact(name="a", version="1", filename="a-1-py3-none-any.whl", sha256="0f" * 32)
ADDRESS = "https://user:SECRET@mirror.example/a-1-py3-none-any.whl"


def fake_web(monkeypatch: pytest.MonkeyPatch, answer: http.HttpResponse | http.FetchError) -> list[str]:
    """The addresses that are asked for while every one gives the same answer."""
    requests: list[str] = []

    def fake_fetch(url: str, method: str = "GET", **options: object) -> http.HttpResponse:
        requests.append(f"{method} {url}")
        if isinstance(answer, http.FetchError):
            raise answer
        return answer

    uv_resolve._fetch_size.cache_clear()
    monkeypatch.setattr(http, "fetch", fake_fetch)
    return requests


def lock_with_size(environment: Environments, size: int | None) -> Lock:
    env = environment()
    return Lock(layers=(), build=layer_lock(env, "build", [replace(ARTIFACT, size=size)], uv="1"))


def test_a_size_is_asked_for_where_the_index_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = fake_web(monkeypatch, http.HttpResponse(status=200, length=7, content=b""))
    (sized,) = uv_resolve._with_sizes([uv_resolve._LocatedArtifact(artifact=ARTIFACT, url=ADDRESS)], None)
    assert sized.size == 7
    (sized,) = uv_resolve._with_sizes(
        [uv_resolve._LocatedArtifact(artifact=replace(ARTIFACT, size=5), url="x")], None
    )
    assert sized.size == 5
    assert requests == [f"HEAD {ADDRESS}"]


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_without_the_file_keeps_the_present_lock_s_size(
    status: int, environment: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_web(monkeypatch, http.FetchError(ADDRESS, "HTTP", status=status))
    candidates = [uv_resolve._LocatedArtifact(artifact=ARTIFACT, url=ADDRESS)]
    assert uv_resolve._with_sizes(candidates, None)[0].size is None
    assert uv_resolve._with_sizes(candidates, lock_with_size(environment, None))[0].size is None
    assert uv_resolve._with_sizes(candidates, lock_with_size(environment, 9))[0].size == 9
    changed_candidates = [
        uv_resolve._LocatedArtifact(artifact=replace(ARTIFACT, sha256="ab" * 32), url=ADDRESS)
    ]
    assert uv_resolve._with_sizes(changed_candidates, lock_with_size(environment, 9))[0].size is None


@pytest.mark.parametrize("status", [401, 403, 410, 429, 500, None])
def test_a_server_that_refuses_is_no_server_without_the_file(
    status: int | None, environment: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_web(monkeypatch, http.FetchError(ADDRESS, f"HTTP {status}", status=status))
    with pytest.raises(ToolError) as excinfo:
        uv_resolve._with_sizes(
            [uv_resolve._LocatedArtifact(artifact=ARTIFACT, url=ADDRESS)], lock_with_size(environment, 9)
        )
    assert str(excinfo.value) == (
        "The size of a-1-py3-none-any.whl could not be read from https://mirror.example/a-1-py3-none-any.whl: "
        f"HTTP {status}. Check TORCHPIN_MIRROR_PYPI and the channel's mirror, or try again."
    )


def test_a_source_archive_is_what_its_hash_says(monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = replace(ARTIFACT, filename="a-1.tar.gz", sha256=sha256(b"x").hexdigest())
    fake_web(monkeypatch, http.HttpResponse(status=200, length=1, content=b"x"))
    assert uv_resolve._fetch_source(uv_resolve._LocatedArtifact(artifact=artifact, url=ADDRESS)) == b"x"
    fake_web(monkeypatch, http.HttpResponse(status=200, length=1, content=b"y"))
    with pytest.raises(ToolError, match="is not the file whose hash the index gives"):
        uv_resolve._fetch_source(uv_resolve._LocatedArtifact(artifact=artifact, url=ADDRESS))
    fake_web(monkeypatch, http.FetchError(ADDRESS, "HTTP 403 Forbidden", status=403))
    with pytest.raises(ToolError, match=r"HTTP 403 Forbidden.*TORCHPIN_MIRROR_PYPI") as excinfo:
        uv_resolve._fetch_source(uv_resolve._LocatedArtifact(artifact=artifact, url=ADDRESS))
    assert "SECRET" not in str(excinfo.value)


def test_what_uv_says_is_told_without_credentials(
    environment: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    completed = subprocess.CompletedProcess(("uv",), 2, "", f"error: no answer from {ADDRESS}\n")
    monkeypatch.setattr(process, "run", lambda *command, **options: completed)
    with pytest.raises(ToolError) as excinfo:
        uv.run_compile(environment(), Settings(), tmp_path, ("uv",))
    assert str(excinfo.value).endswith(
        "    error: no answer from https://mirror.example/a-1-py3-none-any.whl"
    )


# --- what builds a source archive ------------------------------------------------------------------------------------


def make_tar(mode: str = "gz", **files: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{mode}") as archive:  # type: ignore[call-overload]
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("__", "/").replace("_toml", ".toml"))
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def make_zip(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/").replace("_toml", ".toml"), text)
    return buffer.getvalue()


FLIT = '[build-system]\nrequires = ["flit_core >=3.2,<4"]\nbuild-backend = "flit_core.buildapi"\n'


@pytest.mark.parametrize(
    ("content", "requirements"),
    [
        (make_tar(a__pyproject_toml=FLIT), ("flit_core >=3.2,<4",)),
        (make_tar("bz2", a__pyproject_toml=FLIT), ("flit_core >=3.2,<4",)),
        (make_tar(a__setup="", a__b__pyproject_toml=FLIT), ("setuptools", "wheel")),
        (make_tar(a__pyproject_toml="[project]\n"), ("setuptools", "wheel")),
        (
            make_tar(a__pyproject_toml='[build-system]\nrequires = ["setuptools>=61", "cython"]\n'),
            ("cython", "setuptools>=61", "wheel"),
        ),
        (
            make_tar(a__pyproject_toml='[build-system]\nrequires = ["setuptools", "wheel"]\n'),
            ("setuptools", "wheel"),
        ),
        (make_tar(a__pyproject_toml="[build-system]\nrequires = []\n"), ()),
    ],
)
def test_a_source_says_what_builds_it(content: bytes, requirements: tuple[str, ...]) -> None:
    assert sdist.build_requirements(content, "a-1.tar.gz") == requirements


def test_a_zipped_source_says_what_builds_it() -> None:
    assert sdist.build_requirements(make_zip(a__pyproject_toml=FLIT), "a-1.zip") == ("flit_core >=3.2,<4",)
    assert sdist.build_requirements(make_zip(a__setup=""), "a-1.zip") == ("setuptools", "wheel")
