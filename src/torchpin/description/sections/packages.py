"""The packages of a layer: an exact pin, or a pin with its variants, or with the file that it comes from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from torchpin.description.patterns import (
    COMMIT,
    INSIDE,
    NAME,
    PIN,
    SHA256,
    URL,
    WHEEL_PATH,
    WHEEL_URL,
)
from torchpin.description.sections.addresses import refuse_credentials
from torchpin.description.shapes import Alternatives, Items, Key, Record, Text
from torchpin.model import Package, PackageFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.description.yaml_reader import Reader

_ADDRESS = re.compile(r"(?:[a-z]+\+)?[a-z]+://|git@")
_GIT_ADDRESS = re.compile(r"git\+|git://|git@|ssh://|[^#?]*\.git(?:[@#]|$)")
_FILE_KEYS = ("url", "path", "git")
_NEEDS = {"url": "sha256", "git": "commit"}  # a key, and the key without which it names no exact file
_FOLLOWS = {"sha256": "url", "commit": "git", "subdirectory": "git"}


def parse_pin(text: str) -> Requirement:
    """An exact pin, `name==version` or `name[extra]==version`. Raises ValueError for everything looser."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(_address_advice(text) or str(error).splitlines()[0]) from None
    exact = [s for s in requirement.specifier if s.operator == "==" and not s.version.endswith(".*")]
    message = _advice(requirement, is_exact=len(requirement.specifier) == 1 and bool(exact))
    if message:
        raise ValueError(message)
    return requirement


def _address_advice(text: str, name: str = "NAME") -> str:
    """What to write instead of an address; "" for another text."""
    if not _ADDRESS.match(text):
        return ""
    keys = "git: …, commit: …" if _GIT_ADDRESS.match(text) else "url: …, sha256: …"
    return f"pin one version with ==, and give the address a key: {{pin: {name}==1.0, {keys}}}"


def _advice(requirement: Requirement, *, is_exact: bool) -> str:
    """What to write instead of an address, a range or a marker; "" for an exact pin."""
    name = requirement.name
    if requirement.url:
        return _address_advice(requirement.url, name)
    if not is_exact:
        return "pin one version with ==, such as the newest that fits"
    if requirement.marker:
        pin = f"{name}{requirement.specifier}"
        return f"a variant has one Python and one platform; name those that have it: {{pin: {pin}, variants: [gpu]}}"
    return ""


def layer_pins(values: Mapping[str, Any]) -> Iterator[tuple[str, Requirement]]:
    """The pins of the layers of a description that is being read, each with its key path; what was refused is left out."""
    for number, layer in enumerate(values.get("layers") or ()):
        for index, package in enumerate((layer or {}).get("packages") or ()):
            pin = package if isinstance(package, Requirement) else (package or {}).get("pin")
            if pin is not None:
                yield f"layers[{number}].packages[{index}]", pin


_refuse_credentials = refuse_credentials(", it belongs in a netrc file or git's credential store")


_PIN = Text(rule=PIN, parse=parse_pin)
_LONG_FORM = Record(
    keys=(
        Key(
            name="pin",
            shape=_PIN,
            doc="The exact pin. For a wheel or a git repository it has to be what its metadata say.",
            example="bitsandbytes==0.45.3",
            required=True,
        ),
        Key(
            name="variants",
            shape=Items(of=Text(rule=NAME), unique=True, expected="variant, such as gpu"),
            doc="The variants that have the package. Another version may be pinned for others.",
            example="[gpu]",
        ),
        Key(
            name="url",
            shape=Text(rule=WHEEL_URL, refuse=_refuse_credentials),
            doc="The address of a wheel; TORCHPIN_MIRROR_<NAME> of the package replaces the folder of the file.",
            example="https://example.org/wheels/foo-1.2-py3-none-any.whl",
        ),
        Key(
            name="sha256",
            shape=Text(rule=SHA256),
            doc="The SHA-256 of the wheel at `url`.",
            example=f'"{"0f" * 32}"',
        ),
        Key(
            name="path",
            shape=Text(rule=WHEEL_PATH),
            doc="A wheel in this repository, from its root. Its hash is measured when it is locked.",
            example="wheels/foo-1.2-py3-none-any.whl",
        ),
        Key(
            name="git",
            shape=Text(rule=URL, refuse=_refuse_credentials),
            doc="The address of a git repository that the package is built from, at `commit`.",
            example="https://github.com/huggingface/diffusers",
        ),
        Key(name="commit", shape=Text(rule=COMMIT), doc="The commit, in full.", example=f'"{"0f" * 20}"'),
        Key(
            name="subdirectory",
            shape=Text(rule=INSIDE),
            doc="The folder of the git repository that has the package.",
            example="python",
        ),
    )
)
PACKAGES = Items(of=Alternatives(text=_PIN, record=_LONG_FORM))


def build_package(value: Requirement | Mapping[str, Any]) -> Requirement:
    if isinstance(value, Requirement):
        return value
    fields = {key: value[key] for key in (*_FILE_KEYS, *_FOLLOWS) if key in value}
    file = PackageFile(**fields) if fields else None
    return Package(str(value["pin"]), variants=value.get("variants", ()), file=file)


def package_value(package: Requirement) -> object:
    """A package as it is written: the pin alone where there is no more to say of it."""
    if not isinstance(package, Package) or (not package.variants and package.file is None):
        return str(package)
    file = package.file or PackageFile()
    fields = {key: getattr(file, key) for key in (*_FILE_KEYS, *_FOLLOWS)}
    return {"pin": str(package), "variants": list(package.variants), **fields}


def check_package(reader: Reader, value: Requirement | Mapping[str, Any], path: str) -> None:
    """Adds a problem where the keys of a long form do not name one exact file, or the file is not that of the pin."""
    if isinstance(value, Requirement):
        return
    named = [key for key in _FILE_KEYS if key in value]
    if len(named) > 1:
        reader.add_problem_at(path, f"{' and '.join(named)} name different files of one package; keep one")
        return
    for key, needed in _NEEDS.items():
        if key in value and needed not in value:
            hint = " (`sha256sum` prints it)" if needed == "sha256" else " (`git rev-parse` prints it)"
            reader.add_problem_at(
                f"{path}.{key}", f"the key {needed!r} is missing: without it this is no exact file{hint}"
            )
    for key, needed in _FOLLOWS.items():
        if key in value and needed not in value:
            reader.add_problem_at(f"{path}.{key}", f"goes with {needed!r}, which is missing")
    for key in ("url", "path"):
        if value.get(key) and value.get("pin"):
            _check_wheel_name(
                reader, value["pin"], PackageFile(**{key: value[key]}).filename, f"{path}.{key}"
            )


def _check_wheel_name(reader: Reader, pin: Requirement, filename: str, path: str) -> None:
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        reader.add_problem_at(path, f"{error}; a wheel keeps the name that it was built with")
        return
    pinned = Version(next(iter(pin.specifier)).version)
    # An ABI as local version is in the file's name alone, so the pin need not have it.
    if name != canonicalize_name(pin.name) or pinned not in {version, Version(version.public)}:
        reader.add_problem_at(
            path, f"{filename} is {name} {version}, and the pin is {pin}; make them the same"
        )
