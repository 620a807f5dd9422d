"""What is assembled is what uv installs: every path, mode and content."""

from __future__ import annotations

import io
import os
import platform
import re
import stat
import subprocess
import sys
import tarfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.utils import parse_wheel_filename

from support.wheel_files import build_wheel
from torchpin.assembly.archive import WheelArchive, WheelError
from torchpin.assembly.layer import layer_chunks
from torchpin.assembly.wheel import VenvLayout, install_wheel
from torchpin.facts import index_pages
from torchpin.model import Artifact, Settings
from torchpin.tools import http, index_server, pypi
from torchpin.tools.index_server import File, metadata_text
from torchpin.tools.uv import uv_executable
from torchpin.tools.wheel_store import WheelStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Tree = Mapping[str, tuple[int, bytes | str | None]]

REPOSITORY = Path(__file__).parents[3]
SCRIPT = b"#!python\nimport sys\nprint(sys.argv)\n"
LONG = "/".join(["a_folder_with_a_rather_long_name"] * 7)
EXECUTABLE = 0o755
LOCK = ".lock"  # of uv itself, for the time that it installs
ENTRY_POINTS = """\
[console_scripts]
hello = hello.cli:main
with-extra = hello.cli:run [extra]
Capital.Name = hello.cli:Group.method
pip3 = hello.cli:main
pip3.7 = hello.cli:main
; a comment
[gui_scripts]
window=hello.gui : main
[other]
plugin = hello
"""
WHEELS = {
    "hello-1.0-py3-none-any.whl": build_wheel(
        "hello-1.0-py3-none-any.whl",
        {
            "hello/__init__.py": b"",
            "hello/cli.py": b"def main(): print('hello')\nrun = main\n",
            "hello/run.sh": (b"#!/bin/sh\n", EXECUTABLE),
            "hello/group.sh": (b"#!/bin/sh\n", 0o654),
            "hello/private.txt": (b"for nobody\n", 0o600),
            "hello/größe-数.txt": "größe\n".encode(),
            'hello/with, comma and "quotes".txt': b"x",
            "hello/empty/": b"",
            f"hello/{LONG}/{LONG}/file.txt": b"deep",
            f"hello/{LONG}.txt": b"long",
            "hello/__pycache__/cli.cpython-311.pyc": b"compiled elsewhere",
            "hello-1.0.dist-info/entry_points.txt": ENTRY_POINTS.encode(),
            "hello-1.0.dist-info/licenses/LICENSE": b"MIT",
        },
    ),
    "namespace_a-1.0-py3-none-any.whl": build_wheel(
        "namespace_a-1.0-py3-none-any.whl", {"shared/a/__init__.py": b"A = 1\n"}, stored=True
    ),
    "namespace_b-1.0-py3-none-any.whl": build_wheel(
        "namespace_b-1.0-py3-none-any.whl", {"shared/b/__init__.py": b"B = 1\n"}, purelib=False, system=0
    ),
    "My.Data-2.0-py3-none-any.whl": build_wheel(
        "My.Data-2.0-py3-none-any.whl",
        {
            "my_data.py": b"",
            "My.Data-2.0.data/scripts/tool": SCRIPT,
            "My.Data-2.0.data/scripts/tool-gui": b"#!pythonw -s\r\nprint('x')\r\n",
            "My.Data-2.0.data/scripts/old-mac": b"#!python\rprint('x')\r",
            "My.Data-2.0.data/scripts/shell": b"#!/bin/sh\necho x\n",
            "My.Data-2.0.data/scripts/binary": (b"\x7fELF\x00\x01", EXECUTABLE),
            "My.Data-2.0.data/scripts/short": b"#!",
            "My.Data-2.0.data/scripts/entry": b"#!python\nreplaced by the entry point\n",
            "My.Data-2.0.data/scripts/only-a-line": b"#!python",
            "My.Data-2.0.data/data/share/doc/my data/read.me": b"read me\n",
            "My.Data-2.0.data/data/etc/my.conf": b"conf",
            "My.Data-2.0.data/data/bin/plain": b"not executable",
            "My.Data-2.0.data/data/share/empty/": b"",
            "My.Data-2.0.data/data/lib64/python3/x.txt": b"through a link",
            "My.Data-2.0.data/headers/my.h": b"#define MY 1\n",
            "My.Data-2.0.data/headers/deep/er.h": b"",
            "My.Data-2.0.data/purelib/my_pure/__init__.py": b"",
            "My.Data-2.0.data/platlib/my_plat/__init__.py": b"",
            "My.Data-2.0.dist-info/entry_points.txt": b"[console_scripts]\nentry = my_data:main\n",
        },
    ),
    "records-1.0-py3-none-any.whl": build_wheel(
        "records-1.0-py3-none-any.whl",
        {
            "records/__init__.py": b"1",
            "records/unlisted.py": b"22",
            "records-1.0.dist-info/RECORD.jws": b"{}",
        },
        record="./records/__init__.py,sha256=of-nothing,0001\r\nrecords/missing.py,sha256=x,9\n"
        "/records-1.0.dist-info/METADATA,,\nrecords-1.0.dist-info/RECORD,,\n",
        record_mode=EXECUTABLE,
    ),
    "installed_before-1.0-py3-none-any.whl": build_wheel(
        "installed_before-1.0-py3-none-any.whl",
        {"installed_before.py": b"", "installed_before-1.0.dist-info/INSTALLER": b"pip\n"},
    ),
}


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place") / "venv"
    run_uv("venv", "--quiet", "--no-project", "--python", sys.executable, str(folder), folder=folder.parent)
    return folder


