"""Descriptions are read as they are meant, refused with every problem at its place, and cannot break out of what is rendered."""

from __future__ import annotations

import json
import re
import sys
from contextlib import suppress
from copy import deepcopy
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin.description import patterns, read, write
from torchpin.errors import INPUT, InputError
from torchpin.image import dockerfile as image_dockerfile
from torchpin.image import plan
from torchpin.lock import file_format, uv_project
from torchpin.lock.layers import layer_lock, split_layers
from torchpin.model import (
    Artifact,
    Base,
    Environment,
    Health,
    Layer,
    Lock,
    Reason,
    Recommendation,
    Run,
    Service,
    Source,
    Torch,
    Variant,
    Waiver,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
FILE = "services/lora/service.yaml"
TEMPLATE = (ROOT / "docker/Dockerfile.j2").read_text()
PLAIN = """\
name: lora
summary: Training
python: "3.10.14"
base: {image: "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"}
torch:
  version: "2.5.1"
  companions: {torchvision: "0.20.1"}
variants:
  gpu: {channel: cu121, platform: linux/amd64}
layers:
  - name: training
    packages: [tqdm==4.66.5]
"""
SOURCE = """\
sources:
  - name: sd-scripts
    url: https://github.com/kohya-ss/sd-scripts
    tag: v0.10.0
    commit: 966e9d7f6bb4058abbddb815dd40462b35ffb1d2
    path: third_party/sd-scripts
    requirements: requirements.txt
"""


def read_service(text: str) -> Service:
    (service,) = read.read_services({FILE: text})
    return service


def problem_lines(text: str) -> list[str]:
    """The problem lines of a text that is refused."""
    with pytest.raises(InputError) as excinfo:
        read_service(text)
    count = len(excinfo.value.problems)
    lines = str(excinfo.value).split("\n")
    plural = "problem" if count == 1 else "problems"
    assert lines[-1] == f"{count} {plural} in the descriptions; nothing was written."
    assert len(lines) == count + 1
    assert excinfo.value.exit_code == INPUT
    return lines[:-1]


def replace_in_plain(old: str, new: str) -> str:
    assert PLAIN.count(old) == 1
    return PLAIN.replace(old, new)


# --- what is read ----------------------------------------------------------------------------------------------------


def test_the_real_lora_service_reads() -> None:
    service = read_service((ROOT / FILE).read_text())
    assert (service.name, service.python) == ("lora", Version("3.10.14"))
    assert service.torch.family == {
        "torch": Version("2.7.1"),
        "torchvision": Version("0.22.1"),
        "torchaudio": Version("2.7.1"),
    }
    assert service.variants == (Variant(name="gpu", channel="cu128", platform="linux/amd64"),)
    assert [layer.name for layer in service.layers] == ["training", "sd-scripts", "analysis", "utilities"]
    assert service.sources[0].tag == "v0.10.0"
    assert service.run.freeze == "/workspace/lora_training/logs/pip_freeze.txt"
    assert service.budget_bytes == 50 * 10**9
    assert service.waivers[0].review_by == date(2027, 2, 22)


def test_the_real_lora_service_reads_back_from_its_own_description() -> None:
    service = read_service((ROOT / FILE).read_text())
    assert read_service(write.to_yaml(service)) == service


def test_a_value_keeps_where_it_stands() -> None:
    position = read_service(PLAIN).positions["torch.version"]
    assert (str(position), PLAIN[position.start : position.end]) == (f"{FILE}:6:12", '"2.5.1"')


def test_what_is_left_out_has_its_plain_value() -> None:
    service = read_service(PLAIN)
    assert (service.sources, service.apt, service.run, service.budget_bytes) == ((), (), Run(), None)


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "yes", "Yes", "on", "ON"])
def test_every_yaml_spelling_of_true_is_true(word: str) -> None:
    assert read_service(PLAIN + f"    optional: {word}\n").layers[0].optional


@pytest.mark.parametrize("word", ["false", "False", "no", "Off"])
def test_every_yaml_spelling_of_false_is_false(word: str) -> None:
    assert not read_service(PLAIN + f"    optional: {word}\n").layers[0].optional


def test_an_anchor_stands_for_its_value() -> None:
    text = PLAIN + 'run: {command: [&word python], health: {command: [*word, "-V"]}}\n'
    assert read_service(text).run.health == Health(command=("python", "-V"))


def test_the_user_root_is_no_user() -> None:
    assert read_service(PLAIN + "run: {user: root}\n").run.user is None


@pytest.mark.parametrize(
    ("text", "size"), [("0.29GB", 290_000_000), ("50GB", 50 * 10**9), ("1.5TB", 15 * 10**11), ("0MB", 0)]
)
def test_a_budget_is_its_bytes(text: str, size: int) -> None:
    assert read_service(PLAIN + f"budget: {{image: {text}}}\n").budget_bytes == size


