"""What programs get: the JSON document, SARIF, workflow commands."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from support.results import FINDING, NOTICE, WAIVER, WARNING, environments, make_result, repo, results
from torchpin.checks import registry
from torchpin.checks.registry import Accepted
from torchpin.output import machine_readable
from torchpin.output.sarif import sarif_document


def test_the_document_says_when_by_whom_and_everything() -> None:
    document = machine_readable.judge_fields(results(), environments(), date(2026, 11, 24))
    assert [*document] == ["today", "notices", "services", "packages", "results"]
    assert {*document["services"]} == {service.name for service in repo().services}
    assert len(document["results"]) == len(results())
    assert json.loads(json.dumps(document, default=str))["today"] == "2026-11-24"


def test_sarif_has_a_rule_a_check_and_a_result_a_finding() -> None:
    rows = [
        make_result(
            findings=(FINDING, WARNING),
            notices=(NOTICE,),
            unknown=("not in the facts",),
            accepted=(Accepted(finding=FINDING, waiver=WAIVER),),
        )
    ]
    (run,) = sarif_document(rows, environments())["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert (rule["id"], rule["shortDescription"]["text"]) == ("GPU001", registry.REGISTRY["GPU001"].title)
    error, warning, unknown, notice, waived = run["results"]
    assert error["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "services/lora/service.yaml"},
        "region": {"startLine": 15, "startColumn": 21},
    }
    assert [row["level"] for row in (error, warning, notice)] == ["error", "warning", "note"]
    assert error["message"]["text"].splitlines() == [
        "lora-gpu: no code for B200, at 100%",
        "help: Move.",
        "Or not.",
        "evidence: a source",
    ]
    # what is about an option or a missing fact stands where the description has its GPUs
    places = [row["locations"][0]["physicalLocation"] for row in (warning, unknown)]
    assert (
        places
        == [
            {
                "artifactLocation": {"uri": "services/lora/service.yaml"},
                "region": {"startLine": 15, "startColumn": 7},
            }
        ]
        * 2
    )
    assert (waived["level"], waived["suppressions"][0]["status"]) == ("error", "accepted")
    assert waived["suppressions"][0]["justification"] == "Known. (until 2027-01-31)"
    assert not any("suppressions" in row for row in (error, warning, unknown, notice))
    assert (unknown["kind"], unknown["level"]) == ("open", "none")
    assert all(
        run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        for result in run["results"]
    )


def test_a_finding_of_several_environments_is_one_result() -> None:
    rows = [make_result(name, findings=(FINDING,)) for name in ("lora-gpu", "lora-cpu")]
    (result,) = sarif_document(rows, environments())["runs"][0]["results"]
    assert result["message"]["text"].startswith("lora-gpu, lora-cpu: ")
    assert len(machine_readable.github_commands(rows, environments())) == 1


@pytest.mark.parametrize(
    ("location", "parts"),
    [
        ("services/lora/service.yaml:15:21", ("services/lora/service.yaml", 15, 21)),
        ("DEVIATIONS.md:3", ("DEVIATIONS.md", 3, 0)),
        ("lockfiles/lora-gpu", ("lockfiles/lora-gpu", 0, 0)),
        ("--gpu B200", ("", 0, 0)),
        ("", ("", 0, 0)),
    ],
)
def test_a_location_in_its_parts(location: str, parts: tuple[str, int, int]) -> None:
    assert machine_readable.parse_location(location) == parts


def test_sarif_of_the_repository_has_what_the_format_requires() -> None:
    sarif = sarif_document(results(), environments())
    assert (sarif["version"], sarif["$schema"].endswith("sarif-2.1.0.json")) == ("2.1.0", True)
    for result in sarif["runs"][0]["results"]:
        assert result["message"]["text"]
        (location,) = result["locations"]
        assert not location["physicalLocation"]["artifactLocation"]["uri"].startswith("/")
        assert location["physicalLocation"]["region"]["startLine"] >= 1
    fingerprints = [
        row["partialFingerprints"]["primaryLocationLineHash"] for row in sarif["runs"][0]["results"]
    ]
    assert len({*fingerprints}) == len(fingerprints)


def test_workflow_commands_are_escaped() -> None:
    waived = (Accepted(finding=replace(FINDING, help="", evidence=""), waiver=WAIVER),)
    rows = [
        make_result(findings=(FINDING, WARNING), notices=(NOTICE,), unknown=("a, b: c",), accepted=waived)
    ]
    place, gpus = (f"file=services/lora/service.yaml,line=15,col={column},title=GPU001" for column in (21, 7))
    assert machine_readable.github_commands(rows, environments()) == [
        f"::error {place}::lora-gpu: no code for B200, at 100%25%0Ahelp: Move.%0AOr not.%0Aevidence: a source",
        f"::warning {gpus}::lora-gpu: w%0Ahelp: r",
        f"::notice {gpus}::unknown: lora-gpu: a, b: c",
        "::notice file=services/lora/service.yaml,line=18,col=18,title=GPU001::lora-gpu: cu128 is frozen%0Ahelp: plan the update",
        f"::notice {place}::waived until 2027-01-31: lora-gpu: no code for B200, at 100%25",
    ]


def test_a_file_name_cannot_end_a_property_of_a_workflow_command() -> None:
    finding = replace(FINDING, location="a,b%.yaml:1:2", message="m\r\nn", help="", evidence="")
    assert machine_readable.github_commands([make_result(findings=(finding,))], environments()) == [
        "::error file=a%2Cb%25.yaml,line=1,col=2,title=GPU001::lora-gpu: m%0D%0An"
    ]
