"""The addresses of locked files as real uv reads them, from indexes on the loopback address."""

from __future__ import annotations

import hashlib
import io
import tarfile
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.small_service import DESCRIPTION, read_environment
from torchpin.errors import ToolError
from torchpin.model import Artifact, Settings
from torchpin.tools import index_server, process
from torchpin.tools.uv_export import file_locations

if TYPE_CHECKING:
    from collections.abc import Iterator

ENV = read_environment(DESCRIPTION)
WHEEL = Artifact(name="a-b", version="1.0", filename="a_b-1.0-py3-none-any.whl", sha256="ab" * 32)


def source_archive() -> bytes:
    """A source archive that can be neither built nor read without being run."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in (
            ("setup.py", "raise SystemExit('built')"),
            ("PKG-INFO", "Metadata-Version: 1.0\n"),
        ):
            member = tarfile.TarInfo(f"old-1.4/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


@contextmanager
def served(*files: index_server.File) -> Iterator[Settings]:
    """Settings with a mirror of PyPI that has these files."""
    pages: dict[str, list[index_server.File]] = {}
    for file in files:
        pages.setdefault(file.filename.split("-")[0].replace("_", "-"), []).append(file)
    with index_server.serve({"pypi": pages}) as base_url:
        yield Settings(mirrors={"pypi": f"{base_url}/pypi/"})


def test_the_locked_file_is_chosen_by_its_hash_among_those_of_its_package() -> None:
    others = (
        index_server.File(filename="a_b-1.0-cp310-cp310-manylinux_2_17_x86_64.whl", sha256="cd" * 32),
        index_server.File(filename="a_b-1.0.tar.gz", sha256="ef" * 32),
    )
    with served(
        index_server.File(filename=WHEEL.filename, sha256=WHEEL.sha256, size=17), *others
    ) as settings:
        (location,) = file_locations(ENV, [WHEEL], settings, index=None).values()
    assert location.url.endswith(f"/pypi/files/{WHEEL.filename}")
    assert location.size == 17


def test_a_source_is_neither_downloaded_nor_built() -> None:
    content = source_archive()
    digest = hashlib.sha256(content).hexdigest()
    locked = replace(WHEEL, name="old", version="1.4", filename="old-1.4.tar.gz", sha256=digest)
    for body in (content, None):
        with served(index_server.File(filename=locked.filename, sha256=digest, content=body)) as settings:
            assert {*file_locations(ENV, [locked], settings, index=None)} == {"old"}


def test_a_file_that_is_listed_with_another_hash_is_told() -> None:
    with (
        served(index_server.File(filename=WHEEL.filename, sha256="cd" * 32)) as settings,
        pytest.raises(ToolError, match=rf"^{WHEEL.filename}: the index no longer lists the locked hash abab"),
    ):
        file_locations(ENV, [WHEEL], settings, index=None)


def test_a_version_that_is_gone_is_told_with_the_words_of_uv() -> None:
    with (
        served(index_server.File(filename=WHEEL.filename, sha256=WHEEL.sha256)) as settings,
        pytest.raises(
            ToolError, match=r"(?s)^lora-gpu: the addresses of its files could not be read:\n.*a-b==2\.0"
        ) as excinfo,
    ):
        file_locations(ENV, [replace(WHEEL, version="2.0")], settings, index=None)
    assert "torchpin-" not in str(excinfo.value)


def test_torch_is_looked_up_at_its_own_index() -> None:
    torch = replace(WHEEL, name="torch", version="2.5.1", filename="torch-2.5.1-py3-none-any.whl")
    listed = index_server.File(filename=torch.filename, sha256=torch.sha256)
    with index_server.serve({"cu121": {"torch": [listed]}, "pypi": {}}) as base_url:
        settings = Settings(mirrors={"pypi": f"{base_url}/pypi/"})
        (location,) = file_locations(ENV, [torch], settings, index=f"{base_url}/cu121/").values()
        assert location.url == f"{base_url}/cu121/files/{torch.filename}"
        with pytest.raises(ToolError, match="the addresses of its files could not be read"):
            file_locations(ENV, [torch], settings, index=None)


def test_nothing_is_asked_for_nothing() -> None:
    assert file_locations(ENV, [], Settings(mirrors={"pypi": "http://127.0.0.1:9/"}), index=None) == {}


def test_a_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(ToolError, match=r"^`sleep 60` took longer than 0\.2 s, and was ended$"):
        process.run(("sleep", "60"), timeout=0.2)
