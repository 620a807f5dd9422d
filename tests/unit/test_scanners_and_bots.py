"""Scanners find every lock file by its name, update bots leave them alone, and workflows run actions at commits."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema
import pytest
import yaml

from torchpin import facts, paths
from torchpin.cli.main import namespace
from torchpin.compat.pins import pinned_version
from torchpin.description.read import read_services

ROOT = Path(__file__).parents[2]
LOCK_FILES = sorted(
    path.relative_to(ROOT).as_posix() for path in ROOT.glob(f"{paths.LOCKFILES}/*/*{paths.lock_file('')}")
)
FORMER_NAME = f"{paths.LOCKFILES}/lora-gpu/00-torch.txt"
SERVICES = sorted(path.parent.name for path in ROOT.glob(f"{paths.SERVICES}/*/service.yaml"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
# The rules of each, from their sources: syft's Python cataloger (which grype uses), osv-scalibr's extractor of
# requirements (which osv-scanner uses), and the pip_requirements manager of Renovate.
SYFT = "*requirements*.txt"
RENOVATE = re.compile(r"(^|/)[\w-]*requirements([-._]\w+)?\.(txt|pip)$")


def read_yaml(name: str) -> dict[str, Any]:
    values = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    assert isinstance(values, dict)
    return values


def is_osv_scanners(path: str) -> bool:
    return path.endswith(".txt") and "requirements" in PurePosixPath(path).name


def trivy_patterns() -> list[str]:
    rows: list[str] = read_yaml("trivy.yaml")["scan"]["file-patterns"]
    return [row.removeprefix("pip:") for row in rows if row.startswith("pip:")]


def is_excluded(path: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def renovate_patterns() -> list[str]:
    patterns: list[str] = json.loads((ROOT / "renovate.json").read_text(encoding="utf-8"))["ignorePaths"]
    return patterns


def dependabot_updates(ecosystem: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = read_yaml(".github/dependabot.yml")["updates"]
    (row,) = [row for row in rows if row["package-ecosystem"] == ecosystem]
    return row


def test_there_are_lock_files() -> None:
    assert len(LOCK_FILES) > 40
    assert {path.split("/")[1] for path in LOCK_FILES} >= {"coaxial-arm64", "lora-gpu", "seedvr-gpu"}


@pytest.mark.parametrize("path", LOCK_FILES)
def test_scanners_find_a_lock_file_by_its_name(path: str) -> None:
    assert fnmatchcase(PurePosixPath(path).name, SYFT)
    assert is_osv_scanners(path)
    assert any(re.search(pattern, path) for pattern in trivy_patterns())


def test_scanners_did_not_find_it_by_its_former_name() -> None:
    assert not fnmatchcase(PurePosixPath(FORMER_NAME).name, SYFT)
    assert not is_osv_scanners(FORMER_NAME)
    assert not any(re.search(pattern, FORMER_NAME) for pattern in trivy_patterns())


def test_by_name_alone_a_bot_would_take_a_layer_that_is_called_requirements() -> None:
    taken = [path for path in LOCK_FILES if RENOVATE.search(path)]
    assert taken == ["lockfiles/zopilot-gpu/03-requirements.requirements.txt"]


@pytest.mark.parametrize("path", [*LOCK_FILES, "requirements/run.txt", "tests/before/lockfiles/a.txt"])
def test_update_bots_leave_alone_what_commands_write(path: str) -> None:
    assert is_excluded(path, renovate_patterns())
    assert is_excluded(path, dependabot_updates("pip")["exclude-paths"])


def test_update_bots_leave_generated_dockerfiles_alone_and_see_the_rest() -> None:
    assert is_excluded("docker/lora-gpu/Dockerfile", renovate_patterns())
    for path in ("pyproject.toml", ".github/workflows/lint.yml"):
        assert not is_excluded(path, renovate_patterns())
    assert dependabot_updates("pip")["ignore"] == [{"dependency-name": "*"}]
    assert "exclude-paths" not in dependabot_updates("github-actions")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=[path.name for path in WORKFLOWS])
def test_actions_run_at_the_commit_of_a_release(workflow: Path) -> None:
    lines = [line for line in workflow.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert lines
    assert [line for line in lines if not is_pinned(line)] == []


def test_an_action_has_one_commit_in_all_workflows() -> None:
    used = {
        line.partition("uses:")[2].strip()
        for workflow in WORKFLOWS
        for line in workflow.read_text(encoding="utf-8").splitlines()
        if "uses:" in line
    }
    assert len(used) == len({text.partition("@")[0] for text in used})


def is_pinned(line: str) -> bool:
    """Whether a step runs an action of GitHub at a full commit, with the release's tag beside it."""
    return bool(re.fullmatch(r"\s+(- )?uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line))


@pytest.mark.parametrize(
    "reference",
    [
        "actions/checkout@v4",
        "actions/checkout@v4.2.2",
        "actions/checkout@11bd719 # v4.2.2",
        f"actions/checkout@{'a' * 40}",
    ],
)
def test_a_tag_or_a_short_commit_is_no_pin(reference: str) -> None:
    assert not is_pinned(f"      - uses: {reference}")
    assert is_pinned(f"      - uses: actions/checkout@{'a' * 40} # v4.2.2")


def renovate_finds(text: str) -> dict[str, set[tuple[str, ...]]]:
    """What the patterns of descriptions find in a text, by their source of releases: name, version and digest."""
    managers = json.loads((ROOT / "renovate.json").read_text(encoding="utf-8"))["customManagers"]
    return {
        manager["datasourceTemplate"]: {
            tuple(match.groupdict().values())
            for pattern in manager["matchStrings"]
            for match in re.finditer(pattern.replace("(?<", "(?P<"), text, re.MULTILINE)  # Python's spelling
        }
        for manager in managers
    }


@pytest.mark.parametrize("name", SERVICES)
def test_a_bot_finds_every_pin_of_a_description(name: str) -> None:
    path = paths.description_path(name)
    text = (ROOT / path).read_text(encoding="utf-8")
    (service,) = read_services({path: text})
    bases = [service.base, *(variant.base for variant in service.variants if variant.base)]
    assert renovate_finds(text) == {
        "pypi": {
            (package.name, pinned_version(package)) for layer in service.layers for package in layer.packages
        },
        "docker": {(*base.image.rsplit(":", 1), base.digest) for base in bases},
        "github-tags": {
            (source.url.removeprefix("https://github.com/"), source.tag, source.commit)
            for source in service.sources
            if source.tag
        },
    }


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            "    packages: [tqdm==4.66.5, 'diffusers[torch]==0.32.1']",
            {("tqdm", "4.66.5"), ("diffusers", "0.32.1")},
        ),
        ('      - "uvicorn[standard]==0.30.1"  # a comment', {("uvicorn", "0.30.1")}),
        ("# tqdm==4.66.5", set()),
        ("      because: numpy==2.0 breaks it", set()),
    ],
)
def test_a_bot_reads_lists_of_either_form(line: str, found: set[tuple[str, str]]) -> None:
    assert renovate_finds(line)["pypi"] == found


