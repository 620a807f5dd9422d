"""docker-bake.json: the builds of several images, as the commands that build them one by one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# What an option of `docker buildx build` is called in a target: with a list of values, with names and values, with one value.
_LISTS = {"--platform": "platforms", "--tag": "tags", "--secret": "secret", "--output": "output"}
_PAIRS = {"--build-arg": "args", "--label": "labels", "--build-context": "contexts"}
_VALUES = {"--network": "network", "--file": "dockerfile"}
_OF_THE_CALL = {"--progress", "--builder"}  # of the command, and of none of its images


def bake_target(command: Sequence[str]) -> dict[str, Any]:
    """The target that builds what a `docker buildx build` command does.

    Raises ValueError for an option that has no place in a target.
    """
    *words, context = command[3:]
    target: dict[str, Any] = {"context": context}
    options = iter(words)
    for option in options:
        if option == "--load":
            target.setdefault("output", []).append("type=docker")
        elif option == "--no-cache":
            target["no-cache"] = True
        else:
            _add_option(target, option, next(options))
    target["dockerfile"] = str(target["dockerfile"]).removeprefix(f"{context}/")
    return target


def _add_option(target: dict[str, Any], option: str, value: str) -> None:
    if option in _LISTS:
        target.setdefault(_LISTS[option], []).append(value)
    elif option in _PAIRS:
        name, _, text = value.partition("=")
        target.setdefault(_PAIRS[option], {})[name] = text
    elif option in _VALUES:
        target[_VALUES[option]] = value
    elif option == "--provenance":
        attestation = "type=provenance,disabled=true" if value == "false" else f"type=provenance,{value}"
        target.setdefault("attest", []).append(attestation)
    elif option == "--sbom":
        target.setdefault("attest", []).append("type=sbom" if value == "true" else f"type=sbom,{value}")
    elif option not in _OF_THE_CALL:
        raise ValueError(f"{option} has no place in docker-bake.json")


def pushed(target: Mapping[str, Any]) -> dict[str, Any]:
    """A target whose image goes to its registry. The tag of its image key comes last, as `build` pushes it."""
    output = [value.replace("type=docker", "type=registry") for value in target["output"]]
    return {**target, "output": output, "tags": list(reversed(target["tags"]))}


def with_cache(target: Mapping[str, Any], address: str, *, writes: bool) -> dict[str, Any]:
    """A target that reads the build cache of an address in a registry and, with `writes`, keeps its own there.

    A cache that cannot be written fails no build.
    """
    cached = {**target, "cache-from": [f"type=registry,ref={address}"]}
    if writes:
        cached["cache-to"] = [f"type=registry,ref={address},mode=max,image-manifest=true,ignore-error=true"]
    return cached


def bake_document(targets: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of docker-bake.json: a target an environment, and all of them as the default group."""
    document = {"group": {"default": {"targets": [*targets]}}, "target": _escaped(targets)}
    return json.dumps(document, indent=2) + "\n"


def network_document(environments: Iterable[str], network: str) -> str:
    """The text of a compose file that gives targets their network, for releases of buildx before 0.17."""
    services = {name: {"build": {"network": network}} for name in environments}
    return json.dumps({"services": services}, indent=2) + "\n"


def _escaped(value: Any) -> Any:
    """A value in which bake finds no template: it reads `${` and `%{` in every text."""
    if isinstance(value, str):
        return value.replace("${", "$${").replace("%{", "%%{")
    if isinstance(value, list):
        return [_escaped(entry) for entry in value]
    if hasattr(value, "items"):
        return {_escaped(key): _escaped(entry) for key, entry in value.items()}
    return value


def is_bake_document(text: str, label: str) -> bool:
    """Whether a docker-bake.json was written for images of torchpin: each of its targets has this label."""
    try:
        targets: Iterable[Any] = json.loads(text)["target"].values()
        return all(label in target["labels"] for target in targets)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
