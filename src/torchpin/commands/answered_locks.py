"""Which locks need not be resolved again: those that answer their descriptions as they are committed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from torchpin import paths
from torchpin.errors import InputError, ToolError
from torchpin.lock import answers, cooldown, file_format, sealing
from torchpin.model import Package
from torchpin.tools.files import read_inside, write_files
from torchpin.tools.uv import UV_VERSION
from torchpin.workspace.evidence import current_date
from torchpin.workspace.workspace import read_lock_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torchpin.description.policy import Policy
    from torchpin.model import Environment, Lock
    from torchpin.workspace.workspace import Repository


def answered_locks(repo: Repository, environments: Sequence[Environment]) -> dict[str, Lock]:
    """The committed locks that a resolution without upgrades has no reason to change, by environment."""
    policy = repo.policy
    return {env.name: lock for env in environments if (lock := _answered_lock(repo, env, policy))}


def _answered_lock(repo: Repository, env: Environment, policy: Policy) -> Lock | None:
    texts = read_lock_files(repo, env)
    if not texts:
        return None
    try:
        lock = file_format.parse_lock(paths.lock_folder(env.name), texts)
        # also none of former names, and none without its licenses or contents
        is_answer = file_format.lock_texts(lock) == texts and not answers.unanswered(
            env, lock, uv=UV_VERSION, published=repo.published
        )
    except InputError:
        return None
    if (
        not is_answer
        or not _keeps_cooldown(repo, env, lock, texts, policy)
        or not _has_files(repo, env, lock)
    ):
        return None
    return lock


def _keeps_cooldown(
    repo: Repository, env: Environment, lock: Lock, texts: Mapping[str, str], policy: Policy
) -> bool:
    """Whether a lock was resolved under the policy as it is. A lock does not tell the ages of its files, nor which are excepted."""
    chosen = cooldown.choose_cutoff(policy, env, lock, upgrade=(), today=current_date())
    if cooldown.with_cutoff(lock, chosen) != lock:
        return False
    if chosen is None:
        return True
    with suppress(ToolError):  # a note that cannot be read is none
        return read_inside(repo.root, _note_path(env)) == _note(texts, policy)
    return False


def _has_files(repo: Repository, env: Environment, lock: Lock) -> bool:
    """Whether the wheels of the repository are those that are locked; other files are named by their hash or commit."""
    for _, _, package in env.declared_packages:
        if isinstance(package, Package) and package.file and package.file.path:
            from torchpin.tools import package_files

            locked = lock.packages.get(canonicalize_name(package.name))
            wheel = package_files.repository_wheel(repo.root, package.file.path)
            if locked is None or package_files.file_digest(wheel) != locked.sha256:
                return False
    return True


def note_resolved(repo: Repository, environments: Iterable[Environment]) -> None:
    """Notes that the locks that stand now were resolved under the policy, where there is a cool-down."""
    policy = repo.policy
    if policy.cooldown:
        notes = {
            repo.root / _note_path(env): _note(read_lock_files(repo, env), policy) for env in environments
        }
        with suppress(ToolError):  # then they are resolved again
            write_files({**notes})


def _note_path(env: Environment) -> str:
    return f"{paths.RESOLVED}/{env.name}"


def _note(texts: Mapping[str, str], policy: Policy) -> str:
    return sealing.digest(repr((sorted(texts.items()), policy.cooldown, sorted(policy.exceptions))))
