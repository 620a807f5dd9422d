"""Wheels with an ABI in their name, conflicting packages, and the system libraries that packages need."""

from __future__ import annotations

import pytest
from packaging.version import Version

from support.facts import make_archs
from torchpin import facts


def flash_attn_wheel(python: str, torch: str, channel: str, **changes: str) -> facts.Wheel | facts.NoWheel:
    options = {"package": "flash-attn", "version": "2.8.3", "machine": "x86_64", **changes}
    return facts.find_wheel(
        options["package"],
        options["version"],
        python=python,
        torch=torch,
        channel=channel,
        machine=options["machine"],
    )


def test_flash_attn_is_a_package_with_an_abi_in_its_name() -> None:
    assert facts.abi_packages() == {"flash-attn"}
    assert len(facts.wheels()) == 50 + 117


def test_the_wheel_of_seedvr() -> None:
    wheel = flash_attn_wheel("3.11", "2.7.1", "cu126")
    assert isinstance(wheel, facts.Wheel)
    assert wheel.filename == "flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl"
    assert wheel.sha256 == "cd1a45ebfc1731a13e55ad68e0c9ad92390ddfffba306f9222be67c6d5a805af"
    assert wheel.url == (
        "https://github.com/Dao-AILab/flash-attention/releases/download/v2.8.3/"
        "flash_attn-2.8.3%2Bcu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl"
    )
    assert (wheel.package, wheel.version, wheel.requires, wheel.min_capability) == (
        "flash-attn",
        "2.8.3",
        ("einops",),
        "8.0",
    )
    assert wheel.source.startswith("sirati/nix-torch-bin-pascal")


def test_what_a_wheel_is_compiled_for_can_be_asked_as_of_torch() -> None:
    wheel = flash_attn_wheel("3.11", "2.7.1", "cu126")
    assert isinstance(wheel, facts.Wheel)
    compiled = make_archs(sm=wheel.archs)
    assert all(facts.runs_on(compiled, capability) for capability in ("8.0", "8.9", "9.0", "10.0", "12.0"))
    assert not facts.runs_on(compiled, "7.5")


@pytest.mark.parametrize(
    ("python", "torch", "channel", "changes", "key"),
    [
        ("3.10", "2.8.0", "cu128", {}, "torch2.8cxx11abiTRUE-cp310-cp310-linux_x86_64"),
        ("3.11.5", "2.8.0+cu128", "cu128", {}, "torch2.8cxx11abiTRUE-cp311-cp311-linux_x86_64"),
        ("3.11", "2.7.1", "pypi", {}, "torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64"),
        ("3.11", "2.6.0", "cu126", {}, "torch2.6cxx11abiTRUE-cp311-cp311-linux_x86_64"),
        ("3.10.14", "2.5.1", "cu121", {}, "torch2.5cxx11abiFALSE-cp310-cp310-linux_x86_64"),
        (
            "3.12",
            "2.9.1",
            "cu128",
            {"machine": "aarch64"},
            "torch2.9cxx11abiTRUE-cp312-cp312-linux_aarch64",
        ),
        (
            "3.13",
            "2.7.1",
            "cu128",
            {"package": "Flash_Attn"},
            "torch2.7cxx11abiTRUE-cp313-cp313-linux_x86_64",
        ),
    ],
)
def test_a_wheel_fits_python_torch_cuda_abi_and_platform(
    *, python: str, torch: str, channel: str, changes: dict[str, str], key: str
) -> None:
    wheel = flash_attn_wheel(python, torch, channel, **changes)
    assert isinstance(wheel, facts.Wheel)
    assert wheel.filename == f"flash_attn-2.8.3+cu12{key}.whl"


