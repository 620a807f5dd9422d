"""Environments on this machine without Docker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.labs import ROOT
from torchpin.commands import install, lock
from torchpin.description.environments import select_environments
from torchpin.errors import InputError, ToolError
from torchpin.lab import lab
from torchpin.progress import StepAdvanced, StepEnded, StepStarted, StepStatus
from torchpin.tools import uv_install
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from torchpin.progress import StepEvent
    from torchpin.workspace.workspace import Repository


@pytest.mark.parametrize(
    ("service", "variant", "message"),
    [
        ("coaxial", "arm64", "coaxial-arm64 is locked for linux/arm64, and this machine is linux/amd64"),
        ("seedvr", "gpu", "seedvr-gpu takes torch from its base image, so it can only be built"),
    ],
)
def test_what_cannot_be_native_is_refused_before_anything_is_made(
    service: str, variant: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uv_install, "local_platform", lambda: "linux/amd64")
    repo = workspace.open_repository(ROOT)
    (env,) = select_environments(repo.services, service=service, variant=variant)
    with pytest.raises(ToolError, match=message):
        install.install(repo, env)


@pytest.mark.parametrize("script", ["docker/runtime/probe.py", "docker/runtime", "services/lora/smoke.py"])
def test_a_script_that_is_a_link_elsewhere_is_not_run(
    monorepo: Repository,
    script: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uv_install, "local_platform", lambda: "linux/amd64")
    folder = tmp_path_factory.mktemp("outside")
    outside = folder / "probe.py"
    outside.write_text("raise SystemExit('this was to be refused before')\n")
    outside = outside if script.endswith(".py") else folder
    (env,) = select_environments(monorepo.services, service="lora")
    (monorepo.root / script).parent.mkdir(exist_ok=True)
    (monorepo.root / script).unlink(missing_ok=True)
    (monorepo.root / script).symlink_to(outside)
    with pytest.raises(ToolError) as excinfo:
        install.install(monorepo, env)
    assert f"{script} is a link out of {monorepo.root}, to {outside}; " in str(excinfo.value)
    assert not (monorepo.root / ".venvs").exists()


def test_without_a_smoke_test_nothing_is_installed(
    monorepo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uv_install, "local_platform", lambda: "linux/amd64")
    (env,) = select_environments(monorepo.services, service="lora")
    (monorepo.root / "services/lora/smoke.py").unlink()
    with pytest.raises(
        InputError, match=r"^services/lora/smoke\.py is missing; it verifies what is installed"
    ):
        install.install(monorepo, env)


@pytest.mark.docker
@pytest.mark.network
def test_the_native_way_installs_and_proves_the_same_lock() -> None:
    repo = workspace.open_repository(ROOT)
    messages: list[str] = []
    events: list[StepEvent] = []
    status = StepStatus(messages.append, events.append)
    with lab.open_lab(
        repo, select_environments(repo.services, service="lora"), docker=False, show_status=status
    ) as opened_lab:
        assert not any(
            outcome.code
            for outcome in lock.lock(opened_lab.repo, opened_lab.environments, show_status=status)
        )
        outcome = install.install(opened_lab.repo, opened_lab.environments[0], show_status=status)
    assert outcome.code == 0
    assert any(line.startswith("probe: ok") for line in messages)
    titles = [event.title for event in events if isinstance(event, StepStarted)]
    first = ("third_party/sd-scripts: cloning v0.10.0", "lora-gpu: resolving", "installing 00-torch")
    assert [title for title in titles if title in first] == [*first]
    assert titles[-2:] == ["installing 06-sd-scripts", "lora-gpu: verifying what is installed"]
    installed = [event for event in events if isinstance(event, StepAdvanced) and event.note == "installing"]
    # uv says that it has all files, where not all were in its cache
    assert all(event.done == event.total for event in installed)
    assert all(event.outcome == "done" for event in events if isinstance(event, StepEnded))


def test_a_dry_run_says_the_steps_and_makes_nothing(
    monorepo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uv_install, "local_platform", lambda: "linux/amd64")
    (env,) = select_environments(monorepo.services, service="lora")
    clones = sorted(monorepo.root.glob("third_party/*"))
    steps = install.plan_install(monorepo, env)
    assert [step for step in steps if step.startswith("make ")] == [
        f"make {monorepo.root / '.venvs' / env.name}, which does not exist yet"
    ]
    assert "install 00-torch: 3 packages" in steps  # PyTorch's index tells no sizes
    assert any(step.startswith("install 02-training: ") and step.endswith(" MB") for step in steps)
    assert steps[-1] == "verify it with services/lora/smoke.py"
    assert sorted(monorepo.root.glob("third_party/*")) == clones
    assert not (monorepo.root / ".venvs").exists()


def test_a_dry_run_refuses_what_an_install_refuses(
    monorepo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uv_install, "local_platform", lambda: "darwin/arm64-not-there")
    (env,) = select_environments(monorepo.services, service="lora")
    with pytest.raises(ToolError, match="lora-gpu is locked for linux/amd64, and this machine is"):
        install.plan_install(monorepo, env)
    with pytest.raises(InputError, match="`--dry-run` conflicts with `--lab`"):
        install.InstallOptions(dry_run=True, lab=True)
