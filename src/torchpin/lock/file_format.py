"""The files of a lock: requirements with hashes, one file a layer, without package hosts, each with a digest of its text."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from torchpin import paths
from torchpin.controls import CONTROL
from torchpin.errors import InputError
from torchpin.model import Artifact, LayerLock, LicenseStatement, Lock, Position, Problem, Upstream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A line names no host, so pip and uv install it from any index or mirror. The comment has what they do not need.
_PACKAGE_LINE = re.compile(
    r"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)==(?P<version>[0-9a-z.+!_-]+) --hash=sha256:(?P<sha256>[0-9a-f]{64})"
    r"  # (?P<filename>[A-Za-z0-9_.+!-]+), (?P<size>[0-9]{1,18} bytes|size not published)(?:, source only)?(?:, for (?P<required_by>[a-z0-9 -]+))?"
)
# `answers` is LayerLock.inputs_digest; the name stays, since committed locks have it.
_HEADER_FIELDS = ("environment", "layer", "origin", "python", "platform", "uv", "answers")
BUILD, PROVIDED = "build", "00-given"  # the layers that are not installed
UPSTREAM_PREFIX = "upstream-"
LICENSES = "licenses.txt"
_LICENSE_LINE = re.compile(
    r"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)==(?P<version>[0-9a-z.+!_-]+) sha256:(?P<sha256>[0-9a-f]{64}) (?P<fields>\{.*\})"
)
# the fields of a license line, as the metadata name them
_LICENSE_FIELDS = {
    "expression": "License-Expression",
    "text": "License",
    "classifiers": "Classifier",
    "metadata_of": "of",
}


def digest(text: str) -> str:
    """The SHA-256 of a text, as `sha256:…`."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _seal(first: str, fields: Mapping[str, str], lines: Sequence[str]) -> str:
    """A text of a header, lines, and in between the digest of both, so that any edit is detected."""
    head = [
        first,
        "# Made by `invoke lock`; do not edit.",
        *(f"# {name}: {value}" for name, value in fields.items()),
    ]
    body = [*lines, ""]
    return "\n".join([*head, f"# digest: {digest(chr(10).join([*head, *body]))}", *body])


def _unseal(file: str, text: str) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """The header fields and the numbered lines of a sealed text. Raises InputError if the digest does not match."""
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1) if CONTROL.search(text.replace("\n", "")) else ():
        control = CONTROL.search(line)
        if control:
            message = f"a control character at column {control.start() + 1}"
            raise _broken_file_error(file, number, message)
    seals = [number for number, line in enumerate(lines) if line.startswith("# digest: ")]
    if len(seals) != 1:
        raise _broken_file_error(file, 1, "expected one `# digest:` line in the header")
    (seal,) = seals
    without = "\n".join(lines[:seal] + lines[seal + 1 :])
    if lines[seal] != f"# digest: {digest(without)}":
        raise _broken_file_error(file, seal + 1, "was edited: its digest does not match its lines")
    fields = {}
    for number, line in enumerate(lines[2:seal], start=3):
        name, colon, value = line.removeprefix("# ").partition(": ")
        if not line.startswith("# ") or not colon:
            raise _broken_file_error(file, number, f"not a header field: {line[:80]!r}")
        fields[name] = value
    if lines[-1]:
        raise _broken_file_error(file, len(lines), "the last line has no end")
    return fields, [(number + 1, line) for number, line in enumerate(lines[:-1]) if number > seal]


def is_sealed(text: str) -> bool:
    """Whether a text is a file of a lock that was not edited."""
    try:
        _unseal("", text)
    except InputError:
        return False
    return True


def has_header(text: str) -> bool:
    """Whether a text is a file of a lock, edited or not; a file without any of the header is somebody's own."""
    head = text.split("\n")[:20]
    return "# Made by `invoke lock`; do not edit." in head or any(
        line.startswith("# digest: ") for line in head
    )


