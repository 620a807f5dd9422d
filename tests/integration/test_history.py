"""States of a real git repository, real uv asking about vulnerabilities, and PyPI about what is newest."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from torchpin.commands import audit, diff, judge, outdated
from torchpin.description import environments, read
from torchpin.errors import InputError, ToolError
from torchpin.lock import file_format, layers
from torchpin.model import Artifact, Lock, Settings
from torchpin.queries.diff import diff_rows, total
from torchpin.queries.outdated import outdated_lines
from torchpin.tools import uv_audit
from torchpin.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository

DESCRIPTION = """\
name: lora
summary: Training
python: "3.10.14"
base: {image: "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"}
torch: {version: "2.5.1", companions: {torchvision: "0.20.1"}}
variants:
  gpu: {channel: cu121, platform: linux/amd64}
layers:
  - {name: training, packages: [jinja2==3.1.2, six==1.17.0]}
"""
WAIVED = """\
waivers:
  - {check: AUD001, about: jinja2 CVE-2024-22195, reason: "no templates of strangers", review_by: 2999-01-01}
"""
LOCK = "lockfiles/lora-gpu"


@pytest.fixture(autouse=True)
def plain_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine's user for git, a fixed author; uv gives up at once."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "TORCHPIN_"))]:
        monkeypatch.delenv(name)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "a")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(("git", *words), cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def environment(description: str) -> Environment:
    (env,) = environments.environments(read.services({"services/lora/service.yaml": description}))
    return env


def locked(env: Environment, **versions: str) -> Lock:
    held = {
        "torch": "2.5.1+cu121",
        "torchvision": "0.20.1+cu121",
        "jinja2": "3.1.2",
        "six": "1.17.0",
        **versions,
    }
    packages = [
        Artifact(
            name=name,
            version=version,
            filename=f"{name}-{version}-py3-none-any.whl",
            sha256="ab" * 32,
            size=1000,
            wanted_by=("lora",),
        )
        for name, version in held.items()
    ]
    return Lock(layers=layers.split(env, packages, uv="0.13.9")[0])


def written(root: Path, description: str = DESCRIPTION, **versions: str) -> None:
    """The service and its lock, in the working tree."""
    files = file_format.files(locked(environment(description), **versions))
    texts = {f"{LOCK}/{name}": text for name, text in files.items()}
    for path, text in {**texts, "services/lora/service.yaml": description}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of two commits: six moves, and then the base."""
    place = tmp_path / "repository"
    (place / "docker").mkdir(parents=True)
    (place / "docker" / "Dockerfile.j2").write_text("FROM scratch\n")
    git(place, "init", "-q", "-b", "main")
    for number, (description, six) in enumerate([(DESCRIPTION, "1.16.0"), (DESCRIPTION, "1.17.0")], start=1):
        written(place, description, six=six)
        git(place, "add", ".")
        git(place, "commit", "-q", "-m", f"state {number}")
        git(place, "tag", f"v0.{number}")
    return place


def opened(root: Path, **mirrors: str) -> Repository:
    found = workspace.opened(root)
    return workspace.Repository(root=root, services=found.services, settings=Settings(mirrors=mirrors))


def changes(root: Path, *words: str) -> list[tuple[str, str, str]]:
    return [
        (move.what, move.before, move.after)
        for one in diff.diff(opened(root), *words)
        for move in (*one.ground, *one.packages)
    ]


# --- diff ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("HEAD~1",), ("v0.1", "v0.2"), ("v0.1", "main"), ("main~1", ".")])
def test_two_revisions_differ_by_what_was_committed(root: Path, words: tuple[str, ...]) -> None:
    assert changes(root, *words) == [("six", "1.16.0", "1.17.0")]


def test_the_working_tree_counts_as_it_lies_there(root: Path) -> None:
    written(root, DESCRIPTION.replace("12.1.1", "12.1.2"), six="1.18.0")
    images = [f"nvidia/cuda:12.1.{patch}-cudnn8-devel-ubuntu22.04" for patch in (1, 2)]
    assert changes(root, "HEAD") == [("base image", *images), ("six", "1.17.0", "1.18.0")]


