"""What the metadata and the contents of the locked files state: a sealed file of licenses and one of wheels, a line a package."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from torchpin.lock.sealing import broken_file_error, seal, unseal
from torchpin.model import LicenseStatement, SharedFiles, WheelContents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LICENSES, WHEELS = "licenses.txt", "wheels.txt"
_LINE = re.compile(
    r"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)==(?P<version>[0-9a-z.+!_-]+) sha256:(?P<sha256>[0-9a-f]{64}) (?P<fields>\{.*\})"
)
# the fields of a license line, as the metadata name them
_LICENSE_FIELDS = {
    "expression": "License-Expression",
    "text": "License",
    "classifiers": "Classifier",
    "metadata_of": "of",
}
# the fields of a wheel's line
_WHEEL_FIELDS = {
    "requires": "requires",
    "installs": "installs",
    "cuda_libraries": "cuda-libraries",
    "cuda_runtimes": "cuda-runtimes",
    "shares": "shares",
    "contents_of": "of",
    "unpacked": "unpacked",
    "unread": "unread",
}


def licenses_text(environment: str, statements: Sequence[LicenseStatement]) -> str:
    """The file of what the metadata of the locked files say of their licenses."""
    lines = [
        _statement_line(
            statement,
            {key: value for field, key in _LICENSE_FIELDS.items() if (value := getattr(statement, field))},
        )
        for statement in statements
    ]
    return seal(
        f"# torchpin lock of {environment}, licenses as the packages state them",
        {"environment": environment},
        lines,
    )


def parse_licenses(file: str, text: str) -> tuple[LicenseStatement, ...]:
    """The statements of a file of licenses. Raises InputError as parse_layer does."""
    fields, lines = unseal(file, text)
    if {*fields} != {"environment"}:
        raise broken_file_error(file, 1, "expected the header field environment")
    statements = []
    for number, line in lines:
        statement = _parse_license(line)
        if statement is None:
            raise broken_file_error(file, number, f"not the license of a locked package: {line[:80]!r}")
        statements.append(statement)
    return tuple(statements)


@lru_cache(maxsize=20_000)  # variants and services have many lines in common
def _parse_license(line: str) -> LicenseStatement | None:
    match = _LINE.fullmatch(line)
    values = _license_values(match["fields"]) if match else None
    if not match or not values:
        return None
    return LicenseStatement(name=match["name"], version=match["version"], sha256=match["sha256"], **values)


def _license_values(text: str) -> dict[str, Any] | None:
    """The fields of a license line; None for others than are written."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    fields = {field: values[key] for field, key in _LICENSE_FIELDS.items() if key in values}
    if not fields or len(fields) != len(values):
        return None
    classifiers = fields.pop("classifiers", [])
    texts = [*fields.values(), *(classifiers if isinstance(classifiers, list) else [None])]
    if not all(isinstance(value, str) and value for value in texts):
        return None
    return {**fields, "classifiers": tuple(classifiers)}


def _statement_line(statement: LicenseStatement | WheelContents, fields: Mapping[str, Any]) -> str:
    return f"{statement.name}=={statement.version} sha256:{statement.sha256} {json.dumps(fields)}"


def wheels_text(environment: str, wheels: Sequence[WheelContents]) -> str:
    """The file of what was read out of the locked wheels."""
    lines = [_statement_line(wheel, _wheel_fields(wheel)) for wheel in wheels]
    first = f"# torchpin lock of {environment}, what was read out of its wheels"
    return seal(first, {"environment": environment}, lines)


def _wheel_fields(wheel: WheelContents) -> dict[str, Any]:
    shares = {shared.package: [shared.count, shared.example] for shared in wheel.shares}
    values = {field: getattr(wheel, field) for field in _WHEEL_FIELDS} | {"shares": shares}
    return {key: values[field] for field, key in _WHEEL_FIELDS.items() if values[field]}


def parse_wheels(file: str, text: str) -> tuple[WheelContents, ...]:
    """What a file of wheels has. Raises InputError as parse_layer does."""
    fields, lines = unseal(file, text)
    if {*fields} != {"environment"}:
        raise broken_file_error(file, 1, "expected the header field environment")
    wheels = []
    for number, line in lines:
        wheel = _parse_wheel(line)
        if wheel is None:
            raise broken_file_error(file, number, f"not as `invoke lock` writes a wheel: {line[:80]!r}")
        wheels.append(wheel)
    return tuple(wheels)


@lru_cache(maxsize=20_000)  # variants and services have many lines in common
def _parse_wheel(line: str) -> WheelContents | None:
    """The wheel of a line; None for another form than is written."""
    wheel = _wheel_values(line)
    return wheel if wheel and line == _statement_line(wheel, _wheel_fields(wheel)) else None


def _wheel_values(line: str) -> WheelContents | None:
    match = _LINE.fullmatch(line)
    if not match:
        return None
    try:
        values = json.loads(match["fields"])
        shares = [
            SharedFiles(package=str(package), count=int(count), example=str(example))
            for package, (count, example) in values.get("shares", {}).items()
        ]
        return WheelContents(
            name=match["name"],
            version=match["version"],
            sha256=match["sha256"],
            requires=tuple(map(str, values.get("requires", ()))),
            installs=tuple(map(str, values.get("installs", ()))),
            cuda_libraries=tuple(map(str, values.get("cuda-libraries", ()))),
            cuda_runtimes=tuple(map(int, values.get("cuda-runtimes", ()))),
            shares=tuple(shares),
            contents_of=str(values.get("of", "")),
            unpacked=int(values.get("unpacked", 0)),
            unread=str(values.get("unread", "")),
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
