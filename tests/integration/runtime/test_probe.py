"""The probe in environments above a base that holds torch, and beside a real torch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from support.runtime_scripts import RUNTIME

if TYPE_CHECKING:
    from support.real_torch import TorchPython

PROBE = RUNTIME / "probe.py"
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
TORCH = "2.7.1+cu126"
MAKERS = {"venv": ("-m", "venv", "--without-pip"), "uv": ("-m", "uv", "venv", "--no-project", "--offline")}


def clean_environ() -> dict[str, str]:
    variables = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    return {
        **variables,
        "LD_LIBRARY_PATH": sysconfig.get_config_var("LIBDIR") or "",
    }  # a copied python's libpython


class PythonInstallation(NamedTuple):
    """A Python with separate package folders: a base, or an environment above one."""

    python: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (str(self.python), "-B", *command),
            env=clean_environ(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def site_packages(self) -> Path:
        result = self.run("-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])")
        assert result.returncode == 0, result.stderr
        return Path(result.stdout.strip())

    def install(self, name: str, version: str) -> None:
        """Leave what an installer would have left: a record and a module."""
        info = self.site_packages() / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (self.site_packages() / f"{name}.py").write_text(f"__version__ = {version!r}\n")

    def probe(self) -> dict[str, Any]:
        result = self.run(str(PROBE))
        assert result.returncode == 0, result.stderr
        document: dict[str, Any] = json.loads(result.stdout)
        return document

    def verification_failures(self, folder: Path, **expect: Any) -> list[str]:
        """Compare with an expectation; return the differences."""
        (folder / "expect.json").write_text(json.dumps({"python": MINOR, **expect}))
        result = self.run(str(PROBE), "--expect", str(folder / "expect.json"))
        *failures, last = result.stderr.splitlines()
        assert result.returncode == (1 if failures else 0), result.stderr
        assert last.startswith("probe: ")
        return [line[len("probe: FAIL ") :] for line in failures]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> PythonInstallation:
    """Create an image's Python with torch: this machine's standard library, and separate package folders."""
    root = tmp_path_factory.mktemp("image") / "conda"
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    library = root / "lib" / stdlib.name
    library.mkdir(parents=True)
    for entry in stdlib.iterdir():
        if entry.name not in {"site-packages", "dist-packages"}:
            (library / entry.name).symlink_to(entry)
    for name in ("site-packages", "dist-packages"):
        (library / name).mkdir()
    (root / "bin").mkdir()
    executable = root / "bin" / f"python{MINOR}"
    shutil.copy(os.path.realpath(sys.executable), executable)
    image_python = PythonInstallation(executable)
    result = image_python.run("-c", "import sys; print(sys.prefix)")
    if result.stdout.strip() != str(root):
        pytest.skip(f"this machine's Python cannot be given another home: {result.stderr or result.stdout}")
    for name, version in (("torch", TORCH), ("conda", "25.1.1"), ("tqdm", "4.60.0")):
        image_python.install(name, version)
    return image_python


def create_environment(base: PythonInstallation, folder: Path, maker: str, *flags: str) -> PythonInstallation:
    command = MAKERS[maker]
    if maker == "venv":
        result = base.run(*command, *flags, str(folder))
    else:
        result = subprocess.run(
            (sys.executable, *command, *flags, "--python", str(base.python), str(folder)),
            env=clean_environ(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert result.returncode == 0, result.stderr
    return PythonInstallation(folder / "bin" / "python")


@pytest.fixture(params=MAKERS)
def above(request: pytest.FixtureRequest, base: PythonInstallation, tmp_path: Path) -> PythonInstallation:
    """Make an environment that sees the base's packages, as images whose torch comes from the base have one."""
    return create_environment(base, tmp_path / "venv", request.param, "--system-site-packages")


def test_what_lies_in_the_environment_and_what_it_inherits_are_told_apart(above: PythonInstallation) -> None:
    above.install("einops", "0.8.1")
    document = above.probe()
    assert document["distributions"] == {"einops": "0.8.1"}
    assert document["inherited"] == {"conda": "25.1.1", "torch": TORCH, "tqdm": "4.60.0"}
    assert document["torch"]["version"] == TORCH


def test_what_the_environment_shadows_is_not_inherited(above: PythonInstallation) -> None:
    above.install("tqdm", "4.66.5")
    document = above.probe()
    assert document["distributions"] == {"tqdm": "4.66.5"}
    assert document["inherited"] == {"conda": "25.1.1", "torch": TORCH}
    assert document["duplicates"] == []


