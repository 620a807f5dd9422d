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

from torchpin.commands import audit as commands_audit
from torchpin.commands import diff, judge, outdated
from torchpin.description import read
from torchpin.description.environments import select_environments
from torchpin.errors import InputError, ToolError
from torchpin.lock import file_format
from torchpin.lock.layers import split_layers
from torchpin.model import Artifact, Lock, Settings
from torchpin.queries.diff import diff_rows, summary_line
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


def git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(("git", *arguments), cwd=folder, check=True, capture_output=True, text=True)
    return result.stdout.strip()


def read_environment(description: str) -> Environment:
    (env,) = select_environments(read.read_services({"services/lora/service.yaml": description}))
    return env


def make_lock(env: Environment, **versions: str) -> Lock:
    locked_versions = {
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
            required_by=("lora",),
        )
        for name, version in locked_versions.items()
    ]
    return Lock(layers=split_layers(env, packages, uv="0.13.9")[0])


def write_service(root: Path, description: str = DESCRIPTION, **versions: str) -> None:
    """The service and its lock, in the working tree."""
    files = file_format.lock_texts(make_lock(read_environment(description), **versions))
    texts = {f"{LOCK}/{name}": text for name, text in files.items()}
    for path, text in {**texts, "services/lora/service.yaml": description}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of two commits: six moves, and then the base."""
    path = tmp_path / "repository"
    (path / "docker").mkdir(parents=True)
    (path / "docker" / "Dockerfile.j2").write_text("FROM scratch\n")
    git(path, "init", "-q", "-b", "main")
    for number, (description, six) in enumerate([(DESCRIPTION, "1.16.0"), (DESCRIPTION, "1.17.0")], start=1):
        write_service(path, description, six=six)
        git(path, "add", ".")
        git(path, "commit", "-q", "-m", f"state {number}")
        git(path, "tag", f"v0.{number}")
    return path


def open_repository(root: Path, **mirrors: str) -> Repository:
    repo = workspace.open_repository(root)
    return workspace.Repository(root=root, services=repo.services, settings=Settings(mirrors=mirrors))


def package_changes(root: Path, *revisions: str) -> list[tuple[str, str, str]]:
    return [
        (move.name, move.before, move.after)
        for difference in diff.compare_states(open_repository(root), *revisions)
        for move in (*difference.baseline, *difference.packages)
    ]


# --- diff ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("revisions", [("HEAD~1",), ("v0.1", "v0.2"), ("v0.1", "main"), ("main~1", ".")])
def test_two_revisions_differ_by_what_was_committed(root: Path, revisions: tuple[str, ...]) -> None:
    assert package_changes(root, *revisions) == [("six", "1.16.0", "1.17.0")]


def test_the_working_tree_counts_as_it_lies_there(root: Path) -> None:
    write_service(root, DESCRIPTION.replace("12.1.1", "12.1.2"), six="1.18.0")
    images = [f"nvidia/cuda:12.1.{patch}-cudnn8-devel-ubuntu22.04" for patch in (1, 2)]
    assert package_changes(root, "HEAD") == [("base image", *images), ("six", "1.17.0", "1.18.0")]


def test_reading_a_revision_touches_nothing(root: Path) -> None:
    (root / "services/lora/service.yaml").write_text(DESCRIPTION + "# mine\n")
    index = (root / ".git/index").read_bytes()
    diff.compare_states(open_repository(root), "v0.1", "v0.2")
    assert (root / ".git/index").read_bytes() == index
    assert (root / "services/lora/service.yaml").read_text().endswith("# mine\n")
    assert git(root, "rev-parse", "--abbrev-ref", "HEAD") == "main"


def test_a_repository_below_the_top_of_git_reads_its_own_files(tmp_path: Path, root: Path) -> None:
    (root / ".git").rename(tmp_path / ".git")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "moved below")
    assert package_changes(root, "HEAD", ".") == []
    write_service(root, six="1.18.0")
    assert package_changes(root, "HEAD") == [("six", "1.17.0", "1.18.0")]


@pytest.mark.parametrize("revision", ["v0.3", "HEAD~9", "--all", "", "no such place"])
def test_a_word_that_is_no_state_names_what_there_is(root: Path, revision: str) -> None:
    with pytest.raises(InputError, match=r"there are: .*(?:v0\.2|main)") as excinfo:
        diff.compare_states(open_repository(root), revision)
    assert excinfo.value.exit_code == 2


def test_outside_of_git_only_paths_and_the_tree_are_states(root: Path, tmp_path: Path) -> None:
    (root / ".git").rename(tmp_path / "gone")
    with pytest.raises(InputError, match="in no git repository"):
        diff.compare_states(open_repository(root), "HEAD")
    assert package_changes(root, ".", ".") == []


def test_a_record_and_a_lock_folder_are_states(root: Path) -> None:
    record = root / "records/lora-gpu/pip_freeze.txt"
    record.parent.mkdir(parents=True)
    record.write_text("torch==2.5.1+cu121\ntorchvision==0.20.1+cu121\nJinja2==3.1.1\nsix==1.17.0\n")
    assert package_changes(root, "records/lora-gpu/pip_freeze.txt") == [("jinja2", "3.1.1", "3.1.2")]
    assert package_changes(root, "records/lora-gpu/pip_freeze.txt", LOCK) == [("jinja2", "3.1.1", "3.1.2")]
    assert package_changes(root, LOCK, "v0.1") == [("six", "1.17.0", "1.16.0")]


def test_people_read_a_row_a_change_and_a_line_an_environment(root: Path) -> None:
    differences = diff.compare_states(open_repository(root), "v0.1")
    assert diff_rows(differences) == [("lora-gpu", "six", "moved", "1.16.0", "1.17.0", "-0.0 MB, +0.0 MB")]
    assert summary_line(differences[0]) == "lora-gpu: packages: 1 moved; download: -0.0 MB, +0.0 MB"


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
def serve_advisories(vulnerable: set[tuple[str, str]]) -> Iterator[str]:
    """A stand-in for the service of advisories: two addresses, as uv asks them."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            queried = [(query["package"]["name"], query["version"]) for query in queries]
            matches = [[f"ID-{name}"] if (name, version) in vulnerable else [] for name, version in queried]
            rows = [
                {"vulns": [{"id": identifier, "modified": "2024-01-01T00:00:00Z"} for identifier in ids]}
                for ids in matches
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


def run_audit(root: Path, address: str) -> commands_audit.Audit:
    repo = open_repository(root, advisories=address)
    return commands_audit.audit(repo, select_environments(repo.services))


def test_a_vulnerable_package_is_found_and_a_clean_one_is_not(root: Path) -> None:
    with serve_advisories(VULNERABLE) as address:
        audit = run_audit(root, address)
    (result,) = audit.results
    assert [(finding.about, finding.location.partition(":")[0]) for finding in result.findings] == [
        ("jinja2 CVE-2024-22195", "services/lora/service.yaml")
    ]
    assert result.findings[0].help.startswith("Fixed in 3.1.3: move layers[0].packages[0]")
    assert audit.notices == ("4 packages were asked about, torch, torchvision by their public version",)
    assert judge.exit_code(audit.results) == 1


def test_an_accepted_vulnerability_passes_until_its_date(root: Path) -> None:
    write_service(root, DESCRIPTION + WAIVED)
    with serve_advisories(VULNERABLE) as address:
        (result,) = run_audit(root, address).results
    assert result.status == "waived"
    assert judge.exit_code([result]) == 0
    write_service(root, (DESCRIPTION + WAIVED).replace("2999", "2001"))
    with serve_advisories(VULNERABLE) as address:
        assert run_audit(root, address).results[0].status == "found"


def test_a_service_that_does_not_answer_or_knows_nothing_is_a_failure_of_the_tool(root: Path) -> None:
    with serve_advisories(VULNERABLE) as address:
        pass
    with pytest.raises(ToolError, match="nothing is known") as excinfo:
        run_audit(root, address)
    assert excinfo.value.exit_code == 3
    with serve_advisories(set()) as address, pytest.raises(ToolError, match="proves nothing"):
        run_audit(root, address)


def test_what_is_not_locked_is_not_clean(root: Path) -> None:
    for path in (root / LOCK).glob("*.txt"):
        path.unlink()
    audit = run_audit(root, "http://127.0.0.1:9")
    assert [result.status for result in audit.results] == ["skipped"]
    assert judge.exit_code(audit.results, require=("lock",)) == 1


@pytest.mark.network
def test_the_public_service_knows_an_old_vulnerability(root: Path) -> None:
    repo = open_repository(root)
    try:
        (result,) = commands_audit.audit(repo, select_environments(repo.services)).results
    except ToolError as error:
        if "could not be asked" not in str(error):
            raise
        pytest.skip(f"PyPI answers here, and the public service of advisories does not: {error}")
    packages = {finding.about.partition(" ")[0] for finding in result.findings}
    assert "jinja2" in packages
    assert "six" not in packages


# --- outdated --------------------------------------------------------------------------------------------------------


@pytest.mark.network
def test_pypi_is_asked_for_what_fits_the_described_python(root: Path) -> None:
    repo = open_repository(root)
    (outlook,) = outdated.outlooks(repo, select_environments(repo.services))
    packages = {update.name: update.to for update in outlook.updates if update.kind == "package"}
    assert packages["jinja2"].startswith("3.1.")
    assert "torch" not in packages
    newest = uv_audit.newest_versions({"a": (read_environment(DESCRIPTION), ["numpy"])}, repo.settings)
    assert newest["a"]["numpy"].startswith("2.2.")  # the last series for Python 3.10


def test_offline_the_facts_alone_are_told(root: Path) -> None:
    repo = open_repository(root, pypi="http://127.0.0.1:9/simple")
    outlooks = outdated.outlooks(repo, select_environments(repo.services), offline=True)
    assert {update.kind for update in outlooks[0].updates} == {"torch"}
    lines = outdated_lines(outlooks)
    assert lines[0].startswith("lora-gpu: ")
    assert "  note: PyPI was not asked" in lines


def test_pypi_out_of_reach_is_a_failure_of_the_tool(root: Path) -> None:
    repo = open_repository(root, pypi="http://127.0.0.1:9/simple")
    with pytest.raises(ToolError, match="With --offline it is left out"):
        outdated.outlooks(repo, select_environments(repo.services))


def test_what_all_later_releases_of_torch_open_is_told_once(root: Path) -> None:
    description = DESCRIPTION + 'recommends:\n  - {component: torch, says: "2.5.x"}\n'
    write_service(root, description)
    repo = open_repository(root)
    lines = outdated_lines(outdated.outlooks(repo, select_environments(repo.services), offline=True))
    assert lines.count("      opens: report says 2.5.x") == 1


def test_without_a_lock_there_is_nothing_to_move(root: Path) -> None:
    for path in (root / LOCK).glob("*.txt"):
        path.unlink()
    repo = open_repository(root)
    with pytest.raises(InputError, match=r"lora-gpu: it is not locked. Run `invoke lock --service lora`"):
        outdated.outlooks(repo, select_environments(repo.services), offline=True)
