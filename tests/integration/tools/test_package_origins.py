"""Packages from an index of the description, an address, the repository and git: real uv and git, with indexes on the loopback."""

from __future__ import annotations

import zipfile
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.git_repositories import git
from support.private_index import serve_privately
from torchpin.errors import InputError, ToolError
from torchpin.image import plan
from torchpin.lab.stub_wheels import build_wheel, index_file
from torchpin.lock import export, file_format
from torchpin.lock.layers import outdated_files
from torchpin.model import (
    Base,
    Environment,
    Index,
    Layer,
    Package,
    PackageFile,
    Service,
    Settings,
    Torch,
    Variant,
)
from torchpin.tools import index_server, package_files, uv_resolve
from torchpin.tools.uv_compile import NoSolutionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torchpin.model import Lock
    from torchpin.tools.index_server import File

ADDRESSED = build_wheel("kernels", "2.0", requires=["idna>=3"], modules={"kernels.py": ""})
OWN = build_wheel("own-tools", "1.0", requires=["kernels>=2"], modules={"own_tools.py": ""})
PROJECT = """[project]
name = "from-git"
version = "1.2"
dependencies = ["idna>=3", "own-tools"]
[build-system]
requires = ["builder>=1"]
build-backend = "builder"
"""


def stub(name: str, version: str, *requires: str) -> File:
    return index_file(*build_wheel(name, version, requires=requires, modules={f"{name}.py": ""}))


CHANNELS = {
    "cpu": {"torch": [stub("torch", "2.5.1+cpu")]},
    "pypi": {
        "idna": [stub("idna", "3.10")],
        "builder": [stub("builder", "1.1")],
        "inner": [stub("inner", "9.9")],  # somebody else's package of the same name
    },
    "corp": {
        "inner": [stub("inner", "1.0", "idna")],
        "idna": [stub("idna", "3.99")],
        "files": [index_file(*ADDRESSED)],
    },
}


def environment(*layers: Layer, url: str = "https://packages.example/simple") -> Environment:
    variant = Variant(name="cpu", channel="cpu", platform="linux/amd64")
    service = Service(
        name="cropper",
        summary="",
        python=Version("3.12.11"),
        base=Base(image="ubuntu:22.04"),
        torch=Torch(version=Version("2.5.1"), companions=MappingProxyType({})),
        variants=(variant,),
        layers=(Layer(name="web", packages=()), *layers),
        indexes=(Index(name="corp", url=url),),
    )
    return Environment(service=service, variant=variant)


def layer(name: str, pin: str, **file: str) -> Layer:
    return Layer(name=name, packages=(Package(pin, file=PackageFile(**file)),))


@contextmanager
def addresses(**mirrors: str) -> Iterator[tuple[str, Settings]]:
    with index_server.serve(CHANNELS) as base:
        yield (
            base,
            replace(
                Settings(),
                mirrors=MappingProxyType({"pypi": f"{base}/pypi/", "corp": f"{base}/corp/", **mirrors}),
            ),
        )


def resolve(root: Path, env: Environment, current: Lock | None = None) -> Lock:
    with addresses() as (base, settings):
        located = package_files.locate_files(root, env, settings)
        return uv_resolve.resolve(
            env, settings, index=f"{base}/cpu/", current=current, published={}, located=located
        )


def add_wheel(root: Path, wheel: tuple[str, bytes]) -> str:
    (root / "wheels").mkdir(exist_ok=True)
    (root / "wheels" / wheel[0]).write_bytes(wheel[1])
    return f"wheels/{wheel[0]}"


def make_git_repository(folder: Path, text: str = PROJECT) -> str:
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "python").mkdir()
    (folder / "python" / "pyproject.toml").write_text(text)
    (folder / "python" / "from_git.py").write_text("VALUE = 1\n")
    (folder / "README.md").write_text("beside\n")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "a")
    return git(folder, "rev-parse", "HEAD")


