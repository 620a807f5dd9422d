"""What an earlier proof has shown is taken where nothing that it rests on has moved, and only there."""

from __future__ import annotations

import importlib
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.runtime_scripts import probe_kept

if TYPE_CHECKING:
    from pathlib import Path


def install(site: Path, name: str, version: str, *requires: str, record: str | None = None) -> None:
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = "".join(f"Requires-Dist: {text}\n" for text in requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}")
    if record is None:
        record = f"{name}/__init__.py,sha256=of{version},1\n{name}-{version}.dist-info/RECORD,,\n"
    if record:
        (info / "RECORD").write_text(record)


@pytest.fixture(autouse=True)
def no_python_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """`app` loads `leaf` where it has its extra, `other` stands alone, and `single` is one file."""
    site = tmp_path / "site"
    install(site, "app", "1", 'leaf>=1; extra == "more"', "base", "absent")
    install(site, "leaf", "1")
    install(site, "base", "1")
    install(site, "other", "1")
    install(site, "single", "1", record="single.py,sha256=a,1\n../../bin/single,sha256=b,1\n")
    return site


def rests(site: Path, name: str, **edges: set[str]) -> list[str]:
    names: list[str] = probe_kept.rests_on(name, probe_kept.packages([str(site)]), edges)
    return names


def test_an_import_rests_on_what_its_package_requires_with_all_extras(site: Path) -> None:
    assert rests(site, "app") == ["app", "base", "leaf"]
    assert rests(site, "app.part") == ["app", "base", "leaf"]
    assert rests(site, "other") == ["other"]
    assert rests(site, "single") == ["single"]


def test_an_import_rests_on_what_it_loads_without_requiring_it(site: Path) -> None:
    assert rests(site, "other", other={"json", "helper"}, helper={"leaf"}) == ["leaf", "other"]


def test_what_the_standard_library_imports_by_a_name_is_not_its_own(site: Path) -> None:
    if not probe_kept.STANDARD_LIBRARY:
        pytest.skip("this Python does not name its standard library")
    assert rests(site, "other", other={"json"}, json={"leaf"}) == ["other"]


def test_what_no_record_describes_is_never_known(site: Path) -> None:
    install(site, "bare", "1", record="")
    install(site, "user", "1", "bare")
    assert rests(site, "user") == []
    assert rests(site, "json") == []  # of no package, such as a module of the service


def kept(site: Path, *names: str) -> dict[str, Any]:
    installed = probe_kept.packages([str(site)])
    return {
        "system": "s",
        "records": {name: package.record for name, package in installed.items()},
        "rests_on": {name: rests(site, name) for name in names},
        "torch": {"version": "2.5.1"},
    }


def move(site: Path, name: str) -> None:
    (site / f"{name}-1.dist-info").rename(site / f"{name}-2.dist-info")
    (site / f"{name}-2.dist-info" / "RECORD").write_text(f"{name}/__init__.py,sha256=of2,1\n")


@pytest.mark.parametrize(
    ("moved", "proven"),
    [("", ["app", "other"]), ("leaf", ["other"]), ("other", ["app"]), ("single", ["app", "other"])],
)
def test_what_moved_and_what_depends_on_it_is_not_proven(site: Path, moved: str, proven: list[str]) -> None:
    earlier = kept(site, "app", "other", "json")
    if moved:
        move(site, moved)
    assert probe_kept.still_proven(earlier, probe_kept.packages([str(site)]), "s") == proven


