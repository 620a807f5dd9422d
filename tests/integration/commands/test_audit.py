"""Real uv asking for advisories, on the loopback and in public."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from support.small_service import DESCRIPTION, LOCK, open_repository, write_service
from torchpin.commands import judge
from torchpin.commands.audit import Audit, audit
from torchpin.description.environments import select_environments
from torchpin.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("plain_tools")
WAIVED = """\
waivers:
  - {check: AUD001, about: jinja2 CVE-2024-22195, reason: "no templates of strangers", review_by: 2999-01-01}
"""
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


def run_audit(root: Path, address: str) -> Audit:
    repo = open_repository(root, advisories=address)
    return audit(repo, select_environments(repo.services))


def test_a_vulnerable_package_is_found_and_a_clean_one_is_not(root: Path) -> None:
    with serve_advisories(VULNERABLE) as address:
        audited = run_audit(root, address)
    (result,) = audited.results
    assert [(finding.about, finding.location.partition(":")[0]) for finding in result.findings] == [
        ("jinja2 CVE-2024-22195", "services/lora/service.yaml")
    ]
    assert result.findings[0].help.startswith(
        "update layers[0].packages[0] in services/lora/service.yaml to 3.1.3, then "
    )
    assert audited.notices == ("4 packages checked, torch, torchvision by their public version",)
    assert judge.exit_code(audited.results) == 1


def test_an_accepted_vulnerability_passes_until_its_date(root: Path) -> None:
    write_service(root, DESCRIPTION + WAIVED)
    with serve_advisories(VULNERABLE) as address:
        (result,) = run_audit(root, address).results
    assert result.status == "waived"
    assert judge.exit_code([result]) == 0
    write_service(root, (DESCRIPTION + WAIVED).replace("2999", "2001"))
    with serve_advisories(VULNERABLE) as address:
        assert run_audit(root, address).results[0].status == "failed"


def test_a_service_that_does_not_answer_or_knows_nothing_is_a_failure_of_the_tool(root: Path) -> None:
    with serve_advisories(VULNERABLE) as address:
        pass
    with pytest.raises(ToolError, match="could not be queried") as excinfo:
        run_audit(root, address)
    assert excinfo.value.exit_code == 3
    with serve_advisories(set()) as address, pytest.raises(ToolError, match="cannot be trusted"):
        run_audit(root, address)


def test_what_is_not_locked_is_not_clean(root: Path) -> None:
    for path in (root / LOCK).glob("*.txt"):
        path.unlink()
    audited = run_audit(root, "http://127.0.0.1:9")
    assert [result.status for result in audited.results] == ["skipped"]
    assert judge.exit_code(audited.results, require=("lock",)) == 1


@pytest.mark.network
def test_the_public_service_knows_an_old_vulnerability(root: Path) -> None:
    repo = open_repository(root)
    try:
        (result,) = audit(repo, select_environments(repo.services)).results
    except ToolError as error:
        if "could not be queried" not in str(error):
            raise
        pytest.skip(f"PyPI answers here, and the public service of advisories does not: {error}")
    packages = {finding.about.partition(" ")[0] for finding in result.findings}
    assert "jinja2" in packages
    assert "six" not in packages
