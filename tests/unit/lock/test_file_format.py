"""Lock files read back as they were written, name no host, and show every change."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.abi_wheels import (
    ATTENTION,
    DIGEST,
    FLASH,
    LAYER_ONE,
    WHEEL,
    make_environment,
    make_lock,
    resolution,
)
from torchpin.errors import InputError
from torchpin.lock import file_format
from torchpin.model import Artifact, LayerLock, Lock, Upstream

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.fixture_types import Artifacts, Environments

FOLDER = "lockfiles/lora-gpu"
HELP = "run `invoke lock` to write it again, or restore it from git"
names = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,4})?", fullmatch=True)
digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
plain = st.from_regex(r"[a-z0-9./: _+=-]{1,20}", fullmatch=True)
artifacts = st.builds(
    Artifact,
    name=names,
    version=st.from_regex(r"([0-9]!)?[0-9]{1,2}(\.[0-9]{1,2}){0,2}(rc1|\.post1)?(\+cu121)?", fullmatch=True),
    filename=st.from_regex(r"[A-Za-z0-9_.+!-]{1,20}(\.whl|\.tar\.gz|\.zip)", fullmatch=True),
    sha256=digests,
    size=st.none() | st.integers(0, 10**13),
    required_by=st.lists(names, max_size=3).map(tuple),
)


@st.composite
def layers(draw: st.DrawFn, name: str) -> LayerLock:
    return LayerLock(
        environment="lora-gpu",
        name=name,
        origin=draw(st.sampled_from(["cu121", "pypi"])),
        python="3.10.14",
        platform="linux/amd64",
        uv="0.13.9",
        inputs_digest=draw(plain),
        packages=tuple(draw(st.lists(artifacts, max_size=3, unique_by=lambda package: package.name))),
        optional=draw(st.booleans()),
    )


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    declared = sorted(draw(st.sets(names.map("02-{}".format), max_size=2)))
    upstreams = [
        Upstream(
            source=source,
            tag=draw(plain),
            commit="0f" * 20,
            file="requirements.txt",
            requirements=tuple(draw(st.lists(st.from_regex(r"[a-z]{1,8}(==1|>=2)?", fullmatch=True)))),
        )
        for source in sorted(draw(st.sets(names, max_size=2)), key="upstream-{}.txt".format)
    ]
    return Lock(
        layers=tuple(draw(layers(name)) for name in ("00-torch", "01-torch-deps", *declared)),
        build=draw(st.none() | layers("build")),
        upstreams=tuple(upstreams),
    )


@settings(max_examples=25)
@given(locks())
def test_a_lock_reads_back_as_it_was_written(lock: Lock) -> None:
    texts = file_format.lock_texts(lock)
    assert file_format.parse_lock(FOLDER, texts) == lock
    assert file_format.lock_texts(file_format.parse_lock(FOLDER, texts)) == texts


@pytest.mark.parametrize(
    "layer_names",
    [("00-torch", "01-torch-deps", "02-a", "02-a-b"), ("98-z", "99-y", "100-x", "101-w", "1000-v")],
)
def test_layers_read_back_in_their_order_whatever_the_order_of_their_files(
    lock: Callable[..., Lock], layer_names: tuple[str, ...]
) -> None:
    layer = lock().layers[2]
    numbered_lock = Lock(layers=tuple(replace(layer, name=name) for name in layer_names))
    assert file_format.parse_lock(FOLDER, file_format.lock_texts(numbered_lock)) == numbered_lock


@pytest.fixture(scope="module")
def texts(lock: Callable[..., Lock], artifact: Callable[..., Artifact]) -> dict[str, str]:
    source = artifact("dadaptation", "3.2", filename="dadaptation-3.2.tar.gz", size=None, by=("lora",))
    sdist_lock: Lock = lock(None, source, build=(artifact("setuptools", "81.0.0", by=("dadaptation",)),))
    upstream = Upstream(
        source="sd-scripts",
        tag="v0.10.0",
        commit="0f" * 20,
        file="requirements.txt",
        requirements=("einops==0.7.0", "numpy"),
    )
    return file_format.lock_texts(replace(sdist_lock, upstreams=(upstream,)))


def test_a_layer_is_a_header_and_one_line_a_package(texts: dict[str, str]) -> None:
    assert re.sub(r"[0-9a-f]{64}", "<64>", texts["01-torch-deps.requirements.txt"]) == (
        "# torchpin lock of lora-gpu, layer 01-torch-deps\n"
        "# Made by `invoke lock`; do not edit.\n"
        "# environment: lora-gpu\n"
        "# layer: 01-torch-deps\n"
        "# origin: pypi\n"
        "# python: 3.10.14\n"
        "# platform: linux/amd64\n"
        "# uv: 0.13.9\n"
        "# answers: sha256:<64>\n"
        "# digest: sha256:<64>\n"
        "dadaptation==3.2 --hash=sha256:<64>  # dadaptation-3.2.tar.gz, size not published, source only, for lora\n"
        "nvidia-cudnn-cu12==9.1.0.70 --hash=sha256:<64>"
        "  # nvidia_cudnn_cu12-9.1.0.70-py3-none-any.whl, 10 bytes, for torch\n"
    )


def test_no_host_stands_in_a_lock(texts: dict[str, str]) -> None:
    assert len(texts) == 7
    assert not [name for name, text in texts.items() if re.search(r"://|@|\.(?:org|com|io)\b", text)]


def parse_error(file: str, text: str) -> str:
    with pytest.raises(InputError) as excinfo:
        file_format.parse_lock(FOLDER, {file: text})
    return str(excinfo.value).split("\n")[0]


@settings(max_examples=150)
@given(data=st.data())
def test_every_changed_character_is_noticed_with_file_and_line(
    texts: dict[str, str], data: st.DataObject
) -> None:
    file = data.draw(st.sampled_from(sorted(texts)))
    text = texts[file]
    offset = data.draw(st.integers(0, len(text)))
    removed = data.draw(st.integers(0, 1))
    inserted = data.draw(st.text(max_size=1) | st.sampled_from("\n\r# :a0"))
    edited = text[:offset] + inserted + text[offset + removed :]
    if edited != text:
        assert re.match(rf"{FOLDER}/{re.escape(file)}:\d+:1: ", parse_error(file, edited))


def test_every_single_character_counts(texts: dict[str, str]) -> None:
    for file, text in texts.items():
        for offset, character in enumerate(text):
            replacement = "b" if character == "a" else "a"
            assert parse_error(file, text[:offset] + replacement + text[offset + 1 :]).startswith(
                f"{FOLDER}/{file}:"
            )


@pytest.mark.parametrize(
    ("edit", "line", "message"),
    [
        (
            lambda text: text.replace("10 bytes", "11 bytes"),
            10,
            "was edited: its digest does not match its lines",
        ),
        (
            lambda text: text.replace("# digest: ", "# "),
            1,
            "expected one `# digest:` line in the header",
        ),
        (lambda text: "", 1, "expected one `# digest:` line in the header"),
        (
            lambda text: re.sub(r"(# digest: .*\n)(.*\n)", r"\2\1", text),
            10,
            "not a header field: 'nvidia-cudnn-cu12==9.1.0.70 --hash=sha256:" + "ab" * 19,
        ),
    ],
)
def test_a_broken_seal_is_told(
    lock: Callable[..., Lock], edit: Callable[[str], str], line: int, message: str
) -> None:
    text = file_format.lock_texts(lock())["01-torch-deps.requirements.txt"]
    start = f"{FOLDER}/01-torch-deps.requirements.txt:{line}:1: {message}"
    assert parse_error("01-torch-deps.requirements.txt", edit(text)).startswith(start)


def test_a_renamed_file_is_noticed(texts: dict[str, str]) -> None:
    assert (
        parse_error("03-training.requirements.txt", texts["02-training.requirements.txt"])
        == f"{FOLDER}/03-training.requirements.txt:1:1: has the header of 02-training.requirements.txt"
    )


def test_a_file_under_its_former_name_is_told_with_the_present_one(texts: dict[str, str]) -> None:
    for name in ("02-training", "upstream-sd-scripts"):
        message = f"is named {name}.requirements.txt now; run `invoke lock` to move it"
        text = texts[f"{name}.requirements.txt"]
        assert parse_error(f"{name}.txt", text) == f"{FOLDER}/{name}.txt:1:1: {message}"


def test_former_names_become_present_ones_and_give_way_to_them() -> None:
    texts = {"00-torch.txt": "a", "01-b.requirements.txt": "b", "01-b.txt": "old", "build.txt": "c"}
    assert file_format.with_present_names(texts) == {
        "00-torch.requirements.txt": "a",
        "01-b.requirements.txt": "b",
        "build.requirements.txt": "c",
    }


def test_an_upstream_in_a_layer_s_place_is_refused(texts: dict[str, str]) -> None:
    fields = "environment, layer, origin, python, platform, uv, answers"
    assert (
        parse_error("02-a.requirements.txt", texts["upstream-sd-scripts.requirements.txt"])
        == f"{FOLDER}/02-a.requirements.txt:1:1: expected the header fields {fields}"
    )


def test_every_broken_file_is_told_at_once(texts: dict[str, str]) -> None:
    broken = {name: text + "#" for name, text in texts.items()}
    with pytest.raises(InputError) as excinfo:
        file_format.parse_lock(FOLDER, broken)
    assert [problem.position.file for problem in excinfo.value.problems] == [
        f"{FOLDER}/{name}" for name in sorted(texts)
    ]
    assert str(excinfo.value).endswith("run `invoke lock` to write them again, or restore them from git")


def test_one_broken_layer_says_how_to_repair_it(texts: dict[str, str]) -> None:
    with pytest.raises(InputError) as excinfo:
        file_format.parse_layer("a.txt", texts["00-torch.requirements.txt"] + "#")
    assert str(excinfo.value).endswith(HELP)


def test_what_is_installed_is_one_requirement_and_one_hash_a_line(
    lock: Callable[..., Lock], artifact: Callable[..., Artifact]
) -> None:
    layer = lock(None, artifact("tqdm", "4.66.5", by=("lora",), sha256="0f" * 32)).layers[2]
    assert file_format.installer_requirements(layer) == f"tqdm==4.66.5 --hash=sha256:{'0f' * 32}\n"
    assert file_format.installer_requirements(replace(layer, packages=())) == ""


def test_what_is_installed_does_not_change_with_the_header(lock: Callable[..., Lock]) -> None:
    layer = lock().layers[2]
    changed = replace(layer, inputs_digest="sha256:other", uv="1")
    assert file_format.installer_requirements(changed) == file_format.installer_requirements(layer)
    assert file_format.layer_text(changed) != file_format.layer_text(layer)


SD_SCRIPTS = """\
accelerate==1.6.0
diffusers[torch]==0.32.1
# albumentations==1.3.0
bitsandbytes
# for Image utils
imagesize==1.4.1
numpy
# <=2.0
# onnxruntime-gpu --extra-index-url https://aiinfra.pkgs.visualstudio.com/PublicPackages/_packaging/

