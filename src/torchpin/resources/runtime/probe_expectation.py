"""What the probe is to find in an environment: read an expectation, compare the probe's document with it, report.

Standard library only, Python 3.8 and later; `probe.py` is in the same folder.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# PEP 440, with the spellings that it normalizes
VERSION = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<pre_number>\d*))?"
    r"(?P<post>-(?P<post_bare>\d+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_number>\d*))?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<dev_number>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?"
)
PRE = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}


def normalized(name: str) -> str:
    """Return the PEP 503 form of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def comparable(version: str) -> str:
    """Return the same text for versions that are equal by PEP 440: metadata of old wheels may not be normalized."""
    match = VERSION.fullmatch(version.strip().lower())
    if not match:
        return version
    part = match.groupdict()
    release = re.sub(r"(\.0)+$", "", ".".join(str(int(number)) for number in part["release"].split(".")))
    text = f"{int(part['epoch'] or 0)}!{release}"
    if part["pre"]:
        text += PRE.get(part["pre"], part["pre"]) + str(int(part["pre_number"] or 0))
    if part["post"]:
        text += f".post{int(part['post_bare'] or part['post_number'] or 0)}"
    if part["dev"]:
        text += f".dev{int(part['dev_number'] or 0)}"
    if part["local"]:
        local = re.split(r"[-_.]", part["local"])
        text += "+" + ".".join(str(int(piece)) if piece.isdigit() else piece for piece in local)
    return text


def is_text(value: object) -> bool:
    """Return whether a value is a string."""
    return isinstance(value, str)


def is_list(value: object) -> bool:
    """Return whether a value is a list of strings."""
    return isinstance(value, list) and all(map(is_text, value))


def is_table(value: object) -> bool:
    """Return whether a value is an object of strings."""
    return isinstance(value, dict) and all(map(is_text, value.values()))


def is_build(value: object) -> bool:
    """Return whether a value describes a build of torch; None means that torch is not checked."""
    if not isinstance(value, dict):
        return value is None
    cuda, archs, cxx11_abi = value.get("cuda"), value.get("archs"), value.get("cxx11_abi", True)
    keys = {"version", "cuda", "archs", "cudnn", "cxx11_abi"}
    well_formed = set(value) <= keys and is_text(value.get("version"))
    of_build = (cuda is None or is_text(cuda)) and (archs is None or is_list(archs))
    return well_formed and of_build and isinstance(cxx11_abi, bool)


SHAPE: Mapping[str, Callable[[object], bool]] = {
    "environment": is_text,
    "python": is_text,
    "distributions": is_table,
    "optional": is_table,
    "inherited": is_table,
    "torch": is_build,
    "imports": is_list,
    "sources": is_table,
    "user": is_text,
    "readable": is_list,
    "writable": is_list,
    "requested": is_list,  # the packages that the description names
    "compiled": is_table,  # the packages that the image's build compiled
    "capabilities": is_list,  # of the GPUs that they have code for
    "compiles": lambda value: isinstance(value, bool),  # kernels are compiled at run time
}
SHOWN_PATHS = 5  # that cannot be read; the others are counted


def expectation(text: str) -> dict[str, Any]:
    """Read an expectation. Raises ValueError with everything that is wrong with it."""
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("expected a JSON object")  # noqa: TRY004 - wrong input, not a bug
    errors = [f"missing key {key}" for key in ("python", "distributions") if key not in document]
    errors += [f"unknown key {key}" for key in document if key not in SHAPE]
    errors += [
        f"invalid value of {key}"
        for key, fits in SHAPE.items()
        if key in document and not fits(document[key])
    ]
    if not errors:
        inherited = set(map(normalized, document.get("inherited", ())))
        env_names = map(normalized, [*document["distributions"], *document.get("optional", ())])
        errors = [
            f"{name}: expected both in the environment and from the base"
            for name in sorted(inherited.intersection(env_names))
        ]
    if errors:
        raise ValueError("; ".join(errors))
    return document


def problems(document: dict[str, Any], expect: dict[str, Any]) -> list[str]:
    """Return a line for each difference between the probe's document and an expectation."""
    differences = []
    if not is_python(document["python"], expect["python"]):
        differences.append(differs("python", expect["python"], document["python"]))
    differences += distribution_problems(document, expect)
    differences += inherited_problems(document, expect)
    if expect.get("torch"):
        differences += torch_problems(document["torch"], expect["torch"])
    tried = {**dict.fromkeys(expect.get("imports", ()), "not tried"), **document["imports"]}
    differences += [f"import {name}: {error}" for name, error in tried.items() if error is not None]
    for path, expected in expect.get("sources", {}).items():
        actual = document["sources"].get(path, "not checked")
        if actual != expected:
            differences.append(differs(path, expected, actual))
    errors = [line for level, line in finding_lines(document) if level == "error"]
    return differences + access_problems(document, expect) + errors


def requested_names(expect: dict[str, Any]) -> list[str]:
    """Return the packages and top-level modules that an expectation names as those of the description."""
    modules = [name.partition(".")[0] for name in expect.get("imports", ())]
    return [*map(normalized, expect.get("requested", ())), *modules]