def test_a_bot_leaves_torch_and_its_partners_to_bump() -> None:
    rules = json.loads((ROOT / "renovate.json").read_text(encoding="utf-8"))["packageRules"]
    (disabled,) = [rule for rule in rules if rule.get("matchDatasources") == ["pypi"]]
    assert disabled["enabled"] is False
    assert {*facts.partners(), "torch", "triton"} <= {*disabled["matchDepNames"]}


def test_schemas_hold_for_what_bots_and_github_read() -> None:
    """The schemas that check-jsonschema brings along."""
    schemas = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    for path, schema in (
        ("action.yml", "github-actions"),
        ("renovate.json", "renovate"),
        (".github/dependabot.yml", "dependabot"),
        *((workflow.relative_to(ROOT).as_posix(), "github-workflows") for workflow in WORKFLOWS),
    ):
        values = read_yaml(path)
        # YAML 1.1 reads the key `on` as True
        values = {{"True": "on"}.get(str(key), key): value for key, value in values.items()}
        validator = jsonschema.Draft7Validator(
            json.loads((schemas / f"{schema}.json").read_text(encoding="utf-8"))
        )
        assert [error.message for error in validator.iter_errors(values)] == [], path
        assert [*validator.iter_errors({**values, "nonsense": 1})] or schema == "renovate", path


HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("hook", "taken", "left"),
    [
        ("torchpin-judge", ["services/lora/service.yaml"], ["src/a.py"]),
        (
            "torchpin-check",
            ["Dockerfile", "docker/gpu.Dockerfile", "a/Dockerfile.cuda", "Containerfile", "requirements-dev.txt", "x/requirements/gpu-requirements.in", "pyproject.toml"],
            ["Dockerfiles/readme.md", "src/dockerfile.py", "notes.txt"],
        ),
        ("torchpin-lock", ["lockfiles/lora-gpu/00-torch.requirements.txt"], ["docs/a.md"]),
        ("torchpin-render", ["docker/lora-gpu/Dockerfile"], ["docs/a.md"]),
    ],
)  # fmt: skip
def test_a_hook_runs_for_the_files_that_it_is_about(hook: str, taken: list[str], left: list[str]) -> None:
    (row,) = [row for row in HOOKS if row["id"] == hook]
    assert row["entry"].split()[1] in namespace.task_names
    assert [path for path in taken if not re.search(row["files"], path)] == []
    assert [path for path in left if re.search(row["files"], path)] == []