def _broken_file_error(file: str, line: int, message: str) -> InputError:
    problem = Problem(position=Position(file=file, line=line, column=1), path="", message=message)
    return InputError("run `invoke lock` to write it again, or restore it from git", (problem,))


def _package_line(package: Artifact) -> str:
    size = "size not published" if package.size is None else f"{package.size} bytes"
    kind = ", source only" if package.is_source else ""
    required_by = f", for {' '.join(package.required_by)}" if package.required_by else ""
    requirement = f"{package.name}=={package.version} --hash=sha256:{package.sha256}"
    return f"{requirement}  # {package.filename}, {size}{kind}{required_by}"


def layer_text(layer: LayerLock) -> str:
    """The file of a layer."""
    values = (
        layer.environment,
        layer.name,
        layer.origin,
        layer.python,
        layer.platform,
        layer.uv,
        layer.inputs_digest,
    )
    fields = dict(zip(_HEADER_FIELDS, values, strict=True)) | ({"optional": "true"} if layer.optional else {})
    lines = [_package_line(package) for package in layer.packages]
    return _seal(f"# torchpin lock of {layer.environment}, layer {layer.name}", fields, lines)


def parse_layer(file: str, text: str) -> LayerLock:
    """The layer of a file's text. Raises InputError with file:line if it was edited or is not a layer."""
    fields, lines = _unseal(file, text)
    if {*fields} - {"optional"} != {*_HEADER_FIELDS}:
        raise _broken_file_error(file, 1, f"expected the header fields {', '.join(_HEADER_FIELDS)}")
    packages = {package.name: package for package in (_parse_package(file, *numbered) for numbered in lines)}
    if len(packages) != len(lines):
        raise _broken_file_error(file, 1, "locks a package more than once")
    return LayerLock(
        environment=fields["environment"],
        name=fields["layer"],
        origin=fields["origin"],
        python=fields["python"],
        platform=fields["platform"],
        uv=fields["uv"],
        inputs_digest=fields["answers"],
        packages=tuple(packages.values()),
        optional="optional" in fields,
    )


def upstream_file(source: str) -> str:
    """The name of the file of a source's requirements."""
    return paths.lock_file(f"{UPSTREAM_PREFIX}{source}")


def _parse_package(file: str, number: int, line: str) -> Artifact:
    """The package of a line. Raises InputError unless it is written as `_package_line` writes it."""
    match = _PACKAGE_LINE.fullmatch(line)
    if not match:
        raise _broken_file_error(file, number, f"not a locked package with exactly one hash: {line[:80]!r}")
    size = match["size"].removesuffix(" bytes")
    package = Artifact(
        name=match["name"],
        version=match["version"],
        filename=match["filename"],
        sha256=match["sha256"],
        size=int(size) if size.isdigit() else None,
        required_by=tuple((match["required_by"] or "").split()),
    )
    if line != _package_line(package):
        raise _broken_file_error(file, number, f"not as `invoke lock` writes a package: {line[:80]!r}")
    return package


def upstream_text(upstream: Upstream) -> str:
    """The file of a source's requirements."""
    fields = {
        "source": upstream.source,
        "tag": upstream.tag,
        "commit": upstream.commit,
        "file": upstream.file,
    }
    return _seal(f"# What {upstream.source} {upstream.tag} itself asks for", fields, upstream.requirements)


def parse_upstream(file: str, text: str) -> Upstream:
    """A source's requirements from their file's text. Raises InputError as parse_layer does."""
    fields, lines = _unseal(file, text)
    if {*fields} != {"source", "tag", "commit", "file"}:
        raise _broken_file_error(file, 1, "expected the header fields source, tag, commit, file")
    return Upstream(**fields, requirements=tuple(line for _, line in lines))


def licenses_text(environment: str, statements: Sequence[LicenseStatement]) -> str:
    """The file of what the metadata of the locked files say of their licenses."""
    lines = [
        f"{statement.name}=={statement.version} sha256:{statement.sha256} "
        + json.dumps(
            {
                key: getattr(statement, field)
                for field, key in _LICENSE_FIELDS.items()
                if getattr(statement, field)
            }
        )
        for statement in statements
    ]
    return _seal(
        f"# torchpin lock of {environment}, licenses as the packages state them",
        {"environment": environment},
        lines,
    )