# --- the way back, over made services --------------------------------------------------------------------------------

names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
prose = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20).filter(
    lambda text: bool(text.strip()) and "\ufffe" not in text and "\uffff" not in text
)
numbers = st.integers(0, 99)
releases = st.builds("{}.{}.{}".format, numbers, numbers, numbers).map(Version)
packages = st.from_regex(r"[a-z]{1,8}(-[a-z0-9]{1,4})?", fullmatch=True).filter(
    lambda name: name not in {"torch", "torchvision", "torchaudio"}
)
absolute = st.from_regex(r"/[a-z0-9_]{1,8}(/[a-z0-9_.-]*[a-z])?", fullmatch=True)
values = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters='"\\$`\ufffe\uffff'),
    max_size=20,
)
commands = st.lists(prose, min_size=1, max_size=3).map(tuple)


@st.composite
def services(draw: st.DrawFn) -> Service:
    def some(strategy: st.SearchStrategy[Any], key: Callable[[Any], Any] | None = None) -> tuple[Any, ...]:
        return tuple(draw(st.lists(strategy, max_size=3, unique_by=key or (lambda value: value))))

    pins = some(packages)
    extras = draw(st.sampled_from(["", "[torch]", "[a,b]"]))
    layers = [
        Layer(
            name=name,
            packages=tuple(
                Requirement(f"{pin}{extras}=={draw(releases)}") for pin in pins[number : number + 1]
            ),
            optional=draw(st.booleans()),
        )
        for number, name in enumerate(some(names.filter(lambda name: name not in patterns.RESERVED)))
    ]
    companions = draw(st.dictionaries(st.sampled_from(["torchvision", "torchaudio", "xformers-x"]), releases))
    health = st.builds(Health, command=commands, interval=st.integers(1, 86400), retries=st.integers(1, 9))
    source = st.builds(
        Source,
        name=names,
        url=st.just("https://example.org/a.git"),
        tag=st.sampled_from(["v1", "a/b+c"]),
        commit=st.from_regex(r"[0-9a-f]{40}", fullmatch=True),
        path=names.map("third_party/{}".format),
        requirements=st.sampled_from([None, "requirements.txt", "a/b.txt"]),
    )
    sources = {
        sampled_source.name: sampled_source
        for sampled_source in some(source, lambda sampled_source: sampled_source.path)
    }
    return Service(
        name="lora",
        summary=draw(prose),
        python=Version(f"3.{draw(st.integers(8, 14))}.{draw(numbers)}"),
        base=Base(
            image="debian:12",
            digest=draw(st.none() | st.just("sha256:" + "0f" * 32)),
            rationale=draw(st.just("") | prose),
        ),
        torch=Torch(version=draw(releases), companions=MappingProxyType(companions)),
        variants=tuple(
            Variant(name=name, channel=draw(st.sampled_from(["cu121", "cpu", "pypi"])), platform=platform)
            for name, platform in zip(
                some(names) or ("gpu",), ("linux/amd64", "linux/arm64", "linux/amd64"), strict=False
            )
        ),
        layers=tuple(layers),
        gpus=some(prose),
        apt=some(st.sampled_from(["git", "g++", "libc6", "libgl1"])),
        imports=some(st.sampled_from(["torch", "a.b", "_c"])),
        sources=tuple(sources.values()),
        run=Run(
            command=draw(commands) if draw(st.booleans()) else (),
            env=draw(st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), values, max_size=3)),
            ports=some(st.integers(1, 65535)),
            volumes=some(absolute),
            freeze=draw(st.none() | absolute),
            user=draw(st.none() | st.just("worker")),
            health=draw(st.none() | health),
        ),
        budget_bytes=draw(st.none() | st.integers(0, 10**20)),
        recommends=some(st.builds(Recommendation, component=prose, says=prose, by=prose)),
        reasons=some(
            st.builds(Reason, component=prose, because=prose, evidence=prose), lambda reason: reason.component
        ),
        waivers=some(
            st.builds(
                Waiver,
                check=st.just("GPU001"),
                about=prose,
                reason=prose,
                review_by=st.dates(min_value=date(1, 1, 1)),
            )
        ),
    )


@settings(max_examples=20)
@given(services())
def test_a_description_reads_back_as_the_same_service(service: Service) -> None:
    assert read_service(write.to_yaml(service)) == service


# --- problems --------------------------------------------------------------------------------------------------------