def test_the_packages_of_a_layer_come_from_its_index_and_what_they_require_from_pypi(tmp_path: Path) -> None:
    env = environment(Layer(name="own", packages=(Requirement("inner==1.0"),), index="corp"))
    lock = resolve(tmp_path, env)
    inner, idna = lock.packages["inner"], lock.packages["idna"]
    assert (inner.sha256, inner.version) == (CHANNELS["corp"]["inner"][0].sha256, "1.0")
    assert idna.version == "3.10"
    origins = {
        layer.name: (layer.origin, [package.name for package in layer.packages]) for layer in lock.layers
    }
    assert origins["03-own"] == ("corp", ["inner"])
    assert origins["02-web"] == ("pypi", ["idna"])
    assert not any("://" in text for text in file_format.lock_texts(lock).values())
    assert resolve(tmp_path, env, lock) == lock
    step = plan.install_steps(env, lock)[-1]
    assert (step.index, step.mirror) == ("https://packages.example/simple", "TORCHPIN_MIRROR_CORP")


def test_a_private_index_that_lets_nobody_in_is_no_fault_of_the_pins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").touch()
    env = environment(Layer(name="own", packages=(Requirement("inner==1.0"),), index="corp"))
    with serve_privately(CHANNELS) as server, addresses(corp=f"{server.base}/corp/") as (base, settings):
        with pytest.raises(ToolError) as excinfo:
            uv_resolve.resolve(env, settings, index=f"{base}/cpu/", published={})
        assert not isinstance(excinfo.value, NoSolutionError)
        assert f"{server.base}/corp" in str(excinfo.value)
        assert "401 Unauthorized" in str(excinfo.value)
        assert str(excinfo.value).endswith("a netrc file or by `uv auth login`, then try again")


def test_a_wheel_at_an_address_and_one_of_the_repository_are_resolved_with_all_else(tmp_path: Path) -> None:
    with addresses() as (base, settings):
        env = environment(
            layer(
                "by-address",
                "kernels==2.0",
                url=f"{base}/corp/files/{ADDRESSED[0]}",
                sha256=index_file(*ADDRESSED).sha256 or "",
            ),
            layer("own", "own-tools==1.0", path=add_wheel(tmp_path, OWN)),
        )
        located = package_files.locate_files(tmp_path, env, settings)
        lock = uv_resolve.resolve(env, settings, index=f"{base}/cpu/", published={}, located=located)
    kernels, own = lock.packages["kernels"], lock.packages["own-tools"]
    assert (kernels.origin, kernels.filename, kernels.size) == ("address", ADDRESSED[0], len(ADDRESSED[1]))
    assert (own.origin, own.sha256) == ("repository", index_file(*OWN).sha256)
    assert (kernels.required_by, own.required_by) == (("cropper", "own-tools"), ("cropper",))
    assert lock.packages["idna"].required_by == ("kernels",)
    texts = file_format.lock_texts(lock)
    assert not any("://" in text for text in texts.values())
    assert file_format.parse_lock("lockfiles/cropper-cpu", texts) == lock
    assert outdated_files(env, lock) == ()
    installed = "".join(export.install_file(layer_lock) for layer_lock in lock.layers)
    assert (
        f"kernels @ ${{TORCHPIN_MIRROR_KERNELS}}/{ADDRESSED[0]} --hash=sha256:{kernels.sha256}\n" in installed
    )
    assert f"own-tools @ ${{TORCHPIN_PACKAGES}}/{OWN[0]} --hash=sha256:{own.sha256}\n" in installed
    wheels = {wheel.name: wheel for wheel in lock.wheels}
    assert wheels["own-tools"].installs == ("own_tools.py",)