@pytest.mark.parametrize(
    ("python", "torch", "channel", "changes", "message"),
    [
        (
            *("3.11", "2.7.1", "cu126", {"version": "2.7.2"}),
            "flash-attn 2.7.2: no wheel of this version is in the facts; recorded versions: 2.8.3, 2.8.2, 2.8.1, 2.8.0.post2",
        ),
        (
            *("3.11", "2.7.1", "cu126", {"machine": "riscv64"}),
            "no wheel for platform linux_riscv64; available: platform linux_x86_64, linux_aarch64",
        ),
        (
            *("3.11", "2.7.1", "cu126", {"machine": "aarch64"}),
            "no wheel for platform linux_aarch64, torch 2.7; available: torch 2.9",
        ),
        (
            *("3.11", "2.1.0", "cu118", {}),
            "no wheel for platform linux_x86_64, torch 2.1; available: torch 2.4, 2.5, 2.6, 2.7, 2.8, 2.9",
        ),
        (
            *("3.11", "2.7.1", "cu118", {}),
            "no wheel for platform linux_x86_64, torch 2.7, cuda 11; available: cuda 12",
        ),
        (
            *("3.13", "2.4.1", "cu124", {}),
            "torch 2.4, cuda 12, python cp313; available: python cp39, cp310, cp311, cp312",
        ),
        (
            *("3.11", "2.6.0", "cu124", {}),
            (
                "torch 2.6.0 from cu124 has the C++11 ABI 0, but "
                "flash_attn-2.8.3+cu12torch2.6cxx11abiFALSE-cp311-cp311-linux_x86_64.whl has 1 despite its name: "
                "it was built against torch 2.6.0 from cu126, where it fits (Dao-AILab/flash-attention #1783)"
            ),
        ),
    ],
)
def test_where_no_wheel_fits_a_sentence_says_why_and_what_makes_one(
    *, python: str, torch: str, channel: str, changes: dict[str, str], message: str
) -> None:
    no_wheel = flash_attn_wheel(python, torch, channel, **changes)
    assert isinstance(no_wheel, facts.NoWheel)
    assert no_wheel.certain == ("of this version" not in message)
    assert message in no_wheel.message
    assert no_wheel.message.endswith(
        "; the alternative is a source build: a devel base (nvcc 11.7 or later, of torch's CUDA major) "
        "and this torch importable while it builds (--no-build-isolation)"
    )


@pytest.mark.parametrize(
    ("torch", "channel", "machine", "message"),
    [
        (
            "2.7.1",
            "cu121",
            "x86_64",
            "torch 2.7.1 does not exist on cu121; torch 2.7 with CUDA is on cu118, cu126, cu128",
        ),
        (
            "2.7.1",
            "cu999",
            "x86_64",
            "torch 2.7.1 does not exist on cu999; torch 2.7 with CUDA is on cu118, cu126, cu128",
        ),
        (
            "2.7.1",
            "cpu",
            "x86_64",
            "torch 2.7.1 from cpu is not a CUDA build; torch 2.7 with CUDA is on cu118, cu126, cu128",
        ),
        (
            "2.5.0",
            "pypi",
            "x86_64",
            "the CUDA of torch 2.5.0 from pypi on x86_64 is not in the facts; another channel determines it",
        ),
    ],
)
def test_without_such_a_torch_there_is_nothing_to_build_either(
    torch: str, channel: str, machine: str, message: str
) -> None:
    no_wheel = flash_attn_wheel("3.11", torch, channel, machine=machine)
    assert str(no_wheel) == f"flash-attn 2.8.3: {message}"
    assert isinstance(no_wheel, facts.NoWheel)
    assert no_wheel.certain == (channel in {"cu121", "cpu"})


def test_which_cuda_pypi_has_for_another_machine_is_not_guessed() -> None:
    assert str(flash_attn_wheel("3.12", "2.9.1", "pypi", machine="aarch64")) == (
        "flash-attn 2.8.3: the CUDA of torch 2.9.1 from pypi on aarch64 is not in the facts; another channel determines it"
    )


def test_a_package_without_an_abi_in_its_name_is_told_so() -> None:
    assert str(flash_attn_wheel("3.11", "2.7.1", "cu126", package="tqdm")) == (
        "tqdm has no wheels with an ABI in their file name in the facts; flash-attn has"
    )


def test_an_abi_that_is_not_known_chooses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts.packages, "cxx11_abi", lambda version, channel: None)
    no_wheel = flash_attn_wheel("3.11", "2.7.1", "cu126")
    assert isinstance(no_wheel, facts.NoWheel)
    assert not no_wheel.certain
    assert (
        "the C++11 ABI of torch 2.7.1 from cu126 is not in the facts; the wheel is one of flash_attn-"
        in no_wheel.message
    )


def test_an_abi_without_a_wheel_names_the_one_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts.packages, "cxx11_abi", lambda version, channel: 0)
    no_wheel = flash_attn_wheel("3.12", "2.9.1", "cu128")
    assert isinstance(no_wheel, facts.NoWheel)
    assert no_wheel.certain
    assert (
        "torch 2.9.1 from cu128 has the C++11 ABI 0; available: flash_attn-2.8.3+cu12torch2.9cxx11abiTRUE-"
        in no_wheel.message
    )


