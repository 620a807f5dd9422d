"""Reads what a description says about its pins: recommendations, reasons of deviations, waivers of findings."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

import yaml

from torchpin.description.patterns import CHECK, PROSE
from torchpin.description.yaml_reader import describe_node
from torchpin.model import Reason, Recommendation, Waiver

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.description.yaml_reader import Reader


def read_recommendations(reader: Reader, root: Mapping[str, yaml.Node]) -> Iterable[Recommendation]:
    for path, value in reader.items(root.get("recommends"), "recommends"):
        keys = reader.mapping(value, path, ("component", "says", "by"))
        if reader.require_keys(value, path, keys, ("component", "says")):
            fields = {name: reader.text(node, f"{path}.{name}", PROSE) for name, node in keys.items()}
            yield Recommendation(**fields)


def read_reasons(reader: Reader, root: Mapping[str, yaml.Node]) -> Iterable[Reason]:
    named = reader.mapping(root["reasons"], "reasons") if "reasons" in root else {}
    for component, value in named.items():
        path = f"reasons.{component}"
        keys = reader.mapping(value, path, ("because", "evidence"))
        if reader.require_keys(value, path, keys, ("because", "evidence")):
            fields = {name: reader.text(node, f"{path}.{name}", PROSE) for name, node in keys.items()}
            yield Reason(component=component, **fields)


def read_waivers(reader: Reader, root: Mapping[str, yaml.Node]) -> Iterable[Waiver]:
    for path, value in reader.items(root.get("waivers"), "waivers"):
        keys = reader.mapping(value, path, ("check", "about", "reason", "review_by"))
        if not reader.require_keys(value, path, keys, ("check", "about", "reason", "review_by")):
            continue
        yield Waiver(
            check=reader.text(keys["check"], f"{path}.check", CHECK),
            about=reader.text(keys["about"], f"{path}.about", PROSE),
            reason=reader.text(keys["reason"], f"{path}.reason", PROSE),
            review_by=_read_date(reader, keys["review_by"], f"{path}.review_by"),
        )


def _read_date(reader: Reader, node: yaml.Node, path: str) -> date:
    text = node.value if isinstance(node, yaml.ScalarNode) else ""
    try:  # the pattern, since fromisoformat accepts 20270131 too from Python 3.11 on
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    reader.add_problem(node, path, f"expected a date such as 2027-01-31, found {describe_node(node)}")
    return date.max
