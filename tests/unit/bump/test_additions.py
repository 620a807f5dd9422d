"""What may be added to a service, the layer that it goes into, and the edits that follow."""

from __future__ import annotations

from dataclasses import replace

import pytest
from packaging.requirements import Requirement

from support.small_service import DESCRIPTION, make_lock, read_environment
from torchpin.bump.additions import (
    Addition,
    addition_changes,
    has_layer,
    parse_packages,
    place,
    version_by_facts,
    with_pins,
)
from torchpin.description import read
from torchpin.description.edit import apply_changes
from torchpin.description.environments import select_environments
from torchpin.errors import InputError
from torchpin.model import Artifact, Change, Lock, Service

SEVERAL = DESCRIPTION.replace(
    "layers:\n",
    "layers:\n"
    "  - {name: flash, packages: [flash-attn==2.7.4.post1]}\n"
    "  - {name: web, packages: [fastapi==0.119.0]}\n",
).rstrip("\n") + (
    "\n  - {name: extras, packages: [tqdm==4.67.1], optional: true}\n"
    "  - {name: corp, packages: [inside==1.0], index: corp}\n"
    "indexes: {corp: {url: https://wheels.example.org/simple}}\n"
    "overrides: [{package: numpy==1.26.4, because: an ABI, evidence: own run}]\n"
)


def service(description: str = DESCRIPTION) -> Service:
    (described,) = read.read_services({"services/lora/service.yaml": description})
    return described


def layers(description: str, *texts: str, layer: str = "", lock: Lock | None = None) -> list[str]:
    additions = place(service(description), parse_packages(texts), {"lora-gpu": lock}, layer)
    return [row.layer for row in additions]


def edited(description: str, *texts: str) -> str:
    additions = place(service(description), parse_packages(texts), {}, "")
    pinned = [row if row.version else row.pinned("1.2") for row in additions]
    return apply_changes(description, addition_changes(service(description), pinned))


