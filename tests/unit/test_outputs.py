"""What the judge tells programs and pages: verdicts, SARIF, workflow commands, the matrix, the HTML page, the chain of a pin."""

from __future__ import annotations

import json
import re
from datetime import date
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from torchpin import facts
from torchpin.checks import registry, rules
from torchpin.checks import run as checks_run
from torchpin.checks.registry import Accepted, Result
from torchpin.commands import judge
from torchpin.description import environments as description_environments
from torchpin.errors import InputError
from torchpin.model import Finding, Waiver
from torchpin.output import html, machine, terminal
from torchpin.queries import support
from torchpin.queries import why as queries_why
from torchpin.workspace import evidence, workspace

if TYPE_CHECKING:
    from torchpin.model import Environment, Lock

assert rules  # importing it registers the checks

ROOT = Path(__file__).parents[2]
FINDING = Finding(
    where="services/lora/service.yaml:15:21",
    message="no code for B200, at 100%",
    remedy="Move.\nOr not.",
    about="B200",
    service="lora",
    evidence="a source",
)
WARNING = Finding(where="--gpu B200", message="w", remedy="r", level="warning")
WAIVER = Waiver(check="GPU001", about="B200", reason="Known.", review_by=date(2027, 1, 31))


def row(environment: str = "lora-gpu", **changes: Any) -> Result:
    return Result(check="GPU001", title="Code", environment=environment, **{"status": "found", **changes})


@cache
def repo() -> workspace.Repository:
    return workspace.opened(ROOT)


@cache
def environments() -> tuple[Environment, ...]:
    return description_environments.environments(repo().services)


@cache
def results() -> tuple[Result, ...]:
    return judge.judge(repo(), environments())


def lora() -> tuple[Environment, Lock]:
    env = next(one for one in environments() if one.name == "lora-gpu")
    return env, workspace.lock(repo(), env)


# --- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ((row(status="ok"),), "ok"),
        ((row(status="unknown", unknown=("?",)),), "unknown"),
        ((row(findings=(WARNING,)), row(status="unknown", unknown=("?",))), "warned"),
        ((row(findings=(WARNING,)), row(findings=(FINDING,))), "refused"),
        ((row(status="waived", accepted=(Accepted(finding=FINDING, waiver=WAIVER),)),), "ok"),
    ],
)
def test_a_service_has_the_worst_of_its_words(rows: tuple[Result, ...], word: str) -> None:
    env, _ = lora()
    assert checks_run.verdicts(rows, [env]) == {"lora": word}


def test_the_document_says_when_by_whom_and_everything() -> None:
    found = machine.document(results(), environments(), date(2026, 11, 24))
    assert [*found] == ["version", "today", "notices", "services", "results"]
    assert {*found["services"]} == {one.name for one in repo().services}
    assert len(found["results"]) == len(results())
    assert json.loads(json.dumps(found, default=str))["today"] == "2026-11-24"


# --- SARIF -----------------------------------------------------------------------------------------------------------


def test_sarif_has_a_rule_a_check_and_a_result_a_finding() -> None:
    rows = [
        row(
            findings=(FINDING, WARNING),
            unknown=("who knows",),
            accepted=(Accepted(finding=FINDING, waiver=WAIVER),),
        )
    ]
    (run,) = machine.sarif(rows)["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert (rule["id"], rule["shortDescription"]["text"]) == ("GPU001", registry.REGISTRY["GPU001"].title)
    error, warning, waived, unknown = run["results"]
    assert error["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "services/lora/service.yaml"},
        "region": {"startLine": 15, "startColumn": 21},
    }
    assert (error["level"], warning["level"]) == ("error", "warning")
    assert "locations" not in warning  # an option of the command line is in no file
    assert waived["suppressions"][0]["justification"] == "Known. (until 2027-01-31)"
    assert (unknown["kind"], unknown["level"]) == ("open", "none")
    assert all(
        run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] == one["ruleId"] for one in run["results"]
    )


def test_sarif_of_the_repository_has_what_the_format_requires() -> None:
    found = machine.sarif(results())
    assert (found["version"], found["$schema"].endswith("sarif-2.1.0.json")) == ("2.1.0", True)
    for one in found["runs"][0]["results"]:
        assert one["message"]["text"]
        for place in one.get("locations", []):
            assert not place["physicalLocation"]["artifactLocation"]["uri"].startswith("/")
            assert place["physicalLocation"].get("region", {"startLine": 1})["startLine"] >= 1


# --- GitHub ----------------------------------------------------------------------------------------------------------