BAD = {
    "an unknown key": (
        "summary: Training",
        "sumary: Training",
        [
            "1:1: the key 'summary' is missing",
            "2:1: unknown key 'sumary' (did you mean 'summary'?)",
        ],
    ),
    "an unknown key like no other": (
        "linux/amd64}",
        "linux/amd64, zzz: 1}",
        ["9:48: variants.gpu: unknown key 'zzz' (known: base, channel, platform)"],
    ),
    "a key given twice": (
        "name: lora\n",
        "name: lora\nname: lora\n",
        ["2:1: name: this key is given twice; keep one"],
    ),
    "a nested key given twice": (
        'version: "2.5.1"',
        'version: "2.5.1"\n  version: "2.6.0"',
        ["7:3: torch.version: this key is given twice; keep one"],
    ),
    "an unquoted Python": (
        '"3.10.14"',
        "3.10",
        ["3:9: python: expected text, found 3.10 (quote it)"],
    ),
    "a short Python": (
        "3.10.14",
        "3.10",
        ["3:9: python: '3.10' is not a full Python version such as 3.10.14"],
    ),
    "digits of another script": (
        '"3.10.14"',
        '"3.\u0661\u0660.14"',
        ["3:9: python: '3.\u0661\u0660.14' is not a full Python version such as 3.10.14"],
    ),
    "another folder's name": (
        "name: lora",
        "name: laura",
        ["1:7: name: expected 'lora', the name of its folder, found 'laura'"],
    ),
    "a number for a name": (
        "name: lora",
        "name: 1",
        ["1:7: name: expected text, found 1 (quote it)"],
    ),
    "nothing for a name": ("name: lora", "name:", ["1:6: name: expected text, found nothing"]),
    "a list for a text": ("summary: Training", "summary: [a]", ["2:10: summary: expected text, found a list"]),
    "a blank summary": ("summary: Training", 'summary: " "', ["2:10: summary: ' ' is not a sentence"]),
    "a text for a mapping": (
        'base: {image: "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"}',
        "base: debian",
        ["4:7: base: expected a mapping, found 'debian'", "4:7: base: the key 'image' is missing"],
    ),
    "an image without a tag": (
        '{image: "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"}',
        "{image: debian}",
        [
            "4:15: base.image: 'debian' is not an image with a tag, such as nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"
        ],
    ),
    "a short digest": (
        'ubuntu22.04"}',
        'ubuntu22.04", digest: "sha256:ab"}',
        ["4:70: base.digest: 'sha256:ab' is not a digest: sha256: and 64 hexadecimal digits"],
    ),
    "a local version of torch": (
        '"2.5.1"',
        '"2.5.1+cu121"',
        [
            "6:12: torch.version: '2.5.1+cu121' is not a release version: leave out +cu121, the channel decides the build"
        ],
    ),
    "no version at all": (
        '"2.5.1"',
        '""',
        ["6:12: torch.version: '' is not a release version: Invalid version: ''"],
    ),
    "a bad version": (
        '"0.20.1"',
        '"0.20.x"',
        [
            "7:29: torch.companions.torchvision: '0.20.x' is not a release version: Invalid version: '0.20.x'"
        ],
    ),
    "a bad companion": (
        "{torchvision:",
        '{"torch vision":',
        [
            "7:32: torch.companions.torch vision: 'torch vision' is not a companion's package name",
        ],
    ),
    "torch as its own companion": (
        "{torchvision:",
        "{torch:",
        ["7:23: torch.companions.torch: 'torch' is not a companion's package name"],
    ),
    "no variants": (
        "  gpu: {channel: cu121, platform: linux/amd64}",
        "  {}",
        [
            "9:3: variants: expected at least one variant, such as gpu: {channel: cu121, platform: linux/amd64}"
        ],
    ),
    "a variant without a channel": (
        "channel: cu121, ",
        "",
        ["9:8: variants.gpu: the key 'channel' is missing"],
    ),
    "no channel": (
        "cu121",
        "cuda",
        ["9:18: variants.gpu.channel: 'cuda' is not a channel: cu121, cu128, … or cpu or pypi"],
    ),
    "no platform": (
        "linux/amd64",
        "windows",
        [
            "9:35: variants.gpu.platform: 'windows' is not a platform: linux/amd64 or linux/arm64"
        ],
    ),
    "a key that is no name": (
        "  gpu:",
        "  8:",
        [
            "9:3: variants: expected a name as key, found 8 (quote it)",
            "9:3: variants: expected at least one variant, such as gpu: {channel: cu121, platform: linux/amd64}",
        ],
    ),
    "a list for a key": (
        "  gpu:",
        "  ? [a]\n  :",
        [
            "9:3: variants: expected at least one variant, such as gpu: {channel: cu121, platform: linux/amd64}",
            "9:5: variants: expected a name as key, found a list",
        ],
    ),
    "a mapping for a list": (
        "[tqdm==4.66.5]",
        "{a: b}",
        ["12:15: layers[0].packages: expected a list, found a mapping"],
    ),
    "a reserved layer": (
        "name: training",
        "name: build",
        [
            "11:11: layers[0].name: 'build' is the name of a layer that torchpin makes itself; choose another"
        ],
    ),
    "a companion in a layer": (
        "[tqdm==4.66.5]",
        "[TorchVision==0.20.1]",
        [
            "12:16: layers[0].packages[0]: torchvision belongs under torch, with its companions; no layer may bring another"
        ],
    ),
    "a package pinned twice": (
        "[tqdm==4.66.5]",
        "[tqdm==4.66.5, TQDM==4.66.4]",
        [
            "12:30: layers[0].packages[1]: tqdm is pinned twice, first at layers[0].packages[0]; keep one"
        ],
    ),
    "a tag of python": (
        "summary: Training",
        "summary: !!python/object:os.system a",
        ["2:10: summary: expected text, found a (quote it)"],
    ),
    "a merge key": (
        "  gpu: {",
        "  gpu: {<<: {a: b}, ",
        ["9:9: variants.gpu: unknown key '<<' (known: base, channel, platform)"],
    ),
    "a merge key among names": (
        "  gpu: {",
        "  <<: {a: b}\n  gpu: {",
        ["9:3: variants: expected a name as key, found << (quote it)"],
    ),
    "a key with a line break": (
        "{torchvision:",
        '{"a\\nb":',
        ["7:16: torch.companions: expected a name without control characters as key, found 'a\\nb'"],
    ),
    "a tagged number with a line break": (
        "name: lora",
        'name: !!int "a\\nb"',
        ["1:7: name: expected text, found 'a\\nb' (quote it)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "lines"), BAD.values(), ids=BAD)
def test_a_problem_says_where_at_which_key_and_what(old: str, new: str, lines: list[str]) -> None:
    assert problem_lines(replace_in_plain(old, new)) == [f"{FILE}:{line}" for line in lines]


ADDED = {
    "run: {ports: [0]}": "run.ports[0]: expected a whole number from 1 to 65535, found 0",
    "run: {ports: ['80']}": "run.ports[0]: expected a number, found '80'",
    "run: {ports: [1.5]}": "run.ports[0]: expected a whole number from 1 to 65535, found 1.5",
    "run: {ports: [0x50]}": "run.ports[0]: expected a whole number from 1 to 65535, found 0x50",
    "run: {ports: [0120]}": "run.ports[0]: expected a whole number from 1 to 65535, found 0120",
    "run: {ports: [-1]}": "run.ports[0]: expected a whole number from 1 to 65535, found -1",
    "run: {ports: [9999999999]}": "run.ports[0]: expected a whole number from 1 to 65535, found 9999999999",
    "run: {ports: 80}": "run.ports: expected a list, found 80",
    "run: {env: {A: 1}}": "run.env.A: expected text, found 1 (quote it)",
    "run: {env: {A: true}}": "run.env.A: expected text, found true (quote it)",
    "run: {env: {A: 2026-11-22}}": "run.env.A: expected text, found 2026-11-22 (quote it)",
    "run: {env: {A: ~}}": "run.env.A: expected text, found ~",
    "run: {env: {A-B: x}}": "run.env.A-B: 'A-B' is not the name of an environment variable",
    "run: {health: {}}": "run.health: the key 'command' is missing",
    "run: {health: {command: []}}": "run.health.command: expected at least one word",
    "run: {health: {command: curl}}": "run.health.command: expected a list, found 'curl'",
    "run: {health: {command: [a], retries: 0}}": "run.health.retries: expected a whole number from 1 to 86400, found 0",
    "run: {user: Root}": "run.user: 'Root' is not a user name",
    "gpus: H100": "gpus: expected a list, found 'H100'",
    "gpus: [H100, H100]": "gpus[1]: 'H100' is given twice; keep one",
    "apt: [git-]": "apt[0]: 'git-' is not a Debian package name",
    "apt: [Git]": "apt[0]: 'Git' is not a Debian package name",
    "imports: [a.1]": "imports[0]: 'a.1' is not an importable module name",
    "imports: [c\u00e9]": "imports[0]: 'c\u00e9' is not an importable module name",
    "budget: {image: 20}": "budget.image: expected text, found 20 (quote it)",
    "budget: {image: 20 GB}": "budget.image: '20 GB' is not a size such as 20GB",
    f"budget: {{image: {'9' * 400}GB}}": f"budget.image: '{'9' * 400}GB' is not a size such as 20GB",
    "recommends: [{component: torch}]": "recommends[0]: the key 'says' is missing",
    "reasons: {torch: {because: a}}": "reasons.torch: the key 'evidence' is missing",
    "waivers: [{check: gpu1, about: a, reason: b, review_by: 2027-01-31}]": "waivers[0].check: 'gpu1' is not a check's id such as GPU001",
    "waivers: [{check: GPU001, about: a, reason: b, review_by: 2027-02-30}]": "waivers[0].review_by: expected a date such as 2027-01-31, found 2027-02-30",
    "waivers: [{check: GPU001, about: a, reason: b, review_by: 20270131}]": "waivers[0].review_by: expected a date such as 2027-01-31, found 20270131",
    "waivers: [{check: GPU001, about: a, reason: b, review_by: [c]}]": "waivers[0].review_by: expected a date such as 2027-01-31, found a list",
    "torchh: 1": "unknown key 'torchh' (did you mean 'torch'?)",
}  # fmt: skip


@pytest.mark.parametrize(("line", "message"), ADDED.items())
def test_what_a_key_does_not_take_is_refused(line: str, message: str) -> None:
    (problem,) = problem_lines(PLAIN + line + "\n")
    assert re.sub(r"^services/lora/service\.yaml:13:\d+: ", "", problem) == message


@pytest.mark.parametrize(
    ("requirement", "why"),
    [
        ("tqdm", "pin one version with =="),
        ("tqdm>=4", "pin one version with =="),
        ("tqdm==4.*", "pin one version with =="),
        ("tqdm===4.0", "pin one version with =="),
        ("tqdm~=4.0", "pin one version with =="),
        ("tqdm==4.0,!=4.1", "pin one version with =="),
        ("tqdm==4.0; python_version > '3'", "pin one version with =="),
        ("tqdm @ https://example.org/tqdm.whl", "pin one version with =="),
        ("tqdm[", "Expected matching RIGHT_BRACKET for LEFT_BRACKET, after extras"),
        ("", "Expected package name at the start of dependency specifier"),
        ("-e .", "Expected package name at the start of dependency specifier"),
        ("./tqdm", "Expected package name at the start of dependency specifier"),
    ],
)
def test_a_loose_pin_is_refused(requirement: str, why: str) -> None:
    text = replace_in_plain("tqdm==4.66.5", json.dumps(requirement))
    start = f"{FILE}:12:16: layers[0].packages[0]: {requirement!r} is not an exact pin such as tqdm==4.66.5"
    assert problem_lines(text) == [f"{start}: {why}"]


@pytest.mark.parametrize("requirement", ["tqdm==4.0", "Diffusers[torch]==0.32.1", "a==1!2.0rc1", "a==1+x"])
def test_an_exact_pin_is_taken(requirement: str) -> None:
    assert read.parse_pin(requirement) == Requirement(requirement)


def test_problems_of_several_files_come_at_once_sorted_by_file_and_line() -> None:
    broken = PLAIN.replace("lora", "a", 1) + "budgets: 1\nwaivers: 1\nbudget: 2\ngpus: 3\n"
    with pytest.raises(InputError) as excinfo:
        read.read_services({"services/b/service.yaml": "- 1\n", "services/a/service.yaml": broken})
    assert str(excinfo.value).split("\n") == [
        "services/a/service.yaml:13:1: unknown key 'budgets' (did you mean 'budget'?)",
        "services/a/service.yaml:14:10: waivers: expected a list, found 1",
        "services/a/service.yaml:15:9: budget: expected a mapping, found 2",
        "services/a/service.yaml:16:7: gpus: expected a list, found 3",
        "services/b/service.yaml:1:1: expected a mapping of keys, found a list",
        "5 problems in the descriptions; nothing was written.",
    ]


def test_two_services_never_share_an_environment() -> None:
    first = PLAIN.replace("name: lora", "name: a", 1).replace("  gpu:", "  b-c:")
    second = PLAIN.replace("name: lora", "name: a-b", 1).replace("  gpu:", "  c:")
    with pytest.raises(InputError) as excinfo:
        read.read_services({"services/a/service.yaml": first, "services/a-b/service.yaml": second})
    assert (
        str(excinfo.value)
        .split("\n")[0]
        .endswith(
            ": its environment would be 'a-b-c', as one of services/a-b/service.yaml; choose another name"
        )
    )


@pytest.mark.parametrize("path", ["third_party/sd-scripts", "third_party/sd-scripts/inner"])
def test_no_source_lies_in_another(path: str) -> None:
    second = SOURCE.replace("sources:\n", "").replace("name: sd-scripts", "name: b")
    (line,) = problem_lines(PLAIN + SOURCE + second.replace("third_party/sd-scripts", path))
    assert line == f"{FILE}:20:5: sources[1]: another source has this name or this path; choose another"


def test_sources_lie_side_by_side() -> None:
    second = SOURCE.replace("sources:\n", "").replace("name: sd-scripts", "name: b")
    service = read_service(
        PLAIN + SOURCE + second.replace("third_party/sd-scripts", "third_party/sd-scripts-2")
    )
    assert [source.name for source in service.sources] == ["sd-scripts", "b"]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../x", "is not a path inside the repository"),
        ("/etc", "is not a path inside the repository"),
        ("a/../../b", "is not a path inside the repository"),
        ("third_party/../x", "is not a path inside the repository"),
        ("third_party/..", "is not a path inside the repository"),
        ("third_party/./x", "is not a path inside the repository"),
        ("third_party//x", "is not a path inside the repository"),
        ("third_party/x/", "is not a path inside the repository"),
        ("~/x", "is not a path inside the repository"),
        ("x", "is not below third_party/, where clones lie"),
        ("third_party", "is not below third_party/, where clones lie"),
    ],
)
def test_a_path_stays_in_the_repository(path: str, why: str) -> None:
    text = PLAIN + SOURCE.replace("third_party/sd-scripts", path)
    assert problem_lines(text) == [f"{FILE}:18:11: sources[0].path: {path!r} {why}"]


@pytest.mark.parametrize("path", ["/..", "/../x", "/a/../x", "/a/..", "//", "/.", "/a//b", "/a/", "a", "/"])
def test_a_path_in_the_container_is_absolute_and_plain(path: str) -> None:
    description = "an absolute path inside the container, such as /workspace"
    assert problem_lines(PLAIN + f"run: {{freeze: {path}}}\n") == [
        f"{FILE}:13:15: run.freeze: {path!r} is not {description}"
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://t0ken@github.com/a/b",
        "https://user:t0ken@github.com/a/b",
        "http://t0ken@github.com/a",
        "git://t0ken@github.com/a",
        "file://t0ken@host/a",
        "ssh://git:t0ken@github.com/a",
    ],
)
def test_a_token_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    text = PLAIN + SOURCE.replace("https://github.com/kohya-ss/sd-scripts", url)
    (line,) = problem_lines(text)
    assert line == (
        f"{FILE}:15:10: sources[0].url: the address holds a user or a token; leave it out: "
        "it belongs into git's own credentials"
    )
    assert not patterns.URL.pattern.fullmatch(url)


