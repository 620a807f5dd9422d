"""What changed between two states of the repository, of locks and of records."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from torchpin.errors import InputError
from torchpin.lock import file_format
from torchpin.model import Lock, Upstream
from torchpin.queries import diff

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments, Locks
    from torchpin.queries.diff import Difference

DESCRIPTION = """\
name: lora
summary: Training
python: "3.10.14"
base: {image: "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"}
torch: {version: "2.5.1", companions: {torchvision: "0.20.1"}}
variants:
  gpu: {channel: cu121, platform: linux/amd64}
layers:
  - {name: training, packages: [tqdm==4.66.5]}
"""
UPDATED_DESCRIPTION = (
    DESCRIPTION.replace("12.1.1", "12.4.1").replace("cu121", "cu124").replace("3.10.14", "3.11.9")
)


def texts(lock: Lock, description: str = DESCRIPTION, name: str = "lora-gpu") -> dict[str, str]:
    files = {f"lockfiles/{name}/{file}": text for file, text in file_format.lock_texts(lock).items()}
    return files | ({"services/lora/service.yaml": description} if description else {})


def single_difference(before: diff.Snapshot, after: diff.Snapshot) -> Difference:
    (difference,) = diff.compare_snapshots(before, after)
    return difference


def package_moves(difference: Difference) -> list[tuple[str, str, str, str]]:
    return [(move.name, move.kind, move.before, move.after) for move in difference.packages]


def test_nothing_changed_is_an_empty_difference(lock: Locks) -> None:
    state = diff.repository_snapshot("HEAD", texts(lock()))
    difference = single_difference(state, state)
    assert (difference.environment, difference.baseline, difference.packages, difference.notes) == (
        "lora-gpu",
        (),
        (),
        (),
    )


def test_packages_are_added_removed_and_moved_with_the_size_of_their_files(
    lock: Locks, artifact: Artifacts
) -> None:
    before = lock(
        None, artifact("old", "1.0", by=("lora",), size=100), artifact("tqdm", "4.66.5", by=("lora",), size=7)
    )
    after = lock(
        None, artifact("new", "2.0", by=("lora",), size=30), artifact("tqdm", "4.67.0", by=("lora",), size=9)
    )
    difference = single_difference(
        diff.repository_snapshot("a", texts(before)), diff.repository_snapshot("b", texts(after))
    )
    assert package_moves(difference) == [
        ("new", "added", "", "2.0"),
        ("old", "removed", "1.0", ""),
        ("tqdm", "moved", "4.66.5", "4.67.0"),
    ]
    assert (difference.added_bytes, difference.removed_bytes, difference.unknown_sizes) == (39, 107, 0)


def test_the_same_version_in_another_file_is_told(lock: Locks, artifact: Artifacts) -> None:
    before = lock(None, artifact("tqdm", "4.66.5", by=("lora",)))
    after = lock(None, artifact("tqdm", "4.66.5", by=("lora",), sha256="cd" * 32))
    difference = single_difference(
        diff.repository_snapshot("a", texts(before)), diff.repository_snapshot("b", texts(after))
    )
    assert package_moves(difference) == [
        ("tqdm 4.66.5", "other file", "sha256:abababababab", "sha256:cdcdcdcdcdcd")
    ]


def test_a_size_that_nobody_wrote_down_is_counted_as_unknown(lock: Locks, artifact: Artifacts) -> None:
    after = lock(None, artifact("new", "2.0", by=("lora",), size=None))
    difference = single_difference(
        diff.repository_snapshot("a", texts(lock())), diff.repository_snapshot("b", texts(after))
    )
    assert (difference.added_bytes, difference.unknown_sizes) == (0, 1)


def test_what_the_base_gives_is_no_download(lock: Locks, environment: Environments) -> None:
    plain = lock()
    base_lock = replace(plain, provided=replace(plain.layers[0], name="00-given"), layers=plain.layers[1:])
    difference = single_difference(
        diff.repository_snapshot("a", {}), diff.repository_snapshot("b", texts(base_lock))
    )
    sizes = {move.name: move.size_after for move in difference.packages}
    assert (sizes["torch"], sizes["tqdm"]) == (0, 10)


def test_what_builds_a_source_only_package_stands_apart(lock: Locks, artifact: Artifacts) -> None:
    build_lock = lock(None, build=(artifact("setuptools", "80.0", by=("tqdm",)),))
    difference = single_difference(
        diff.repository_snapshot("a", texts(lock())), diff.repository_snapshot("b", texts(build_lock))
    )
    assert package_moves(difference) == [("setuptools (build)", "added", "", "80.0")]


def test_the_ground_comes_from_the_descriptions(lock: Locks) -> None:
    before, after = texts(lock()), texts(lock(), UPDATED_DESCRIPTION)
    difference = single_difference(
        diff.repository_snapshot("a", before), diff.repository_snapshot("b", after)
    )
    assert [(move.name, move.before, move.after) for move in difference.baseline] == [
        ("Python", "3.10.14", "3.11.9"),
        ("channel", "cu121", "cu124"),
        (
            "base image",
            "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04",
            "nvidia/cuda:12.4.1-cudnn8-devel-ubuntu22.04",
        ),
    ]


def test_a_moved_source_tag_is_ground(lock: Locks) -> None:
    source = """\
