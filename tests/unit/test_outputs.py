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
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.model import Finding, Waiver
from torchpin.output import html, machine, terminal
from torchpin.queries import support
from torchpin.queries.why import Explanation, explain_component, explanation_lines
from torchpin.workspace import evidence, workspace

if TYPE_CHECKING:
    from torchpin.model import Environment, Lock

assert rules  # importing it registers the checks

ROOT = Path(__file__).parents[2]
FINDING = Finding(
    location="services/lora/service.yaml:15:21",
    message="no code for B200, at 100%",
    help="Move.\nOr not.",
    about="B200",
    service="lora",
    evidence="a source",
)
WARNING = Finding(location="--gpu B200", message="w", help="r", level="warning")
WAIVER = Waiver(check="GPU001", about="B200", reason="Known.", review_by=date(2027, 1, 31))


def make_result(environment: str = "lora-gpu", **changes: Any) -> Result:
    return Result(check="GPU001", title="Code", environment=environment, **{"status": "found", **changes})


@cache
def repo() -> workspace.Repository:
    return workspace.open_repository(ROOT)


@cache
def environments() -> tuple[Environment, ...]:
    return select_environments(repo().services)


@cache
def results() -> tuple[Result, ...]:
    return judge.judge(repo(), environments())


def lora() -> tuple[Environment, Lock]:
    env = next(environment for environment in environments() if environment.name == "lora-gpu")
    return env, workspace.read_lock(repo(), env)


# --- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ((make_result(status="ok"),), "ok"),
        ((make_result(status="unknown", unknown=("?",)),), "unknown"),
        ((make_result(findings=(WARNING,)), make_result(status="unknown", unknown=("?",))), "warned"),
        ((make_result(findings=(WARNING,)), make_result(findings=(FINDING,))), "refused"),
        ((make_result(status="waived", accepted=(Accepted(finding=FINDING, waiver=WAIVER),)),), "ok"),
    ],
)
def test_a_service_has_the_worst_of_its_words(rows: tuple[Result, ...], verdict: str) -> None:
    env, _ = lora()
    assert checks_run.verdicts(rows, [env]) == {"lora": verdict}


def test_the_document_says_when_by_whom_and_everything() -> None:
    document = machine.json_document(results(), environments(), date(2026, 11, 24))
    assert [*document] == ["version", "today", "notices", "services", "results"]
    assert {*document["services"]} == {service.name for service in repo().services}
    assert len(document["results"]) == len(results())
    assert json.loads(json.dumps(document, default=str))["today"] == "2026-11-24"


# --- SARIF -----------------------------------------------------------------------------------------------------------


def test_sarif_has_a_rule_a_check_and_a_result_a_finding() -> None:
    rows = [
        make_result(
            findings=(FINDING, WARNING),
            unknown=("who knows",),
            accepted=(Accepted(finding=FINDING, waiver=WAIVER),),
        )
    ]
    (run,) = machine.sarif_document(rows)["runs"]
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
        run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        for result in run["results"]
    )


def test_sarif_of_the_repository_has_what_the_format_requires() -> None:
    sarif = machine.sarif_document(results())
    assert (sarif["version"], sarif["$schema"].endswith("sarif-2.1.0.json")) == ("2.1.0", True)
    for result in sarif["runs"][0]["results"]:
        assert result["message"]["text"]
        for location in result.get("locations", []):
            assert not location["physicalLocation"]["artifactLocation"]["uri"].startswith("/")
            assert location["physicalLocation"].get("region", {"startLine": 1})["startLine"] >= 1


# --- GitHub ----------------------------------------------------------------------------------------------------------