def test_a_git_commit_is_an_archive_with_locked_build_requirements(tmp_path: Path) -> None:
    commit = make_git_repository(tmp_path / "origin")
    path = add_wheel(tmp_path, OWN)
    add_wheel(tmp_path, ADDRESSED)
    env = environment(
        layer(
            "git", "from-git==1.2", git=(tmp_path / "origin").as_uri(), commit=commit, subdirectory="python"
        ),
        layer("own", "own-tools==1.0", path=path),
        layer("kernels", "kernels==2.0", path=f"wheels/{ADDRESSED[0]}"),
    )
    lock = resolve(tmp_path, env)
    package = lock.packages["from-git"]
    assert (package.origin, package.filename, package.is_source) == ("git", "from_git-1.2.zip", True)
    assert lock.build
    assert [(row.name, row.required_by) for row in lock.build.packages] == [("builder", ("from-git",))]
    context = plan.context_packages(env, lock)
    assert sorted(context) == [
        f"packages/{name}" for name in sorted((ADDRESSED[0], "from_git-1.2.zip", OWN[0]))
    ]
    copied = tmp_path / "copied.zip"
    package_files.copy_package(tmp_path, *context["packages/from_git-1.2.zip"], copied, Settings())
    with zipfile.ZipFile(copied) as archive:
        assert sorted(archive.namelist()) == [
            f"from_git-1.2/{name}" for name in ("PKG-INFO", "from_git.py", "pyproject.toml")
        ]
    # another checkout makes the same archive
    (tmp_path / "other").mkdir()
    for name in (OWN, ADDRESSED):
        add_wheel(tmp_path / "other", name)
    assert resolve(tmp_path / "other", env).packages["from-git"].sha256 == package.sha256


def test_a_file_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    other = build_wheel("own-tools", "2.0", modules={"own_tools.py": ""})[1]
    path = add_wheel(tmp_path, (OWN[0], other))
    with pytest.raises(
        InputError, match=r"the metadata of own_tools-1\.0-py3-none-any\.whl are of own-tools 2\.0"
    ):
        package_files.locate_files(
            tmp_path, environment(layer("own", "own-tools==1.0", path=path)), Settings()
        )
    (tmp_path / path).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(InputError, match="is a pointer of Git LFS, not the wheel; run `git lfs pull`"):
        package_files.locate_files(
            tmp_path, environment(layer("own", "own-tools==1.0", path=path)), Settings()
        )
    (tmp_path / path).unlink()
    with pytest.raises(InputError, match="is not there; put the wheel into the repository"):
        package_files.locate_files(
            tmp_path, environment(layer("own", "own-tools==1.0", path=path)), Settings()
        )
    outside = tmp_path.parent / f"{tmp_path.name}-outside.whl"
    outside.write_bytes(OWN[1])
    (tmp_path / path).symlink_to(outside)
    with pytest.raises(ToolError, match="is a link out of"):
        package_files.locate_files(
            tmp_path, environment(layer("own", "own-tools==1.0", path=path)), Settings()
        )


def test_a_wheel_for_another_python_or_with_another_hash_is_refused(tmp_path: Path) -> None:
    name, content = build_wheel(
        "own-tools", "1.0", tag="cp311-cp311-linux_x86_64", modules={"own_tools.py": ""}
    )
    env = environment(layer("own", "own-tools==1.0", path=add_wheel(tmp_path, (name, content))))
    with pytest.raises(InputError, match=r"is not for Python 3\.12\.11 on linux/amd64"):
        package_files.locate_files(tmp_path, env, Settings())
    with addresses() as (base, settings):
        env = environment(
            layer("kernels", "kernels==2.0", url=f"{base}/corp/files/{ADDRESSED[0]}", sha256="0f" * 32)
        )
        with pytest.raises(InputError, match=rf"has the SHA-256 {index_file(*ADDRESSED).sha256}, and 0f0f"):
            package_files.locate_files(tmp_path, env, settings)


def test_a_commit_that_is_not_there_or_has_submodules_is_refused(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    commit = make_git_repository(origin)
    address = origin.as_uri()
    missing = environment(layer("git", "from-git==1.2", git=address, commit="0f" * 20))
    with pytest.raises(
        ToolError,
        match=f"does not give the commit {'0f' * 20}; check `git`, `commit` and TORCHPIN_MIRROR_FROM_GIT",
    ):
        package_files.locate_files(tmp_path, missing, Settings())
    git(origin, "update-index", "--add", "--cacheinfo", f"160000,{commit},vendored")
    git(origin, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "b")
    env = environment(layer("git", "from-git==1.2", git=address, commit=git(origin, "rev-parse", "HEAD")))
    with pytest.raises(InputError, match="has the submodule vendored, which is not part of its tree"):
        package_files.locate_files(tmp_path, env, Settings())