def test_reading_a_revision_touches_nothing(root: Path) -> None:
    (root / "services/lora/service.yaml").write_text(DESCRIPTION + "# mine\n")
    index = (root / ".git/index").read_bytes()
    diff.diff(opened(root), "v0.1", "v0.2")
    assert (root / ".git/index").read_bytes() == index
    assert (root / "services/lora/service.yaml").read_text().endswith("# mine\n")
    assert git(root, "rev-parse", "--abbrev-ref", "HEAD") == "main"


def test_a_repository_below_the_top_of_git_reads_its_own_files(tmp_path: Path, root: Path) -> None:
    (root / ".git").rename(tmp_path / ".git")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "moved below")
    assert changes(root, "HEAD", ".") == []
    written(root, six="1.18.0")
    assert changes(root, "HEAD") == [("six", "1.17.0", "1.18.0")]


@pytest.mark.parametrize("word", ["v0.3", "HEAD~9", "--all", "", "no such place"])
def test_a_word_that_is_no_state_names_what_there_is(root: Path, word: str) -> None:
    with pytest.raises(InputError, match=r"there are: .*(?:v0\.2|main)") as caught:
        diff.diff(opened(root), word)
    assert caught.value.exit_code == 2


def test_outside_of_git_only_paths_and_the_tree_are_states(root: Path, tmp_path: Path) -> None:
    (root / ".git").rename(tmp_path / "gone")
    with pytest.raises(InputError, match="in no git repository"):
        diff.diff(opened(root), "HEAD")
    assert changes(root, ".", ".") == []


def test_a_record_and_a_lock_folder_are_states(root: Path) -> None:
    record = root / "records/lora-gpu/pip_freeze.txt"
    record.parent.mkdir(parents=True)
    record.write_text("torch==2.5.1+cu121\ntorchvision==0.20.1+cu121\nJinja2==3.1.1\nsix==1.17.0\n")
    assert changes(root, "records/lora-gpu/pip_freeze.txt") == [("jinja2", "3.1.1", "3.1.2")]
    assert changes(root, "records/lora-gpu/pip_freeze.txt", LOCK) == [("jinja2", "3.1.1", "3.1.2")]
    assert changes(root, LOCK, "v0.1") == [("six", "1.17.0", "1.16.0")]


def test_people_read_a_row_a_change_and_a_line_an_environment(root: Path) -> None:
    found = diff.diff(opened(root), "v0.1")
    assert diff_rows(found) == [("lora-gpu", "six", "moved", "1.16.0", "1.17.0", "-0.0 MB, +0.0 MB")]
    assert total(found[0]) == "lora-gpu: packages: 1 moved; download: -0.0 MB, +0.0 MB"


# --- audit -----------------------------------------------------------------------------------------------------------


VULNERABLE = {("jinja2", "3.1.2"), ("pycrypto", "2.6.1")}


def advisory(identifier: str) -> dict[str, Any]:
    return {
        "id": identifier,
        "summary": "attribute injection",
        "aliases": ["CVE-2024-22195"] if "jinja2" in identifier else [],
        "modified": "2024-01-01T00:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": identifier.split("-", 1)[1]},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.3"}]}],
            }
        ],
    }


