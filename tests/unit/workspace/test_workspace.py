"""The repository on disk: its root, descriptions, locks and records."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from torchpin import paths
from torchpin.errors import InputError, ToolError
from torchpin.lock import file_format
from torchpin.model import Settings
from torchpin.tools.files import write_files
from torchpin.workspace import generated, workspace
from torchpin.workspace.writer import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.fixture_types import Environments, Locks
    from torchpin.model import Environment


@pytest.fixture
def repo(tmp_path: Path) -> workspace.Repository:
    return workspace.Repository(root=tmp_path, services=(), settings=Settings())


def write_lock(repo: workspace.Repository, env: Environment, locks: Locks) -> None:
    texts = file_format.lock_texts(locks(env))
    write_files(
        {repo.root / paths.lock_path(env.name, name.rsplit("/", 1)[-1]): text for name, text in texts.items()}
    )


def test_the_root_is_the_nearest_folder_whose_services_have_a_description(tmp_path: Path) -> None:
    write_files({tmp_path / "services/a/service.yaml": "", tmp_path / "backend/services/web/main.go": ""})
    assert workspace.find_root(tmp_path / "services" / "a") == tmp_path
    assert workspace.find_root(tmp_path / "backend" / "services") == tmp_path


def test_without_a_description_the_root_is_the_nearest_folder_with_services(tmp_path: Path) -> None:
    write_files({tmp_path / "services/README.md": "", tmp_path / "docs/a": ""})
    assert workspace.find_root(tmp_path / "docs") == tmp_path


def test_a_folder_outside_of_a_repository_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as excinfo:
        workspace.find_root(tmp_path)
    assert str(excinfo.value) == (
        f"{tmp_path} is not in a torchpin repository: neither it nor a folder above it has services/; "
        "`invoke init` makes a folder one"
    )


def test_every_description_that_is_not_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    for name in ("a", "b"):
        path = tmp_path / paths.description_path(name)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"name: x\nsummary: \xff\n")
    with pytest.raises(InputError) as excinfo:
        workspace.read_descriptions(tmp_path)
    assert [str(problem.position) for problem in excinfo.value.problems] == [
        "services/a/service.yaml:2:1",
        "services/b/service.yaml:2:1",
    ]
    assert str(excinfo.value).endswith("nothing was written")


def test_a_description_that_is_too_large_is_named_before_it_is_parsed(tmp_path: Path) -> None:
    path = paths.description_path("lora")
    write_files({tmp_path / path: ""})
    with (tmp_path / path).open("wb") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(InputError) as excinfo:
        workspace.read_descriptions(tmp_path)
    assert str(excinfo.value.problems[0]).endswith(
        f"{path}: has 10737418240 bytes, and at most 4000000 are read; make it smaller, or move it away"
    )


def test_settings_that_are_too_large_or_no_file_are_named(tmp_path: Path) -> None:
    write_files({tmp_path / paths.SETTINGS: "#" * 1_000_001})
    with pytest.raises(
        ToolError, match="has 1000001 bytes, and at most 1000000 are read; make it smaller, or move it away"
    ):
        workspace.open_repository(tmp_path)


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", '"text"', r'{"key": "\ud800"}'])
def test_a_build_record_that_is_none_is_empty(
    text: str, repo: workspace.Repository, environment: Environments
) -> None:
    write_files({repo.root / paths.build_path("lora-gpu"): text})
    assert workspace.read_build_record(repo, environment()) == {}


def test_a_staged_text_is_read_instead_of_the_file(repo: workspace.Repository) -> None:
    (repo.root / "a").write_text("file")
    assert repo.text("a") == "file"
    assert replace(repo, staged={"a": "staged", "b": None}).text("a") == "staged"


def test_a_current_lock_is_read(repo: workspace.Repository, environment: Environments, lock: Locks) -> None:
    env = environment()
    write_lock(repo, env, lock)
    assert workspace.read_lock(repo, env).packages.keys() == lock(env).packages.keys()


def test_a_missing_lock_is_an_input_error(repo: workspace.Repository, environment: Environments) -> None:
    with pytest.raises(InputError, match=r"^lora-gpu is not locked; run `invoke lock --service lora`$"):
        workspace.read_lock(repo, environment())


def test_a_lock_of_another_description_is_out_of_date(
    repo: workspace.Repository, environment: Environments, lock: Locks
) -> None:
    write_lock(repo, environment(), lock)
    with pytest.raises(
        InputError,
        match=r"^lockfiles/lora-gpu no longer matches its description \(.*\); run `invoke lock --service lora`$",
    ):
        workspace.read_lock(repo, environment(python=Version("3.11.9")))


def test_folders_without_an_environment_are_orphans(repo: workspace.Repository) -> None:
    files = (
        *("lockfiles/a-gpu/x", "docker/b-gpu/context.txt", "records/b-cpu/pip_freeze.txt"),
        *(
            "docker/runtime/start.sh",
            "docker/web/Dockerfile",
            "records/bumps/a.yaml",
            "records/2026/report.md",
        ),
    )
    write_files({repo.root / path: "" for path in files})
    (repo.root / "docker/empty").mkdir()
    assert workspace.orphaned_folders(repo) == ("lockfiles/a-gpu", "docker/b-gpu", "records/b-cpu")


@pytest.mark.parametrize(("text", "record"), [(None, {}), ("{", {}), ('{"key": "ab"}', {"key": "ab"})])
def test_a_missing_or_damaged_build_record_is_empty(
    repo: workspace.Repository, environment: Environments, text: str | None, record: dict[str, str]
) -> None:
    write_files({repo.root / paths.build_path("lora-gpu"): text})
    assert workspace.read_build_record(repo, environment()) == record


def test_scripts_of_a_repository_win_by_their_names_and_others_add_to_torchpins(
    repo: workspace.Repository,
) -> None:
    packaged = generated.runtime_scripts(repo)
    assert {"probe.py", "start.sh"} <= packaged.keys()
    write_files(
        {repo.root / paths.RUNTIME / name: f"# {name}\n" for name in ("start.sh", "warm_up.py", "notes.md")}
    )
    assert generated.runtime_scripts(repo) == packaged | {
        "start.sh": "# start.sh\n",
        "warm_up.py": "# warm_up.py\n",
    }


def test_the_template_of_a_repository_wins_as_a_whole(repo: workspace.Repository) -> None:
    assert generated.dockerfile_template(repo).startswith("{#")
    write_files({repo.root / paths.DOCKERFILE_TEMPLATE: "FROM scratch\n"})
    assert generated.dockerfile_template(repo) == "FROM scratch\n"


def _link_out(repo: workspace.Repository, link: str) -> Path:
    """A link in the repository to a folder beside it, which has a file of each name that is read."""
    away = repo.root.parent / "away"
    for name in (
        "smoke.py",
        "service.yaml",
        "00-torch.requirements.txt",
        "probe.py",
        "a/service.yaml",
        "lora-gpu/00.txt",
    ):
        write_files({away / name: "private"})
    (repo.root / link).parent.mkdir(parents=True, exist_ok=True)
    (repo.root / link).symlink_to(away / link.rpartition("/")[2] if "." in link[1:] else away)
    return away


@pytest.mark.parametrize(
    ("link", "read"),
    [
        ("services/a/smoke.py", lambda repo, _: repo.text("services/a/smoke.py")),
        ("services/a/service.yaml", lambda repo, _: workspace.read_descriptions(repo.root)),
        ("services/a", lambda repo, _: workspace.read_descriptions(repo.root)),
        ("services", lambda repo, _: workspace.read_descriptions(repo.root)),
        ("lockfiles", workspace.read_lock_files),
        ("lockfiles/lora-gpu", workspace.read_lock_files),
        ("docker/runtime", lambda repo, _: generated.runtime_scripts(repo)),
        ("docker/runtime/probe.py", lambda repo, _: generated.runtime_scripts(repo)),
        (".torchpin", lambda repo, _: exclusive(repo).__enter__()),
    ],
)
def test_a_link_out_of_the_repository_is_refused_with_both_names(
    repo: workspace.Repository,
    environment: Environments,
    link: str,
    read: Callable[[workspace.Repository, Environment], object],
) -> None:
    repo = replace(repo, root=repo.root / "repository")
    away = _link_out(repo, link)
    before = sorted(away.rglob("*"))
    with pytest.raises(ToolError) as excinfo:
        read(repo, environment())
    message = str(excinfo.value)
    assert message.startswith(f"{repo.root / link} is a link out of {repo.root}, to {away}")
    assert "private" not in message
    assert sorted(away.rglob("*")) == before


def test_settings_that_are_not_utf_8_are_wrong_input(tmp_path: Path) -> None:
    write_files({tmp_path / "services/README.md": ""})
    (tmp_path / paths.SETTINGS).write_bytes("[build]\n# für\n".encode("latin-1"))
    with pytest.raises(InputError) as excinfo:
        workspace.open_repository(tmp_path)
    assert str(excinfo.value).splitlines() == [
        "torchpin.toml:2:1: not UTF-8 at byte 11; save the file as UTF-8",
        "correct this first; nothing was written",
    ]
    (tmp_path / paths.SETTINGS).write_text("[build]\n# für\n", encoding="utf-8")
    assert workspace.open_repository(tmp_path).settings == Settings()
