"""Images of distributions, and of what is named after the distribution that it lies on: uv, conda, distroless, Lambda."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin.facts.image_rows import UNREAD, Reading, read_row, systems

if TYPE_CHECKING:
    from torchpin.facts.load import RawRow

# What may follow the release in a tag, by distribution.
_SUFFIXES = {
    "debian": {"slim", "backports"},
    "buildpack-deps": {"curl", "scm"},
    "rockylinux": {"minimal", "ubi", "ubi-init", "ubi-micro"},
    "almalinux": {"minimal", "base", "micro", "init"},
    "oraclelinux": {"slim", "slim-fips"},
    "amazonlinux": {"minimal"},
}
_MOVING = {
    "latest",
    "rolling",
    "devel",
    "edge",
    "sid",
    "unstable",
    "testing",
    "stable",
    "oldstable",
    "rawhide",
}
_DATE = re.compile(r"[-.]?\d{8}(?:[.-]\d+)*")
_UV = re.compile(
    r"(?:\d+(?:\.\d+)*-)?(?:python(?P<python>3\.\d+)(?:-rc)?-)?(?P<system>[a-z]+[\d.]*)(?:-slim)?"
)
_MICROMAMBA = re.compile(r"(?:git-\w+|\d+(?:\.\d+)*(?:-\d+)?)-(?P<rest>.+)")
_LAMBDA_2023 = 12  # from Python 3.12 on AWS Lambda's images are of Amazon Linux 2023


def read_distribution(family: str, tag: str) -> Reading:
    """What a tag of a distribution says: `22.04`, `jammy-20240808`, `bookworm-slim`, `9.5-minimal`."""
    release, _, suffix = _without_date(tag.removeprefix(f"{family}")).partition("-")
    source = f"Docker Official Image {family}"
    if release in _MOVING:
        return Reading(row=read_row(_current_system(family, release), source, listed=True, moves=True))
    system, listed = _find_system(family, release)
    if family == "buildpack-deps":
        system = _by_codename(release)
        listed = system is not None
    if suffix and suffix not in _SUFFIXES.get(family, set()):
        violation = f"tags of {family} have no -{suffix}" if system else ""
        return Reading(violation=violation, citation=system["source"] if system else "")
    if system is None:
        violation = _release_violation(family, release)
        return Reading(violation=violation, citation=f"releases of {family}" if violation else "")
    return Reading(row=read_row(system["os"], source, listed=listed and _without_date(tag) == tag))


def _current_system(family: str, tag: str) -> str | None:
    """The distribution that a moving tag points to today; None where the facts do not say."""
    rows = [row for row in systems().values() if re.fullmatch(rf"{family}[\d.]*", row["os"])]
    pointed = next((row["os"] for row in rows if tag in row.get("aliases", ())), None)
    return pointed or (family if family in systems() else None)


def _without_date(tag: str) -> str:
    return _DATE.sub("", tag)


def _find_system(family: str, release: str) -> tuple[RawRow | None, bool]:
    """The distribution of a release such as `22.04`, `jammy` or `9.5`, and whether the release is known to exist."""
    if row := systems().get(f"{family}{release}"):
        return row, True
    if re.fullmatch(r"\d+(?:\.\d+)*", release):
        parts = release.split(".")
        for length in (2, 1):
            row = systems().get(f"{family}{'.'.join(parts[:length])}")
            if row and len(parts) > length and family != "ubuntu":
                point = int(parts[length])
                return row, point <= row.get("points", -1)
        return None, False
    row = _by_codename(release)
    return (row, True) if row and row["os"].startswith(family) else (None, False)


def _by_codename(name: str) -> RawRow | None:
    return next((row for row in systems().values() if row.get("codename") == name), None)


def _release_violation(family: str, release: str) -> str:
    """Why a release of a distribution does not exist; "" where the facts do not say."""
    if (
        family == "ubuntu"
        and (match := re.fullmatch(r"\d\d\.(\d+)", release))
        and match[1] not in {"04", "10"}
    ):
        return f"ubuntu has no release {release}: its releases are <YY.04> and <YY.10>"
    numbers = [int(match[1]) for os in systems() if (match := re.fullmatch(rf"{family}(\d+)", os))]
    if (
        numbers
        and release.isdigit()
        and int(release) < min(numbers)
        and family in {"rockylinux", "almalinux"}
    ):
        return f"{family} has no release {release}: its first is {min(numbers)}"
    return ""


def read_enterprise(repository: str, tag: str) -> Reading:
    """What a name of Red Hat's universal base images says: `ubi9/ubi-minimal:9.5`, `ubi9/python-312`."""
    match = re.fullmatch(r"(?:redhat/)?ubi(\d+)(?:[/-]([\w-]+))?", repository)
    if match is None:
        return UNREAD
    row = systems().get(f"ubi{match[1]}")
    if row is None:
        return UNREAD
    python = re.fullmatch(r"python-(3)(\d+)(?:-minimal)?", match[2] or "")
    columns = {"python": f"3.{python[2]}"} if python else {}
    point = re.fullmatch(rf"{match[1]}\.(\d+)", tag)
    listed = tag == "latest" or bool(point and int(point[1]) <= row.get("points", -1))
    return Reading(
        row=read_row(row["os"], "Red Hat catalog of universal base images", listed=listed, **columns)
    )


