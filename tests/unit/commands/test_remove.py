"""A service goes with all that was made for it or stays, and its sections outlive its description while a lock stands."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from torchpin import paths
from torchpin.commands import generate, lock
from torchpin.commands.remove import RemoveOptions, leftovers, remove, remove_service
from torchpin.commands.report import Watcher
from torchpin.description.environments import select_environments
from torchpin.documents import markdown
from torchpin.errors import FindingsError, InputError, ToolError
from torchpin.workspace import generated, workspace, writer

if TYPE_CHECKING:
    from torchpin.workspace.workspace import Repository

ROOT = Path(__file__).parents[3]
ZOPILOT = RemoveOptions(service="zopilot")
SHARED = ("docs/PINNING.md", "DEVIATIONS.md", "docs/GPUS.md")
PAGE = paths.page_path("zopilot")
FOLDERS = ("services/zopilot", "lockfiles/zopilot-gpu", "docker/zopilot-gpu", "records/zopilot-gpu", PAGE)


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two of the services, their locks and renderings, a record, and the documents."""
    root = tmp_path_factory.mktemp("documented")
    for service in ("zopilot", "seedvr"):
        shutil.copytree(
            ROOT / "services" / service,
            root / "services" / service,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        for parent in ("lockfiles", "docker", "records"):
            shutil.copytree(ROOT / parent / f"{service}-gpu", root / parent / f"{service}-gpu")
    (root / "records/zopilot-gpu/pip_freeze.txt").write_text("torch==2.8.0\n")
    (root / paths.SERVICE_PAGES).mkdir(parents=True)
    repo = workspace.open_repository(root)
    for path, text in generated.expected_documents(repo, {}, strict=True).items():
        prose = "" if path in {PAGE, paths.SCHEMA} else "\nprose of people\n"
        (root / path).write_text(f"{text}{prose}", encoding="utf-8")
    return root


@pytest.fixture
def root(documented: Path, tmp_path: Path) -> Path:
    shutil.copytree(documented, tmp_path, dirs_exist_ok=True)
    return tmp_path


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".torchpin" not in path.parts
    }


def test_all_of_a_service_goes_at_once_and_nothing_else(root: Path) -> None:
    before = tree(root)
    outcomes = remove(root, ZOPILOT)
    after = tree(root)
    gone = {path for path in before if path.startswith(FOLDERS)}
    assert {*before} - {*after} == gone
    assert {outcome.name for outcome in outcomes if outcome.detail == "removed"} == gone
    assert {outcome.name for outcome in outcomes if outcome.detail != "removed"} == {*SHARED}
    assert not [folder for folder in FOLDERS if (root / folder).exists()]
    assert {path for path in after if after[path] != before[path]} == {*SHARED}
    assert not [path for path in SHARED if b"zopilot" in after[path]]
    repo = workspace.open_repository(root)
    assert (
        generated.expected_documents(repo, {}, strict=True).items()
        <= {path: text.decode() for path, text in after.items() if path.endswith((".md", ".json"))}.items()
    )


def test_a_dry_run_lists_what_would_go_and_removes_nothing(root: Path) -> None:
    before = tree(root)
    outcomes = remove(root, RemoveOptions(service="zopilot", dry_run=True))
    assert tree(root) == before
    assert {outcome.name for outcome in outcomes if outcome.detail == "would be removed"} == {
        path for path in before if path.startswith(FOLDERS)
    }
    assert {outcome.name for outcome in outcomes if outcome.detail == "would change"} == {*SHARED}


FOREIGN = {
    "services/zopilot/notes.md": "is not torchpin's",
    "lockfiles/zopilot-gpu/notes.txt": "is not torchpin's: it has no header of a generated file",
    "lockfiles/zopilot-gpu/more/x": "is not torchpin's",
    "docker/zopilot-gpu/compose.yaml": "is not torchpin's",
    "docker/zopilot-gpu/Dockerfile": "is not torchpin's: it has no header of a generated file",
    "records/zopilot-gpu/benchmark.json": "is not torchpin's",
}


