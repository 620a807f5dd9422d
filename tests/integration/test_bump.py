"""A bump in the lab, with a real engine, real uv and real git: all five steps, all or nothing, finished later, undone."""

from __future__ import annotations

import errno
import itertools
import multiprocessing
import os
import random
import shutil
import subprocess
import time
import types
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from torchpin import paths
from torchpin.bump import model, plan, target
from torchpin.commands import build as commands_build
from torchpin.commands import bump as commands_bump
from torchpin.commands import generate, judge, lock, undo
from torchpin.description import environments as description_environments
from torchpin.errors import InputError, ToolError
from torchpin.lab import lab
from torchpin.records import bump_log
from torchpin.tools.transaction import disk
from torchpin.workspace import workspace, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.bump.model import Plan
    from torchpin.model import Outcome
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]

ROOT = Path(__file__).parents[2]
BEFORE = ROOT / "tests" / "before"
WHY = "B200 is to be served"
TORCH = target.target("torch==2.7.1")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """A lab of lora as it was before its first bump, which serves what the bump goes to as well."""
    root = tmp_path_factory.mktemp("before") / "repository"
    for name in ("services", "lockfiles", "docker", "requirements"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copy(BEFORE / "service.yaml", root / "services" / "lora" / "service.yaml")
    shutil.rmtree(root / "lockfiles" / "lora-gpu")
    shutil.copytree(BEFORE / "lockfiles", root / "lockfiles" / "lora-gpu")
    repo = workspace.opened(root)
    (planned,) = plan.plans(
        repo.services, TORCH, commands_bump.ground(repo, TORCH, services=["lora"], reason=WHY)
    )
    beside = description_environments.environments([planned.described])
    said: list[str] = []
    with lab.opened(
        repo,
        description_environments.environments(repo.services, service="lora"),
        beside=beside,
        say=said.append,
    ) as found:
        assert found.engine, said
        origin = found.repo.settings.mirrors["sd-scripts"].removeprefix("file://")
        subprocess.run(("git", "-C", origin, "tag", "v0.10.1", "HEAD"), check=True)
        assert not any(one.code for one in lock.lock(found.repo, found.environments))
        yield found


def git(repo: Repository, *words: str) -> str:
    person = ("-c", "user.name=somebody", "-c", "user.email=a@localhost")
    done = subprocess.run(
        ("git", "-C", str(repo.root), *person, *words), capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture
def scratch(opened: lab.Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Repository:
    """A committed copy of the lab's monorepo for one test, with names of its own for its images."""
    root = tmp_path / "monorepo"
    shutil.copytree(opened.repo.root, root, symlinks=True)
    (root / ".gitignore").write_text("/.torchpin/\n/.venvs/\n/third_party/\n")
    name = request.node.name.replace("[", "-").replace("]", "").replace("_", "-")[:40].rstrip("-")
    repo = replace(opened.repo, root=root, prefix=f"{opened.repo.prefix}/{name}")
    generate.document(repo)
    git(repo, "init", "--quiet")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message", "before")
    return repo


def tree(repo: Repository) -> dict[str, bytes]:
    return {
        path.relative_to(repo.root).as_posix(): path.read_bytes()
        for path in sorted(repo.root.rglob("*"))
        if path.is_file()
        and path.relative_to(repo.root).parts[0] not in {".git", ".torchpin", ".venvs", "third_party"}
    }


def planned(
    repo: Repository, text: str = "torch==2.7.1", reason: str = WHY
) -> tuple[list[Plan], model.Ground]:
    asked = target.target(text)
    ground = commands_bump.ground(repo, asked, services=["lora"], reason=reason)
    return [*plan.plans(repo.services, asked, ground)], ground


def bumped(repo: Repository, text: str = "torch==2.7.1", *, build: bool = False) -> tuple[Outcome, ...]:
    plans, ground = planned(repo, text)
    return commands_bump.bump(repo, plans, target.target(text), ground, commands_bump.Options(build=build))


def reopened(repo: Repository) -> Repository:
    found = workspace.opened(repo.root)
    return replace(repo, services=found.services)


# --- the five steps --------------------------------------------------------------------------------------------------


def test_lora_is_carried_through_all_five_steps_and_back(scratch: Repository) -> None:
    """The image is proven at 2.7.1, the B200 waiver closes by itself; undone, every byte is as before."""
    environments = description_environments.environments(scratch.services)
    assert not any(one.code for one in commands_build.build(scratch, environments, commands_build.Options()))
    git(scratch, "add", "--all")
    git(scratch, "commit", "--quiet", "--message", "built at 2.5.1")
    before = tree(scratch)
    assert "GPU001" in before["services/lora/service.yaml"].decode()
    outcomes = bumped(scratch, build=True)
    assert outcomes[-1].detail == "all five steps of the update policy are done"
    repo = reopened(scratch)
    (env,) = description_environments.environments(repo.services)
    record = workspace.build_record(repo, env)
    assert record["torch"]["version"] == "2.7.1+cu128"
    assert "torch==2.7.1+cu128" in (repo.text(paths.freeze_path(env)) or "")
    assert "GPU001" not in {one.check for one in env.service.waivers}
    (entry,) = bump_log.entries(repo.text(bump_log.LOG))
    assert entry.pending == ()
    assert "torch 2.5.1+cu121 -> 2.7.1+cu128" in entry.freeze["lora-gpu"]
    assert all(step.when and step.who for step in entry.steps)
    assert "`torch==2.7.1`" in (repo.text("DEVIATIONS.md") or "")
    assert not judge.failures(judge.verify(repo, [env], require=("image",)), require=("image",))
    undo.undo(repo)
    assert tree(repo) == before
    assert git(repo, "status", "--porcelain") == ""


def test_without_an_engine_the_steps_are_pending_and_finished_later(
    scratch: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(scratch)
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", "unix:///nonexistent")
        outcomes = bumped(scratch, build=True)
        repo = reopened(scratch)
        assert outcomes[-1].detail.startswith("pending: steps 3 (rebuild the image), 4")
        first, *_ = bump_log.entries(repo.text(bump_log.LOG))[0].steps
        assert first.told == "locked, judged, and proven natively: lora-gpu"
        assert (repo.root / ".venvs/lora-gpu").is_dir()
        (found,) = [
            one
            for one in judge.verify(repo, description_environments.environments(repo.services))
            if one.check == "REC002"
        ]
        assert (found.status, found.note.partition(":")[0]) == (
            "skipped",
            "steps 3, 4, 5 of the bump torch==2.7.1 are pending",
        )
        pending = tree(repo)
        with pytest.raises(ToolError, match=r"cannot be finished here: no Docker engine.*stay pending"):
            commands_bump.resume(repo)
        assert tree(repo) == pending
    commands_bump.resume(repo)
    assert bump_log.entries(repo.text(bump_log.LOG))[0].pending == ()
    with pytest.raises(InputError, match="No bump is pending"):
        commands_bump.resume(repo)
    undo.undo(repo)
    assert tree(repo) == before


@pytest.mark.parametrize("engine", [True, False], ids=["image", "native"])
def test_a_proof_that_fails_takes_the_bump_back(
    engine: bool, scratch: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scratch.root / "services/lora/smoke.py").write_text('"""Never."""\n\nraise SystemExit("no")\n')
    generate.rendering(scratch, description_environments.environments(scratch.services))
    git(scratch, "commit", "--all", "--quiet", "--message", "a smoke test that fails")
    before = tree(scratch)
    if not engine:
        monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent")
    with pytest.raises(ToolError, match="The bump was taken back"):
        bumped(scratch, build=True)
    assert tree(scratch) == before


# --- all or nothing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["torch==2.7.1", "toml==0.10.1", "base=debian:12", "sd-scripts@v0.10.1", "python"]
)
def test_undoing_each_kind_leaves_a_clean_tree(text: str, scratch: Repository) -> None:
    before = tree(scratch)
    here = scratch.services[0].python
    next_patch = f"python=={here.major}.{here.minor}.{here.micro + 1}"
    bumped(scratch, next_patch if text == "python" else text)
    assert tree(scratch) != before
    undo.undo(reopened(scratch))
    assert tree(scratch) == before
    assert git(scratch, "status", "--porcelain") == ""


def test_a_package_moves_alone_and_what_it_downloads_is_told(scratch: Repository) -> None:
    said: list[str] = []
    plans, ground = planned(scratch, "toml==0.10.1", reason='why: "so"  #1\nand é')
    assert ground.reason == 'why: "so" #1 and é'
    asked, options = target.target("toml==0.10.1"), commands_bump.Options(build=False)
    commands_bump.bump(scratch, plans, asked, ground, options, say=said.append)
    assert "lora-gpu: 1 new file to download, 0 MB" in said
    (entry,) = bump_log.entries(scratch.text(bump_log.LOG))
    assert entry.services["lora"].packages == ("lora-gpu: toml 0.10.2 -> 0.10.1",)


def test_a_resolver_that_finds_nothing_changes_nothing(scratch: Repository) -> None:
    before = tree(scratch)
    with pytest.raises(ToolError, match=r"toml==9\.9\.9"):
        bumped(scratch, "toml==9.9.9")
    assert tree(scratch) == before


def test_edits_that_nobody_committed_are_refused_and_named(scratch: Repository) -> None:
    (scratch.root / "DEVIATIONS.md").write_text("mine\n")
    before = tree(scratch)
    with pytest.raises(InputError, match=r"Commit or take back these edits first.*DEVIATIONS\.md"):
        bumped(scratch)
    assert tree(scratch) == before


def test_a_file_that_is_edited_meanwhile_is_kept(
    scratch: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved, place = lock.resolved, scratch.root / "services/lora/service.yaml"

    def slow(*arguments: object, **more: object) -> object:
        place.write_text(place.read_text() + "# mine\n")
        return resolved(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(lock, "resolved", slow)
    before = tree(scratch)
    with pytest.raises(ToolError, match=r"Changed by somebody else meanwhile: services/lora/service\.yaml"):
        bumped(scratch)
    assert tree(scratch) == before | {"services/lora/service.yaml": place.read_bytes()}


def test_what_people_edited_since_is_not_undone(scratch: Repository) -> None:
    bumped(scratch, "toml==0.10.1")
    place = scratch.root / "services/lora/service.yaml"
    place.write_text(place.read_text() + "# mine\n")
    after = tree(scratch)
    with pytest.raises(InputError, match=r"Edited since the bump: services/lora/service\.yaml"):
        undo.undo(scratch)
    assert tree(scratch) == after


def test_of_two_bumps_at_once_one_is_refused_and_none_is_lost(scratch: Repository) -> None:
    before = tree(scratch)
    with (
        write.alone(scratch, "bumping"),
        pytest.raises(ToolError, match="Another torchpin command is bumping"),
    ):
        bumped(scratch)
    assert tree(scratch) == before
    bumped(scratch)
    assert bump_log.entries(reopened(scratch).text(bump_log.LOG))[0].bump == "torch==2.7.1"


def test_a_second_bump_waits_for_the_first_to_be_committed(scratch: Repository) -> None:
    bumped(scratch)
    repo = reopened(scratch)
    with pytest.raises(InputError, match="Commit or take back these edits first"):
        bumped(repo, "toml==0.10.1")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message", "bump")
    bumped(repo, "toml==0.10.1")
    assert [one.bump for one in bump_log.entries(repo.text(bump_log.LOG))] == ["torch==2.7.1", "toml==0.10.1"]


def told(files: dict[str, bytes]) -> dict[str, bytes]:
    """Files without the times of the log, which differ from run to run."""
    log = files.get(bump_log.LOG, b"").splitlines()
    return files | {bump_log.LOG: b"\n".join(line for line in log if not line.strip().startswith(b"when:"))}


class Stopped(BaseException):
    """A process that is gone: it does nothing more, not even what stands after `finally`."""


class Disk:
    """Counts what touches the disk while files are written, and stops at one of these operations."""

    def __init__(self, at: int, fault: BaseException) -> None:
        self.at, self.fault, self.done = at, fault, 0

    def counted(self, real: Any) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            self.done += 1
            if self.done == self.at or (self.done > self.at and isinstance(self.fault, Stopped)):
                raise self.fault
            return real(*arguments, **more)

        return call


@contextmanager
def faulty(at: int, fault: BaseException) -> Iterator[Disk]:
    """Every write, sync, rename and removal of a transaction counts; where Python's pathlib does it, there too."""
    counting = Disk(at, fault)
    own = types.SimpleNamespace(**vars(os))
    for name in ("open", "write", "fsync", "fchmod"):
        setattr(own, name, counting.counted(getattr(os, name)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "os", own)
        for name in ("replace", "unlink", "mkdir", "rmdir", "touch"):
            patch.setattr(Path, name, counting.counted(getattr(Path, name)))
        yield counting


def test_a_bump_stopped_at_any_write_or_rename_is_before_or_after(
    scratch: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real bump's own files; what it resolved is kept, so that each round is short."""
    before = told(tree(scratch))
    plans, ground = planned(scratch)
    kept: list[Any] = []
    resolved = lock.resolved

    def once(*arguments: Any, **more: Any) -> Any:
        if not kept:
            kept.append(resolved(*arguments, **more))
        return kept[0]

    monkeypatch.setattr(lock, "resolved", once)

    def bump() -> None:
        commands_bump.bump(scratch, plans, TORCH, ground, commands_bump.Options(build=False))

    bump()
    after = told(tree(scratch))
    undo.undo(scratch)
    assert told(tree(scratch)) == before
    ended, rounds = {"before": 0, "after": 0}, 0
    for fault in (
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EROFS, "Read-only"),
        Stopped(),
    ):
        for at in itertools.count(1):
            with faulty(at, fault) as counting, suppress(ToolError, Stopped, OSError):
                bump()
            if counting.done < at:
                undo.undo(scratch)
                break
            rounds += 1
            if isinstance(fault, Stopped):
                write.recover(scratch.root)
            now = told(tree(scratch))
            assert now in (before, after), (at, fault)
            assert isinstance(fault, Stopped) or not (scratch.root / ".torchpin/transaction").exists()
            ended["before" if now == before else "after"] += 1
            if now == after:
                undo.undo(scratch)
    assert min(ended.values()) > 0
    print(f"{rounds} faults: {ended['before']} ended before, {ended['after']} after")  # noqa: T201 - the number of faults


def test_a_bump_that_is_killed_is_before_or_after(scratch: Repository) -> None:
    """SIGKILL at random moments of the whole command, most of them around the writing at its end."""
    before = told(tree(scratch))
    start = time.monotonic()
    bumped(scratch)
    took, after = time.monotonic() - start, told(tree(scratch))
    undo.undo(scratch)
    fork, moments, ended = multiprocessing.get_context("fork"), random.Random(27), {"before": 0, "after": 0}
    for number in range(10):
        child = fork.Process(target=bumped, args=(scratch,))
        child.start()
        time.sleep(took * (moments.random() if number < 2 else moments.uniform(0.85, 1.1)))
        child.kill()
        child.join()
        write.recover(scratch.root)
        now = told(tree(scratch))
        assert now in (before, after), {name for name in now if now[name] != before.get(name)}
        ended["before" if now == before else "after"] += 1
        if now == after:
            undo.undo(scratch)
            assert told(tree(scratch)) == before
    print(f"10 kills: {ended['before']} ended before, {ended['after']} after")  # noqa: T201 - how many, and how they ended