def read_leap(tag: str) -> Reading:
    """What a tag of opensuse/leap says."""
    row = systems().get(f"opensuse{tag.removesuffix('.0') if tag.startswith('15') else tag}")
    return Reading(row=read_row(row["os"], listed=True)) if row else UNREAD


def read_uv(tag: str) -> Reading:
    """What a tag of uv's image says: `python3.12-bookworm-slim`, `0.5.4-alpine`. Its other tags hold uv and no system."""
    match = _UV.fullmatch(tag)
    system = _named_system(match["system"]) if match else None
    if match is None or system is None:
        return UNREAD
    columns = {"python": match["python"]} if match["python"] else {}
    return Reading(row=read_row(system, "uv documentation: Docker images", listed=True, **columns))


def read_micromamba(tag: str) -> Reading:
    """What a tag of micromamba's image says: `1.5.8-jammy-cuda-12.1.1`, `2.0.5-debian12-slim`."""
    match = _MICROMAMBA.fullmatch(tag)
    suffix = match["rest"] if match else tag
    cuda = re.search(r"cuda-?(\d+\.\d+\.\d+)", suffix)
    name = re.sub(r"-?cuda-?[\d.]+-?|-slim", "", suffix).strip("-")
    system = _named_system(name)
    if system is None:
        return UNREAD
    columns = {"cuda": cuda[1], "variant": "base", "gate_cuda": cuda[1]} if cuda else {}
    return Reading(row=read_row(system, "mamba-org/micromamba-docker tags", listed=False, **columns))


def read_distroless(repository: str, _: str) -> Reading:
    """What a name of a distroless image says: `gcr.io/distroless/python3-debian12`."""
    match = re.fullmatch(r"distroless/(?P<name>[\w-]+)-(?P<os>debian\d+)", repository)
    row = systems().get(match["os"]) if match else None
    if match is None or row is None:
        return UNREAD
    columns = {"python": row["apt_python"]} if match["name"] == "python3" and row.get("apt_python") else {}
    # The tags with `debug` have a shell, but as /busybox/sh.
    return Reading(
        row=read_row(row["os"], "GoogleContainerTools/distroless", listed=True, has_shell=False, **columns)
    )


def read_lambda(tag: str) -> Reading:
    """What a tag of AWS Lambda's Python image says."""
    match = re.fullmatch(r"3\.(\d+)(?:[.-].*)?", tag)
    if match is None:
        return UNREAD
    system = "amazonlinux2023" if int(match[1]) >= _LAMBDA_2023 else "amazonlinux2"
    row = read_row(
        system, "AWS Lambda base images for Python", listed=tag.count(".") == 1, python=f"3.{match[1]}"
    )
    return Reading(row=row)


def read_devcontainer(_: str, tag: str) -> Reading:
    """What a tag of the Python image for dev containers says: `1-3.12-bookworm`, `3.11`."""
    match = re.fullmatch(r"(?:\d+(?:\.\d+)*-)?(3\.\d+)-(\w+)", tag)
    system = _by_codename(match[2]) if match else None
    if match is None or system is None:
        return UNREAD
    return Reading(row=read_row(system["os"], "devcontainers/images", listed=False, python=match[1]))


def _named_system(name: str) -> str | None:
    """The distribution of a name such as `bookworm`, `debian12`, `ubuntu24.04`, `alpine3.20` or `alpine`."""
    codename = _by_codename(name)
    if codename:
        return str(codename["os"])
    return name if name in systems() else None
