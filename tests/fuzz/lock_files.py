"""The files of locks: what is edited is refused, also where its digest was made to match."""

from __future__ import annotations

import hashlib

from hypothesis import strategies as st

from fuzz.harness import Target
from fuzz.texts import ROOT, fragments, mutated, require_located, require_plain
from torchpin.errors import InputError
from torchpin.lock import file_format, sealing

_FOLDER = "lockfiles/lora-gpu"
_PIECES = fragments(
    *("# digest: ", "# ", ": ", "# optional: true\n", "# layer: build\n", " --hash=sha256:", ", source only", ", for a b", "9" * 5000),
    *(" bytes", "size not published", "==", ".whl", ".tar.gz", "a==1 --hash=sha256:" + "0" * 64 + "  # a.zip, 1 bytes\n"),
)  # fmt: skip


def _reseal(text: str) -> str:
    """A text with a digest that matches its lines, whoever wrote them; as it is if it has no line for it."""
    lines = text.split("\n")
    number = next((number for number, line in enumerate(lines) if line.startswith("# digest: ")), None)
    if number is None:
        return text
    content = "\n".join(lines[:number] + lines[number + 1 :])
    lines[number] = f"# digest: sha256:{hashlib.sha256(content.encode()).hexdigest()}"
    return "\n".join(lines)


def _shorten(text: str) -> str:
    """A file with its header and at most three lines: a change is to meet the one as often as the others."""
    lines = text.split("\n")
    header = sum(line.startswith("#") for line in lines)
    return _reseal("\n".join([*lines[: header + 3], ""]))


_LOCKS = tuple(
    {path.name: _shorten(path.read_bytes().decode()) for path in sorted(folder.glob("*.txt"))}
    for folder in sorted(ROOT.glob("lockfiles/*/"))
)


@st.composite
def locks(draw: st.DrawFn) -> dict[str, str]:
    """The files of a lock by name, with changes in up to two of them, mostly sealed again."""
    files = dict(draw(st.sampled_from(_LOCKS)))
    for name in draw(st.lists(st.sampled_from(sorted(files)), max_size=2)):
        changed = draw(mutated([files[name]], _PIECES))
        files[name] = changed if draw(st.integers(0, 4)) == 0 else _reseal(changed)
    return files


def _packages(text: str) -> list[str]:
    return [line for line in text.split("\n") if not line.startswith("#")]


def check_parsing(files: dict[str, str]) -> None:
    """Files of a lock are refused with their lines, or are those that its values are written to."""
    for text in files.values():
        sealing.is_sealed(text)
        sealing.has_header(text)
    try:
        lock = file_format.parse_lock(_FOLDER, files)
    except InputError as error:
        require_located(error, {f"{_FOLDER}/{name}": text for name, text in files.items()})
        return
    texts = file_format.lock_texts(lock)
    assert file_format.parse_lock(_FOLDER, texts) == lock
    assert {name: _packages(text) for name, text in texts.items()} == {
        name: _packages(text) for name, text in files.items()
    }
    for package in lock.all_packages.values():
        require_plain((package.name, package.version, package.filename))
    for layer in lock.layers:
        assert file_format.installer_requirements(layer).count("\n") == len(layer.packages)


def _with_package(line: str) -> dict[str, str]:
    """A lock with one more line in one of its files, sealed again."""
    name, text = next(iter(_LOCKS[0].items()))
    return {**_LOCKS[0], name: _reseal(f"{text}{line}\n")}


_REPEATED = next(line for line in next(iter(_LOCKS[0].values())).split("\n") if not line.startswith("#"))
_PACKAGE = f"a==1 --hash=sha256:{'0' * 64}  # a.whl, "
TARGET = Target(
    name="lock",
    strategy=locks(),
    check=check_parsing,
    examples=(
        _with_package(""),  # lines that are no package, or repeat one, were passed over
        _with_package(_REPEATED),
        _with_package(f"{_PACKAGE}1 bytes, source only"),
        _with_package(f"{_PACKAGE}{'9' * 5_000} bytes"),  # Python converts no number of so many digits
    ),
)