@pytest.mark.parametrize(("path", "objection"), FOREIGN.items(), ids=FOREIGN)
def test_a_file_of_others_stops_it_unless_told_otherwise(root: Path, path: str, objection: str) -> None:
    (root / path).parent.mkdir(exist_ok=True)
    (root / path).write_text("mine\n")
    before = tree(root)
    with pytest.raises(FindingsError) as excinfo:
        remove(root, ZOPILOT)
    assert str(excinfo.value).splitlines() == [
        f"{path}: {objection}",
        "move these away, or remove them too with `--everything`; nothing was removed",
    ]
    planned = remove(root, RemoveOptions(service="zopilot", dry_run=True))
    assert [(row.name, row.code) for row in planned if row.status == "failed"] == [(path, 1)]
    assert tree(root) == before
    remove(root, RemoveOptions(service="zopilot", everything=True))
    assert not [name for name in tree(root) if name.startswith(FOLDERS)]


@pytest.mark.parametrize(
    "path",
    [
        "lockfiles/zopilot-gpu/00-torch.requirements.txt",
        "lockfiles/zopilot-gpu/licenses.txt",
        "lockfiles/zopilot-gpu/wheels.txt",
        "docker/zopilot-gpu/Dockerfile",
        "records/zopilot-gpu/sbom.cdx.json",
    ],
)
def test_an_edit_by_hand_stops_it(root: Path, path: str) -> None:
    (root / path).write_text((root / path).read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    with pytest.raises(FindingsError, match=f"^{path}: "):
        remove(root, ZOPILOT)


def test_what_git_does_not_have_stops_it(root: Path) -> None:
    (root / "services/zopilot/__pycache__").mkdir()
    (root / "services/zopilot/__pycache__/smoke.pyc").write_text("")
    uncommitted = (
        "services/zopilot/smoke.py",
        "services/zopilot/__pycache__/smoke.pyc",
        "services/seedvr/smoke.py",
        "lockfiles/zopilot-gpu/00-torch.requirements.txt",
        "records/log.yaml",
    )
    with pytest.raises(FindingsError) as excinfo:
        remove(root, ZOPILOT, uncommitted)
    assert str(excinfo.value).splitlines()[:-1] == [
        "services/zopilot/smoke.py: is not in the last commit as it is here"
    ]


def test_outside_of_git_only_what_torchpin_makes_again_goes_unasked(root: Path) -> None:
    with pytest.raises(FindingsError) as excinfo:
        remove(root, ZOPILOT, None)
    assert str(excinfo.value).splitlines()[:-1] == [
        f"{path}: is in no git repository, so nothing else has it"
        for path in (
            "services/zopilot/service.yaml", "services/zopilot/smoke.py", "records/zopilot-gpu/pip_freeze.txt",
        )
    ]  # fmt: skip


def insert_line(root: Path, path: str, after: str, line: str) -> str:
    """A line of somebody below the first one that begins so; its place."""
    lines = (root / path).read_text(encoding="utf-8").split("\n")
    number = next(number for number, text in enumerate(lines, start=1) if text.startswith(after))
    (root / path).write_text("\n".join([*lines[:number], line, *lines[number:]]), encoding="utf-8")
    return f"{path}:{number + 1}"


@pytest.mark.parametrize(
    ("path", "section"),
    [("DEVIATIONS.md", "seedvr"), ("DEVIATIONS.md", "zopilot"), ("docs/PINNING.md", "services"), (PAGE, "zopilot"),
     (paths.page_path("seedvr"), "seedvr")],
)  # fmt: skip
def test_a_line_of_somebody_in_a_section_stops_it(root: Path, path: str, section: str) -> None:
    repo = workspace.open_repository(root)
    writer.write(repo, {path: repo.text(path)})
    place = insert_line(root, path, f"<!-- begin generated: {section} ", "MINE: 1")
    before = tree(root)
    with pytest.raises(FindingsError) as excinfo:
        remove(root, ZOPILOT)
    assert str(excinfo.value).splitlines()[0] == f"{place}: was edited by hand: MINE: 1"
    planned = remove(root, RemoveOptions(service="zopilot", dry_run=True))
    assert [(row.name, row.code) for row in planned if row.status == "failed"] == [(place, 1)]
    assert tree(root) == before
    remove(root, RemoveOptions(service="zopilot", everything=True))
    assert not [file for file, content in tree(root).items() if b"MINE" in content]


def test_prose_of_the_page_stops_it(root: Path) -> None:
    (root / PAGE).write_text((root / PAGE).read_text(encoding="utf-8") + "\nmine\n", encoding="utf-8")
    before = tree(root)
    with pytest.raises(
        FindingsError, match=rf"^{PAGE}: has text of its own, outside of its generated section\n"
    ):
        remove(root, ZOPILOT)
    assert tree(root) == before
    remove(root, RemoveOptions(service="zopilot", everything=True))
    assert not (root / PAGE).exists()


def test_a_page_that_is_not_torchpin_s_stays(root: Path) -> None:
    (root / PAGE).write_text("# Zopilot\n\nmine\n", encoding="utf-8")
    remove(root, ZOPILOT)
    assert (root / PAGE).read_text(encoding="utf-8") == "# Zopilot\n\nmine\n"


def remove_by_hand(root: Path) -> Repository:
    """The repository after somebody has removed all of a service but its page and its section."""
    for folder in FOLDERS[:-1]:
        shutil.rmtree(root / folder)
    return workspace.open_repository(root)


def test_the_page_of_a_service_that_was_removed_by_hand_goes_with_the_next_documents(root: Path) -> None:
    repo = remove_by_hand(root)
    assert generated.expected_documents(repo, {}, strict=True)[PAGE] is None
    assert generated.stray_pages(repo) == ()
    generate.write_documents(repo)
    assert not (root / PAGE).exists()
    assert not any(text is None for text in generated.expected_documents(repo, {}, strict=True).values())


def test_a_renamed_service_leaves_no_page(root: Path) -> None:
    remove_by_hand(root)
    description = (ROOT / "services/lora/service.yaml").read_text(encoding="utf-8")
    (root / "services/renamed").mkdir()
    (root / "services/renamed/service.yaml").write_text(
        description.replace("name: lora", "name: renamed", 1), encoding="utf-8"
    )
    shutil.copytree(ROOT / "lockfiles/lora-gpu", root / "lockfiles/renamed-gpu")
    repo = workspace.open_repository(root)
    locks = {
        "renamed-gpu": workspace.read_lock(
            workspace.open_repository(ROOT),
            select_environments(workspace.open_repository(ROOT).services, service="lora")[0],
        )
    }
    documents = generated.expected_documents(repo, locks, strict=True)
    assert documents[PAGE] is None
    assert documents[paths.page_path("renamed")]


def test_a_page_with_prose_outlives_its_service_and_is_told(root: Path) -> None:
    (root / PAGE).write_text((root / PAGE).read_text(encoding="utf-8") + "\nmine\n", encoding="utf-8")
    repo = remove_by_hand(root)
    before = (root / PAGE).read_text(encoding="utf-8")
    outcome = generate.write_documents(repo)[-1]
    assert (outcome.name, outcome.status, outcome.code) == (PAGE, "failed", 1)
    assert outcome.detail == (
        "no service 'zopilot' is described, and the page has text of its own; move that text, then run "
        "`invoke remove --service zopilot --everything`"
    )
    assert (root / PAGE).read_text(encoding="utf-8") == before
    remove(root, RemoveOptions(service="zopilot", everything=True))
    assert not (root / PAGE).exists()


@pytest.mark.parametrize("file", ["docker/zopilot-gpu/Dockerfile", "docker/zopilot-gpu/context.txt"])
def test_an_edit_stops_it_where_nothing_can_be_rendered(root: Path, file: str) -> None:
    repo = workspace.open_repository(root)
    writer.write(repo, {file: repo.text(file)})
    (root / "services/zopilot/service.yaml").unlink()
    remaining = (root / file).read_text(encoding="utf-8")
    (root / file).write_text(f"{remaining}# MINE\n", encoding="utf-8")
    with pytest.raises(FindingsError, match=rf"^{file}:\d+: was edited by hand: # MINE\n"):
        remove(root, ZOPILOT)
    planned = remove(root, RemoveOptions(service="zopilot", dry_run=True))
    assert file not in {row.name for row in planned}
    (root / file).write_text(remaining, encoding="utf-8")
    remove(root, ZOPILOT)
    assert not (root / file).exists()


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("../../gone")])
def test_what_is_no_plain_file_is_left_to_people(root: Path, make: object) -> None:
    assert callable(make)
    make(root / "services/zopilot/pipe")
    with pytest.raises(InputError, match=r"^services/zopilot/pipe is not a regular file; remove it yourself"):
        remove(root, RemoveOptions(service="zopilot", everything=True))


