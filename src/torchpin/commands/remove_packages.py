"""`remove` with packages: their pins go out of a service's description, and its locks follow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torchpin.bump.removals import parse_names, remaining_words, removal_changes
from torchpin.commands.edited_pins import EditOptions, PinEdit, edit_pins, open_service
from torchpin.commands.selection import Selection, open_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchpin.commands.remove import RemoveOptions
    from torchpin.commands.report import Watcher
    from torchpin.model import Environment, Outcome
    from torchpin.workspace.workspace import Repository


def remove_packages(options: RemoveOptions, watcher: Watcher) -> PinEdit:
    """Removes the pins of packages from a service of the current folder's repository."""
    repo = open_workspace(Selection(service=options.service), watcher).repo
    edit_options = EditOptions(
        recorded=options.recorded, dry_run=options.dry_run, overwrite=options.overwrite
    )
    return remove_pins(repo, options.service, options.packages, edit_options, watcher)


def remove_pins(
    repo: Repository, service_name: str, packages: Sequence[str], options: EditOptions, watcher: Watcher
) -> PinEdit:
    """Removes pins: description, locks, renderings and documents are written together, or nothing is.

    Raises InputError for packages that nothing pins, FindingsError where the rest cannot be locked.
    """
    names = parse_names(packages)
    repo, service, locks = open_service(repo, service_name)
    changes = removal_changes(service, names, locks)
    edited = edit_pins(repo, service, changes, options, watcher, explain=_no_explanation)
    words = remaining_words(service, names, locks, edited.locks)
    return replace(edited, pins=names, messages=words)


def _no_explanation(_: Environment, __: Outcome) -> str:
    """Fewer pins contradict each other no more than before, so uv's own words say it all."""
    return ""
