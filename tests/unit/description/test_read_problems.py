"""Each problem of a description is reported with its file, position and key path; loose pins are problems."""

from __future__ import annotations

import json
import re

import pytest
from packaging.requirements import Requirement

from support.descriptions import LORA, PLAIN, SOURCE, problem_lines, read_service, replace_in_plain
from torchpin.description import read
from torchpin.description.sections.packages import parse_pin
from torchpin.errors import InputError

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
        ["2:1: name: duplicate key; keep one"],
    ),
    "a nested key given twice": (
        'version: "2.5.1"',
        'version: "2.5.1"\n  version: "2.6.0"',
        ["7:3: torch.version: duplicate key; keep one"],
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
        ["3:9: python: '3.\u0661\u0660.14' is not a Python version such as 3.10.14"],
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
        ["4:70: base.digest: 'sha256:ab' is not a digest (sha256: and 64 hexadecimal digits)"],
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
            "7:32: torch.companions.torch vision: 'torch vision' is not the package name of a companion",
        ],
    ),
    "torch as its own companion": (
        "{torchvision:",
        "{torch:",
        ["7:23: torch.companions.torch: 'torch' is not the package name of a companion"],
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
        ["9:18: variants.gpu.channel: 'cuda' is not a channel (cu121, cu128, …, cpu or pypi)"],
    ),
    "no platform": (
        "linux/amd64",
        "windows",
        [
            "9:35: variants.gpu.platform: 'windows' is not a platform (linux/amd64 or linux/arm64)"
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
            "11:11: layers[0].name: 'build' is the name of a layer that torchpin adds; choose another name"
        ],
    ),
    "a companion in a layer": (
        "[tqdm==4.66.5]",
        "[TorchVision==0.20.1]",
        [
            "12:16: layers[0].packages[0]: torchvision is pinned under `torch`; a layer cannot pin it again"
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
        ["1:7: name: expected a name (lower-case letters, digits and inner dashes, at most 39 characters), found 'a\\nb'"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "lines"), BAD.values(), ids=BAD)
def test_a_problem_says_where_at_which_key_and_what(old: str, new: str, lines: list[str]) -> None:
    assert problem_lines(replace_in_plain(old, new)) == [f"{LORA}:{line}" for line in lines]


ADDED = {
    "run: {ports: [0]}": "run.ports[0]: expected a whole number from 1 to 65535, found 0",
    "run: {ports: ['80']}": "run.ports[0]: expected a number, found '80'",
    "run: {ports: [1.5]}": "run.ports[0]: expected a whole number from 1 to 65535, found 1.5",
    "run: {ports: [0x50]}": "run.ports[0]: expected a whole number from 1 to 65535, found 0x50",
    "run: {ports: [0120]}": "run.ports[0]: expected a whole number from 1 to 65535, found 0120",
    "run: {ports: [-1]}": "run.ports[0]: expected a whole number from 1 to 65535, found -1",
    "run: {ports: [9999999999]}": "run.ports[0]: expected a whole number from 1 to 65535, found 9999999999",
    "run: {bytecode: all}": "run.bytecode: expected true or false, found 'all'",
    "run: {compiles: sometimes}": "run.compiles: expected true or false, found 'sometimes'",
    "run: {ports: 80}": "run.ports: expected a list, found 80",
    "run: {env: {A: 1}}": "run.env.A: expected text, found 1 (quote it)",
    "run: {env: {A: true}}": "run.env.A: expected text, found true (quote it)",
    "run: {env: {A: 2026-11-22}}": "run.env.A: expected text, found 2026-11-22 (quote it)",
    "run: {env: {A: ~}}": "run.env.A: expected text, found ~",
    "run: {env: {A-B: x}}": "run.env.A-B: 'A-B' is not the name of an environment variable",
    "run: {health: {}}": "run.health: the key 'command' is missing",
    "run: {health: {command: []}}": "run.health.command: expected at least one argument",
    "run: {health: {command: curl}}": "run.health.command: expected a list, found 'curl'",
    "run: {health: {command: [a], retries: 0}}": "run.health.retries: expected a whole number from 1 to 86400, found 0",
    "run: {user: Root}": "run.user: 'Root' is not a user name, or uid:gid such as \"1000:1000\"",
    "gpus: H100": "gpus: expected a list, found 'H100'",
    "gpus: [H100, H100]": "gpus[1]: duplicate 'H100'; keep one",
    "apt: [ffmpeg, ffmpeg=1:2]": "apt[1]: duplicate 'ffmpeg'; keep one",
    "run: {ports: [8000, 8001, 8000]}": "run.ports[2]: duplicate 8000; keep one",
    "apt: [git-]": "apt[0]: 'git-' is not a Debian package name, or one with its version such as git=1:2.43.0-1ubuntu7",
    "apt: [Git]": "apt[0]: 'Git' is not a Debian package name, or one with its version such as git=1:2.43.0-1ubuntu7",
    "imports: [a.1]": "imports[0]: 'a.1' is not an importable module name",
    "imports: [c\u00e9]": "imports[0]: 'c\u00e9' is not an importable module name",
    "budget: {image: 20}": "budget.image: expected a size such as 20GB, found 20",
    "run: {user: 1000}": 'run.user: expected a user name, or uid:gid such as "1000:1000", found 1000',
    "files: [{from: lib/, to: a}]": "files[0].from: 'lib/' is not a path inside the repository; write 'lib'",
    "files: [{from: lib, to: ./a//b}]": "files[0].to: './a//b' is not a path in the image: absolute, or below the service's folder in it; write 'a/b'",
    "run: {volumes: [/data/]}": "run.volumes[0]: '/data/' is not an absolute path inside the container, such as /workspace; write '/data'",
    "run: {freeze: /data, volumes: [/data]}": "run.freeze: a volume is mounted at '/data', and this is a file; name one in it, such as /data/pip_freeze.txt",
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
        ("tqdm", "pin one version with ==, such as the newest that fits"),
        ("tqdm>=4", "pin one version with ==, such as the newest that fits"),
        ("tqdm==4.*", "pin one version with ==, such as the newest that fits"),
        ("tqdm===4.0", "pin one version with ==, such as the newest that fits"),
        ("tqdm~=4.0", "pin one version with ==, such as the newest that fits"),
        ("tqdm==4.0,!=4.1", "pin one version with ==, such as the newest that fits"),
        (
            "tqdm==4.0; python_version > '3'",
            "a variant has one Python and one platform; name those that have it: {pin: tqdm==4.0, variants: [gpu]}",
        ),
        (
            "tqdm @ https://example.org/tqdm.whl",
            "pin one version with ==, and give the address a key: {pin: tqdm==1.0, url: …, sha256: …}",
        ),
        (
            "tqdm @ git+https://github.com/tqdm/tqdm@main",
            "pin one version with ==, and give the address a key: {pin: tqdm==1.0, git: …, commit: …}",
        ),
        (
            "git+https://github.com/tqdm/tqdm",
            "pin one version with ==, and give the address a key: {pin: NAME==1.0, git: …, commit: …}",
        ),
        (
            "https://example.org/tqdm.whl",
            "pin one version with ==, and give the address a key: {pin: NAME==1.0, url: …, sha256: …}",
        ),
        ("tqdm[", "Expected matching RIGHT_BRACKET for LEFT_BRACKET, after extras"),
        ("", "Expected package name at the start of dependency specifier"),
        ("-e .", "Expected package name at the start of dependency specifier"),
        ("./tqdm", "Expected package name at the start of dependency specifier"),
    ],
)
def test_a_loose_pin_is_refused(requirement: str, why: str) -> None:
    text = replace_in_plain("tqdm==4.66.5", json.dumps(requirement))
    start = f"{LORA}:12:16: layers[0].packages[0]: {requirement!r} is not an exact pin such as tqdm==4.66.5"
    assert problem_lines(text) == [f"{start}: {why}"]


