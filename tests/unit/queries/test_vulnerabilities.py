"""Known vulnerabilities: what is asked, what counts as an answer, and the findings that follow."""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from torchpin.errors import ToolError
from torchpin.model import Waiver
from torchpin.queries import vulnerabilities

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.queries.vulnerabilities import Advisory

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TODAY = date(2026, 11, 24)
CANARY = {"dependency": {"name": "pycrypto", "version": "2.6.1"}, "id": "PYSEC-2017-94"}
ROW = {
    "dependency": {"name": "tqdm", "version": "4.66.5"},
    "id": "GHSA-aaaa",
    "display_id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1", "PYSEC-2026-1"],
    "summary": "Arguments reach  eval",
    "link": "https://advisories.example/1",
    "fix_versions": ["4.66.9", "4.67.0", "4.60.1"],
}


def auditor_output(*rows: dict[str, Any], counted: int = 2) -> str:
    return json.dumps({"summary": {"audited_packages": counted}, "vulnerabilities": [CANARY, *rows]})


def parse_advisories(*rows: dict[str, Any]) -> tuple[Advisory, ...]:
    return vulnerabilities.parse_advisories(auditor_output(*rows), [("tqdm", "4.66.5")])


def waiver(about: str, until: date, check: str = "AUD001") -> Waiver:
    return Waiver(check=check, about=about, reason="not reached by us", review_by=until)


def test_a_local_build_is_asked_about_by_its_public_version(lock: Locks) -> None:
    assert vulnerabilities.query_pins([lock(), lock()]) == (
        ("nvidia-cudnn-cu12", "9.1.0.70"),
        ("torch", "2.5.1"),
        ("torchvision", "0.20.1"),
        ("tqdm", "4.66.5"),
    )


def test_what_builds_a_package_is_asked_about_too(lock: Locks, artifact: Artifacts) -> None:
    lock_with_build = lock(None, build=(artifact("setuptools", "60.0", by=("tqdm",)),))
    assert ("setuptools", "60.0") in vulnerabilities.query_pins([lock_with_build])


def test_the_project_holds_each_package_once_the_canary_and_no_address() -> None:
    files = vulnerabilities.uv_project([("a", "1"), ("a", "2"), vulnerabilities.CANARY])
    locked_packages = tomllib.loads(files["uv.lock"])["package"]
    assert [(package["name"], package["version"]) for package in locked_packages[:-1]] == [
        ("a", "1"),
        ("a", "2"),
        ("pycrypto", "2.6.1"),
    ]
    assert len(locked_packages[-1]["dependencies"]) == 3
    assert tomllib.loads(files["pyproject.toml"])["project"]["dependencies"] == ["a", "pycrypto"]
    assert "://" not in "".join(files.values())


def test_an_advisory_goes_by_its_best_name_and_keeps_the_others() -> None:
    (advisory,) = parse_advisories(ROW)
    assert advisory.ids == ("PYSEC-2026-1", "GHSA-aaaa", "CVE-2026-1")
    assert (advisory.package, advisory.summary, advisory.fixed) == (
        "tqdm",
        "Arguments reach eval",
        ("4.66.9", "4.67.0", "4.60.1"),
    )


def test_one_vulnerability_of_several_databases_is_told_once() -> None:
    second = {**ROW, "id": "OTHER-9", "display_id": None, "aliases": ["CVE-2026-1"], "fix_versions": ["4.68"]}
    third = {**ROW, "id": "OTHER-10", "display_id": None, "aliases": ["CVE-2026-2"]}
    assert [advisory.ids[0] for advisory in parse_advisories(ROW, second, third)] == [
        "OTHER-10",
        "PYSEC-2026-1",
    ]
    assert "4.68" in parse_advisories(ROW, second)[0].fixed


def test_without_a_summary_the_first_line_of_the_description_counts() -> None:
    (advisory,) = parse_advisories({**ROW, "summary": None, "description": "First.\nSecond."})
    assert advisory.summary == "First."


def test_the_canary_is_no_finding_unless_it_is_locked() -> None:
    assert parse_advisories() == ()
    (advisory,) = vulnerabilities.parse_advisories(auditor_output(counted=1), [vulnerabilities.CANARY])
    assert advisory.package == "pycrypto"


def test_a_service_that_knows_nothing_of_the_canary_proves_nothing() -> None:
    empty = json.dumps({"summary": {"audited_packages": 2}, "vulnerabilities": []})
    with pytest.raises(ToolError, match="lists no vulnerability of pycrypto"):
        vulnerabilities.parse_advisories(empty, [("tqdm", "4.66.5")])


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"summary": {}, "vulnerabilities": []}', '{"vulnerabilities": [{}]}']
)
def test_an_answer_of_another_form_is_a_failure(text: str) -> None:
    with pytest.raises(ToolError, match="cannot read the output of `uv audit`"):
        vulnerabilities.parse_advisories(text, [])


def test_packages_that_were_left_out_are_a_failure() -> None:
    with pytest.raises(ToolError, match="checked 1 of 2 packages"):
        vulnerabilities.parse_advisories(auditor_output(counted=1), [("tqdm", "4.66.5")])