def run_uv(*arguments: str, folder: Path, **variables: str) -> None:
    """uv as in an image: with the umask of root there, and none of this machine's settings."""
    subprocess.run(
        (uv_executable(), *arguments),
        check=True,
        umask=0o022,
        env={
            **os.environ,
            "UV_CACHE_DIR": str(folder / "cache"),
            "UV_LINK_MODE": "copy",
            "UV_NO_CONFIG": "1",
            **variables,
        },
    )


def read_tree(root: Path) -> Tree:
    """Every path below a folder with its mode, and the content of a file; of a folder that is None, of a link its target."""
    tree: dict[str, tuple[int, bytes | str | None]] = {}
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        content: bytes | str | None = None
        if stat.S_ISLNK(mode):
            content = str(path.readlink())
        elif stat.S_ISREG(mode):
            content = path.read_bytes()
        tree[str(path.relative_to(root))] = (stat.S_IMODE(mode), content)
    return tree


def layout_of(venv: Path) -> VenvLayout:
    return VenvLayout(root=str(venv), python=f"3.{sys.version_info.minor}")


def assemble(wheels: Mapping[str, bytes], venv: Path) -> Tree:
    """The tree of the layer of some wheels, below the venv."""
    layout = layout_of(venv)
    with ExitStack() as stack:
        installed = [
            install_wheel(
                WheelArchive(stack.enter_context(io.BytesIO(content)), filename),
                filename.split("-")[0],
                layout,
            )
            for filename, content in wheels.items()
        ]
        layer = b"".join(layer_chunks(installed, layout, epoch=1_700_000_000))
    tree: dict[str, tuple[int, bytes | str | None]] = {}
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        names = archive.getnames()
        assert len(names) == len({*names})
        for member in archive:
            name = f"/{member.name}".removeprefix(f"{venv}/")
            if not name.startswith("/"):
                content = archive.extractfile(member)
                assert member.isfile() or member.isdir()
                assert (member.uid, member.gid, member.mtime) == (0, 0, 1_700_000_000)
                tree[name] = (member.mode, content.read() if content else None)
    return tree


def install_with_uv(wheels: Mapping[str, bytes], venv: Path) -> Tree:
    """What uv adds to the venv when it installs wheels of an index; it is uninstalled at the end."""
    before = read_tree(venv)
    files = {}
    for filename, content in wheels.items():
        name, version = filename.split("-")[:2]
        row = File(filename=filename, sha256=None, content=content, metadata=metadata_text(name, version))
        files[name.lower().replace(".", "-").replace("_", "-")] = (row,)
    with index_server.serve({"pypi": files}) as address:
        run_uv(
            *("pip", "install", "--quiet", "--no-deps", "--no-build", "--reinstall", *files),
            folder=venv.parent,
            UV_DEFAULT_INDEX=f"{address}/pypi/",
            VIRTUAL_ENV=str(venv),
        )
    after = read_tree(venv)
    return {path: entry for path, entry in after.items() if before.get(path) != entry}


@pytest.fixture(scope="module")
def both_trees(venv: Path) -> Iterator[tuple[Tree, Tree]]:
    """What is assembled of all wheels, and what uv installs of them."""
    yield assemble(WHEELS, venv), install_with_uv(WHEELS, venv)
    run_uv(
        *("pip", "uninstall", "--quiet", *(name.split("-")[0] for name in WHEELS)),
        folder=venv.parent,
        VIRTUAL_ENV=str(venv),
    )


def test_each_path_has_the_mode_and_the_content_that_uv_writes(both_trees: tuple[Tree, Tree]) -> None:
    assembled, installed = both_trees
    assert {path: assembled.get(path) for path in installed if path != LOCK} == {
        path: entry for path, entry in installed.items() if path != LOCK
    }


def test_nothing_is_assembled_that_uv_does_not_install(both_trees: tuple[Tree, Tree], venv: Path) -> None:
    assembled, installed = both_trees
    shared = {path for path in assembled if path not in installed}
    assert all((venv / path).is_dir() for path in shared)