@pytest.mark.parametrize("requirement", ["tqdm==4.0", "Diffusers[torch]==0.32.1", "a==1!2.0rc1", "a==1+x"])
def test_an_exact_pin_is_taken(requirement: str) -> None:
    assert parse_pin(requirement) == Requirement(requirement)


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
        "5 problems in the descriptions; nothing was written",
    ]


def test_two_services_never_share_an_environment() -> None:
    first = PLAIN.replace("name: lora", "name: a", 1).replace("  gpu:", "  b-c:")
    second = PLAIN.replace("name: lora", "name: a-b", 1).replace("  gpu:", "  c:")
    with pytest.raises(InputError) as excinfo:
        read.read_services({"services/a/service.yaml": first, "services/a-b/service.yaml": second})
    assert (
        str(excinfo.value)
        .split("\n")[0]
        .endswith(": environment 'a-b-c' already exists, in services/a-b/service.yaml; choose another name")
    )


@pytest.mark.parametrize("path", ["third_party/sd-scripts", "third_party/sd-scripts/inner"])
def test_no_source_lies_in_another(path: str) -> None:
    second = SOURCE.replace("sources:\n", "").replace("name: sd-scripts", "name: b")
    (line,) = problem_lines(PLAIN + SOURCE + second.replace("third_party/sd-scripts", path))
    assert line == f"{LORA}:20:5: sources[1]: another source has this name or path; choose another"


def test_sources_lie_side_by_side() -> None:
    second = SOURCE.replace("sources:\n", "").replace("name: sd-scripts", "name: b")
    service = read_service(
        PLAIN + SOURCE + second.replace("third_party/sd-scripts", "third_party/sd-scripts-2")
    )
    assert [source.name for source in service.sources] == ["sd-scripts", "b"]
