"""A build whose packages have not moved imports nothing again, its image is the same, and a full proof imports all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.labs import OPTIONS, build_environment, change_service, image_tag
from torchpin import paths
from torchpin.commands import generate, kept_proofs
from torchpin.commands.build import build
from torchpin.records.proof import PROOF
from torchpin.tools import docker, image_files
from torchpin.workspace import generated, workspace

if TYPE_CHECKING:
    from torchpin.model import Environment
    from torchpin.workspace.workspace import Repository

pytestmark = [pytest.mark.docker, pytest.mark.network]

TAKEN = "probe: unchanged since an earlier proof, not imported again: "


def proof_of(repo: Repository, env: Environment) -> tuple[str, bytes | None]:
    """The line of the last build's log about the earlier proof, and the proof in the image."""
    logs = sorted((repo.root / paths.LOGS).glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
    lines = [line.partition(TAKEN)[2] for line in logs[-1].read_text().splitlines() if TAKEN in line]
    with docker.engine() as client:
        tag = image_tag(repo, env)
        key = client.images.get(tag).labels[docker.KEY_LABEL]
        return " ".join(lines), image_files.read_file(client, tag, key, PROOF)


def edit_smoke_test(repo: Repository, env: Environment, line: str) -> None:
    smoke = repo.root / paths.smoke_path(env.service.name)
    smoke.write_text(f"{smoke.read_text()}\n{line}\n")
    assert not any(outcome.code for outcome in generate.write_renderings(repo, [env]))


def test_only_what_moved_is_imported_again_and_the_image_is_the_same(
    scratch: Repository, env: Environment
) -> None:
    (scratch.root / paths.kept_proof_path(env.name)).unlink(missing_ok=True)
    outcome = build_environment(scratch, env)
    assert outcome.code == 0, outcome.detail
    taken, document = proof_of(scratch, env)
    assert taken == ""

    edit_smoke_test(scratch, env, "# edited")
    assert build_environment(scratch, env).code == 0
    taken, again = proof_of(scratch, env)
    assert {"torch", *env.service.imports} == {*taken.split(", ")}
    assert again == document

    (outcome,) = build(scratch, [env], replace(OPTIONS, full_proof=True))
    assert outcome.code == 0, outcome.detail
    assert "built and verified: " in outcome.detail
    assert proof_of(scratch, env) == ("", document)
    (outcome,) = build(scratch, [env], replace(OPTIONS, full_proof=True))
    assert "nothing to do" in outcome.detail  # it had its full proof

    # a false one is believed by the next build, by a full proof not, and then its image loses its tags
    changed, env = change_service(
        scratch, lambda before: replace(before, imports=(*before.imports, "no_such_module"))
    )
    assert not any(outcome.code for outcome in generate.write_renderings(changed, [env]))
    rendered = generated.render_environment(changed, env, workspace.read_lock(changed, env))
    assert document
    false = json.loads(document)
    false["rests_on"]["no_such_module"] = false["rests_on"]["torch"]
    kept_proofs.keep_proof(changed, env, rendered, false, full=False)
    assert build_environment(changed, env).code == 0
    (outcome,) = build(changed, [env], replace(OPTIONS, full_proof=True))
    assert "probe: FAIL import no_such_module" in outcome.detail
    with docker.engine() as client:
        assert docker.find_image(client, image_tag(changed, env), rendered.image_key) is None


def test_the_smoke_test_always_runs(scratch: Repository, env: Environment) -> None:
    edit_smoke_test(scratch, env, "raise SystemExit('does not answer')")
    outcome = build_environment(scratch, env)
    assert "failed at verification" in outcome.detail
    assert "does not answer" in outcome.detail