sources:
  - {name: sd, url: "https://github.com/a/sd", tag: v1, commit: "1111111111111111111111111111111111111111", path: third_party/sd}
"""
    before = DESCRIPTION + source
    after = DESCRIPTION + source.replace("v1", "v2").replace("1" * 40, "2" * 40)
    difference = single_difference(
        diff.repository_snapshot("a", texts(lock(), before)),
        diff.repository_snapshot("b", texts(lock(), after)),
    )
    assert [(move.name, move.before, move.after) for move in difference.baseline] == [
        ("source sd", f"v1 ({'1' * 12})", f"v2 ({'2' * 12})")
    ]
    removed = single_difference(
        diff.repository_snapshot("a", texts(lock(), before)), diff.repository_snapshot("b", texts(lock()))
    )
    assert [(move.name, move.kind) for move in removed.baseline] == [("source sd", "removed")]


def test_a_description_that_cannot_be_read_is_told_and_its_lock_still_counts(lock: Locks) -> None:
    before = diff.repository_snapshot("v1", texts(lock(), "schema: of another time\n"))
    difference = single_difference(before, diff.repository_snapshot("b", texts(lock(), UPDATED_DESCRIPTION)))
    assert [(move.name, move.before, move.after) for move in difference.baseline] == [
        ("Python", "3.10.14", "3.11.9"),
        ("channel", "cu121", "cu124"),
    ]
    assert "no readable description in v1" in difference.notes[0]


def test_an_environment_that_is_new_or_not_locked_is_told(lock: Locks) -> None:
    unlocked = diff.repository_snapshot("b", {"services/lora/service.yaml": DESCRIPTION})
    (difference,) = diff.compare_snapshots(diff.repository_snapshot("a", {}), unlocked)
    assert difference.notes == ("lora-gpu is not in a", "lora-gpu is not locked in b")
    assert {move.kind for move in difference.baseline} == {"added"}


def test_an_edited_lock_is_refused_with_its_state(lock: Locks) -> None:
    edited = {path: text.replace("4.66.5", "4.66.6") for path, text in texts(lock()).items()}
    with pytest.raises(InputError, match=r"v1:lockfiles/lora-gpu/02-training\.requirements\.txt"):
        diff.repository_snapshot("v1", edited)


def test_a_lock_under_former_names_is_read_too(lock: Locks) -> None:
    former = {path.replace(".requirements.txt", ".txt"): text for path, text in texts(lock()).items()}
    assert former != texts(lock())
    difference = single_difference(
        diff.repository_snapshot("v1", former), diff.repository_snapshot(".", texts(lock()))
    )
    assert (difference.baseline, difference.packages, difference.notes) == ((), (), ())


def test_one_service_alone_is_compared_where_it_is_named(lock: Locks) -> None:
    other_description = DESCRIPTION.replace("name: lora", "name: lora-x")
    state = diff.repository_snapshot("a", texts(lock()) | {"services/lora-x/service.yaml": other_description})
    compared = diff.compare_snapshots(state, state, service="lora")
    assert [difference.environment for difference in compared] == ["lora-gpu"]
    with pytest.raises(InputError, match="service 'flux'"):
        diff.compare_snapshots(state, state, service="flux")


def test_a_freeze_record_has_versions_and_no_sizes(lock: Locks) -> None:
    record = diff.record_snapshot("old.txt", "torch==2.5.1+cu121\ntqdm==4.66.4\n", environment="lora-gpu")
    difference = single_difference(record, diff.repository_snapshot("b", texts(lock())))
    assert package_moves(difference) == [
        ("nvidia-cudnn-cu12", "added", "", "9.1.0.70"),
        ("torchvision", "added", "", "0.20.1+cu121"),
        ("tqdm", "moved", "4.66.4", "4.66.5"),
    ]
    assert (difference.unknown_sizes, difference.baseline) == (1, ())


@pytest.mark.parametrize(
    ("line", "name", "version", "sha256"),
    [
        ("Flask_Login==1.0", "flask-login", "1.0", ""),
        (f"tqdm==4.66.5 --hash=sha256:{'ab' * 32}", "tqdm", "4.66.5", "ab" * 32),
        (
            f"a @ https://x.example/a-1.0%2Bcu12-py3-none-any.whl#sha256={'cd' * 32}",
            "a",
            "1.0+cu12",
            "cd" * 32,
        ),
        ("a @ file:///src/a-1.0.tar.gz", "a", "a-1.0.tar.gz", ""),
    ],
)
def test_lines_of_records_as_pip_and_uv_write_them(line: str, name: str, version: str, sha256: str) -> None:
    (snapshot,) = diff.record_snapshot("r", f"# a comment\n-e .\n{line}\n").environments.values()
    assert snapshot.packages is not None
    assert [(package.name, package.version, package.sha256) for package in snapshot.packages.values()] == [
        (name, version, sha256)
    ]


def test_a_text_without_versions_is_no_record() -> None:
    with pytest.raises(InputError, match=r"notes.txt is not a freeze record"):
        diff.record_snapshot("notes.txt", "buy milk\n")


def test_a_lock_folder_goes_with_its_environment(lock: Locks, artifact: Artifacts) -> None:
    updated_lock = lock(None, artifact("tqdm", "4.67.0", by=("lora",)))
    lock_snapshot = diff.lock_snapshot("saved", file_format.lock_texts(updated_lock))
    difference = single_difference(lock_snapshot, diff.repository_snapshot("b", texts(lock())))
    assert (difference.environment, package_moves(difference)) == (
        "lora-gpu",
        [("tqdm", "moved", "4.67.0", "4.66.5")],
    )
    assert difference.baseline == ()


def test_two_records_are_compared_without_an_environment() -> None:
    difference = single_difference(diff.record_snapshot("a", "x==1\n"), diff.record_snapshot("b", "x==2\n"))
    assert (difference.environment, package_moves(difference)) == ("", [("x", "moved", "1", "2")])


def test_a_record_of_no_known_environment_says_what_to_name(lock: Locks) -> None:
    two_variants = DESCRIPTION.replace("  gpu:", "  cpu: {channel: cpu, platform: linux/amd64}\n  gpu:")
    state = diff.repository_snapshot("b", texts(lock(), two_variants))
    with pytest.raises(InputError, match="lora-cpu, lora-gpu; name a lock folder"):
        diff.compare_snapshots(diff.record_snapshot("a", "x==1\n"), state)
    with pytest.raises(InputError, match="a is of flux-gpu, and b has lora-cpu"):
        diff.compare_snapshots(diff.record_snapshot("a", "x==1\n", environment="flux-gpu"), state)


def test_a_lock_alone_tells_its_sources_too(lock: Locks) -> None:
    lock_with_source = replace(
        lock(), upstreams=(Upstream(source="sd", tag="v1", commit="1" * 40, file="r.txt", requirements=()),)
    )
    state = diff.lock_snapshot("saved", file_format.lock_texts(lock_with_source))
    assert state.environments["lora-gpu"].baseline["source sd"] == f"v1 ({'1' * 12})"


def test_gpus_and_deviations_are_gained_and_lost_with_the_channel(lock: Locks) -> None:
    recommended = "recommends: [{component: python, says: '3.10.14'}]\n"
    before = diff.repository_snapshot("HEAD", texts(lock(), DESCRIPTION + recommended))
    moved = (
        UPDATED_DESCRIPTION.replace("cu124", "cu128").replace("2.5.1", "2.7.1").replace("0.20.1", "0.22.1")
    )
    after = diff.repository_snapshot("the working tree", texts(lock(), moved + recommended))
    difference = single_difference(before, after)
    assert "B200" in difference.gpus_gained
    assert "V100" in difference.gpus_lost
    assert (difference.deviations_gained, difference.deviations_lost) == (("python",), ())
    back = single_difference(after, before)
    assert (back.gpus_gained, back.gpus_lost) == (difference.gpus_lost, difference.gpus_gained)
    assert back.deviations_lost == ("python",)


def test_without_a_description_no_gpu_is_lost(lock: Locks) -> None:
    described = diff.repository_snapshot("HEAD", texts(lock()))
    bare = diff.repository_snapshot("the working tree", texts(lock(), ""))
    difference = single_difference(described, bare)
    assert (difference.gpus_lost, difference.deviations_lost) == ((), ())
