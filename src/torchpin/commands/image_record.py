"""The record of an image: what its proof says, held against its lock, and the documents that show it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.compat.compiled import compiled_versions
from torchpin.errors import ToolError
from torchpin.records.freeze import format_freeze, freeze_differences
from torchpin.workspace import generated, workspace
from torchpin.workspace.hand_edits import require_unedited
from torchpin.workspace.writer import exclusive, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torchpin.model import Environment, Lock
    from torchpin.workspace.workspace import Repository


def is_recorded(repo: Repository, env: Environment, lock: Lock, rendered: generated.Rendering) -> bool:
    """Whether the record is of this image and matches its lock."""
    freeze_text = repo.text(paths.freeze_path(env.name))
    key = workspace.read_build_record(repo, env).get("key")
    return freeze_text is not None and key == rendered.image_key and _is_as_locked(freeze_text, lock, env)


def _is_as_locked(freeze_text: str, lock: Lock, env: Environment) -> bool:
    return not freeze_differences(freeze_text, lock, compiled_versions(env))


def write_record(
    client: Any,
    repo: Repository,
    env: Environment,
    lock_and_rendered: tuple[Lock, generated.Rendering],
    image: Any,
    tags: Sequence[str],
    *,
    overwrite: bool,
) -> Mapping[str, Any]:
    """Writes the record of an image, from the proof of its build, and the documents, which show it; the report that was read.

    Raises ToolError for an image that does not match its lock; its tags are removed, and nothing is recorded. Nothing is
    recorded either where what the image was built from changed meanwhile (ToolError) or, without `overwrite`, where an edit
    by hand would be lost (FindingsError).
    """
    from torchpin.tools import docker, image_files

    lock, rendered = lock_and_rendered
    probe_report = image_files.read_proof(client, tags[0], rendered.image_key)
    if probe_report is None:  # a repository's own template left none
        probe_report = docker.probe(client, tags[0], *docker.source_options(env), *docker.file_options(env))
    freeze_text = format_freeze(probe_report["distributions"])
    differences = freeze_differences(freeze_text, lock, compiled_versions(env))
    if differences:
        docker.remove_tags(client, tags)
        raise ToolError(
            f"{env.name}: the image does not match its lock; its tags were removed\n"
            + "\n".join(f"    {difference}" for difference in differences)
        )
    record = _build_record(env, lock, rendered, image, probe_report)
    files = {
        paths.freeze_path(env.name): freeze_text,
        paths.build_path(env.name): json.dumps(record, indent=1) + "\n",
    }
    _write_with_documents(repo, env, files, overwrite=overwrite)
    return probe_report


def file_warnings(env: Environment, probe_report: Mapping[str, Any]) -> list[str]:
    """The warnings of a probe about the installed files, a line each; its errors fail the build."""
    return [
        f"warning[{entry['id']}] image of {env.name}: {entry['message']}; {entry['help']}"
        for entry in probe_report.get("findings", ())
        if entry["level"] == "warning"
    ]


def _write_with_documents(
    repo: Repository, env: Environment, records: Mapping[str, str | None], *, overwrite: bool
) -> None:
    """Writes records and the documents that show them, with what undoes the update that they belong to."""
    from torchpin.commands.undo import extended_state  # with all that an update needs

    with exclusive(repo):
        current = workspace.reread(repo)  # a build takes long: another service may be described anew
        after = replace(current, staged=dict(records))
        files = {**records, **generated.expected_documents(after, {})}
        if not overwrite:
            require_unedited(current, files)
        description = {path: text for path, text in repo.descriptions.items() if path == env.service.file}
        built_from = {**repo.inputs, **description}
        files |= extended_state(current, files)  # the record goes when its update is undone
        write(repo, files, before={**after.inputs, **current.descriptions, **built_from})


def _build_record(
    env: Environment, lock: Lock, rendered: generated.Rendering, image: Any, probe_report: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of build.json; `optional_missing`: packages of optional layers that could not be installed.

    `wheels`: the SHA-256 of each wheel that was compiled, by its file name.
    """
    return {
        "environment": env.name,
        "key": rendered.image_key,
        "image": image.id,
        "size_bytes": image.attrs["Size"],
        "platform": env.variant.platform,
        "base": env.base.reference,
        "uv": rendered.context.uv,
        "python": probe_report["python"],
        "torch": probe_report["torch"],
        "sources": probe_report["sources"],
        **({"wheels": probe_report["wheels"]} if "wheels" in probe_report else {}),
        "optional_missing": sorted({*lock.packages} - {*probe_report["distributions"]}),
    }
