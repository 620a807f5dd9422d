"""Layers: their bytes follow from the wheels, the place and the time alone."""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
import zstandard

from support.wheel_files import artifact_of, build_wheel
from torchpin.assembly import compression, layer, tar
from torchpin.assembly.archive import WheelArchive, WheelError
from torchpin.assembly.layer import LayerPlan, layer_chunks, layer_key
from torchpin.assembly.wheel import VenvLayout, install_wheel, relative_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.assembly.compression import Compression

LAYOUT = VenvLayout(python="3.11")
EPOCH = 1_700_000_000
LONG = "/".join(["a" * 60] * 5)
FILES = {
    "x/__init__.py": b"X = 1\n",
    "x/größe.txt": b"text",
    "x/empty/": b"",
    f"x/{LONG}.txt": b"long",
    f"x/{'b' * 90}/{'c' * 90}": b"in two parts",
    "x/zeros": bytes(2_500_000),
    "x-1.0.data/scripts/tool": b"#!python\n",
    "x-1.0.data/data/lib64/x.txt": b"",
    "x-1.0.dist-info/entry_points.txt": b"[console_scripts]\nx = x:X\n",
}


def make_layer(*wheels: tuple[str, Mapping[str, bytes]], layout: VenvLayout = LAYOUT) -> bytes:
    installed = [
        install_wheel(
            WheelArchive(io.BytesIO(build_wheel(f"{name}-1.0-py3-none-any.whl", files)), f"{name}.whl"),
            name,
            layout,
        )
        for name, files in wheels
    ]
    return b"".join(layer_chunks(installed, layout, epoch=EPOCH))


def names(content: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return archive.getnames()


def test_the_bytes_of_a_layer_are_these() -> None:
    """Whatever the Python that makes them; a change here makes every layer of every image anew, and needs another FORMAT."""
    assert sha256(make_layer(("x", FILES))).hexdigest() == GOLDEN
    assert layer.FORMAT == 1


GOLDEN = "fdbac35e90c3fbf7c084a1af5c3328de8a4e904d871b39b09157f7e6e85c7cd3"


def test_every_folder_comes_before_what_is_in_it() -> None:
    paths = names(make_layer(("x", FILES)))
    assert paths[:3] == ["opt", "opt/venv", "opt/venv/bin"]
    seen = {""}
    for path in paths:
        assert path.rpartition("/")[0] in seen
        seen.add(path)
    assert "opt/venv/lib/python3.11/site-packages/x/empty" in paths
    assert "opt/venv/lib/x.txt" in paths  # lib64 is a link to lib
    assert not any("lib64" in path for path in paths)


def test_only_paths_that_the_old_format_cannot_tell_have_a_record_of_pax() -> None:
    with tarfile.open(fileobj=io.BytesIO(make_layer(("x", FILES)))) as archive:
        extended = {member.name.rpartition("/")[2] for member in archive if member.pax_headers}
    assert extended == {"größe.txt", f"{'a' * 60}.txt", "a" * 60}
    assert tar.header("x", size=1 << 33, mode=0o644, time=0) != tar.header("x", size=0, mode=0o644, time=0)


def test_of_two_wheels_with_one_file_the_later_one_s_is_installed() -> None:
    first, second = ("a", {"same.py": b"1", "a.py": b""}), ("b", {"same.py": b"22", "b.py": b""})
    for wheels, expected in (((first, second), b"22"), ((second, first), b"1")):
        content = make_layer(*wheels)
        assert names(content).count("opt/venv/lib/python3.11/site-packages/same.py") == 1
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            opened = archive.extractfile("opt/venv/lib/python3.11/site-packages/same.py")
            assert opened
            assert opened.read() == expected


def test_a_file_that_is_a_folder_of_another_wheel_is_refused() -> None:
    with pytest.raises(
        WheelError, match=r"a.whl: lib/python3.11/site-packages/same is a folder of another wheel"
    ):
        make_layer(("a", {"same": b""}), ("b", {"same/b.py": b""}))


def test_another_place_or_python_is_another_tree() -> None:
    paths = names(make_layer(("x", FILES), layout=VenvLayout(python="3.10", root="/srv/env")))
    assert {path.split("/")[0] for path in paths} == {"srv"}
    assert "srv/env/lib/python3.10/site-packages/x/__init__.py" in paths


@pytest.mark.parametrize("kind", compression.COMPRESSIONS)
def test_what_is_compressed_is_the_same_wherever_its_parts_end(kind: Compression) -> None:
    content = make_layer(("x", FILES))
    results = []
    for size in (4097, 100_000, len(content)):
        parts = (content[start : start + size] for start in range(0, len(content), size))
        pack = compression.compressor(kind)
        results.append(
            b"".join([*(bytes(pack.compress(chunk)) for chunk in layer._rechunk(parts)), pack.flush()])
        )
    assert len({*results}) == 1
    assert unpacked(results[0], kind) == content


def unpacked(content: bytes, kind: Compression) -> bytes:
    if kind == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(content)
    return gzip.decompress(content) if kind == "gzip" else content


def test_the_key_of_a_layer_changes_with_all_that_its_bytes_depend_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wheel = artifact_of("x-1.0-py3-none-any.whl", b"1")
    second = artifact_of("y-1.0-py3-none-any.whl", b"2")
    plan = LayerPlan(name="a", wheels=(wheel, second))

    def key(
        plan: LayerPlan = plan, layout: VenvLayout = LAYOUT, epoch: int = 0, kind: Compression = "none"
    ) -> str:
        return layer_key(plan, layout, epoch=epoch, compression=kind)

    assert key(replace(plan, name="b")) == key()
    assert key(replace(plan, wheels=(replace(wheel, required_by=("z",), size=None), second))) == key()
    others = {
        key(replace(plan, wheels=(wheel,))),
        key(replace(plan, wheels=(second, wheel))),
        key(replace(plan, wheels=(replace(wheel, sha256="0" * 64), second))),
        key(layout=VenvLayout(python="3.12")),
        key(layout=VenvLayout(python="3.11", root="/srv/env")),
        key(epoch=1),
        key(kind="gzip"),
        key(kind="zstd"),
        key(replace(plan, content="bytecode")),
        key(replace(plan, content="wheels and bytecode")),
        layer_key(
            replace(plan, content="bytecode"), LAYOUT, epoch=0, compression="none", bytecode="another Python"
        ),
    }
    assert key() == layer_key(plan, LAYOUT, epoch=0, compression="none", bytecode="any Python")
    before = key()
    monkeypatch.setattr(layer, "FORMAT", layer.FORMAT + 1)
    assert len({*others, before, key()}) == len(others) + 2


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        ("bin/x", "lib/python3.11/site-packages", "../../../bin/x"),
        ("lib/x", "lib/python3.11/site-packages", "../../x"),
        ("lib/python3.11/site-packages/a/b", "lib/python3.11/site-packages", "a/b"),
        ("x", "lib", "../x"),
    ],
)
def test_a_path_is_told_from_site_packages(path: str, folder: str, expected: str) -> None:
    assert relative_path(path, folder) == expected
