"""DEP005, DEP006: names that packages import of each other, and versions that they check at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.checks import FILE, judge_check
from support.dependencies import make_environment, make_lock
from support.measured import document, use_documents
from torchpin.facts import measured
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.fixture_types import Artifacts, Environments, Locks


def _imports(module: str, *names: str, ranges: str = "*", entry: str = "diffusers") -> dict[str, Any]:
    return {
        "entry": entry,
        "file": "diffusers/utils.py",
        "module": module,
        "names": [*names],
        "in": ranges,
    }


HUB = document(
    "huggingface-hub",
    ["0.25.2", "0.26.0", "1.0.0"],
    python={">=3.8": "*"},
    names={
        "huggingface_hub": {
            "*": ["", "snapshot_download"],
            "0.25.2": ["cached_download"],
            "": ["unclear"],
            "?*": ["unclear"],
        }
    },
)
DIFFUSERS = document(
    "diffusers",
    ["0.28.0", "0.29.0"],
    requires={"huggingface-hub<1": "*"},
    imports=[
        _imports("huggingface_hub", "cached_download", ranges="0.28.0"),
        _imports("huggingface_hub", "snapshot_download"),
        _imports("huggingface_hub", "unclear"),
    ],
)
PEFT = document(
    "peft",
    ["0.18.0", "0.19.1"],
    checks=[
        {
            "needs": "torchao>=0.16.0",
            "raises": "ImportError",
            "function": "is_torchao_available",
            "constant": "TORCHAO_MINIMUM_VERSION",
            "file": "peft/import_utils.py",
            "in": "0.19.1",
        }
    ],
)
TORCHAO = document(
    "torchao",
    ["0.14.1", "0.16.0", "0.17.0", "0.18.0"],
    imports=[
        {
            "entry": "torchao",
            "file": "torchao/a.py",
            "module": "torch.new",
            "names": [""],
            "in": "0.16.0, 0.18.0",
        }
    ],
    names={"torchao": {"*": [""]}},
)
TORCH = document("torch", ["2.9.1", "2.11.0"], names={"torch.new": {"2.11.0": [""]}})


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    measured.forget_measured()


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_documents(monkeypatch, tmp_path, HUB, DIFFUSERS, PEFT, TORCHAO, TORCH)


@pytest.mark.usefixtures("_small")
def test_a_name_that_is_gone_is_reported_and_the_fix_ends_it(environment: Environments) -> None:
    env = make_environment(environment, "diffusers==0.28.0", "huggingface-hub==0.26.0")
    (finding,) = judge_check(env, "DEP005").findings
    assert finding.message == (
        "diffusers==0.28.0 imports huggingface_hub.cached_download, which huggingface-hub 0.26.0 does not have "
        "(diffusers/utils.py); huggingface-hub 0.25.2 has it"
    )
    assert (finding.level, finding.location) == ("error", f"{FILE}:2:9")
    assert finding.fix == (Change(path="layers[0].packages[1]", value="huggingface-hub==0.25.2"),)
    assert not finding.fix_is_safe
    fixed = make_environment(environment, "diffusers==0.28.0", "huggingface-hub==0.25.2")
    result = judge_check(fixed, "DEP005")
    assert (result.status, result.findings) == ("ok", ())
    assert "2 imported names are there: diffusers of huggingface-hub 0.25.2" in result.evidence[0].evidence


@pytest.mark.usefixtures("_small")
def test_without_a_lock_a_resolver_takes_the_newest_that_is_allowed(environment: Environments) -> None:
    env = make_environment(environment, "diffusers==0.28.0")
    (finding,) = judge_check(env, "DEP005").findings
    assert finding.level == "warning"
    assert "huggingface-hub 0.26.0, the version that a resolver takes, does not have" in finding.message
    assert finding.help == "add `- huggingface-hub==0.25.2` to the layer tools"
    assert (
        judge_check(make_environment(environment, "diffusers==0.29.0"), "DEP005").status == "not applicable"
    )


@pytest.mark.usefixtures("_small")
def test_a_lock_shows_which_version_is_installed(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    env = make_environment(environment, "diffusers==0.28.0")
    good = make_lock(env, lock, artifact, ("huggingface-hub", "0.25.2"))
    bad = make_lock(env, lock, artifact, ("huggingface-hub", "0.26.0"))
    assert judge_check(env, "DEP005", good).status == "ok"
    (finding,) = judge_check(env, "DEP005", bad).findings
    assert (finding.level, finding.location) == ("error", f"{FILE}:1:9")


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(
    "pins",
    [
        ("diffusers==0.28.1", "huggingface-hub==0.26.0"),  # between measured releases
        ("diffusers==0.28.0", "huggingface-hub==0.26.1"),
        ("tqdm==4.66.5",),
    ],
)
def test_what_was_not_measured_is_neither_ok_nor_wrong(
    pins: tuple[str, ...], environment: Environments
) -> None:
    result = judge_check(make_environment(environment, *pins), "DEP005")
    assert (result.status, result.findings, result.unknown) == ("not applicable", (), ())


@pytest.mark.usefixtures("_small")
def test_a_package_that_is_not_installed_is_reported_if_it_is_undeclared(
    environment: Environments,
    lock: Locks,
    artifact: Artifacts,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    rembg = document("rembg", ["2.0.60"], imports=[_imports("pkg_resources", "", entry="rembg")])
    setuptools = document("setuptools", ["81.0.0", "82.0.0"], names={"pkg_resources": {"81.0.0": [""]}})
    use_documents(monkeypatch, tmp_path, rembg, setuptools)
    env = make_environment(environment, "rembg==2.0.60")
    (finding,) = judge_check(env, "DEP005", make_lock(env, lock, artifact)).findings
    assert "imports the module pkg_resources, but setuptools is not installed" in finding.message
    assert finding.fix == (Change(path="layers[0].packages[+]", value="setuptools==81.0.0"),)
    (assumed,) = judge_check(env, "DEP005").findings
    assert "which setuptools 82.0.0, the version that a resolver takes, does not have" in assumed.message


@pytest.mark.usefixtures("_small")
def test_a_check_that_raises_where_a_package_is_asked_for_is_a_warning(environment: Environments) -> None:
    env = make_environment(environment, "peft==0.19.1", "torchao==0.14.1", torch="2.9.1")
    (finding,) = judge_check(env, "DEP006").findings
    assert finding.message == (
        "peft==0.19.1 checks at run time for torchao>=0.16.0, but torchao 0.14.1 is used; otherwise ImportError is "
        "raised as soon as is_torchao_available() in peft/import_utils.py is called"
    )
    assert (finding.level, finding.about) == ("warning", "peft torchao")
    # 0.16.0 imports a module that torch 2.9.1 does not have
    assert finding.fix == (Change(path="layers[0].packages[1]", value="torchao==0.17.0"),)
    fixed = make_environment(environment, "peft==0.19.1", "torchao==0.17.0", torch="2.9.1")
    assert judge_check(fixed, "DEP006").status == "ok"
    without = make_environment(environment, "peft==0.19.1", torch="2.9.1")
    assert judge_check(without, "DEP006").status == "not applicable"


@pytest.mark.parametrize(
    ("row", "level"),
    [
        ({"raises": "ImportError", "entry": "peft"}, "error"),
        ({"raises": "ImportError", "function": "is_torchao_available"}, "warning"),
        ({"raises": "ImportError", "function": "convert"}, "notice"),
        ({"function": "is_torchao_available", "constant": "TORCHAO_MIN_VERSION"}, "notice"),
    ],
)
def test_the_level_is_that_of_what_fails(
    row: dict[str, str],
    level: str,
    environment: Environments,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    check_row = {"needs": "torchao>=0.16.0", "file": "peft/a.py", "in": "*", **row}
    use_documents(monkeypatch, tmp_path, document("peft", ["0.19.1"], checks=[check_row]), TORCHAO)
    env = make_environment(environment, "peft==0.19.1", "torchao==0.14.1", torch="2.9.1")
    result = judge_check(env, "DEP006")
    (finding,) = result.findings or result.notices
    assert finding.level == level
    assert bool(finding.fix) == (level != "notice")


# The committed facts, on pins of public reports: each wrong one with one that is right.
REPORTED = [
    ("DEP006", "2.9.1", ["peft==0.19.1", "torchao==0.14.1"], ["peft==0.19.1", "torchao==0.17.0"], "torchao"),
    (
        "DEP005",
        "2.5.1",
        ["diffusers==0.27.2", "huggingface-hub==0.30.2"],
        ["diffusers==0.27.2", "huggingface-hub==0.25.2"],
        "cached_download",
    ),
    (
        "DEP005",
        "2.5.1",
        ["basicsr==1.4.2", "torchvision==0.20.1"],
        ["basicsr==1.4.2", "torchvision==0.16.2"],
        "functional_tensor",
    ),
    (
        "DEP005",
        "2.8.0",
        ["peft==0.17.1", "transformers==5.0.0"],
        ["peft==0.17.1", "transformers==4.56.2"],
        "HybridCache",
    ),
    ("DEP005", "2.9.1", ["torchao==0.18.0"], ["torchao==0.17.0"], "torch.nn.functional.ScalingType"),
    (
        "DEP005",
        "2.5.1",
        ["pyannote-audio==3.1.1", "numpy==2.1.3"],
        ["pyannote-audio==3.1.1", "numpy==1.26.4"],
        "numpy.NaN",
    ),
]


@pytest.mark.parametrize(("check", "torch", "wrong", "right", "name"), REPORTED)
def test_pins_of_public_reports(
    check: str, torch: str, wrong: list[str], right: list[str], name: str, environment: Environments
) -> None:
    result = judge_check(make_environment(environment, *wrong, torch=torch), check)
    assert any(name in finding.message for finding in result.findings), result
    result = judge_check(make_environment(environment, *right, torch=torch), check)
    assert (result.findings, result.status) == ((), "ok")


def test_a_partner_that_another_package_refuses_is_no_remedy(environment: Environments) -> None:
    # torchao 0.15.0 goes with torch 2.9.1, and peft 0.19.1 refuses it
    wanted = make_environment(environment, "peft==0.19.1", "torchao==0.17.0", torch="2.9.1")
    result = judge_check(wanted, "TOR002")
    assert (result.findings, [notice.fix for notice in result.notices]) == ((), [()])
    alone = make_environment(environment, "torchao==0.17.0", torch="2.9.1")
    (finding,) = judge_check(alone, "TOR002").findings
    assert finding.fix == (Change(path="layers[0].packages[0]", value="torchao==0.15.0"),)


def test_what_a_function_uses_is_a_warning(
    environment: Environments, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry = "speechbrain.dataio.read_audio_info()"
    speechbrain = document(
        "speechbrain",
        ["1.0.3", "1.1.0"],
        imports=[_imports("torchaudio", "info", ranges="1.0.3", entry=entry)],
    )
    torchaudio = document("torchaudio", ["2.8.0", "2.9.0"], names={"torchaudio": {"2.8.0": ["info"]}})
    use_documents(monkeypatch, tmp_path, speechbrain, torchaudio)
    (finding,) = judge_check(
        make_environment(environment, "speechbrain==1.0.3", "torchaudio==2.9.0"), "DEP005"
    ).findings
    assert finding.level == "warning"
    assert finding.message.startswith(
        f"speechbrain==1.0.3 uses torchaudio.info in {entry}, which torchaudio 2.9.0"
    )
    assert finding.fix == (Change(path="layers[0].packages[0]", value="speechbrain==1.1.0"),)
    fine = make_environment(environment, "speechbrain==1.0.3", "torchaudio==2.8.0")
    assert judge_check(fine, "DEP005").status == "ok"