def test_a_file_of_others_that_is_too_large_is_not_read_into_memory(root: Path) -> None:
    path = root / "lockfiles/zopilot-gpu/mine.txt"
    path.touch()
    os.truncate(path, 10**11)  # a hole, which takes no room
    with pytest.raises(ToolError, match=r"mine\.txt has 100000000000 bytes, and at most \d+ are read; "):
        remove(root, ZOPILOT)


@pytest.mark.parametrize("name", ["contents", "bumps", "runtime", "zopilo"])
def test_a_name_of_no_service_is_told(root: Path, name: str) -> None:
    before = tree(root)
    with pytest.raises(InputError, match=f"^service '{name}' does not exist"):
        remove(root, RemoveOptions(service=name))
    assert tree(root) == before


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".", "Lora"])
def test_a_name_that_no_service_may_have_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"^--service must be a name"):
        remove_service(RemoveOptions(service=name), Watcher())


def test_a_service_without_a_description_keeps_its_sections_until_it_is_removed(root: Path) -> None:
    shutil.rmtree(root / "services/zopilot")
    before = tree(root)
    repo = workspace.open_repository(root)
    line = markdown.section_lines("p", before["DEVIATIONS.md"].decode())["zopilot"]
    assert generated.expected_documents(repo, {}) == {}
    with pytest.raises(InputError) as excinfo:
        generated.expected_documents(repo, {}, strict=True)
    assert str(excinfo.value).splitlines()[0] == (
        f"DEVIATIONS.md:{line}:1: the section 'zopilot' has no description, but records/zopilot-gpu still stands; "
        "restore services/zopilot/service.yaml, or run `invoke remove --service zopilot`"
    )
    with pytest.raises(InputError, match=r"the section 'zopilot' has no description"):
        lock.resolve_all(repo, select_environments(repo.services))
    assert tree(root) == before
    remove(root, ZOPILOT)
    assert generated.expected_documents(repo, {}, strict=True)["docs/PINNING.md"] == (
        root / "docs/PINNING.md"
    ).read_text(encoding="utf-8")


