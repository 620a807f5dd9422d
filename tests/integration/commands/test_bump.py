"""An update in the lab, with a real engine, real uv and real git: all five steps, as a whole, finished later, undone."""

from __future__ import annotations

import errno
import functools
import multiprocessing
import random
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.command_line import run_process
from support.faulty_disk import FaultyDisk, ProcessStopped
from torchpin import paths
from torchpin.bump import model, plan
from torchpin.bump.reasons import parse_reasons
from torchpin.bump.target import parse_targets
from torchpin.commands import build as build_module
from torchpin.commands import bump_steps, generate, judge, lock, undo
from torchpin.commands.build import BuildOptions, build
from torchpin.commands.bump import BumpOptions, bump, bump_context, resume
from torchpin.description.environments import select_environments
from torchpin.errors import FindingsError, InputError, ToolError
from torchpin.lab import lab
from torchpin.workspace import workspace, writer
from torchpin.workspace.bumps import read_bumps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.synchronize import Event as EventType

    from torchpin.bump.model import Plan
    from torchpin.model import Environment, Outcome
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]
ROOT = Path(__file__).parents[3]
BEFORE = ROOT / "tests" / "before"
REASON = "B200 is to be served"
TORCH = parse_targets("torch==2.7.1")
ENOUGH_MEMORY = 32 << 20  # bytes, for a copy of 2 megabytes and what is written beside it