@contextmanager
def service(vulnerable: set[tuple[str, str]]) -> Iterator[str]:
    """A stand-in for the service of advisories: two addresses, as uv asks them."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            asked = [(one["package"]["name"], one["version"]) for one in queries]
            found = [[f"ID-{name}"] if (name, version) in vulnerable else [] for name, version in asked]
            rows = [
                {"vulns": [{"id": one, "modified": "2024-01-01T00:00:00Z"} for one in ids]} for ids in found
            ]
            self.say({"results": rows})

        def do_GET(self) -> None:
            self.say(advisory(self.path.rsplit("/", 1)[1]))

        def say(self, answer: Any) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def audited(root: Path, address: str) -> audit.Audit:
    repo = opened(root, advisories=address)
    return audit.audit(repo, environments.environments(repo.services))


def test_a_vulnerable_package_is_found_and_a_clean_one_is_not(root: Path) -> None:
    with service(VULNERABLE) as address:
        found = audited(root, address)
    (result,) = found.results
    assert [(one.about, one.where.partition(":")[0]) for one in result.findings] == [
        ("jinja2 CVE-2024-22195", "services/lora/service.yaml")
    ]
    assert result.findings[0].remedy.startswith("Fixed in 3.1.3: move layers[0].packages[0]")
    assert found.notices == ("4 packages were asked about, torch, torchvision by their public version",)
    assert judge.failures(found.results) == 1


def test_an_accepted_vulnerability_passes_until_its_date(root: Path) -> None:
    written(root, DESCRIPTION + WAIVED)
    with service(VULNERABLE) as address:
        (result,) = audited(root, address).results
    assert result.status == "waived"
    assert judge.failures([result]) == 0
    written(root, (DESCRIPTION + WAIVED).replace("2999", "2001"))
    with service(VULNERABLE) as address:
        assert audited(root, address).results[0].status == "found"


def test_a_service_that_does_not_answer_or_knows_nothing_is_a_failure_of_the_tool(root: Path) -> None:
    with service(VULNERABLE) as address:
        pass
    with pytest.raises(ToolError, match="nothing is known") as caught:
        audited(root, address)
    assert caught.value.exit_code == 3
    with service(set()) as address, pytest.raises(ToolError, match="proves nothing"):
        audited(root, address)


def test_what_is_not_locked_is_not_clean(root: Path) -> None:
    for path in (root / LOCK).glob("*.txt"):
        path.unlink()
    found = audited(root, "http://127.0.0.1:9")
    assert [one.status for one in found.results] == ["skipped"]
    assert judge.failures(found.results, require=("lock",)) == 1


@pytest.mark.network
def test_the_public_service_knows_an_old_vulnerability(root: Path) -> None:
    repo = opened(root)
    try:
        (result,) = audit.audit(repo, environments.environments(repo.services)).results
    except ToolError as error:
        if "could not be asked" not in str(error):
            raise
        pytest.skip(f"PyPI answers here, and the public service of advisories does not: {error}")
    packages = {one.about.partition(" ")[0] for one in result.findings}
    assert "jinja2" in packages
    assert "six" not in packages


# --- outdated --------------------------------------------------------------------------------------------------------


@pytest.mark.network
def test_pypi_is_asked_for_what_fits_the_described_python(root: Path) -> None:
    repo = opened(root)
    (found,) = outdated.outlooks(repo, environments.environments(repo.services))
    packages = {one.name: one.to for one in found.steps if one.kind == "package"}
    assert packages["jinja2"].startswith("3.1.")
    assert "torch" not in packages
    newest = uv_audit.newest({"a": (environment(DESCRIPTION), ["numpy"])}, repo.settings)
    assert newest["a"]["numpy"].startswith("2.2.")  # the last series for Python 3.10


def test_offline_the_facts_alone_are_told(root: Path) -> None:
    repo = opened(root, pypi="http://127.0.0.1:9/simple")
    found = outdated.outlooks(repo, environments.environments(repo.services), offline=True)
    assert {one.kind for one in found[0].steps} == {"torch"}
    lines = outdated_lines(found)
    assert lines[0].startswith("lora-gpu: ")
    assert "  note: PyPI was not asked" in lines


def test_pypi_out_of_reach_is_a_failure_of_the_tool(root: Path) -> None:
    repo = opened(root, pypi="http://127.0.0.1:9/simple")
    with pytest.raises(ToolError, match="With --offline it is left out"):
        outdated.outlooks(repo, environments.environments(repo.services))


def test_what_all_later_releases_of_torch_open_is_told_once(root: Path) -> None:
    advised = DESCRIPTION + 'recommends:\n  - {component: torch, says: "2.5.x"}\n'
    written(root, advised)
    repo = opened(root)
    lines = outdated_lines(outdated.outlooks(repo, environments.environments(repo.services), offline=True))
    assert lines.count("      opens: report says 2.5.x") == 1


def test_without_a_lock_there_is_nothing_to_move(root: Path) -> None:
    for path in (root / LOCK).glob("*.txt"):
        path.unlink()
    repo = opened(root)
    with pytest.raises(InputError, match=r"lora-gpu: it is not locked. Run `invoke lock --service lora`"):
        outdated.outlooks(repo, environments.environments(repo.services), offline=True)
