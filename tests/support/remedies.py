"""What a finding tells people to write, as edits of a description, and what is wrong with them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.checks import run
from torchpin.description import edit, read
from torchpin.description.environments import base_path, select_environments
from torchpin.errors import InputError
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torchpin.checks.context import CheckContext
    from torchpin.checks.registry import Result
    from torchpin.model import Environment, Finding, Service

# The keys that a help text tells to set, and where they are.
_KEYS = {
    "channel": "variants.{variant}.channel",
    "version": "torch.version",
    "from": "torch.from",
    "python": "python",
}
_BASE_KEYS = ("image", "digest")
_SET = re.compile(r'`([\w-]+): "?([^`"]+)"?`')
_ADD = re.compile(r"add `- ([^`]+)` to the layer ([\w-]+)")
_REPLACE = re.compile(r"replace `- ([^`]+)` with `- ([^`]+)`")
_PIN = re.compile(r"(?:pin|write) (?:`(?:- )?([^`]+)`|([A-Za-z][\w.-]*(?:[<>=!~]=?|===)[^\s,;]+))")
_REMOVE_GPU = re.compile(r"remove (.+?) from `gpus:`")
_REMOVE_COMPANION = re.compile(r"remove ([\w-]+) from `companions`")


@dataclass(frozen=True, kw_only=True)
class Description:
    """A description to judge: its text, and the context of its environment."""

    name: str
    text: str
    context: CheckContext

    @property
    def environment(self) -> Environment:
        (env,) = self.context.environments
        return env

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """What the judge answers."""
        return run.run(self.context, judge=True)


def told_changes(env: Environment, finding: Finding) -> tuple[Change, ...]:
    """The edits that a finding tells: its fix, else those that its help names first; none where it names nothing to write."""
    return finding.fix or tuple(_help_changes(env, finding))


def _help_changes(env: Environment, finding: Finding) -> Iterator[Change]:
    # what follows is another way to do it
    text = re.split(r", or (?!later)|; or ", finding.help)[0]
    if "under `reasons:`" in text:
        yield Change(path=f"reasons.{finding.about}", value={"because": "It is so.", "evidence": "own test"})
    pairs = _SET.findall(text) if re.match(r"set |add `\w+: ", text) else []
    for key, value in pairs:
        yield Change(path=_key_path(env, key), value=value)
    for package, layer in _ADD.findall(text):
        number = [candidate.name for candidate in env.service.layers].index(layer)
        yield Change(path=f"layers[{number}].packages[+]", value=package)
    for old, new in _REPLACE.findall(text):
        yield Change(path=_pin_path(env, old), value=new)
    if not (_ADD.search(text) or _REPLACE.search(text)):
        for quoted, plain in _PIN.findall(text):
            yield Change(path=_pin_path(env, quoted or plain), value=quoted or plain)
    for gpu in _REMOVE_GPU.findall(text):
        yield Change(path=f"gpus[{env.service.gpus.index(gpu)}]", value=None)
    for companion in _REMOVE_COMPANION.findall(text):
        yield Change(path=f"torch.companions.{companion}", value=None)


def _key_path(env: Environment, key: str) -> str:
    if key in _BASE_KEYS:
        return f"{base_path(env)}.{key}"
    return _KEYS.get(key, f"torch.companions.{key}").format(variant=env.variant.name)


def _pin_path(env: Environment, package: str) -> str:
    """The key path of a package's pin; where it has none, that of a new one in the first layer from PyPI."""
    name = canonicalize_name(Requirement(package).name)
    plain = ""
    for number, layer in enumerate(env.service.layers):
        names = [canonicalize_name(pinned.name) for pinned in layer.packages]
        if name in names:
            return f"layers[{number}].packages[{names.index(name)}]"
        if not plain and not {*names} & {*facts.abi_packages()}:
            plain = f"layers[{number}].packages[+]"
    return plain or "layers[0].packages[+]"


def remedy_problem(described: Description, result: Result, finding: Finding, *, steps: int = 2) -> str:
    """What is wrong with the edits that a finding tells; "" where they are right, or where it tells none.

    An edit may lead to an error of another check, which tells the next edit: of another pin that has to move too. The last
    of `steps` may not, and no edit may bring the finding back.
    """
    env = described.environment
    changes = told_changes(env, finding)
    if not changes:
        return ""
    try:
        text = edit.apply_changes(described.text, changes, file=env.service.file)
        services = read.read_services({env.service.file: text})
    except (InputError, ValueError) as error:
        return f"cannot be written: {_problems(error)}"
    (after_env,) = _same_variant(described, services)
    after = Description(
        name=described.name, text=text, context=replace(described.context, environments=(after_env,))
    )
    results = after.results
    if _key(result, finding) in _findings(results):
        return "does not end the finding"
    before = {(other.check, error.about) for other, error in _errors(described.results)}
    places = {after_env.service.location(change.path) for change in changes}
    errors = [
        f"{other.check}: {error.message}"
        for other, error in _errors(results)
        if (other.check, error.about) == (result.check, finding.about)
        or (error.location in places and (other.check, error.about) not in before)
        if other.check == result.check or not _is_next_step(after, other, error, _key(result, finding), steps)
    ]
    return f"leads to {'; '.join(errors)}" if errors else ""


def _is_next_step(
    after: Description, result: Result, error: Finding, first: tuple[str, str, str], steps: int
) -> bool:
    """Whether the error after an edit tells another edit that ends it, and does not bring the first finding back."""
    changes = told_changes(after.environment, error)
    if steps < 2 or not changes or remedy_problem(after, result, error, steps=steps - 1):
        return False
    file = after.environment.service.file
    services = read.read_services({file: edit.apply_changes(after.text, changes, file=file)})
    (env,) = _same_variant(after, services)
    return first not in _findings(run.run(replace(after.context, environments=(env,)), judge=True))


def _key(result: Result, finding: Finding) -> tuple[str, str, str]:
    return result.check, finding.about, finding.message


def _errors(results: Iterable[Result]) -> Iterator[tuple[Result, Finding]]:
    for result in results:
        for finding in result.findings:
            if finding.level == "error":
                yield result, finding


def _problems(error: Exception) -> str:
    return "; ".join(map(str, getattr(error, "problems", ()))) or str(error)


def _same_variant(described: Description, services: Iterable[Service]) -> list[Environment]:
    return [
        candidate
        for candidate in select_environments(services)
        if candidate.variant.name == described.environment.variant.name
    ]


def _findings(results: Iterable[Result]) -> set[tuple[str, str, str]]:
    return {_key(result, finding) for result in results for finding in (*result.findings, *result.notices)}


def all_problems(described: Description) -> dict[str, str]:
    """What is wrong with the remedies of every finding of a description: check and finding to problem."""
    return {
        f"{described.name}: {result.check}: {finding.message} | {finding.help}": problem
        for result in described.results
        for finding in (*result.findings, *result.notices)
        if (problem := remedy_problem(described, result, finding))
    }