@pytest.fixture(scope="module")
def opened_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """A lab of lora as it was before its first bump, which serves what the bump goes to as well."""
    root = tmp_path_factory.mktemp("before") / "repository"
    for name in ("services", "lockfiles", "docker", "requirements"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copy(BEFORE / "service.yaml", root / "services" / "lora" / "service.yaml")
    shutil.rmtree(root / "lockfiles" / "lora-gpu")
    shutil.copytree(BEFORE / "lockfiles", root / "lockfiles" / "lora-gpu")
    repo = workspace.open_repository(root)
    (bump_plan,) = plan_bump(repo)[0]
    target_environments = select_environments([bump_plan.service_after])
    messages: list[str] = []
    with lab.open_lab(
        repo,
        select_environments(repo.services, service="lora"),
        updated_environments=target_environments,
        show_status=messages.append,
    ) as opened_lab:
        assert opened_lab.has_docker, messages
        origin = opened_lab.repo.settings.mirrors["sd-scripts"].removeprefix("file://")
        subprocess.run(("git", "-C", origin, "tag", "v0.10.1", "HEAD"), check=True)
        assert not any(outcome.code for outcome in lock.lock(opened_lab.repo, opened_lab.environments))
        yield opened_lab


def git(repo: Repository, *arguments: str) -> str:
    person = ("-c", "user.name=somebody", "-c", "user.email=a@localhost")
    result = subprocess.run(
        ("git", "-C", str(repo.root), *person, *arguments), capture_output=True, text=True, check=True
    )
    return result.stdout


@pytest.fixture
def scratch(opened_lab: lab.Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Repository:
    """A committed copy of the lab's monorepo for one test, with names of its own for its images."""
    root = tmp_path / "monorepo"
    shutil.copytree(opened_lab.repo.root, root, symlinks=True)
    (root / ".gitignore").write_text("/.torchpin/\n/.venvs/\n/third_party/\n")
    name = request.node.name.replace("[", "-").replace("]", "").replace("_", "-")[:40].rstrip("-")
    repo = replace(opened_lab.repo, root=root, prefix=f"{opened_lab.repo.prefix}/{name}")
    generate.write_documents(repo)
    git(repo, "init", "--quiet")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message", "before")
    return repo


@pytest.fixture
def scratch_in_memory(scratch: Repository) -> Iterator[Repository]:
    """The copy in memory, where there is enough: each file of hundreds of updates is synced."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or shutil.disk_usage(memory).free < ENOUGH_MEMORY:
        yield scratch
        return
    with tempfile.TemporaryDirectory(prefix="bump-", dir=memory) as folder:
        root = Path(folder) / "monorepo"
        shutil.copytree(scratch.root, root, symlinks=True)
        yield replace(scratch, root=root)


def tree(repo: Repository) -> dict[str, bytes]:
    return {
        path.relative_to(repo.root).as_posix(): path.read_bytes()
        for path in sorted(repo.root.rglob("*"))
        if path.is_file()
        and path.relative_to(repo.root).parts[0] not in {".git", ".torchpin", ".venvs", "third_party"}
    }


def plan_bump(
    repo: Repository, text: str = "torch==2.7.1", reason: str = REASON
) -> tuple[list[Plan], model.BumpContext]:
    targets = parse_targets(text)
    context = bump_context(repo, targets, services=["lora"], reasons=parse_reasons([reason]))
    return [*plan.plans(repo.services, targets, context)], context


def run_bump(
    repo: Repository, text: str = "torch==2.7.1", *, with_build: bool = False
) -> tuple[Outcome, ...]:
    plans, context = plan_bump(repo, text)
    return bump(repo, plans, parse_targets(text), context, BumpOptions(build=with_build))


def progress_of(outcomes: Sequence[Outcome]) -> str:
    return next(row.detail for row in outcomes if row.name == "torch==2.7.1")


def reopen(repo: Repository) -> Repository:
    reloaded = workspace.open_repository(repo.root)
    return replace(repo, services=reloaded.services, descriptions=reloaded.descriptions)


def test_lora_is_carried_through_all_five_steps_and_back(scratch: Repository) -> None:
    """The image is verified at 2.7.1, the B200 waiver is removed; undone, every byte is as before."""
    environments = select_environments(scratch.services)
    assert not any(outcome.code for outcome in build(scratch, environments, BuildOptions()))
    git(scratch, "add", "--all")
    git(scratch, "commit", "--quiet", "--message", "built at 2.5.1")
    before = tree(scratch)
    assert "GPU001" in before["services/lora/service.yaml"].decode()
    outcomes = run_bump(scratch, with_build=True)
    assert progress_of(outcomes) == "all five steps of the update policy are done"
    repo = reopen(scratch)
    (env,) = select_environments(repo.services)
    record = workspace.read_build_record(repo, env)
    assert record["torch"]["version"] == "2.7.1+cu128"
    assert "torch==2.7.1+cu128" in (repo.text(paths.freeze_path(env.name)) or "")
    assert "GPU001" not in {waiver.check for waiver in env.service.waivers}
    (entry,) = read_bumps(repo)
    assert entry.pending == ()
    assert "torch 2.5.1+cu121 -> 2.7.1+cu128" in entry.freeze["lora-gpu"]
    assert all(step.when and step.who for step in entry.steps)
    assert "`torch==2.7.1`" in (repo.text("docs/services/lora.md") or "")
    assert not judge.exit_code(judge.verify(repo, [env], require=("image",)), require=("image",))
    undo.undo(repo)
    assert tree(repo) == before
    assert git(repo, "status", "--porcelain") == ""


def test_without_an_engine_the_steps_are_pending_and_finished_later(
    scratch: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(scratch)
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{scratch.root}/none.sock")
        outcomes = run_bump(scratch, with_build=True)
        repo = reopen(scratch)
        assert progress_of(outcomes).startswith("pending: steps 3 (rebuild the image), 4")
        first, *_ = read_bumps(repo)[0].steps
        assert first.note == "locked, judged, and verified without Docker: lora-gpu"
        assert (repo.root / ".venvs/lora-gpu").is_dir()
        (bump_result,) = [
            result
            for result in judge.verify(repo, select_environments(repo.services))
            if result.check == "REC002"
        ]
        assert (bump_result.status, bump_result.note.partition(";")[0]) == (
            "skipped",
            "steps 3, 4, 5 of the update torch==2.7.1 are pending",
        )
        pending = tree(repo)
        with pytest.raises(ToolError, match=r"cannot be finished: no Docker engine.*stay pending"):
            resume(repo)
        assert tree(repo) == pending
    resume(repo)
    assert read_bumps(repo)[0].pending == ()
    with pytest.raises(InputError, match="no update is pending"):
        resume(repo)
    undo.undo(repo)
    assert tree(repo) == before


def test_an_update_that_is_finished_in_another_checkout_is_not_half_undone_there(
    scratch: Repository, tmp_path: Path
) -> None:
    before = tree(scratch)
    run_bump(scratch)
    git(scratch, "add", "--all")
    git(scratch, "commit", "--quiet", "--message", "pending")
    git(scratch, "clone", "--quiet", str(scratch.root), str(tmp_path / "elsewhere"))
    elsewhere = reopen(replace(scratch, root=tmp_path / "elsewhere"))
    resume(elsewhere)
    finished = tree(elsewhere)
    with pytest.raises(InputError, match="no update to undo: none was made in this checkout"):
        undo.undo(elsewhere)
    assert tree(elsewhere) == finished
    git(elsewhere, "add", "--all")
    git(elsewhere, "commit", "--quiet", "--message", "finished")
    git(scratch, "pull", "--quiet", str(elsewhere.root))
    assert tree(scratch) == finished
    undo.undo(scratch)
    assert tree(scratch) == before


def test_an_image_that_is_recorded_and_rejected_takes_the_bump_back(
    scratch: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(scratch)
    recorded: list[str] = []

    def reject(repo: Repository, environments: Sequence[Environment]) -> None:
        recorded.extend(env.name for env in environments if repo.text(paths.freeze_path(env.name)))
        raise FindingsError("the new images do not pass the checks")

    monkeypatch.setattr(bump_steps, "_validate_images", reject)
    with pytest.raises(FindingsError, match="the update was rolled back"):
        run_bump(scratch, with_build=True)
    assert recorded
    assert tree(scratch) == before


@pytest.mark.parametrize("engine", [True, False], ids=["image", "native"])
def test_a_proof_that_fails_takes_the_bump_back(
    engine: bool, scratch: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scratch.root / "services/lora/smoke.py").write_text('"""Never."""\n\nraise SystemExit("no")\n')
    generate.write_renderings(scratch, select_environments(scratch.services))
    git(scratch, "commit", "--all", "--quiet", "--message", "a smoke test that fails")
    before = tree(scratch)
    if not engine:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{scratch.root}/none.sock")
    with pytest.raises(ToolError, match="the update was rolled back"):
        run_bump(scratch, with_build=True)
    assert tree(scratch) == before


@pytest.mark.parametrize(
    "text", ["torch==2.7.1", "toml==0.10.1", "base=debian:12", "sd-scripts@v0.10.1", "python"]
)
def test_undoing_each_kind_leaves_a_clean_tree(text: str, scratch: Repository) -> None:
    before = tree(scratch)
    python = scratch.services[0].python
    next_patch = f"python=={python.major}.{python.minor}.{python.micro + 1}"
    run_bump(scratch, next_patch if text == "python" else text)
    assert tree(scratch) != before
    undo.undo(reopen(scratch))
    assert tree(scratch) == before
    assert git(scratch, "status", "--porcelain") == ""


def test_a_package_moves_alone_and_what_it_downloads_is_told(scratch: Repository) -> None:
    messages: list[str] = []
    plans, context = plan_bump(scratch, "toml==0.10.1", reason='why: "so"  #1\nand é')
    assert context.reason == 'why: "so" #1 and é'
    target, options = parse_targets("toml==0.10.1"), BumpOptions(build=False)
    bump(scratch, plans, target, context, options, show_status=messages.append)
    assert "lora-gpu: 1 new file to download, 0 MB" in messages
    (entry,) = read_bumps(scratch)
    assert entry.services["lora"].packages == ("lora-gpu: toml 0.10.2 -> 0.10.1",)


def test_a_resolver_that_finds_nothing_changes_nothing(scratch: Repository) -> None:
    before = tree(scratch)
    with pytest.raises(FindingsError, match=r"^lora: the index has no toml==9\.9\.9; choose a version of"):
        run_bump(scratch, "toml==9.9.9")
    assert tree(scratch) == before


def test_edits_that_nobody_committed_are_named_and_written_over_on_request(scratch: Repository) -> None:
    path = scratch.root / "docker/lora-gpu/Dockerfile"
    path.write_text(f"# mine\n{path.read_text()}")
    description = scratch.root / "services/lora/service.yaml"
    description.write_text(f"# mine\n{description.read_text()}")
    repo, before = reopen(scratch), tree(scratch)
    with pytest.raises(FindingsError) as excinfo:
        run_bump(repo)
    assert "\nservices/lora/service.yaml:1: # mine\n" in str(excinfo.value)
    assert "\ndocker/lora-gpu/Dockerfile:1: # mine\n" in str(excinfo.value)
    assert tree(scratch) == before
    plans, context = plan_bump(repo)
    bump(repo, plans, TORCH, context, BumpOptions(build=False, overwrite=True))
    assert description.read_text().startswith("# mine\n")
    assert not path.read_text().startswith("# mine\n")


def run_held_bump(repo: Repository, building: EventType, may_build: EventType) -> None:
    """An update that waits before its image is built, as a long build would."""
    run_build = build_module._run_build

    def wait_and_build(*arguments: Any) -> None:
        building.set()
        may_build.wait(300)
        run_build(*arguments)

    vars(build_module).update(_run_build=wait_and_build)
    run_bump(repo, with_build=True)


def test_while_an_update_builds_another_process_may_not_lock_its_service(scratch: Repository) -> None:
    shutil.copy(ROOT / "tasks.py", scratch.root)
    processes = multiprocessing.get_context("fork")
    building, may_build = processes.Event(), processes.Event()
    child = processes.Process(target=run_held_bump, args=(scratch, building, may_build))
    child.start()
    try:
        assert building.wait(300)
        result = run_process(scratch.root, "lock", "--service", "lora", "--recorded")
    finally:
        may_build.set()
        child.join(timeout=300)
    assert (result.code, child.exitcode) == (ToolError.exit_code, 0), result.output
    assert result.err == (
        "another torchpin command is bumping lora in this repository; try again when it has finished\n"
    )
    lora = select_environments(reopen(scratch).services, service="lora")
    assert workspace.read_lock(scratch, lora[0]).packages["torch"].version.startswith("2.7.1")


def test_a_file_that_is_edited_meanwhile_is_kept(
    scratch: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved, path = lock.resolve_all, scratch.root / "services/lora/service.yaml"

    def slow(*arguments: object, **options: object) -> object:
        path.write_text(path.read_text() + "# mine\n")
        return resolved(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(lock, "resolve_all", slow)
    before = tree(scratch)
    with pytest.raises(ToolError, match=r"services/lora/service\.yaml:\d+ changed while this command ran"):
        run_bump(scratch)
    assert tree(scratch) == before | {"services/lora/service.yaml": path.read_bytes()}


def test_what_people_edited_since_is_not_undone(scratch: Repository) -> None:
    path = scratch.root / "services/lora/service.yaml"
    before = path.read_text()
    run_bump(scratch, "toml==0.10.1")
    path.write_text(path.read_text().replace("toml==0.10.1", "toml==0.10.1  # mine", 1))
    after = tree(scratch)
    with pytest.raises(InputError, match=r"edited since the update: services/lora/service\.yaml:\d+; "):
        undo.undo(scratch)
    assert tree(scratch) == after
    path.write_text(path.read_text().replace("toml==0.10.1  # mine", "toml==0.10.1") + "# mine\n")
    undo.undo(scratch)
    assert path.read_text() == before + "# mine\n"


def test_of_two_bumps_at_once_one_is_refused_and_none_is_lost(scratch: Repository) -> None:
    before = tree(scratch)
    with (
        writer.exclusive(scratch, "bumping"),
        pytest.raises(ToolError, match="another torchpin command is bumping"),
    ):
        run_bump(scratch)
    assert tree(scratch) == before
    run_bump(scratch)
    assert read_bumps(reopen(scratch))[0].bump == "torch==2.7.1"


def test_a_second_bump_waits_for_the_first_to_be_committed(scratch: Repository) -> None:
    run_bump(scratch)
    repo = reopen(scratch)
    with pytest.raises(FindingsError, match=r"an update is pending: finish it with `invoke bump --resume`"):
        run_bump(repo, "toml==0.10.1")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message", "bump")
    run_bump(repo, "toml==0.10.1")
    assert [entry.bump for entry in read_bumps(repo)] == [
        "torch==2.7.1",
        "toml==0.10.1",
    ]


def without_times(files: dict[str, bytes]) -> dict[str, bytes]:
    """Files without the times of updates, which differ from run to run."""
    return {re.sub(r"\d{6}Z", "", path): _without_times(content) for path, content in files.items()}


@functools.cache  # hundreds of times the same files
def _without_times(content: bytes) -> bytes:
    return re.sub(rb"(?m)^ *when:.*\n", b"", re.sub(rb"\d{6}Z", b"", content))


def resolve_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first resolution is kept for all later ones."""
    resolutions: list[Any] = []
    resolve_all = lock.resolve_all

    def once(*arguments: Any, **options: Any) -> Any:
        if not resolutions:
            resolutions.append(resolve_all(*arguments, **options))
        return resolutions[0]

    monkeypatch.setattr(lock, "resolve_all", once)


def test_a_bump_stopped_at_any_write_or_rename_is_before_or_after(
    scratch_in_memory: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real bump's own files; what it resolved is kept, so that each round is short."""
    scratch = scratch_in_memory
    before = without_times(tree(scratch))
    plans, context = plan_bump(scratch)
    resolve_once(monkeypatch)

    def stopped_bump() -> None:
        bump(scratch, plans, TORCH, context, BumpOptions(build=False))

    stopped_bump()
    after = without_times(tree(scratch))
    undo.undo(scratch)
    assert without_times(tree(scratch)) == before
    endings = {"before": 0, "after": 0}

    def check(fault: BaseException, operation: int) -> None:
        if isinstance(fault, ProcessStopped):
            writer.recover(scratch.root)
        current = without_times(tree(scratch))
        assert current in (before, after), (operation, fault)
        assert isinstance(fault, ProcessStopped) or not (scratch.root / ".torchpin/transaction").exists()
        if operation:
            endings["before" if current == before else "after"] += 1
        else:  # no operation is left that could fail
            assert current == after
        if current == after:
            undo.undo(scratch)

    for fault in (
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EROFS, "Read-only"),
        ProcessStopped(),
    ):
        FaultyDisk(fault, functools.partial(check, fault)).try_all(stopped_bump)
    assert min(endings.values()) > 0
    print(f"{sum(endings.values())} faults: {endings['before']} ended before, {endings['after']} after")  # noqa: T201 - the number of faults


def test_a_bump_that_is_killed_is_before_or_after(scratch: Repository) -> None:
    """SIGKILL at random moments of the whole command."""
    before = without_times(tree(scratch))
    start = time.monotonic()
    run_bump(scratch)
    duration, after = time.monotonic() - start, without_times(tree(scratch))
    undo.undo(scratch)
    fork, rng, endings = multiprocessing.get_context("fork"), random.Random(27), {"before": 0, "after": 0}
    for number in range(10):
        child = fork.Process(target=run_bump, args=(scratch,))
        child.start()
        time.sleep(duration * (rng.random() if number < 2 else rng.uniform(0.85, 1.1)))
        child.kill()
        child.join()
        writer.recover(scratch.root)
        current = without_times(tree(scratch))
        assert current in (before, after), {name for name in current if current[name] != before.get(name)}
        endings["before" if current == before else "after"] += 1
        if current == after:
            undo.undo(scratch)
            assert without_times(tree(scratch)) == before
    print(f"10 kills: {endings['before']} ended before, {endings['after']} after")  # noqa: T201 - how they ended