@pytest.mark.parametrize("url", ["ssh://git@github.com/a/b", "git@github.com:a/b.git"])
def test_an_address_of_ssh_names_its_user(url: str) -> None:
    text = PLAIN + SOURCE.replace("https://github.com/kohya-ss/sd-scripts", url)
    assert read_service(text).sources[0].url == url


@pytest.mark.parametrize(
    ("name", "mirror"),
    [
        ("pypi", "pypi"),
        ("python", "python"),
        ("cu121", "cu121"),
        ("docker-io", "docker.io"),
        ("flash-attn", "flash-attn"),
        ("ghcr-io", "ghcr.io"),
    ],
)
def test_a_source_has_its_mirror_to_itself(name: str, mirror: str) -> None:
    text = PLAIN.replace('image: "nvidia', 'image: "ghcr.io/nvidia')
    assert problem_lines(text + SOURCE.replace("name: sd-scripts", f"name: {name}")) == [
        f"{FILE}:14:11: sources[0].name: {name!r} would share its mirror's variable with {mirror}; choose another name"
    ]


@pytest.mark.parametrize("path", ["/opt/lora", "/opt/lora/models", "/opt", "/opt/venv", "/etc/x", "/tmp"])
def test_no_volume_hides_what_the_image_needs(path: str) -> None:
    assert problem_lines(PLAIN + f"run: {{volumes: [/models, {path}]}}\n") == [
        f"{FILE}:13:26: run.volumes[1]: {path} holds what the image needs to run; mount elsewhere"
    ]