def parse_licenses(file: str, text: str) -> tuple[LicenseStatement, ...]:
    """The statements of a file of licenses. Raises InputError as parse_layer does."""
    fields, lines = _unseal(file, text)
    if {*fields} != {"environment"}:
        raise _broken_file_error(file, 1, "expected the header field environment")
    statements = []
    for number, line in lines:
        match = _LICENSE_LINE.fullmatch(line)
        values = _license_values(match["fields"]) if match else None
        if not match or not values:
            raise _broken_file_error(file, number, f"not the license of a locked package: {line[:80]!r}")
        statements.append(
            LicenseStatement(name=match["name"], version=match["version"], sha256=match["sha256"], **values)
        )
    return tuple(statements)


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


def lock_texts(lock: Lock) -> dict[str, str]:
    """The files of a lock, name to text."""
    layers = [*lock.layers, *(layer for layer in (lock.build, lock.provided) if layer)]
    licenses = {LICENSES: licenses_text(layers[0].environment, lock.licenses)} if layers else {}
    upstreams = {upstream_file(upstream.source): upstream_text(upstream) for upstream in lock.upstreams}
    return {layer.file: layer_text(layer) for layer in layers} | licenses | upstreams


def parse_lock(folder: str, texts: Mapping[str, str]) -> Lock:
    """A lock from `{file name: text}`. Raises InputError with every broken file."""
    layers: list[LayerLock] = []
    upstreams: list[Upstream] = []
    licenses: tuple[LicenseStatement, ...] = ()
    problems: list[Problem] = []
    for name, text in sorted(texts.items()):
        try:
            if name == LICENSES:
                licenses = parse_licenses(f"{folder}/{name}", text)
                continue
            if name.startswith(UPSTREAM_PREFIX):
                upstreams.append(parse_upstream(f"{folder}/{name}", text))
                expected_name = upstream_file(upstreams[-1].source)
            else:
                layers.append(parse_layer(f"{folder}/{name}", text))
                expected_name = layers[-1].file
            if expected_name != name:
                raise _broken_file_error(f"{folder}/{name}", 1, _misnamed(name, expected_name))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError("run `invoke lock` to write them again, or restore them from git", problems)
    special_layers = {layer.name: layer for layer in layers if layer.name in {BUILD, PROVIDED}}
    return Lock(
        layers=tuple(layer for layer in layers if layer.name not in special_layers),
        build=special_layers.get(BUILD),
        provided=special_layers.get(PROVIDED),
        upstreams=tuple(upstreams),
        licenses=licenses,
    )


def _misnamed(name: str, expected_name: str) -> str:
    if paths.present_name(name) == expected_name:
        return f"is named {expected_name} now; run `invoke lock` to move it"
    return f"has the header of {expected_name}"


def with_present_names(texts: Mapping[str, str]) -> dict[str, str]:
    """Texts by file name, with the names that files have now; of a file under both names, the present one counts."""
    moved = {paths.present_name(name): text for name, text in texts.items()}
    return moved | {name: text for name, text in texts.items() if name in moved}


def installer_requirements(layer: LayerLock) -> str:
    """The requirements of a layer alone, without header and comments."""
    return "".join(
        f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n" for package in layer.packages
    )


def requirement_lines(text: str) -> tuple[str, ...]:
    """The requirements of a source's file, sorted; without comments, options and lines such as `-e .`."""
    # pip joins a line that ends with a backslash to the next one, if there is one, before it removes comments.
    whole = re.sub(r"\\(?:\n|\Z)", " ", "\n".join(text.removeprefix("\ufeff").splitlines()))
    lines = (re.split(r"(?:^|\s)(?:#|--)", line, maxsplit=1)[0].strip() for line in whole.splitlines())
    return tuple(sorted(line for line in lines if line and not line.startswith("-")))
