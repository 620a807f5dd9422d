"""The tasks for generated files on stale ones: a wrong character, a missing file, a description that moved on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from support.command_line import (
    DESCRIPTION,
    DOCUMENTS,
    LOCK,
    ROOT,
    SERVICE_PAGES,
    change_character,
    different_character,
    replace_text,
    run_command,
    run_process,
    tree,
)
from torchpin.lock import file_format
from torchpin.paths import KEPT

if TYPE_CHECKING:
    from pathlib import Path

CU128 = "src/torchpin/facts/data/index/cu128.json"
LOCK_FILES = sorted(path.name for path in (ROOT / LOCK).glob("*.txt"))


def assert_check_fails(folder: Path, task: str, name: str, help_text: str) -> None:
    """The task ends with 1, names the file and what to do, and writes nothing."""
    before = tree(folder)
    result = run_command(folder, task, "--check")
    assert result.code == 1, result.output
    assert f"] {name}" in result.output, result.output
    assert help_text in result.output, result.output
    assert "Traceback" not in result.output
    assert tree(folder) == before


@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("name", LOCK_FILES)
def test_no_character_of_a_lock_changes_unseen(name: str, part: float, copy: Path) -> None:
    path = copy / LOCK / name
    if not part:
        shutil.rmtree(copy / KEPT)  # of the other parts the checks know what they found before
    change_character(copy, f"{LOCK}/{name}", int(len(path.read_text(encoding="utf-8")) * part))
    for task in ("lock", "render", "document"):
        assert_check_fails(copy, task, f"{LOCK}/{name}:", "restore it: `git restore lockfiles/lora-gpu`")


@pytest.mark.parametrize("name", LOCK_FILES)
def test_no_file_of_a_lock_goes_missing_unseen(name: str, copy: Path) -> None:
    (copy / LOCK / name).unlink()
    assert_check_fails(copy, "lock", f"{LOCK}/{name}", "help: run `invoke lock` and commit what it writes")


def test_a_lock_that_is_gone_is_found(copy: Path) -> None:
    shutil.rmtree(copy / LOCK)
    assert_check_fails(
        copy, "lock", f"{LOCK}: is missing", "help: run `invoke lock` and commit what it writes"
    )
    for command_line in ("render", "export --service lora", "build --dry-run"):
        before = tree(copy)
        result = run_command(copy, *command_line.split())
        assert result.code == 2, (command_line, result.output)
        assert "lora-gpu is not locked; run `invoke lock --service lora`" in result.output
        assert {name for name in tree(copy) if ".torchpin" not in name} == {
            name for name in before if ".torchpin" not in name
        }


def test_documents_of_other_services_are_written_while_one_waits_for_its_lock(copy: Path) -> None:
    shutil.rmtree(copy / LOCK)
    shared = {
        name: (copy / name).read_bytes() for name in ("docs/PINNING.md", "DEVIATIONS.md", "docs/GPUS.md")
    }
    (copy / "docs/services/seedvr.md").unlink()
    result = run_command(copy, "document")
    assert result.code == 1, result.output
    assert "done   docs/services/seedvr.md\n" in result.out
    assert result.err == (
        "FAILED lora  lora-gpu is not locked; run `invoke lock --service lora`; docs/PINNING.md, DEVIATIONS.md, "
        "docs/GPUS.md, docs/services/lora.md wait for that\n"
    )
    assert {name: (copy / name).read_bytes() for name in shared} == shared
    check = run_command(copy, "document", "--check")
    assert check.code == 1
    assert "because lora-gpu has no lock of its description\n" in check.out


@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("name", ["Dockerfile", "context.txt"])
def test_no_character_of_a_rendering_changes_unseen(name: str, part: float, copy: Path) -> None:
    file = f"docker/lora-gpu/{name}"
    text = (copy / file).read_text(encoding="utf-8")
    offset = int(len(text) * part)
    change_character(copy, file, offset)
    line = text.count("\n", 0, offset) + 1
    assert_check_fails(
        copy,
        "render",
        f"{file}:{line}: is out of date",
        "help: run `invoke render` and commit what it writes",
    )


@pytest.mark.parametrize("name", ["Dockerfile", "context.txt"])
def test_no_rendering_goes_missing_unseen(name: str, copy: Path) -> None:
    (copy / "docker/lora-gpu" / name).unlink()
    assert_check_fails(
        copy,
        "render",
        f"docker/lora-gpu/{name}: is missing",
        "help: run `invoke render`",
    )


@pytest.mark.parametrize("part", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("name", [*DOCUMENTS, SERVICE_PAGES[1]])
def test_no_character_of_a_generated_section_changes_unseen(name: str, part: float, copy: Path) -> None:
    text = (copy / name).read_text(encoding="utf-8")
    begin = text.index("-->", text.index("<!-- begin generated: ")) + 4
    end = text.index("<!-- end generated: ")
    offset = begin + int((end - begin) * part)
    change_character(copy, name, offset)
    line = text.count("\n", 0, offset) + 1
    assert_check_fails(
        copy,
        "document",
        f"{name}:{line}: has generated sections that are out of date",
        "help: run `invoke document` and commit",
    )


@pytest.mark.parametrize("name", [*DOCUMENTS, SERVICE_PAGES[1]])
def test_a_broken_marker_is_found_at_its_line_and_nothing_is_written_over_it(name: str, copy: Path) -> None:
    text = (copy / name).read_text(encoding="utf-8")
    offset = text.index("<!-- end generated: ")
    path = copy / name
    path.write_text(text[:offset] + text[offset:].replace("<!-- end generated", "<!-- the end", 1))
    assert_check_fails(
        copy, "document", f"{name}:", "help: restore the marker lines from git, then run `invoke document`"
    )
    before = tree(copy)
    result = run_command(copy, "document")
    assert result.code == 2, result.output
    assert name in result.output
    assert {name: text for name, text in tree(copy).items() if ".torchpin" not in name} == before


def test_a_document_that_is_gone_is_found_and_made_again(copy: Path) -> None:
    (copy / "docs/CHECKS.md").unlink()
    assert_check_fails(copy, "document", "docs/CHECKS.md: is missing", "help: run `invoke document`")
    assert run_command(copy, "document").code == 0
    assert run_command(copy, "document", "--check").code == 0


def test_a_recorded_hash_that_differs_from_the_lock_is_found(copy: Path) -> None:
    """Hashes of the torch family stand in two places; one of them wrong shows before anything is installed."""
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    lock = file_format.parse_lock(LOCK, {path.name: path.read_text() for path in (copy / LOCK).glob("*.txt")})
    torch = lock.packages["torch"]
    assert torch.filename == "torch-2.7.1+cu128-cp310-cp310-manylinux_2_28_x86_64.whl"
    replace_text(copy, CU128, torch.sha256, different_character(torch.sha256[0]) + torch.sha256[1:])
    before = tree(copy)
    result = run_process(copy, "lock", "--check", source=copy)
    assert result.code == 1, result.output
    assert (
        f"] {LOCK}/00-torch.requirements.txt: the hash of {torch.filename} does not match; locked: {torch.sha256}, recorded: "
        in result.out
    )
    assert (
        "help: find out which of the two hashes is wrong before anything is installed, then run `invoke lock`"
        in result.out
    )
    assert tree(copy) == before


CHANGED_DESCRIPTIONS = {
    "a pin": ("tqdm==4.66.5", "tqdm==4.66.6", f"{LOCK}/05-utilities.requirements.txt: no longer matches its description"),
    "torch": ('version: "2.7.1"', 'version: "2.7.0"', f"{LOCK}/00-torch.requirements.txt: no longer matches its description"),
    "Python": ('python: "3.10.14" ', 'python: "3.10.15" ', f"{LOCK}/02-training.requirements.txt: no longer matches its description"),
    "the channel": ("channel: cu128", "channel: cu126", f"{LOCK}/00-torch.requirements.txt: no longer matches its description"),
    "a source's tag": ("tag: v0.10.0", "tag: v0.10.1", f"{LOCK}/upstream-sd-scripts.requirements.txt: no longer matches its description"),
    "a layer's name": ("name: utilities", "name: utility", f"{LOCK}/05-utility.requirements.txt: is missing"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "expected"), CHANGED_DESCRIPTIONS.values(), ids=CHANGED_DESCRIPTIONS
)
def test_a_description_that_moved_on_makes_its_lock_stale(
    before: str, after: str, expected: str, copy: Path
) -> None:
    replace_text(copy, DESCRIPTION, before, after)
    assert_check_fails(copy, "lock", expected, "help: run `invoke lock` and commit what it writes")


@pytest.mark.parametrize(
    ("before", "after", "expected"), CHANGED_DESCRIPTIONS.values(), ids=CHANGED_DESCRIPTIONS
)
@pytest.mark.parametrize("task", ["render", "document"])
def test_nothing_is_called_fresh_that_could_not_be_compared(
    task: str, before: str, after: str, expected: str, copy: Path
) -> None:
    """A check passes only where its task would change nothing."""
    replace_text(copy, DESCRIPTION, before, after)
    check = run_command(copy, task, "--check")
    result = run_command(copy, task)
    assert check.code == 1, (check.output, result.output)
    assert "done" in result.out or result.code == (1 if task == "document" else 2)


@pytest.mark.parametrize(
    ("before", "after"),
    [case[:2] for name, case in CHANGED_DESCRIPTIONS.items() if name != "a source's tag"],
    ids=[name for name in CHANGED_DESCRIPTIONS if name != "a source's tag"],
)
@pytest.mark.parametrize("command_line", ["render", "export --service lora", "build --dry-run"])
def test_nothing_is_made_from_a_stale_lock(command_line: str, before: str, after: str, copy: Path) -> None:
    replace_text(copy, DESCRIPTION, before, after)
    if 'version: "2.7.0"' in after:  # with the companions of another release the judge would speak first
        replace_text(
            copy,
            DESCRIPTION,
            'torchvision: "0.22.1", torchaudio: "2.7.1"',
            'torchvision: "0.22.0", torchaudio: "2.7.0"',
        )
    if "cu126" in after:  # which has no code for it
        replace_text(copy, DESCRIPTION, "gpus: [A6000, H100, B200]", "gpus: [A6000, H100]")
    result = run_command(copy, *command_line.split())
    assert (result.code, result.out) == (2, ""), result.output
    assert f"{LOCK} no longer matches its description (" in result.err
    assert "run `invoke lock --service lora`" in result.err


def test_no_deviation_is_documented_from_what_a_source_asked_for_at_another_tag(copy: Path) -> None:
    """`lock --check` calls this lock stale, and so it is for what it says of its source."""
    replace_text(copy, DESCRIPTION, "tag: v0.10.0", "tag: v0.10.1")
    before = (copy / "DEVIATIONS.md").read_bytes()
    result = run_command(copy, "document")
    assert result.code == 1, result.output
    assert (copy / "DEVIATIONS.md").read_bytes() == before
    assert "upstream-sd-scripts.requirements.txt" in result.err


def test_what_only_the_rendering_shows_makes_it_stale(copy: Path) -> None:
    replace_text(copy, DESCRIPTION, "TZ: UTC", "TZ: CET")
    assert run_command(copy, "lock", "--check").code == 0
    assert_check_fails(
        copy, "render", "docker/lora-gpu/Dockerfile:", "help: run `invoke render` and commit what it writes"
    )


def test_what_only_the_documents_show_makes_them_stale(copy: Path) -> None:
    replace_text(copy, DESCRIPTION, "torch 2.7.1 brings its own cuDNN", "torch 2.7.1 has its own cuDNN")
    assert run_command(copy, "lock", "--check").code == 0
    assert run_command(copy, "render", "--check").code == 0
    assert_check_fails(
        copy, "document", "DEVIATIONS.md:", "help: run `invoke document` and commit what it writes"
    )