def test_a_volume_beside_the_home_is_taken() -> None:
    assert read_service(PLAIN + "run: {volumes: [/opt/lora-models, /opt/other]}\n").run.volumes == (
        "/opt/lora-models",
        "/opt/other",
    )


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/usr/bin/env", "/opt/venv/x", "/opt/torchpin/proof.json", "/opt"]
)
def test_no_record_is_written_over_the_system(path: str) -> None:
    assert problem_lines(PLAIN + f"run: {{freeze: {path}}}\n") == [
        f"{FILE}:13:15: run.freeze: {path} is a place of the system; write elsewhere"
    ]


@pytest.mark.parametrize(
    "user", ["nobody", "daemon", "bin", "www-data", "ubuntu", "sudo", "systemd-network", "_apt"]
)
def test_no_user_of_the_system_runs_a_service(user: str) -> None:
    assert problem_lines(PLAIN + f"run: {{user: {user}}}\n") == [
        f"{FILE}:13:13: run.user: {user!r} is a name that systems have already; choose another"
    ]


@pytest.mark.parametrize("name", ["venv", "python", "torchpin"])
def test_no_service_takes_torchpin_s_own_home(name: str) -> None:
    with pytest.raises(InputError) as excinfo:
        read.read_services({f"services/{name}/service.yaml": PLAIN.replace("name: lora", f"name: {name}", 1)})
    assert str(excinfo.value.problems[0]) == (
        f"services/{name}/service.yaml:1:7: name: /opt/{name} is torchpin's own in an image; choose another name"
    )