def test_another_system_or_a_path_of_the_user_proves_nothing(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier, installed = kept(site, "app"), probe_kept.packages([str(site)])
    assert probe_kept.still_proven(earlier, installed, "another") == []
    monkeypatch.setenv("PYTHONPATH", str(site))
    assert probe_kept.still_proven(earlier, installed, "s") == []
    monkeypatch.setenv("PYTHONPATH", f"{site}/absent:")  # the last is the folder in which Python runs
    assert probe_kept.still_proven(earlier, installed, "s") == []


def test_a_path_of_the_user_that_is_not_there_takes_nothing_away(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of an application that is mounted where the image runs."""
    earlier, installed = kept(site, "app"), probe_kept.packages([str(site)])
    system = probe_kept.system_digest("x86_64", installed)
    monkeypatch.setenv("PYTHONPATH", f"{site}/absent")
    assert probe_kept.still_proven(earlier, installed, "s") == ["app"]
    assert probe_kept.system_digest("x86_64", installed) == system
    monkeypatch.setenv("PYTHONPATH", f"{site}")
    assert probe_kept.system_digest("x86_64", installed) != system


def test_the_system_differs_where_a_package_comes_goes_or_starts_with_python(site: Path) -> None:
    def digest() -> str:
        text: str = probe_kept.system_digest("x86_64", probe_kept.packages([str(site)]))
        return text

    before = digest()
    move(site, "leaf")
    assert digest() == before
    install(site, "new", "1", record="new.pth,sha256=a,1\n")
    added = digest()
    assert added != before
    (site / "new-1.dist-info" / "RECORD").write_text("new.pth,sha256=b,1\n")
    assert digest() not in {before, added}


def test_the_libraries_of_a_driver_are_no_part_of_the_system(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digest(*names: str) -> str:
        libraries = {name: f"/usr/lib/{name}" for name in names}
        monkeypatch.setattr(probe_kept, "system_libraries", lambda machine: libraries)
        text: str = probe_kept.system_digest("x86_64", probe_kept.packages([str(site)]))
        return text

    driver = ("libcuda.so.1", "libnvidia-ml.so.1", "libGLX_nvidia.so.0")
    assert digest("libc.so.6", *driver) == digest("libc.so.6")
    assert digest("libc.so.6", "libgomp.so.1") != digest("libc.so.6")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "no json",
        '{"records": {"a": 1}, "rests_on": {}, "system": ""}',
        '{"records": {}, "rests_on": {"a": 1}, "system": ""}',
        '{"records": {}, "rests_on": {}}',
    ],
)
def test_what_is_no_proof_is_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    assert probe_kept.read_kept(str(path)) == {}
    path.write_text(text)
    assert probe_kept.read_kept(str(path)) == {}


def test_a_proof_is_read_and_torch_is_taken_with_its_build_alone(site: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    install(site, "torch", "1")
    proof = probe_kept.Proof(str(path), [str(site)], "x86_64")
    assert proof.proven == frozenset()
    earlier = {**kept(site, "app", "torch"), "system": proof.system}
    path.write_text(json.dumps(earlier))
    proof = probe_kept.Proof(str(path), [str(site)], "x86_64")
    assert proof.proven == {"app", "torch"}
    assert proof.document(["torch", "app"])["rests_on"] == earlier["rests_on"]
    path.write_text(json.dumps({**earlier, "torch": None}))
    assert probe_kept.Proof(str(path), [str(site)], "x86_64").proven == {"app"}


def test_imports_are_watched_and_then_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept_a").mkdir()
    (tmp_path / "kept_a" / "__init__.py").write_text(
        "from . import part\nimport json.decoder\nimport importlib\nimportlib.import_module('kept_b')\n"
        "try:\n    import kept_absent\nexcept ImportError:\n    pass\n"
    )
    (tmp_path / "kept_a" / "part.py").write_text("from kept_c import *\n")
    for name in ("kept_b", "kept_c"):
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = (__import__, importlib.import_module, sys.getrecursionlimit())
    imports = probe_kept.Imports()
    with imports.watched():
        importlib.import_module("kept_a")
    assert (__import__, importlib.import_module, sys.getrecursionlimit()) == before
    assert imports.edges["kept_a"] == {"json", "importlib", "kept_b", "kept_c", "kept_absent"}
