"""Indexes, packages in their long form, and what only some variants have: read, refused, and written again."""

from __future__ import annotations

import pytest

from support.descriptions import LORA, problem_lines, read_service
from torchpin.description import write
from torchpin.description.environments import select_environments
from torchpin.model import Index, Package, PackageFile

TEXT = """\
name: lora
summary: Training
python: "3.10.14"
base: {image: "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04"}
torch:
  version: "2.5.1"
variants:
  gpu: {channel: cu121, platform: linux/amd64}
  cpu: {channel: cpu, platform: linux/amd64}
indexes:
  corp: {url: https://wheels.example.org/simple/}
layers:
  - name: training
    packages:
      - tqdm==4.66.5
      - {pin: bitsandbytes==0.45.3, variants: [gpu]}
      - {pin: numpy==1.26.4, variants: [gpu]}
      - {pin: numpy==2.2.6, variants: [cpu]}
  - name: own
    index: corp
    packages: [inner==1.0]
  - name: files
    variants: [gpu]
    packages:
      - {pin: kernels==2.0, url: https://example.org/a/kernels-2.0%2Bcu12torch2.5cxx11abiFALSE-cp310-cp310-linux_x86_64.whl, sha256: HASH}
      - {pin: "tools[all]==1.0", path: wheels/tools-1.0-py3-none-any.whl}
      - {pin: fork==3.1, git: https://github.com/example/fork, commit: COMMIT, subdirectory: python}
""".replace("HASH", "0f" * 32).replace("COMMIT", "9a" * 20)  # fmt: skip


def replaced(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def test_the_words_are_read_and_written_again() -> None:
    service = read_service(TEXT)
    assert service.indexes == (Index(name="corp", url="https://wheels.example.org/simple"),)
    training, own, files = service.layers
    assert (own.index, own.variants, files.variants) == ("corp", (), ("gpu",))
    assert training.packages[1] == Package("bitsandbytes==0.45.3", variants=("gpu",))
    kernels, tools, fork = (package.file for package in files.packages if isinstance(package, Package))
    assert kernels
    assert kernels.filename == "kernels-2.0+cu12torch2.5cxx11abiFALSE-cp310-cp310-linux_x86_64.whl"
    assert tools == PackageFile(path="wheels/tools-1.0-py3-none-any.whl")
    assert fork == PackageFile(git="https://github.com/example/fork", commit="9a" * 20, subdirectory="python")
    assert read_service(write.to_yaml(service)) == service


def test_an_environment_has_the_layers_and_packages_of_its_variant() -> None:
    gpu, cpu = select_environments([read_service(TEXT)])
    assert [layer.name for layer in gpu.layers] == ["training", "own", "files"]
    assert [layer.name for layer in cpu.layers] == ["training", "own"]
    assert [(path, str(package)) for path, _, package in cpu.declared_packages] == [
        ("layers[0].packages[0]", "tqdm==4.66.5"),
        ("layers[0].packages[3].pin", "numpy==2.2.6"),
        ("layers[1].packages[0]", "inner==1.0"),
    ]
    assert "numpy==1.26.4" in [str(package) for package in gpu.layers[0].packages]
    assert gpu.service.location("layers[0].packages[2].pin") == f"{LORA}:17:15"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("index: corp", "index: crop", "20:12: layers[1].index: unknown index 'crop' (did you mean 'corp'?)"),
        ("indexes:\n  corp: {url: https://wheels.example.org/simple/}\n", "", "18:12: layers[1].index: unknown index 'corp' (there are none; add it under `indexes`)"),
        ("  corp: {url", "  cu121: {url", "11:10: indexes.cu121: 'cu121' is the name of an address that torchpin knows; choose another name for the index"),
        ("  corp: {url", "  pypi: {url", "11:9: indexes.pypi: 'pypi' is the name of an address that torchpin knows; choose another name for the index"),
        ("https://wheels", "https://user:secret@wheels", "11:15: indexes.corp.url: the address has a user or a token; leave it out: it belongs in a netrc file or in `uv auth login`, or in the address of the mirror of this index"),
        ("variants: [gpu]}\n      - {pin: numpy", "variants: [gpo]}\n      - {pin: numpy", "16:48: layers[0].packages[1].variants[0]: unknown variant 'gpo' (did you mean 'gpu'?)"),
        ("variants: [cpu]", "variants: [cpu, gpu]", "18:9: layers[0].packages[3]: numpy is pinned twice for gpu, first at layers[0].packages[2]; keep one for each variant"),
        ("{pin: kernels==2.0, url", "{pin: kernels==2.0, variants: [cpu], url", "25:39: layers[2].packages[0].variants: the layer is for other variants; no image has the package"),
        ("kernels==2.0", "kernels==2.1", "25:34: layers[2].packages[0].url: kernels-2.0+cu12torch2.5cxx11abiFALSE-cp310-cp310-linux_x86_64.whl is kernels 2.0+cu12torch2.5cxx11abifalse, and the pin is kernels==2.1; make them the same"),
        (f", sha256: {'0f' * 32}", "", "25:34: layers[2].packages[0].url: the key 'sha256' is missing: without it this is no exact file (`sha256sum` prints it)"),
        (f", commit: {'9a' * 20}", "", "27:31: layers[2].packages[2].git: the key 'commit' is missing: without it this is no exact file (`git rev-parse` prints it)"),
        ("path: wheels", f"url: https://example.org/tools-1.0-py3-none-any.whl, sha256: {'1f' * 32}, path: wheels", "26:9: layers[2].packages[1]: url and path name different files of one package; keep one"),
        ("path: wheels/tools-1.0-py3-none-any.whl", "subdirectory: a", "26:48: layers[2].packages[1].subdirectory: goes with 'git', which is missing"),
        ("path: wheels/", "path: ../wheels/", "26:40: layers[2].packages[1].path: '../wheels/tools-1.0-py3-none-any.whl' is not the path of a wheel inside the repository"),
        ("https://github.com/example/fork", "https://token@github.com/example/fork", "27:31: layers[2].packages[2].git: the address has a user or a token; leave it out, it belongs in a netrc file or git's credential store"),
        ("packages: [inner==1.0]", "packages: [{pin: inner==1.0, path: inner-1.0-py3-none-any.whl}]", "21:16: layers[1].packages[0]: the layer is from the index corp; give the package a layer without `index`"),
        ("pin: fork==3.1", "pin: corp==3.1", "27:15: layers[2].packages[2].pin: 'corp' has the mirror variable of the index corp; choose another name"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(old: str, new: str, problem: str) -> None:
    first, *others = problem_lines(replaced(old, new))
    assert first == f"{LORA}:{problem}"
    assert all("unknown index" in other for other in others)  # of an index whose name was refused


def test_a_long_form_that_says_no_more_is_written_as_a_pin() -> None:
    service = read_service(replaced("tqdm==4.66.5", "{pin: tqdm==4.66.5}"))
    assert service == read_service(TEXT)
    assert "- tqdm==4.66.5\n" in write.to_yaml(service)
    assert service.location("layers[0].packages[0].pin") == f"{LORA}:15:15"