# --- texts that are no description -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:1: expected a mapping of keys, found an empty file"),
        ("# only a comment\n", "1:1: expected a mapping of keys, found an empty file"),
        ("- a\n", "1:1: expected a mapping of keys, found a list"),
        ("lora", "1:1: expected a mapping of keys, found 'lora'"),
        ("a: b\n\tc: d\n", "2:1: not YAML: found a tab character that violates indentation"),
        ("a: *b\n", "1:4: not YAML: found undefined alias"),
        ("a: 1\n--- \nb: 1\n", "2:1: expected one document, found another here"),
        ("a: \x00", "1:1: not YAML: control characters are not allowed at character 3"),
        ("a: " + "[" * 100_000, "1:67: nested deeper than 64 levels"),
        ("a: &x [*x, " + "[" * 99 + "]" * 99 + "]", "1:74: nested deeper than 64 levels"),
        ("\n".join(" " * depth + "- " for depth in range(300)), "65:65: nested deeper than 64 levels"),
    ],
)
def test_what_is_no_description_is_refused_with_one_problem(text: str, problem: str) -> None:
    assert problem_lines(text) == [f"{FILE}:{problem}"]


def test_a_value_that_holds_itself_is_refused() -> None:
    assert problem_lines(replace_in_plain("[tqdm==4.66.5]", "&a [*a]")) == [
        f"{FILE}:12:15: layers[0].packages[0]: expected text, found a list"
    ]