@pytest.mark.parametrize(
    "files",
    [
        {"x.py": b"", "bad-1.0.data/scripts/python3": SCRIPT},
        {"x.py": b"", "bad-1.0.data/data/bin/python": SCRIPT},
        {"x.py": b"", "bad-1.0.data/elsewhere/x": b""},
        {"x.py": b"", "bad-1.0.data/scripts/folder/x": b""},
        {"x.py": b"", "bad-1.0.dist-info/entry_points.txt": b"[console_scripts]\npython = x:y\n"},
        {"x.py": b"", "bad-1.0.dist-info/entry_points.txt": b"[console_scripts]\nx = y\n"},
        {"x.py": b"", "bad-1.0.dist-info/entry_points.txt": b"[console_scripts]\nx = y:z # why\n"},
        {"x.py": b"", "bad-1.0.dist-info/entry_points.txt": b"[console_scripts]\nx = y:z ; why\n"},
        {"x.py": b"", "other-1.0.dist-info/METADATA": b""},
    ],
)
def test_a_wheel_that_uv_refuses_is_refused(files: Mapping[str, bytes], venv: Path) -> None:
    wheels = {"bad-1.0-py3-none-any.whl": build_wheel("bad-1.0-py3-none-any.whl", files)}
    with pytest.raises(subprocess.CalledProcessError):
        install_with_uv(wheels, venv)
    with pytest.raises(WheelError):
        assemble(wheels, venv)


REAL_WHEELS = {  # pip's scripts with versions, a manual page, data files, headers, a compiled script, a namespace
    "pip-26.3-py3-none-any.whl": "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13",
    "tqdm-4.70.1-py3-none-any.whl": "c293e525e6fef9c20e8728fd4612df02a0aa31bb5fe91ecd93e123b1b7bffa73",
    "jupyterlab_widgets-3.0.17-py3-none-any.whl": "40ac1e9955acf116c4d995d9bfa082d86ad9ec6d91c4f134827cf5e0a5eb75e0",
    "pybind11_global-3.1.0-py3-none-any.whl": "ae4ce119e9f0d7a2ef2372a6bd70d7906073a67a7d7c759023601a629c4bbd36",
    "ninja-1.13.2-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl": "65a24341b5ac09fcadcc37082660be40a94174e51a937fabf6e2cae26225fa2c",
    "jaraco_functools-4.6.0-py3-none-any.whl": "99e3dc0060c5cbe8fcd1cdb36258e2a65ca40f1566b2033b12abb1bb44dd3c30",
}


def test_what_uv_notes_of_a_file_is_removed_in_the_image_so_that_it_is_as_assembled(
    venv: Path, tmp_path: Path
) -> None:
    """The step of a rendered Dockerfile, for the venv here; the address of a file may be that of a mirror."""
    dockerfile = (REPOSITORY / "docker/videogen-gpu/Dockerfile").read_text()
    step = re.search(r"for note in .*?\n    done", dockerfile, re.DOTALL)
    assert step
    filename = "hello-1.0-py3-none-any.whl"
    (tmp_path / filename).write_bytes(WHEELS[filename])
    before = read_tree(venv)
    address = f"hello @ {(tmp_path / filename).as_uri()}"
    run_uv(
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--reinstall",
        address,
        folder=venv.parent,
        VIRTUAL_ENV=str(venv),
    )
    notes = {path.name for path in venv.rglob("*.json")}
    script = step[0].replace("/opt/venv", str(venv)).replace("/tmp/record", str(tmp_path / "record"))
    subprocess.run(("sh", "-eu", "-c", script), check=True)
    installed = {
        path: entry for path, entry in read_tree(venv).items() if before.get(path) != entry and path != LOCK
    }
    assembled = assemble({filename: WHEELS[filename]}, venv)
    run_uv("pip", "uninstall", "--quiet", "hello", folder=venv.parent, VIRTUAL_ENV=str(venv))
    assert notes == {"direct_url.json", "uv_cache.json"}
    assert {path: assembled.get(path) for path in installed} == installed
    assert {path for path in assembled if path not in installed} <= {*before}


@pytest.mark.network
@pytest.mark.skipif(platform.machine() != "x86_64", reason="a wheel is for x86_64 alone")
def test_wheels_of_pypi_are_assembled_as_uv_installs_them(venv: Path, tmp_path: Path) -> None:
    """They are fetched by both; real ones say what no test would think of."""
    store = WheelStore(folder=tmp_path / "wheels")
    index = pypi.index_address(Settings())
    wheels = {}
    for filename, digest in REAL_WHEELS.items():
        name, version, *_ = parse_wheel_filename(filename)
        page = f"{index}/{name}/"
        links = index_pages.parse_addresses(http.fetch(page).content.decode())
        artifact = Artifact(name=name, version=str(version), filename=filename, sha256=digest)
        address = http.join(page, links[filename])
        wheels[filename] = store.fetch(artifact, partial(str, address), lambda size: None).read_bytes()
    pins = ["==".join(filename.split("-")[:2]) for filename in REAL_WHEELS]
    before = read_tree(venv)
    run_uv(
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build",
        *pins,
        folder=venv.parent,
        VIRTUAL_ENV=str(venv),
    )
    installed = {
        path: entry for path, entry in read_tree(venv).items() if before.get(path) != entry and path != LOCK
    }
    assembled = assemble(wheels, venv)
    assert {path: assembled.get(path) for path in installed} == installed
    assert {path for path in assembled if path not in installed} <= {*before}