@pytest.mark.parametrize("maker", MAKERS)
def test_an_ordinary_environment_inherits_nothing(
    base: PythonInstallation, tmp_path: Path, maker: str
) -> None:
    ordinary = create_environment(base, tmp_path / "venv", maker)
    ordinary.install("tqdm", "4.66.5")
    document = ordinary.probe()
    assert (document["distributions"], document["inherited"]) == ({"tqdm": "4.66.5"}, {})
    assert document["torch"] is None


def test_the_base_itself_inherits_nothing(base: PythonInstallation) -> None:
    document = base.probe()
    assert document["distributions"] == {"conda": "25.1.1", "torch": TORCH, "tqdm": "4.60.0"}
    assert document["inherited"] == {}


def test_an_image_above_its_base_is_proven(above: PythonInstallation, tmp_path: Path) -> None:
    above.install("einops", "0.8.1")
    expect = {
        "distributions": {"einops": "0.8.1"},
        "torch": {"version": TORCH},
        "imports": ["torch", "einops"],
    }
    assert above.verification_failures(tmp_path, inherited={"torch": TORCH}, **expect) == []
    assert above.verification_failures(tmp_path, inherited={"torch": "2.7.1"}, **expect) == []


def test_another_build_in_the_base_fails_the_proof(above: PythonInstallation, tmp_path: Path) -> None:
    assert above.verification_failures(tmp_path, distributions={}, inherited={"torch": "2.7.1+cu128"}) == [
        f"torch: expected 2.7.1+cu128 from the base, found {TORCH}"
    ]


def test_a_torch_installed_over_the_bases_fails_the_proof(above: PythonInstallation, tmp_path: Path) -> None:
    above.install("torch", "2.8.0")  # what an unpinned xformers does
    assert above.verification_failures(tmp_path, distributions={}, inherited={"torch": TORCH}) == [
        "torch: expected from the base, but it is installed in the environment"
    ]


def test_a_base_without_it_fails_the_proof(above: PythonInstallation, tmp_path: Path) -> None:
    expect = {"distributions": {"tqdm": "4.66.5"}, "inherited": {"torch": TORCH, "xformers": "0.0.31"}}
    assert above.verification_failures(tmp_path, **expect) == [
        "tqdm: expected 4.66.5, not installed in the environment; the base has 4.60.0",
        "xformers: expected 0.0.31 from the base, found none",
    ]


def test_the_freeze_record_holds_what_lies_in_the_environment_alone(above: PythonInstallation) -> None:
    above.install("einops", "0.8.1")
    result = above.run(str(PROBE), "--freeze")
    assert (result.returncode, result.stdout) == (0, "einops==0.8.1\n")


def test_debians_package_folders_are_the_bases_too(tmp_path: Path) -> None:
    system = Path("/usr/bin/python3")
    if not Path("/usr/lib/python3/dist-packages").is_dir() or not system.exists():
        pytest.skip("no Debian: no /usr/bin/python3 with /usr/lib/python3/dist-packages")
    result = PythonInstallation(system).run(
        "-m", "venv", "--without-pip", "--system-site-packages", str(tmp_path / "venv")
    )
    if result.returncode:
        pytest.skip(f"no python3-venv: {(result.stderr or result.stdout).strip()}")
    above = PythonInstallation(tmp_path / "venv" / "bin" / "python")
    above.install("einops", "0.8.1")
    document = above.probe()
    assert document["distributions"] == {"einops": "0.8.1"}
    assert document["inherited"] == PythonInstallation(system).probe()["distributions"]


def test_the_probe_describes_a_real_torch(real: TorchPython, version: str) -> None:
    document = json.loads(real.run("probe.py", "--import", "torch.nn"))
    torch = document["torch"]
    assert torch["version"] == version
    assert isinstance(torch["cxx11_abi"], bool)
    assert len(torch["git_version"]) == 40
    assert bool(torch["archs"]) is (torch["cuda"] is not None)
    assert document["imports"] == {"torch.nn": None}
    assert document["distributions"]["torch"].partition("+")[0] == version.partition("+")[0]


def test_the_proof_holds_a_real_torch_to_its_build(real: TorchPython, version: str, tmp_path: Path) -> None:
    document = json.loads(real.run("probe.py"))
    expect = {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "distributions": document["distributions"],
        "torch": {"version": version, "cuda": document["torch"]["cuda"], "archs": document["torch"]["archs"]},
        "imports": ["torch"],
    }
    (tmp_path / "expect.json").write_text(json.dumps(expect))
    assert json.loads(real.run("probe.py", "--expect", str(tmp_path / "expect.json")))["torch"]