def test_workflow_commands_are_escaped() -> None:
    rows = [make_result(findings=(FINDING, WARNING), unknown=("a, b: c",))]
    assert machine.github_commands(rows) == [
        "::error file=services/lora/service.yaml,line=15,col=21,title=GPU001 lora-gpu::no code for B200, at 100%25%0AMove.%0AOr not.",
        "::warning title=GPU001 lora-gpu::w%0Ar",
        "::notice title=GPU001 lora-gpu::unknown: a, b: c",
    ]


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github"])
def test_every_form_is_printed(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_verdicts(results(), environments(), form=form)
    output = capsys.readouterr().out
    assert "lora" in output
    if form in {"json", "sarif"}:
        assert json.loads(output)


# --- the matrix ------------------------------------------------------------------------------------------------------


def test_the_matrix_has_a_cell_for_each_environment_and_card() -> None:
    gpus = support.select_gpus(environments())
    support_matrix = support.build_matrix(environments(), gpus, results())
    assert all(len(cells) == len(gpus) for cells in support_matrix.cells)
    cells = {(cell.environment, cell.gpu): cell for row_cells in support_matrix.cells for cell in row_cells}
    b200 = cells["lora-gpu", "B200"]
    assert (b200.verdict, b200.described, bool(b200.waived)) == ("ok", True, False)
    assert support.cell_text(b200) == "ok*"
    assert support.cell_text(cells["lora-gpu", "H100"]) == "ok*"
    assert cells["coaxial-cpu", "RTX 5060 Ti"].described is False
    assert any("without PTX" in reason for reason in support.explain_cells(support_matrix))


def test_cards_are_once_by_their_own_name_and_unknown_ones_stay() -> None:
    assert support.select_gpus(environments(), ["GeForce RTX 5090", "rtx 5090", "Voodoo 2"]) == (
        "RTX 5090",
        "Voodoo 2",
    )
    assert len(support.select_gpus(environments(), every=True)) == len(facts.gpus())
    support_matrix = support.build_matrix(environments()[:1], ["Voodoo 2"], [])
    assert support_matrix.cells[0][0].verdict == "unknown"


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
    gpus = support.select_gpus(environments())
    support_matrix = support.build_matrix(environments(), gpus, results())
    text = html.render_page(results(), environments(), support_matrix, date(2026, 11, 24))
    tags = Tags()
    tags.feed(text)
    assert (tags.open, tags.outside) == ([], [])
    assert text.count("<rect") == len(environments()) * len(gpus)
    assert len(re.findall("Waived until", text)) == sum(len(result.accepted) for result in results())


def test_what_others_wrote_is_escaped_in_the_page() -> None:
    env, _ = lora()
    hostile = Finding(location="<b>", message="<script>alert(1)</script>", help="&", service="lora")
    support_matrix = support.build_matrix([env], ["<i>"], [])
    text = html.render_page([make_result(findings=(hostile,))], [env], support_matrix, date(2026, 11, 24))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "&lt;i&gt;" in text


# --- why -------------------------------------------------------------------------------------------------------------


def explain(component: str) -> Explanation:
    env, lock = lora()
    return explain_component(env, lock, results_of(env), component)


def results_of(env: Environment) -> tuple[Result, ...]:
    return checks_run.run(evidence.for_judge(repo(), [env]), judge=True)


def test_torch_has_its_whole_chain() -> None:
    chain = explain("torch")
    assert chain.version == "2.7.1+cu128"
    assert re.fullmatch(r"services/lora/service\.yaml:\d+:\d+", chain.location)
    assert (chain.layer, chain.origin) == ("00-torch", "cu128")
    assert "nvidia-cudnn-cu12" in chain.dependencies
    assert any(rule.startswith("TOR001: ") for rule in chain.allowed)
    assert ("report", "2.5.x") in chain.recommendations
    assert chain.deviates.startswith("it deviates: report says 2.5.x")
    assert chain.because
    assert any(waiver.startswith("TOR004 until ") for waiver in explain("cuda").waivers + chain.waivers)
    assert any(line.startswith("  pulls: ") for line in explanation_lines(chain))


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
    chain = explain(component)
    assert (chain.version, chain.path) == (used, path)


def test_what_is_not_there_is_refused_with_near_names() -> None:
    with pytest.raises(InputError, match=r"did you mean .*bitsandbytes"):
        explain("bitsandbites")


def test_without_a_lock_the_chain_is_shorter_and_still_true() -> None:
    env, _ = lora()
    chain = explain_component(env, None, (), "accelerate")
    assert (chain.version, chain.file, chain.dependencies) == ("1.6.0", "", ())