# this is for onnx:\x20
# protobuf==3.20.3
# for kohya_ss library
-e .
"""  # lines of requirements.txt of kohya-ss/sd-scripts at v0.10.0


def test_the_requirements_of_sd_scripts_are_its_pins_alone() -> None:
    assert file_format.requirement_lines(SD_SCRIPTS) == (
        "accelerate==1.6.0",
        "bitsandbytes",
        "diffusers[torch]==0.32.1",
        "imagesize==1.4.1",
        "numpy",
    )


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ()),
        ("--extra-index-url https://example.org\n-r other.txt\n-e .\n", ()),
        ("a==1  # why\r\nb>=2\r\n", ("a==1", "b>=2")),
        ("a==1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\nb\n", ("a==1", "b")),
        ("b\na==1 \\", ("a==1", "b")),
        ("a==1 \\\r    --hash=sha256:00\rb\r", ("a==1", "b")),
        ("a==1 --config-settings x=y\n", ("a==1",)),
        ("\ufeffa==1\n", ("a==1",)),
        ("a @ https://example.org/a#sha256=00\n", ("a @ https://example.org/a#sha256=00",)),
        ("a; python_version < '3.11'\n", ("a; python_version < '3.11'",)),
    ],
)
def test_a_requirements_file_counts_as_pip_reads_it(text: str, lines: tuple[str, ...]) -> None:
    assert file_format.requirement_lines(text) == lines


def test_the_build_layer_is_told_apart_from_the_install_layers(texts: dict[str, Any]) -> None:
    parsed = file_format.parse_lock(FOLDER, texts)
    assert parsed.build is not None
    assert parsed.build.file == "build.requirements.txt"
    assert [layer.file for layer in parsed.layers] == [
        "00-torch.requirements.txt",
        "01-torch-deps.requirements.txt",
        "02-training.requirements.txt",
    ]


@settings(max_examples=25)
@given(lock=locks(), provided=layers("00-given"))
def test_what_the_base_gives_reads_back_as_given_and_is_no_layer(lock: Lock, provided: LayerLock) -> None:
    full_lock = replace(lock, layers=lock.layers[2:], provided=provided)
    texts = file_format.lock_texts(full_lock)
    assert "00-given.requirements.txt" in texts
    assert file_format.parse_lock(FOLDER, texts) == full_lock
    assert {package.name for package in provided.packages} <= {*full_lock.all_packages}
    assert {*full_lock.packages} == {package.name for layer in full_lock.layers for package in layer.packages}


def test_a_lock_with_a_given_torch_reads_back_as_it_was_written(
    environment: Environments, artifact: Artifacts
) -> None:
    lock = make_lock(make_environment(environment, ATTENTION, LAYER_ONE), resolution(artifact))
    texts = file_format.lock_texts(lock)
    assert sorted(texts) == [
        "00-given.requirements.txt",
        "01-attention.requirements.txt",
        "02-one.requirements.txt",
        "licenses.txt",
        "wheels.txt",
    ]
    parsed = file_format.parse_lock("lockfiles/seedvr-gpu", texts)
    assert parsed == lock
    assert file_format.lock_texts(parsed) == texts
    assert "://" not in "".join(texts.values())
    assert f"{FLASH} --hash=sha256:{DIGEST}  # {WHEEL}, size not published, for seedvr\n" in texts[
        "01-attention.requirements.txt"
    ]  # fmt: skip