def chosen_filenames(row: facts.Wheel) -> set[str]:
    """The files that the builds of a row's torch get, on its Python and platform."""
    machine, python = row.platform.removeprefix("linux_"), f"3.{row.python.removeprefix('cp3')}"
    torches = [release.version for release in facts.releases() if release.version.startswith(f"{row.torch}.")]
    channels = [channel.name for channel in facts.channels() if channel.cuda and row.torch in channel.series]
    results = [
        flash_attn_wheel(python, torch, name, machine=machine, version=row.version)
        for torch in torches
        for name in channels
    ]
    return {result.filename for result in results if isinstance(result, facts.Wheel)}


@pytest.mark.parametrize("row", facts.wheels(), ids=lambda row: row.filename)
def test_every_row_is_chosen_or_has_an_abi_that_no_official_build_of_its_torch_asks_for(
    row: facts.Wheel,
) -> None:
    # cu124's 2.6.0 requires ABI 0, and gets the message above: its FALSE wheels have ABI 1
    official = {"2.4": {0}, "2.5": {0}, "2.6": {1}, "2.7": {1}, "2.8": {1}, "2.9": {1}, "2.10": {1}}
    assert (row.filename in chosen_filenames(row)) is (row.abi in official[row.torch])


@pytest.mark.parametrize("row", facts.wheels(), ids=lambda row: row.filename)
def test_every_row_is_reached_by_a_torch_of_its_abi(
    row: facts.Wheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts.packages, "cxx11_abi", lambda version, channel: row.abi)
    assert row.filename in chosen_filenames(row)


def test_the_four_opencvs_overwrite_each_other() -> None:
    (opencv,) = (row for row in facts.conflicts() if row.id == "opencv")
    assert set(opencv.names) == {
        *("opencv-python", "opencv-python-headless"),
        *("opencv-contrib-python", "opencv-contrib-python-headless"),
    }
    assert opencv.because
    assert opencv.source


@pytest.mark.parametrize(
    ("package", "machine", "apt"),
    [
        ("opencv-python", "x86_64", ("libgl1", "libglib2.0-0")),
        ("OpenCV_Python", "aarch64", ("libgl1", "libglib2.0-0")),
        ("decord", "x86_64", ()),
        ("soundfile", "x86_64", ()),
        ("librosa", "aarch64", ()),
        ("librosa", "ppc64le", ("libsndfile1",)),
    ],
)
def test_a_package_needs_the_systems_libraries_that_its_wheel_does_not_bring(
    package: str, machine: str, apt: tuple[str, ...]
) -> None:
    libraries = facts.native_needs(package)
    assert libraries is not None
    assert libraries.apt_for(machine) == apt


def test_decord_can_only_be_installed_on_x86_64() -> None:
    decord = facts.native_needs("decord")
    assert decord is not None
    assert (decord.machines, decord.sdist, decord.apt) == (("x86_64",), False, ())


def test_of_a_package_without_a_row_nothing_is_known() -> None:
    assert facts.native_needs("tqdm") is None


@pytest.mark.parametrize(
    ("version", "choice"),
    [("0.42.0", "exact"), ("0.49.2", "exact"), ("0.50.0", "major"), ("0.51.0.dev0", "major")],
)
def test_how_a_release_chooses_its_library(version: str, choice: str) -> None:
    row = facts.library_choice("bitsandbytes", Version(version))
    assert row
    assert (row.choice, row.variable) == (choice, "BNB_CUDA_VERSION")


def test_how_another_package_chooses_is_not_in_the_facts() -> None:
    assert facts.library_choice("numpy", Version("2.0")) is None


@pytest.mark.parametrize(
    ("package", "version", "major"),
    [("ctranslate2", "3.24.0", 11), ("ctranslate2", "4.6.0", 12), ("onnxruntime-gpu", "1.17.1", 11)],
)
def test_the_cuda_major_of_packages_that_do_not_tell_it(package: str, version: str, major: int) -> None:
    row = facts.cuda_build(package, Version(version))
    assert row
    assert row.cuda == major


def test_a_version_without_a_row_has_no_cuda_major() -> None:
    assert facts.cuda_build("ctranslate2", Version("5.0")) is None