def test_while_another_service_is_not_locked_only_its_own_sections_go(root: Path) -> None:
    shutil.rmtree(root / "lockfiles/seedvr-gpu")
    before = {path: (root / path).read_text(encoding="utf-8") for path in SHARED}
    remove(root, ZOPILOT)
    for path, text in before.items():
        assert (root / path).read_text(encoding="utf-8") == markdown.remove_section(path, text, "zopilot")
    assert not (root / PAGE).exists()


def test_a_folder_belongs_to_the_service_with_the_longest_name() -> None:
    assert workspace.service_of_folder("records/a-b-gpu", ("a", "a-b", "b")) == "a-b"
    assert workspace.service_of_folder("docker/runtime", ("a", "run")) == ""


def test_what_stays_of_a_service_is_told_with_what_clears_it(root: Path) -> None:
    shutil.copytree(ROOT / "services/lora", root / "services/lora")
    repo = workspace.open_repository(root)
    (env,) = select_environments(repo.services, service="lora")
    images = (
        f"images of torchpin/{env.name} stay where they were built; remove them with "
        f"`docker image rm $(docker image ls -q torchpin/{env.name})`"
    )
    assert leftovers(root, "lora") == (images,)
    (source,) = env.service.sources
    for folder in (source.path, f".venvs/{env.name}"):
        (root / folder).mkdir(parents=True)
    assert leftovers(root, "lora") == (
        f"its installation stays: .venvs/{env.name}; remove it with `rm -rf .venvs/{env.name}`",
        f"the clone of {source.name} stays: {source.path}; remove it with `rm -rf {source.path}`",
        images,
    )
    (root / "services/lora/service.yaml").unlink()
    assert leftovers(root, "lora") == (
        "its description cannot be read, so clones and images of lora are not known; they stay",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"packages": ("six",), "everything": True}, "`--everything` is for whole services"),
        ({"recorded": True}, "`--recorded` needs packages"),
        ({"overwrite": True}, "`--overwrite` needs packages"),
    ],
)
def test_options_of_packages_and_of_whole_services_are_not_mixed(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        RemoveOptions(service="zopilot", **options)