def test_names_extras_and_versions_are_requirements() -> None:
    texts = ("fastapi", " uvicorn[standard] ", "pydantic>=2,<3", "Six==1.17.0")
    assert [str(row) for row in parse_packages(texts)] == [
        "fastapi",
        "uvicorn[standard]",
        "pydantic<3,>=2",
        "Six==1.17.0",
    ]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("fastapi; python_version < '3.11'", r"variants: \[gpu\]"),
        ("foo @ https://example.org/foo-1.0-py3-none-any.whl", "`url:` and `sha256:`"),
        ("git+https://github.com/a/b", "`git:` and `commit:`"),
        ("./wheels/foo-1.0-py3-none-any.whl", "`path:`"),
        ("fast api", "is not a requirement"),
        ("", "is not a requirement"),
    ],
)
def test_what_is_no_package_of_an_index_is_refused_with_what_to_write(text: str, advice: str) -> None:
    with pytest.raises(InputError, match=advice):
        parse_packages([text])


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InputError) as error:
        parse_packages(["a b", "six", "Six>=1"])
    first, second, last = str(error.value).splitlines()
    assert first.startswith("a b: is not a requirement")
    assert second == "Six>=1: six names the same package; name it once"
    assert last == "nothing was changed"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("six", r"services/lora/service.yaml:9:48: six==1.17.0 is pinned already; `invoke bump six==VERSION"),
        ("six[fast]", r"six==1.17.0 is pinned already; write six\[fast\]==1.17.0 there, then lock"),
        ("torch==2.7.1", r"torch 2.5.1 is pinned under `torch`; `invoke bump torch==VERSION"),
        ("torchvision", r"service.yaml:5:53: torchvision 0.20.1 is pinned under `torch`"),
        ("flash-attn", r"its wheels are for one build of torch each.*recorded: 2\.8"),
    ],
)
def test_what_the_description_decides_already_is_refused_with_the_way_to_change_it(
    text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        layers(DESCRIPTION, text)


def test_an_override_decides_the_version() -> None:
    with pytest.raises(InputError, match=r"numpy==1\.26\.4 is an override"):
        layers(SEVERAL, "numpy")


def test_the_last_layer_that_every_image_has_gets_the_packages() -> None:
    assert layers(SEVERAL, "regex", "einops") == ["training", "training"]


def test_a_dependency_goes_into_the_layer_that_has_it_already() -> None:
    lock = make_lock(read_environment(DESCRIPTION), starlette="0.40")
    assert layers(DESCRIPTION, "starlette", lock=lock) == ["training"]
    web_first = DESCRIPTION.replace("layers:\n", "layers:\n  - {name: web, packages: [fastapi==0.119.0]}\n")
    starlette = Artifact(name="starlette", version="0.40", filename="", sha256="")
    web = replace(make_lock(read_environment(DESCRIPTION)).layers[2], name="02-web", packages=(starlette,))
    assert layers(web_first, "Starlette", lock=Lock(layers=(web,))) == ["web"]
    assert layers(web_first, "regex", lock=Lock(layers=(web,))) == ["training"]


def test_a_named_layer_gets_them_and_an_unknown_one_is_refused() -> None:
    assert layers(SEVERAL, "regex", layer="extras") == ["extras"]
    with pytest.raises(InputError, match=r"unknown layer 'trainin' of lora \(did you mean 'training'\?\)"):
        layers(SEVERAL, "regex", layer="trainin")
    with pytest.raises(InputError, match="layer flash of lora has a wheel that is from no index, alone"):
        layers(SEVERAL, "regex", layer="flash")


def test_a_service_without_a_usable_layer_gets_one() -> None:
    bare = DESCRIPTION.partition("layers:")[0] + "layers: []\n"
    assert edited(bare, "regex", "einops==0.8").endswith(
        "layers: [{name: app, packages: [regex==1.2, einops==0.8]}]\n"
    )
    optional = bare.replace("[]", "\n  - {name: app, packages: [six==1.17.0], optional: true}")
    assert edited(optional, "regex").endswith(
        "optional: true}\n  - name: app-2\n    packages: [regex==1.2]\n"
    )


def test_pins_are_appended_and_nothing_else_changes() -> None:
    assert edited(DESCRIPTION, "regex", "uvicorn[standard]") == DESCRIPTION.replace(
        "six==1.17.0]", 'six==1.17.0, regex==1.2, "uvicorn[standard]==1.2"]'
    )


def test_what_is_released_with_torch_is_pinned_beside_it() -> None:
    assert 'companions: {torchvision: "0.20.1", torchaudio: 1.2}' in edited(
        DESCRIPTION, "torchaudio"
    ).replace('"1.2"', "1.2")
    without = DESCRIPTION.replace(', companions: {torchvision: "0.20.1"}', "")
    assert "companions: {torchaudio: " in edited(without, "torchaudio")


def test_a_layer_of_some_variants_gives_the_others_nothing() -> None:
    text = DESCRIPTION.replace("  gpu:", "  cpu: {channel: cpu, platform: linux/amd64}\n  gpu:").replace(
        "six==1.17.0]", "six==1.17.0], variants: [gpu]"
    )
    of_layer = {
        env.variant.name: has_layer(env, Addition(requirement=Requirement("regex"), layer="training"))
        for env in select_environments([service(text)])
    }
    assert of_layer == {"cpu": False, "gpu": True}
    # so another package gets a layer that all variants have
    assert edited(text, "regex").endswith("  - name: app\n    packages: [regex==1.2]\n")


def test_a_dependency_of_an_optional_layer_is_no_longer_optional() -> None:
    lock = make_lock(read_environment(SEVERAL), fastapi="0.119.0", regex="1.0")
    extras = replace(lock.layers[-2], packages=(Artifact(name="regex", version="1", filename="", sha256=""),))
    assert extras.name == "05-extras"
    assert layers(SEVERAL, "regex", lock=replace(lock, layers=(extras,))) == ["training"]


def test_an_environment_with_packages_has_them_in_their_layers() -> None:
    env = read_environment(DESCRIPTION)
    additions = [
        Addition(requirement=Requirement("regex>=1"), layer="training"),
        Addition(requirement=Requirement("torchaudio==2.5.1"), layer=""),
        Addition(requirement=Requirement("einops"), layer="app"),
    ]
    placed = with_pins(env, additions)
    assert [[str(package) for package in layer.packages] for layer in placed.layers] == [
        ["jinja2==3.1.2", "six==1.17.0", "regex==0"],
        ["einops==0"],
    ]
    assert str(placed.service.torch.companions["torchaudio"]) == "2.5.1"
    assert env == read_environment(DESCRIPTION)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("torchaudio", "2.5.1"),
        ("torchaudio>=2.6", ""),
        ("torchaudio==2.4.1", "2.4.1"),
        ("vllm", ""),
        ("regex", ""),
    ],
)
def test_what_a_channel_has_goes_with_torch_by_facts(text: str, version: str) -> None:
    (addition,) = place(service(), parse_packages([text]), {}, "")
    assert version_by_facts(service(), addition).version == version


def test_a_new_layer_is_one_change() -> None:
    additions = [Addition(requirement=Requirement("regex==1.0"), layer="app")]
    assert addition_changes(service(), additions) == [
        Change(path="layers[+]", value={"name": "app", "packages": ("regex==1.0",)})
    ]