def finding_lines(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the level and the line of each finding in the probe's document."""
    return [
        (entry["level"], f"{entry['id']} {entry['message']}; {entry['help']}")
        for entry in document.get("findings", ())
    ]


def access_problems(document: dict[str, Any], expect: dict[str, Any]) -> list[str]:
    """Return what the user of the container cannot read or write, and whether another user was asked."""
    actual = document.get("user")
    differences = []
    if expect.get("user") and actual != expect["user"]:
        differences.append(differs("user", expect["user"], actual))
    refused = document.get("unreadable", []) if expect.get("readable") else []
    differences += [f"{path}: cannot be read by {actual}" for path in refused[:SHOWN_PATHS]]
    if len(refused) > SHOWN_PATHS:
        differences.append(f"{len(refused) - SHOWN_PATHS} more files and folders cannot be read by {actual}")
    if expect.get("writable"):
        differences += [f"{path}: cannot be written by {actual}" for path in document.get("unwritable", [])]
    return differences


def differs(subject: str, expected: object, actual: object) -> str:
    """Return the line of a difference."""
    return f"{subject}: expected {expected or 'none'}, found {actual or 'none'}"


def is_python(actual: str, expected: str) -> bool:
    """Return whether a Python is the expected one; `3.11` is any 3.11.x, since a base image decides which."""
    return actual == expected or (expected.count(".") == 1 and actual.startswith(f"{expected}."))


def is_version(actual: str, expected: str) -> bool:
    """Return whether a version is the expected one; without a local part in it, any local part is accepted."""
    compared = actual if "+" in expected else actual.partition("+")[0]
    return comparable(compared) == comparable(expected)


def distribution_problems(document: dict[str, Any], expect: dict[str, Any]) -> list[str]:
    """Return the missing, wrong, extra and duplicate distributions, by name."""
    actual = document["distributions"]
    required = {normalized(name): version for name, version in expect["distributions"].items()}
    optional = {normalized(name): version for name, version in expect.get("optional", {}).items()}
    compiled = {normalized(name): version for name, version in expect.get("compiled", {}).items()}
    required.update(compiled)
    expected = {**optional, **required}
    inherited = set(map(normalized, expect.get("inherited", ())))  # reported by inherited_problems
    differences = []
    for name in sorted({*required, *actual} - inherited):
        if name not in actual:
            base = document["inherited"].get(name)
            reason = f"not installed in the environment; the base has {base}" if base else "not installed"
            differences.append(f"{name}: expected {expected[name] or 'any version'}, {reason}")
        elif name not in expected:
            differences.append(f"{name}: expected not to be installed, found {actual[name]}")
        elif expected[name] and not (
            is_version(actual[name], expected[name])  # its project may add a local part to it
            if name in compiled
            else comparable(actual[name]) == comparable(expected[name])
        ):
            differences.append(differs(name, expected[name], actual[name]))
    differences += [f"{name}: recorded more than once in site-packages" for name in document["duplicates"]]
    return differences


def inherited_problems(document: dict[str, Any], expect: dict[str, Any]) -> list[str]:
    """Return the missing and wrong distributions of the base, by name; others in the base are not compared."""
    expected = {normalized(name): version for name, version in expect.get("inherited", {}).items()}
    differences = []
    for name, version in sorted(expected.items()):
        actual = document["inherited"].get(name)
        if name in document["distributions"]:
            differences.append(f"{name}: expected from the base, but it is installed in the environment")
        elif actual is None or not is_version(actual, version):
            differences.append(differs(name, f"{version} from the base", actual))
    return differences


def torch_problems(actual: dict[str, Any] | None, expected: dict[str, Any]) -> list[str]:
    """Return the differences of torch's build: version, CUDA, cuDNN, C++11 ABI, compiled architectures."""
    if actual is None or "error" in actual:
        reason = actual["error"] if actual else "torch is not installed"
        return [f"torch.__version__: expected {expected['version']}, {reason}"]
    differences = []
    version = str(actual["version"])
    if not is_version(version, expected["version"]):  # torch 2.5.1 from PyPI has the __version__ 2.5.1+cu124
        differences.append(differs("torch.__version__", expected["version"], version))
    if "cuda" in expected and actual["cuda"] != expected["cuda"]:
        differences.append(differs("torch CUDA", expected["cuda"], actual["cuda"]))
    if "cudnn" in expected and actual["cudnn"] != expected["cudnn"]:
        differences.append(differs("torch.backends.cudnn.version()", expected["cudnn"], actual["cudnn"]))
    if "cxx11_abi" in expected and actual["cxx11_abi"] != expected["cxx11_abi"]:
        differences.append(differs("torch C++11 ABI", abi(expected["cxx11_abi"]), abi(actual["cxx11_abi"])))
    missing = [arch for arch in expected.get("archs") or () if arch not in actual["archs"]]
    if missing:
        differences.append(differs("torch architectures", " ".join(missing), " ".join(actual["archs"])))
    return differences


def abi(value: bool | None) -> str | None:
    """Return the C++11 ABI of a build as wheels have it in their names."""
    return None if value is None else str(value).upper()


def verdict(document: dict[str, Any], differences: Sequence[str]) -> str:
    """Return the result as text: a line for each warning and each problem, and a last line."""
    warnings = "".join(
        f"probe: WARN {line}\n" for level, line in finding_lines(document) if level == "warning"
    )
    if differences:
        count = f"{len(differences)} problem" + ("s" if len(differences) > 1 else "")
        return warnings + "".join(f"probe: FAIL {line}\n" for line in differences) + f"probe: {count}\n"
    torch = document["torch"] or {}
    build = f"torch {torch.get('version')}, " + (f"CUDA {torch['cuda']}" if torch.get("cuda") else "no CUDA")
    return f"{warnings}probe: ok, {len(document['distributions'])} distributions, {build if torch else 'no torch'}\n"
