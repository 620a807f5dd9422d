"""An earlier proof is given to a build that rests on the same, and to no other."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from torchpin import paths
from torchpin.commands import kept_proofs
from torchpin.image import plan

if TYPE_CHECKING:
    from pathlib import Path

    from support.fixture_types import Environments

DOCUMENT = {
    "python": "3.11.9",
    "distributions": {"torch": "2.5.1"},
    "torch": {"version": "2.5.1"},
    "sources": {},
    "findings": [],
    "records": {"torch": "aa"},
    "rests_on": {"torch": ["torch"]},
    "system": "bb",
}
EXPECTED = {"python": "3.11", "distributions": {"torch": "2.5.1"}, "imports": ["torch"]}


def rendering(key: str = "k", dockerfile: str = "FROM a\n", **files: str) -> Any:
    texts = {
        "layers/00-torch.requirements.txt": "torch==2.5.1\n",
        "runtime/probe.py": "probe\n",
        "smoke.py": "pass\n",
        "expect.json": json.dumps(EXPECTED),
        "kept.json": plan.NOTHING_KEPT,
        **files,
    }
    context = plan.BuildContext(files=texts, uv="1")
    return SimpleNamespace(context=context, dockerfile=dockerfile, image_key=key)


@pytest.fixture
def repo(tmp_path: Path) -> Any:
    return SimpleNamespace(root=tmp_path)


def taken(repo: Any, env: Any, rendered: Any, **options: Any) -> dict[str, Any]:
    context = kept_proofs.with_kept_proof(repo, env, rendered, **options)
    assert {**context.files, "kept.json": ""} == {**rendered.context.files, "kept.json": ""}
    document: dict[str, Any] = json.loads(context.files["kept.json"])
    return document


MOVED = {
    "layers/00-torch.requirements.txt": "torch==2.5.2\n",
    "smoke.py": "import torch\n",
    "expect.json": json.dumps({**EXPECTED, "distributions": {"torch": "2.5.2"}}),
}


def test_where_packages_or_the_smoke_test_moved_the_earlier_proof_is_given(
    repo: Any, environment: Environments
) -> None:
    env = environment()
    assert taken(repo, env, rendering()) == {}
    kept_proofs.keep_proof(repo, env, rendering(), DOCUMENT, full=True)
    expected = {key: DOCUMENT[key] for key in ("records", "rests_on", "system", "torch")}
    assert taken(repo, env, rendering()) == expected
    assert taken(repo, env, rendering("another", **MOVED)) == expected
    assert taken(repo, env, rendering(), full=True) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"dockerfile": "FROM b\n"},
        {"runtime/probe.py": "another probe\n"},
        {"expect.json": json.dumps({**EXPECTED, "imports": ["torch", "numpy"]})},
        {"expect.json": json.dumps({**EXPECTED, "user": "worker"})},
        {"expect.json": json.dumps({**EXPECTED, "distributions": {"torch": "2.5.1", "new": "1"}})},
        {"apt/extra.sources": "deb\n"},
    ],
)
def test_where_anything_else_differs_nothing_is_given(
    repo: Any, environment: Environments, changes: dict[str, str]
) -> None:
    env = environment()
    kept_proofs.keep_proof(repo, env, rendering(), DOCUMENT, full=True)
    assert taken(repo, env, rendering(**changes)) == {}
    assert taken(repo, env, rendering(), builder="remote") == {}
    variant = replace(env.variant, platform="linux/arm64")
    assert taken(repo, replace(env, variant=variant), rendering()) == {}


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", '{"document": {}}', "\x00"])
def test_what_is_broken_is_ignored_and_replaced(repo: Any, environment: Environments, text: str) -> None:
    env = environment()
    path = repo.root / paths.kept_proof_path(env.name)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert taken(repo, env, rendering()) == {}
    assert not kept_proofs.is_fully_proven(repo, env, "k")
    kept_proofs.keep_proof(repo, env, rendering(), DOCUMENT, full=True)
    assert kept_proofs.is_fully_proven(repo, env, "k")


def test_a_proof_that_cannot_be_kept_is_no_failure(repo: Any, environment: Environments) -> None:
    env = environment()
    (repo.root / ".torchpin").write_text("a file\n")
    kept_proofs.keep_proof(repo, env, rendering(), DOCUMENT, full=True)
    assert taken(repo, env, rendering()) == {}


def test_a_full_proof_is_that_of_one_image(repo: Any, environment: Environments) -> None:
    env = environment()
    kept_proofs.keep_proof(repo, env, rendering("k"), DOCUMENT, full=False)
    assert not kept_proofs.is_fully_proven(repo, env, "k")
    kept_proofs.keep_proof(repo, env, rendering("k"), DOCUMENT, full=True)
    assert kept_proofs.is_fully_proven(repo, env, "k")
    assert not kept_proofs.is_fully_proven(repo, env, "another")