def test_workflow_commands_are_escaped() -> None:
    rows = [row(findings=(FINDING, WARNING), unknown=("a, b: c",))]
    assert machine.github(rows) == [
        "::error file=services/lora/service.yaml,line=15,col=21,title=GPU001 lora-gpu::no code for B200, at 100%25%0AMove.%0AOr not.",
        "::warning title=GPU001 lora-gpu::w%0Ar",
        "::notice title=GPU001 lora-gpu::unknown: a, b: c",
    ]


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github"])
def test_every_form_is_printed(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.judged(results(), environments(), form=form)
    said = capsys.readouterr().out
    assert "lora" in said
    if form in {"json", "sarif"}:
        assert json.loads(said)


# --- the matrix ------------------------------------------------------------------------------------------------------


def test_the_matrix_has_a_cell_for_each_environment_and_card() -> None:
    cards = support.gpus(environments())
    found = support.matrix(environments(), cards, results())
    assert all(len(cells) == len(cards) for cells in found.cells)
    cells = {(one.environment, one.gpu): one for each in found.cells for one in each}
    b200 = cells["lora-gpu", "B200"]
    assert (b200.answer, b200.described, bool(b200.waived)) == ("ok", True, False)
    assert support.text(b200) == "ok*"
    assert support.text(cells["lora-gpu", "H100"]) == "ok*"
    assert cells["coaxial-cpu", "RTX 5060 Ti"].described is False
    assert any("without PTX" in one for one in support.reasons(found))


def test_cards_are_once_by_their_own_name_and_unknown_ones_stay() -> None:
    assert support.gpus(environments(), ["GeForce RTX 5090", "rtx 5090", "Voodoo 2"]) == (
        "RTX 5090",
        "Voodoo 2",
    )
    assert len(support.gpus(environments(), every=True)) == len(facts.gpus())
    found = support.matrix(environments()[:1], ["Voodoo 2"], [])
    assert found.cells[0][0].answer == "unknown"


# --- the page --------------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """Whether every element is closed in order; links and scripts that it holds."""

    VOID = frozenset({"meta", "br", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.outside += [
            value or ""
            for name, value in attrs
            if name in {"src", "href"} and not (value or "").startswith("#")
        ]
        if tag == "script":
            self.outside.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An empty element of the picture."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_needs_nothing_from_outside_and_hides_nothing() -> None:
    cards = support.gpus(environments())
    drawn = support.matrix(environments(), cards, results())
    text = html.page(results(), environments(), drawn, date(2026, 11, 24))
    tags = Tags()
    tags.feed(text)
    assert (tags.open, tags.outside) == ([], [])
    assert text.count("<rect") == len(environments()) * len(cards)
    assert len(re.findall("Waived until", text)) == sum(len(one.accepted) for one in results())


def test_what_others_wrote_is_escaped_in_the_page() -> None:
    env, _ = lora()
    hostile = Finding(where="<b>", message="<script>alert(1)</script>", remedy="&", service="lora")
    drawn = support.matrix([env], ["<i>"], [])
    text = html.page([row(findings=(hostile,))], [env], drawn, date(2026, 11, 24))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "&lt;i&gt;" in text


# --- why -------------------------------------------------------------------------------------------------------------


def why(component: str) -> queries_why.Why:
    env, lock = lora()
    return queries_why.why(env, lock, results_of(env), component)


def results_of(env: Environment) -> tuple[Result, ...]:
    return checks_run.run(evidence.judged(repo(), [env]), judge=True)


def test_torch_has_its_whole_chain() -> None:
    found = why("torch")
    assert found.used == "2.7.1+cu128"
    assert re.fullmatch(r"services/lora/service\.yaml:\d+:\d+", found.where)
    assert (found.layer, found.origin) == ("00-torch", "cu128")
    assert "nvidia-cudnn-cu12" in found.pulls
    assert any(one.startswith("TOR001: ") for one in found.allowed)
    assert ("report", "2.5.x") in found.says
    assert found.deviates.startswith("it deviates: report says 2.5.x")
    assert found.because
    assert any(one.startswith("TOR004 until ") for one in why("cuda").waivers + found.waivers)
    assert any(line.startswith("  pulls: ") for line in queries_why.lines(found))


@pytest.mark.parametrize(
    ("component", "used", "path"),
    [
        ("triton", "3.3.1", ("lora", "torch", "triton")),
        ("PyYAML", "6.0.2", ("lora", "pyyaml")),
        ("sd-scripts", "v0.10.0", ()),
        ("python", "3.10.14", ()),
        ("cuda", "12.8", ()),
        ("cuDNN", "9.7.1.26", ()),
        ("NVIDIA B200", "10.0", ()),
        ("base", "nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04", ()),
    ],
)
def test_everything_that_an_environment_uses_has_a_chain(
    component: str, used: str, path: tuple[str, ...]
) -> None:
    found = why(component)
    assert (found.used, found.path) == (used, path)


def test_what_is_not_there_is_refused_with_near_names() -> None:
    with pytest.raises(InputError, match=r"did you mean .*bitsandbytes"):
        why("bitsandbites")


def test_without_a_lock_the_chain_is_shorter_and_still_true() -> None:
    env, _ = lora()
    found = queries_why.why(env, None, (), "accelerate")
    assert (found.used, found.file, found.pulls) == ("1.6.0", "", ())
