"""Packages of other origins than PyPI, and those of some variants, in a lock, the uv project and what installs them."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from support.dockerfile import dockerfile_instructions
from support.layers import make_layer
from torchpin.bump.model import HeldError
from torchpin.bump.pins import edits_of_target
from torchpin.bump.target import Target
from torchpin.compat.wheels import abi_wheels
from torchpin.image import plan
from torchpin.image.dockerfile import render_context_list
from torchpin.lock import export, file_format
from torchpin.lock.layers import inputs_digest, layer_names, split_layers
from torchpin.lock.locations import file_urls
from torchpin.lock.uv_project import render_uv_project
from torchpin.model import Environment, Index, Layer, Lock, Package, PackageFile
from torchpin.queries.outdated import independent_packages, list_updates
from torchpin.queries.vulnerabilities import audit_notices
from torchpin.sbom.inventory import environment_inventory

if TYPE_CHECKING:
    from support.fixture_types import Artifacts, Environments

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CORP = Index(name="corp", url="https://wheels.example.org/simple")
URL = "https://example.org/a/kernels-2.0%2Bcu12-cp310-cp310-linux_x86_64.whl"
KERNELS = Package("kernels==2.0", file=PackageFile(url=URL, sha256="0f" * 32))
TOOLS = Package("tools==1.0", file=PackageFile(path="wheels/tools-1.0-py3-none-any.whl"))
FORK = Package("fork==3.1", file=PackageFile(git="https://github.com/example/fork", commit="9a" * 20))
LAYERS = (
    make_layer("training", "tqdm==4.66.5"),
    Layer(name="own", packages=(Requirement("inner==1.0"), Requirement("flash-attn==2.8.3")), index="corp"),
    Layer(name="files", packages=(KERNELS, TOOLS, FORK)),
)


def make_environment(environment: Environments, *layers: Layer) -> Environment:
    return environment(layers=layers or LAYERS, indexes=(CORP,))


def make_lock(env: Environment, artifact: Artifacts) -> Lock:
    packages = (
        artifact("torch", by=("lora",)),
        artifact("torchvision", by=("lora",)),
        artifact("tqdm", "4.66.5", by=("lora",)),
        artifact("inner", "1.0", by=("lora",)),
        artifact("flash-attn", "2.8.3", by=("lora",)),
        artifact("needed", "5", by=("inner",)),
        replace(artifact("kernels", "2.0", by=("lora",), filename="kernels-2.0+cu12-cp310-cp310-linux_x86_64.whl"), origin="address"),
        replace(artifact("tools", "1.0", by=("lora",)), origin="repository"),
        replace(artifact("fork", "3.1", by=("lora",), filename="fork-3.1.zip"), origin="git"),
    )  # fmt: skip
    layers, provided = split_layers(env, packages, uv="0.13.9")
    return Lock(layers=layers, provided=provided)


def test_a_layer_of_an_index_has_its_own_pins_alone(environment: Environments, artifact: Artifacts) -> None:
    env = make_environment(environment)
    locked = make_lock(env, artifact)
    assert {layer.name: (layer.origin, [package.name for package in layer.packages]) for layer in locked.layers[2:]} == {
        "02-training": ("pypi", ["needed", "tqdm"]),
        "03-own": ("corp", ["flash-attn", "inner"]),
        "04-files": ("pypi", ["fork", "kernels", "tools"]),
    }  # fmt: skip
    assert abi_wheels(env) == {}  # the index says which file it is


def test_a_lock_with_other_origins_reads_back_and_names_no_host(
    environment: Environments, artifact: Artifacts
) -> None:
    locked = make_lock(make_environment(environment), artifact)
    texts = file_format.lock_texts(locked)
    assert file_format.parse_lock("lockfiles/lora-gpu", texts) == locked
    lines = texts["04-files.requirements.txt"].splitlines()
    assert any(line.endswith(" bytes, source only, from git, for lora") for line in lines), lines
    assert any("bytes, by address, for lora" in line for line in lines)
    assert any("bytes, of this repository, for lora" in line for line in lines)
    assert not any("://" in text for text in texts.values())


def test_the_inputs_of_a_layer_name_its_index_and_files_and_nothing_that_it_does_not_use(
    environment: Environments,
) -> None:
    plain = environment(layers=(make_layer("a", "tqdm==4.66.5", "numpy==2.2.6"),))
    long = replace(
        plain,
        service=replace(
            plain.service,
            indexes=(CORP,),
            layers=(
                Layer(
                    name="a",
                    packages=(
                        Package("tqdm==4.66.5", variants=("gpu",)),
                        Package("numpy==2.2.6"),
                        Package("numpy==1.26.4", variants=("cpu",)),
                    ),
                    variants=("gpu",),
                ),
                Layer(name="b", packages=(), variants=("cpu",)),
            ),
        ),
    )
    assert [inputs_digest(plain, name) for name in layer_names(plain)] == [
        inputs_digest(long, name) for name in layer_names(long)
    ]
    digests = {
        inputs_digest(make_environment(environment, layer), f"02-{layer.name}")
        for layer in (
            make_layer("a", "kernels==2.0"),
            Layer(name="a", packages=(Requirement("kernels==2.0"),), index="corp"),
            Layer(name="a", packages=(KERNELS,)),
            Layer(name="a", packages=(Package("kernels==2.0", file=PackageFile(url=URL, sha256="1f" * 32)),)),
        )
    }  # fmt: skip
    assert len(digests) == 4


def test_the_uv_project_takes_each_package_from_its_home(environment: Environments) -> None:
    env = make_environment(environment)
    text = render_uv_project(
        env,
        index="https://torch.example/cu121",
        indexes={"corp": "https://mirror.example/simple"},
        files=("kernels", "tools", "fork"),
    )
    uv = tomllib.loads(text)["tool"]["uv"]
    assert [(row["name"], row["url"], row["explicit"]) for row in uv["index"]] == [
        ("cu121", "https://torch.example/cu121", True),
        ("corp", "https://mirror.example/simple", True),
        ("torchpin.files", "./files", True),
    ]
    homes = {name: row["index"] for name, row in uv["sources"].items()}
    assert homes["torch"] == "cu121"
    assert (homes["inner"], homes["flash-attn"], homes["kernels"]) == ("corp", "corp", "torchpin.files")
    assert "tqdm" not in homes
    assert render_uv_project(env, index=None, pins=["setuptools==80"]).count("index") == 0


def test_the_image_installs_each_from_its_place(environment: Environments, artifact: Artifacts) -> None:
    env = make_environment(environment)
    locked = make_lock(env, artifact)
    own, files, sources = [line for line in dockerfile_instructions(env, locked) if "pip install" in line][
        -3:
    ]
    assert 'export UV_DEFAULT_INDEX="${TORCHPIN_MIRROR_CORP:-https://wheels.example.org/simple}" &&' in own
    assert 'export TORCHPIN_MIRROR_KERNELS="${TORCHPIN_MIRROR_KERNELS:-https://example.org/a}" &&' in files
    assert "export TORCHPIN_PACKAGES=file:///run/torchpin/packages &&" in files
    for line in files, sources:
        assert "--mount=type=bind,source=packages,target=/run/torchpin/packages" in line
        assert "for note in /opt/venv/lib/python*/site-packages/*.dist-info/direct_url.json " in line
    assert "--require-build-hashes" in sources
    assert "direct_url" not in own
    names = [line.split(" --hash")[0] for line in export.install_file(locked.layers[-1]).splitlines()]
    assert names == [
        "fork @ ${TORCHPIN_PACKAGES}/fork-3.1.zip",
        "kernels @ ${TORCHPIN_MIRROR_KERNELS}/kernels-2.0%2Bcu12-cp310-cp310-linux_x86_64.whl",
        "tools @ ${TORCHPIN_PACKAGES}/tools-1.0-py3-none-any.whl",
    ]
    context = plan.build_context(env, locked, runtime={}, smoke="")
    listing = render_context_list(context)
    assert f"packages/fork-3.1.zip  sha256:{locked.packages['fork'].sha256}\n" in listing
    assert "packages/kernels" not in listing


def test_an_index_with_sources_is_asked_beside_pypi(environment: Environments, artifact: Artifacts) -> None:
    env = make_environment(
        environment, Layer(name="own", packages=(Requirement("inner==1.0"),), index="corp")
    )
    inner = artifact("inner", "1.0", by=("lora",), filename="inner-1.0.tar.gz")
    torch = (artifact("torch", by=("lora",)), artifact("torchvision", by=("lora",)))
    locked = Lock(layers=split_layers(env, (*torch, inner), uv="0.13.9")[0])
    line = [line for line in dockerfile_instructions(env, locked) if "pip install" in line][-1]
    assert (
        'export UV_INDEX="${TORCHPIN_MIRROR_CORP:-https://wheels.example.org/simple}" UV_INDEX_STRATEGY=unsafe-best-match'
        in line
    )
    assert 'export UV_DEFAULT_INDEX="$TORCHPIN_MIRROR_PYPI"' in line


def test_addresses_are_those_of_the_description_or_of_mirrors(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment)
    locked = make_lock(env, artifact)
    assert file_urls(env, locked, {})["kernels"] == URL
    mirrored = file_urls(env, locked, {"kernels": "https://mirror.example/k/"})
    assert mirrored["kernels"] == f"https://mirror.example/k/{URL.rpartition('/')[2]}"
    text = export.render_requirements(env, locked, file_urls(env, locked, {}))
    assert f"kernels @ {URL} --hash=" in text
    assert "# 03-own, from the index corp, https://wheels.example.org/simple\n" in text
    assert "# tools-1.0-py3-none-any.whl is a file of the repository" in text


def test_an_sbom_tells_where_each_is_from(environment: Environments, artifact: Artifacts) -> None:
    env = make_environment(environment)
    components = {row.name: row for row in environment_inventory(env, make_lock(env, artifact)).components}
    assert components["kernels"].address == URL
    assert "download_url=" in components["kernels"].purl
    assert components["fork"].address == f"git+https://github.com/example/fork@{'9a' * 20}"
    assert components["inner"].purl.endswith("?repository_url=https://wheels.example.org/simple")
    assert components["tools"].address == ""


def test_newer_releases_and_advisories_are_not_claimed_for_what_is_not_of_pypi(
    environment: Environments, artifact: Artifacts
) -> None:
    env = make_environment(environment)
    locked = make_lock(env, artifact)
    assert independent_packages(env, locked) == ("needed", "tqdm")
    notes = list_updates(env, locked, {"kernels": "9", "inner": "9"}).notes
    assert "flash-attn, inner: from the index corp, where newer releases were not looked for" in notes
    assert "kernels: from its own address, so its newer releases are not known" in notes
    (summary, *_) = audit_notices([env], [locked], ())
    assert summary.endswith(
        "flash-attn, fork, inner, kernels, tools by their names, though they are not from PyPI"
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("kernels", "kernels is from no index, so its other versions are not known"),
        ("numpy", "numpy is pinned for some variants each, at .* and .*"),
    ],
)
def test_a_bump_that_is_not_one_exact_edit_is_held_back(
    environment: Environments, name: str, why: str
) -> None:
    apart = (Package("numpy==1.26.4", variants=("gpu",)), Package("numpy==2.2.6", variants=("cpu",)))
    env = make_environment(environment, *LAYERS, Layer(name="apart", packages=apart))
    target = Target(kind="package", name=name, to="9.0")
    with pytest.raises(HeldError, match=why):
        edits_of_target(env.service, target, None)  # type: ignore[arg-type]