def test_a_clean_lock_is_ok_and_says_what_was_asked(environment: Environments, lock: Locks) -> None:
    result = vulnerabilities.audit_result(environment(), lock(), (), TODAY)
    assert (result.status, result.check) == ("ok", "AUD001")
    assert result.evidence[0].evidence == "4 packages checked (2026-11-24)"


def test_a_finding_says_what_is_fixed_where_and_how_to_move(environment: Environments, lock: Locks) -> None:
    (finding,) = vulnerabilities.audit_result(environment(), lock(), parse_advisories(ROW), TODAY).findings
    assert finding.message == "tqdm 4.66.5: Arguments reach eval (PYSEC-2026-1)"
    assert finding.help.startswith(
        "update layers[0].packages[0] in services/lora/service.yaml to 4.66.9 or 4.67.0, then run `invoke lock"
    )
    assert 'about: "tqdm PYSEC-2026-1"' in finding.help
    assert finding.evidence == "GHSA-aaaa, CVE-2026-1, https://advisories.example/1"
    assert finding.about == "tqdm PYSEC-2026-1"


def test_a_package_that_others_want_is_moved_by_locking(environment: Environments, lock: Locks) -> None:
    row = {**ROW, "dependency": {"name": "nvidia-cudnn-cu12", "version": "9.1.0.70"}, "fix_versions": ["9.2"]}
    reported = vulnerabilities.parse_advisories(auditor_output(row), [("nvidia-cudnn-cu12", "9.1.0.70")])
    (finding,) = vulnerabilities.audit_result(environment(), lock(), reported, TODAY).findings
    assert "run `invoke lock --service lora --upgrade-package nvidia-cudnn-cu12`" in finding.help
    assert finding.location == "lockfiles/lora-gpu/01-torch-deps.requirements.txt"


def test_without_a_fixed_release_the_remedy_says_so(environment: Environments, lock: Locks) -> None:
    (finding,) = vulnerabilities.audit_result(
        environment(), lock(), parse_advisories({**ROW, "fix_versions": []}), TODAY
    ).findings
    assert finding.help.startswith("replace the package: no release that fixes it is known")


def test_a_local_build_has_the_vulnerabilities_of_its_release(environment: Environments, lock: Locks) -> None:
    row = {**ROW, "dependency": {"name": "torch", "version": "2.5.1"}, "fix_versions": ["2.6.0"]}
    reported = vulnerabilities.parse_advisories(auditor_output(row), [("torch", "2.5.1")])
    (finding,) = vulnerabilities.audit_result(environment(), lock(), reported, TODAY).findings
    assert "update torch.version in" in finding.help


def test_advisories_about_other_locks_do_not_count(
    environment: Environments, lock: Locks, artifact: Artifacts
) -> None:
    other_lock = lock(None, artifact("tqdm", "4.70", by=("lora",)))
    assert (
        vulnerabilities.audit_result(environment(), other_lock, parse_advisories(ROW), TODAY).status == "ok"
    )


@pytest.mark.parametrize("name", ["PYSEC-2026-1", "GHSA-aaaa", "CVE-2026-1"])
def test_a_waiver_accepts_by_any_name_until_its_date(
    environment: Environments, lock: Locks, name: str
) -> None:
    env = environment(waivers=(waiver(f"tqdm {name}", TODAY),))
    result = vulnerabilities.audit_result(env, lock(env), parse_advisories(ROW), TODAY)
    assert (result.status, result.findings) == ("waived", ())
    assert result.accepted[0].waiver.review_by == TODAY


def test_past_its_date_it_counts_again(environment: Environments, lock: Locks) -> None:
    env = environment(waivers=(waiver("tqdm PYSEC-2026-1", date(2026, 11, 23)),))
    result = vulnerabilities.audit_result(env, lock(env), parse_advisories(ROW), TODAY)
    assert result.status == "failed"
    assert "its waiver ended on 2026-11-23" in result.findings[0].message


@pytest.mark.parametrize("wrong", ["tqdm", "tqdm PYSEC-2026-2", "torch PYSEC-2026-1"])
def test_a_waiver_of_something_else_accepts_nothing(
    environment: Environments, lock: Locks, wrong: str
) -> None:
    env = environment(waivers=(waiver(wrong, TODAY), waiver("tqdm PYSEC-2026-1", TODAY, "GPU001")))
    assert vulnerabilities.audit_result(env, lock(env), parse_advisories(ROW), TODAY).status == "failed"


def test_without_a_lock_nothing_is_claimed(environment: Environments) -> None:
    result = vulnerabilities.audit_result(environment(), None, (), TODAY)
    assert (result.status, result.need) == ("skipped", "lock")


def test_people_are_told_what_was_asked_and_of_waivers_that_accept_nothing(
    environment: Environments, lock: Locks
) -> None:
    env = environment(waivers=(waiver("tqdm PYSEC-2026-1", TODAY), waiver("old CVE-1", TODAY)))
    notices = vulnerabilities.audit_notices([env], [lock(env)], parse_advisories(ROW))
    assert notices == (
        "4 packages checked, torch, torchvision by their public version",
        "lora: the waiver of AUD001 for old CVE-1 matches no advisory; remove it",
    )