@settings(max_examples=120)
@given(st.text(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>?'\"\n #,%@`\\\t~<", max_size=80))
@example("? ? a")
@example('"\\x0')
@example("a: !<x>")
def test_no_text_raises_anything_but_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        read_service(text)


@settings(max_examples=100)
@given(st.data())
def test_no_change_of_a_description_raises_anything_but_an_input_error(data: st.DataObject) -> None:
    text = _full_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    inserted = data.draw(
        st.text(max_size=8) | st.sampled_from(["[]", "{}", "~", "''", "1", "\n", ": ", "- "])
    )
    with suppress(InputError):
        read_service(text[:start] + inserted + text[end:])


# --- nothing breaks out ----------------------------------------------------------------------------------------------


@cache
def _full_text() -> str:
    """A description in which every field is given."""
    service = Service(
        name="lora",
        summary="Training",
        python=Version("3.10.14"),
        base=Base(image="debian:12", digest="sha256:" + "0f" * 32, rationale="why"),
        torch=Torch(version=Version("2.5.1"), companions={"torchvision": Version("0.20.1")}),
        variants=(Variant(name="gpu", channel="cu121", platform="linux/amd64"),),
        layers=(
            Layer(name="training", packages=(Requirement("tqdm==4.66.5"), Requirement("toml==0.10.2"))),
            Layer(name="more", packages=(Requirement("einops==0.7.0"),), optional=True),
        ),
        gpus=("H100",),
        apt=("git", "curl"),
        imports=("torch",),
        sources=(
            Source(
                name="sd-scripts",
                url="https://example.org/a.git",
                tag="v1",
                commit="0f" * 20,
                path="third_party/a",
                requirements="requirements.txt",
            ),
        ),
        run=Run(
            command=("python", "a.py"),
            env={"TZ": "UTC"},
            ports=(80,),
            volumes=("/workspace",),
            freeze="/workspace/freeze.txt",
            user="worker",
            health=Health(command=("curl", "-f", "http://127.0.0.1")),
        ),
        budget_bytes=10**9,
        recommends=(Recommendation(component="torch", says="2.5.x"),),
        reasons=(Reason(component="torch", because="a", evidence="b"),),
        waivers=(Waiver(check="GPU001", about="H100", reason="a", review_by=date(2027, 1, 31)),),
    )
    return write.to_yaml(service)


def _text_locations(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a text in a plain value: a leaf, or a key among names (which ends in None)."""
    if isinstance(value, dict):
        named = path in {("variants",), ("run", "env"), ("torch", "companions"), ("reasons",)}
        keys = [(*path, key, None) for key in value] if named else []
        return keys + [
            location for key, child in value.items() for location in _text_locations(child, (*path, key))
        ]
    if isinstance(value, list):
        return [
            location
            for number, child in enumerate(value)
            for location in _text_locations(child, (*path, number))
        ]
    return [path] if isinstance(value, str) else []


FULL = yaml.safe_load(_full_text())
LOCATIONS = _text_locations(FULL)


def description_with(location: tuple[Any, ...], text: str) -> str:
    """The full description with another text at one place."""
    root = deepcopy(FULL)
    *parent_path, key = location
    inside = root
    if key is None:
        *parent_path, key = parent_path
        for step in parent_path:
            inside = inside[step]
        inside[text] = inside.pop(key)
    else:
        for step in parent_path:
            inside = inside[step]
        inside[key] = text
    return str(yaml.dump(root, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True))


def _fake_lock(env: Environment) -> Lock:
    pins = [f"{name}=={version}" for name, version in env.service.torch.family.items()]
    pins += [str(package) for layer in env.service.layers for package in layer.packages]
    artifacts = [
        Artifact(
            name=canonicalize_name(Requirement(pin).name),
            version="1",
            filename="a.tar.gz",
            sha256="0f" * 32,
        )
        for pin in pins
    ]
    layers = split_layers(env, artifacts, uv="0.13.9")[0]
    return Lock(layers=layers, build=layer_lock(env, "build", artifacts[:1], uv="0.13.9"))


@pytest.fixture(scope="module", autouse=True)
def compiled_once() -> Iterator[None]:
    """Some thousand renderings of one template: compiling it takes twenty times as long as rendering it."""
    compiled: dict[str, Any] = {}
    original: Any = jinja2.Environment.compile

    def compiling(self: jinja2.Environment, source: str, *arguments: Any) -> Any:
        if source not in compiled:
            compiled[source] = original(self, source, *arguments)
        return compiled[source]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinja2.Environment, "compile", compiling)
        yield


def render_dockerfile(service: Service) -> str:
    env = Environment(service=service, variant=service.variants[0])
    lock = _fake_lock(env)
    assert all(file_format.installer_requirements(layer).isascii() for layer in lock.layers)
    return image_dockerfile.render_dockerfile(TEMPLATE, plan.image_plan(env, lock))


class Shape(NamedTuple):
    """What an instruction is made of, whatever its words say."""

    name: str
    word_count: int
    options: tuple[str, ...]
    specials: str


def shapes(dockerfile: str) -> list[Shape]:
    """The instructions as Docker reads them: comments out, continued lines joined, quoted words and JSON lists as one."""
    lines = [line for line in re.split(r"\r\n|[\n\r]", dockerfile) if not re.match(r"\s*#|\s*$", line)]
    return [_shape(line) for line in re.sub(r"\\[ \t]*\n", " ", "\n".join(lines)).splitlines()]


def _shape(instruction: str) -> Shape:
    name = instruction.split(maxsplit=1)[0]
    if name in {"CMD", "ENTRYPOINT", "HEALTHCHECK"}:
        head, bracket, arguments = instruction.partition("[")
        assert all(isinstance(word, str) for word in json.loads(bracket + arguments))
        instruction = head + "json"
    elif name in {"ENV", "LABEL"}:
        instruction = re.sub(r'="(?:[^"\\$]|\\["\\$])*"(?= |$)', "=quoted", instruction)
    tokens = instruction.split()
    options = tuple(word.split("=")[0] for word in tokens if word.startswith("-"))
    return Shape(name, len(tokens), options, "".join(re.findall(r"[^A-Za-z0-9 _./:=@+~%-]", instruction)))


@cache
def _expected_shapes() -> tuple[int, list[Shape]]:
    text = render_dockerfile(read_service(_full_text()))
    return len(text.splitlines()), shapes(text)


HOSTILE = (
    ["\nRUN evil", "\r", "\u2028", "\x85", "\x0b", "\x00", "\x7f", '"', "'", "\\", '" \\', "$(evil)", "`evil`", "${PATH}",
     "; evil", "&& evil", "| evil", "<<EOF", "-", " --evil", " #", "{{ 1 }}", ",", "[x]", "*", "/../", "\u0661", "\u00e9"]
)  # fmt: skip


def expect_refused_or_inside(text: str) -> None:
    try:
        service = read_service(text)
    except InputError:
        return
    if service.run.user is None:
        return  # root is no user, and then has no instruction
    dockerfile = render_dockerfile(service)
    assert (len(dockerfile.splitlines()), shapes(dockerfile)) == _expected_shapes()
    env = Environment(service=service, variant=service.variants[0])
    project = tomllib.loads(uv_project.render_uv_project(env, index="https://example.org/whl/cu121"))
    assert project.keys() == {"project", "tool"}
    assert project["project"].keys() == {"name", "version", "requires-python", "dependencies"}
    assert len(project["project"]["dependencies"]) == 5


at_each_location = pytest.mark.parametrize(
    "location", LOCATIONS, ids=lambda location: ".".join(map(str, location))
)


@at_each_location
def test_a_hostile_end_is_refused_or_stays_inside_its_place(location: tuple[Any, ...]) -> None:
    value: Any = FULL
    for step in location:
        value = location[-2] if step is None else value[step]
    for end in HOSTILE:
        expect_refused_or_inside(description_with(location, value + end))


@at_each_location
@settings(max_examples=6)
@given(
    text=st.text(max_size=30)
    | st.tuples(st.sampled_from(HOSTILE), st.sampled_from(["", "a", "/a", "v1", "tqdm==1"])).map("".join)
)
def test_a_text_is_refused_or_stays_inside_its_place(location: tuple[Any, ...], text: str) -> None:
    expect_refused_or_inside(description_with(location, text))
