"""The proofs of earlier builds, below .torchpin/: what they have shown of packages that have not moved is not shown again.

A proof is kept for each environment, with a digest of all that it rests on beside packages; whether a package is as it was,
the probe itself finds out in the image. A full proof takes nothing from an earlier one.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.errors import ToolError
from torchpin.image.plan import EXPECTATION, KEPT_PROOF, SMOKE_TEST
from torchpin.lock.sealing import digest
from torchpin.parsing import parse_json
from torchpin.records.proof import parse_proof
from torchpin.tools.files import expect_inside, make_work_folder, read_inside, write_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.image.plan import BuildContext
    from torchpin.model import Environment
    from torchpin.workspace.generated import Rendering
    from torchpin.workspace.workspace import Repository

_TAKEN = ("records", "rests_on", "system", "torch")  # of a proof's document, by the next one


def proof_basis(env: Environment, rendered: Rendering, *, builder: str = "") -> str:
    """The digest of all that decides an environment's proof beside the packages, its smoke test and copied files."""
    files = {
        path: text
        for path, text in rendered.context.files.items()
        if not path.startswith("layers/") and path not in {SMOKE_TEST, KEPT_PROOF}
    }
    expected = json.loads(files[EXPECTATION])
    names = {key: sorted(expected.get(key, ())) for key in ("distributions", "optional")}
    files[EXPECTATION] = json.dumps({**expected, **names}, sort_keys=True)
    sources = {path: source.commit for path, source in rendered.context.sources.items()}
    parts = [
        env.name,
        env.variant.platform,
        builder,
        rendered.dockerfile,
        rendered.context.uv,
        files,
        sources,
    ]
    return digest(json.dumps(parts, sort_keys=True))


def with_kept_proof(
    repo: Repository, env: Environment, rendered: Rendering, *, builder: str = "", full: bool = False
) -> BuildContext:
    """The build context with what an earlier proof has shown, to which nothing is added if `full` or where the basis differs."""
    proof = {} if full else _read(repo, env)
    if proof.get("basis") != proof_basis(env, rendered, builder=builder):
        return rendered.context
    taken = {key: proof["document"].get(key) for key in _TAKEN}
    files = {**rendered.context.files, KEPT_PROOF: json.dumps(taken, indent=1) + "\n"}
    return replace(rendered.context, files=files)


def is_fully_proven(repo: Repository, env: Environment, image_key: str) -> bool:
    """Whether the image of a key had a full proof here."""
    proof = _read(repo, env)
    return proof.get("key") == image_key and proof.get("full") is True


def keep_proof(
    repo: Repository,
    env: Environment,
    rendered: Rendering,
    document: Mapping[str, Any],
    *,
    builder: str = "",
    full: bool,
) -> None:
    """Keeps the proof of an image for the next build; one that cannot be written is not a loss."""
    proof = {
        "basis": proof_basis(env, rendered, builder=builder),
        "key": rendered.image_key,
        "full": full,
        "document": document,
    }
    with suppress(ToolError, OSError):
        make_work_folder(repo.root)
        path = expect_inside(repo.root, paths.kept_proof_path(env.name))
        write_files({path: json.dumps(proof, indent=1) + "\n"})


def _read(repo: Repository, env: Environment) -> dict[str, Any]:
    """What is kept of an environment's last proof; empty where there is none, or what is there is none."""
    try:
        proof = parse_json(read_inside(repo.root, paths.kept_proof_path(env.name)) or "")
        parse_proof(json.dumps(proof["document"]).encode())
    except (ToolError, ValueError, KeyError, TypeError):
        return {}
    return dict(proof)
