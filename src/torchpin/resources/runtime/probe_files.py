"""What the files of an environment need: libraries, versions of glibc and libstdc++, one owner for each file.

Only the headers and the dynamic section of a shared library are read, and the RECORD files of installers: nothing is
loaded, nothing is imported. Standard library only, Python 3.8 and later; `probe.py` is in the same folder.
"""

from __future__ import annotations

import csv
import mmap
import os
import re
import struct
import sysconfig
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from probe_expectation import normalized

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MACHINES = {"x86_64": 62, "aarch64": 183}
LIBRARY = re.compile(r"\.so(?:\.\d+)*$")
MODULE = re.compile(r"\.(?:cpython-\d+\w*(?:-[\w-]+)?|abi3)\.so$")  # what Python imports by its name
# comes into the container with the driver of its host
OF_DRIVER = re.compile(r"lib(?:cuda|nvidia-[\w-]+|nvcuvid|nvoptix|cudadebugger|nvcudla)\.so(?:\.\d+)*")
OF_CUDA = re.compile(r"lib(?:cu[a-z]|nv(?:rtc|JitLink|jpeg|blas|fatbin)|nccl|npp)\w*")
LOADER_CACHE = "/etc/ld.so.cache"
LOADER_FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")
NEEDED, STRINGS, SONAME, RPATH, RUNPATH = 1, 5, 14, 15, 29
VERSIONS, VERSIONS_COUNT, DEFINED, DEFINED_COUNT = 0x6FFFFFFE, 0x6FFFFFFF, 0x6FFFFFFC, 0x6FFFFFFD
LOADED, DYNAMIC = 1, 2  # kinds of segments
LONGEST_NAME = 4096


class Library(NamedTuple):
    """A shared library for this machine. `versions`: the symbol versions that it needs, or defines, such as GLIBC_2.34."""

    path: str
    soname: str
    needed: tuple[str, ...]
    folders: tuple[str, ...]  # RUNPATH or RPATH, with $ORIGIN filled in
    versions: tuple[str, ...]
    defined: tuple[str, ...]


class Reader:
    """The dynamic section of an ELF file of 64 bits, little-endian. Raises ValueError or struct.error where it is damaged."""

    def __init__(self, content: Any) -> None:
        self.content = content
        offset, (size, count) = (
            struct.unpack_from("<Q", content, 32)[0],
            struct.unpack_from("<HH", content, 54),
        )
        headers = [struct.unpack_from("<IIQQQQ", content, offset + size * number) for number in range(count)]
        self.segments = [(vaddr, size, start) for kind, _, start, vaddr, _, size in headers if kind == LOADED]
        dynamic = next(((start, size) for kind, _, start, _, _, size in headers if kind == DYNAMIC), (0, 0))
        self.tags: list[tuple[int, int]] = []
        for place in range(dynamic[0], sum(dynamic), 16):
            tag, value = struct.unpack_from("<QQ", content, place)
            if tag == 0:
                break
            self.tags.append((tag, value))
        self.values = dict(self.tags)

    def offset(self, address: int) -> int:
        """Return where an address is in the file."""
        for vaddr, size, start in self.segments:
            if vaddr <= address < vaddr + size:
                return int(address - vaddr + start)
        raise ValueError(f"the address {address:#x} is in no segment")

    def text(self, number: int) -> str:
        """Return a text of the string table."""
        start = self.offset(self.values[STRINGS]) + number
        end = self.content.find(b"\0", start, start + LONGEST_NAME)
        if end < 0:
            raise ValueError("a name without end")
        return str(self.content[start:end].decode("utf-8", "replace"))

    def texts(self, tag: int) -> tuple[str, ...]:
        """Return the texts of a tag that may occur several times."""
        return tuple(self.text(value) for name, value in self.tags if name == tag)

    def needed_versions(self) -> Iterator[str]:
        """Yield the symbol versions that the file needs of other libraries."""
        place = self.offset(self.values[VERSIONS]) if VERSIONS in self.values else 0
        for _ in range(self.values.get(VERSIONS_COUNT, 0) if place else 0):
            _, count, _, first, following = struct.unpack_from("<HHIII", self.content, place)
            entry = place + first
            for _ in range(count):
                _, _, _, name, step = struct.unpack_from("<IHHII", self.content, entry)
                yield self.text(name)
                entry += step
            if not following:
                break
            place += following

    def defined_versions(self) -> Iterator[str]:
        """Yield the symbol versions that the file defines."""
        place = self.offset(self.values[DEFINED]) if DEFINED in self.values else 0
        for _ in range(self.values.get(DEFINED_COUNT, 0) if place else 0):
            _, _, _, _, _, first, following = struct.unpack_from("<HHHHIII", self.content, place)
            yield self.text(struct.unpack_from("<I", self.content, place + first)[0])
            if not following:
                break
            place += following


def read_library(path: str, machine: str, *, definitions: bool = False) -> Library | None:
    """Return a shared library; None: the file is not one for this machine. Raises ValueError or OSError if it is damaged."""
    with open(path, "rb") as file:  # noqa: PTH123 - thousands of files
        head = file.read(64)
        # 64 bits, little-endian; a linker script, or code for another machine, is never loaded
        if head[:6] != b"\x7fELF\x02\x01" or head[18:20] != struct.pack("<H", MACHINES.get(machine, 0)):
            return None
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                reader = Reader(content)
                origin = os.path.dirname(path)  # noqa: PTH120
                places = ":".join(reader.texts(RUNPATH) or reader.texts(RPATH)).split(":")
                folders = [re.sub(r"\$\{?ORIGIN\}?", lambda _: origin, place) for place in places if place]
                return Library(
                    path,
                    next(iter(reader.texts(SONAME)), ""),
                    reader.texts(NEEDED),
                    tuple(os.path.normpath(folder) for folder in folders),
                    tuple(reader.needed_versions()),
                    tuple(reader.defined_versions()) if definitions else (),
                )
        except (struct.error, KeyError, IndexError, OverflowError) as error:
            raise ValueError(f"damaged ELF file: {error}") from None


def loader_cache(path: str = LOADER_CACHE) -> dict[str, str]:
    """Return the libraries that ldconfig has listed, name to path; empty where there is no such list (musl)."""
    try:
        content = Path(path).read_bytes()
    except OSError:
        return {}
    start = content.find(b"glibc-ld.so.cache1.1")
    if start < 0:
        return {}
    libraries: dict[str, str] = {}
    for number in range(struct.unpack_from("<I", content, start + 20)[0]):
        name, target = struct.unpack_from("<II", content, start + 48 + 24 * number + 4)
        texts = (content[start + place : content.find(b"\0", start + place)] for place in (name, target))
        key, value = (text.decode("utf-8", "replace") for text in texts)
        libraries.setdefault(key, value)
    return libraries


def system_libraries(machine: str) -> dict[str, str]:
    """Return the libraries that the loader finds without a path in the file, name to path."""
    libraries = loader_cache()
    multiarch = f"{machine}-linux-gnu"
    folders = [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    folders += [f"/lib/{multiarch}", f"/usr/lib/{multiarch}", *LOADER_FOLDERS]
    folders.append(sysconfig.get_config_var("LIBDIR") or "")  # of the running Python: it has loaded its own
    for folder in folders:
        names = os.listdir(folder) if os.path.isdir(folder) else ()  # noqa: PTH112, PTH208
        for name in filter(LIBRARY.search, names):
            libraries.setdefault(name, f"{folder}/{name}")
    return libraries


def library_paths(folders: Iterable[str]) -> Iterator[str]:
    """Yield the paths of the shared libraries in package folders."""
    for top in folders:
        for folder, _, names in os.walk(top):
            yield from (f"{folder}/{name}" for name in names if ".so" in name and LIBRARY.search(name))


class Owned(NamedTuple):
    """A file in the RECORD of a distribution; `size` in bytes."""

    package: str
    digest: str
    size: int


def records(folders: Sequence[str]) -> dict[str, list[Owned]]:
    """Return the owners of each installed file by its path, from the RECORD files of installers."""
    owners: dict[str, list[Owned]] = {}
    for folder in folders:
        for distribution in metadata.distributions(path=[folder]):
            info = str(getattr(distribution, "_path", ""))
            try:
                text = distribution.read_text("RECORD") or ""
            except (OSError, ValueError):
                continue
            package = normalized(re.sub(r"-[^-]*$", "", Path(info).stem))
            for row in csv.reader(text.splitlines()):
                if len(row) == 3 and row[0]:  # noqa: PLR2004 - path, digest, size
                    path = row[0] if ".." not in row[0] else os.path.normpath(f"{folder}/{row[0]}")
                    place = path if path.startswith("/") else f"{folder}/{path}"
                    size = int(row[2]) if row[2].isdigit() else 0
                    owners.setdefault(place, []).append(Owned(package, row[1], size))
    return owners


class Unresolved(NamedTuple):
    """A library that cannot be loaded here. `reason`: what it needs; `other_cuda`: the CUDA library that is there instead.

    `is_main`: no importable module of its package can be loaded, or no library where there are no such modules.
    """

    id: str
    path: str
    package: str
    reason: str
    other_cuda: str = ""
    is_main: bool = False


def stem(name: str) -> str:
    """Return a library's name without its versions: `libcudart` for libcudart.so.12 and libcudart-abc.so.12."""
    return re.split(r"\.so|-[0-9a-f]{8}", name, maxsplit=1)[0]


def version_key(version: str) -> tuple[str, tuple[int, ...]]:
    """Return the name and the numbers of a symbol version: GLIBC_2.34 gives ("GLIBC", (2, 34)); `GLIBC_PRIVATE` has none."""
    name, _, numbers = version.partition("_")
    return name, tuple(int(number) for number in re.findall(r"\d+", numbers))


def missing_libraries(library: Library, provided: Mapping[str, str]) -> list[str]:
    """Return the names that a library needs and that nothing in the environment has; what the driver brings is left out."""
    return [
        name
        for name in library.needed
        if name not in provided and not OF_DRIVER.fullmatch(name) and not name.startswith("ld-")
        if not any(os.path.exists(f"{folder}/{name}") for folder in library.folders)  # noqa: PTH110
        if not ("/" in name and os.path.exists(name))  # noqa: PTH110
    ]


def newer_version(library: Library, limits: Mapping[str, tuple[int, ...]]) -> str:
    """Return the newest symbol version that a library needs beyond what the system's libraries have, "" if there is none."""
    keys = [(version_key(version), version) for version in library.versions]
    newer = [(numbers, text) for (name, numbers), text in keys if numbers > limits.get(name, (9999,))]
    return max(newer)[1] if newer else ""


def system_limits(
    system: Mapping[str, str], machine: str, libraries: Sequence[Library]
) -> dict[str, tuple[int, ...]]:
    """Return the newest GLIBC and GLIBCXX versions that this system has; without glibc's or libstdc++'s file no limit."""
    limits: dict[str, tuple[int, ...]] = {}
    own = {library.soname for library in libraries}
    # where a package brings an own libstdc++, which of the two is loaded depends on the order of imports
    for name in {"libc.so.6", "libstdc++.so.6"} - own:
        try:
            library = read_library(system[name], machine, definitions=True)
        except (KeyError, OSError, ValueError):
            continue
        for kind, numbers in map(version_key, library.defined if library else ()):
            if kind in {"GLIBC", "GLIBCXX"} and numbers > limits.get(kind, ()):
                limits[kind] = numbers
    return limits


def unresolved(
    folders: Sequence[str], base: Sequence[str], owners: Mapping[str, Sequence[Owned]], machine: str
) -> tuple[list[Unresolved], int]:
    """Return the libraries in package folders that cannot be loaded here, and the number of those that were read.

    What lies in the folders of the `base` is not examined: an image cannot change it.
    """
    libraries, problems = [], []
    for path in library_paths(folders):
        try:
            library = read_library(path, machine)
        except (OSError, ValueError) as error:
            problems.append(Unresolved("IMG007", path, package_of(path, owners), f"cannot be read ({error})"))
            continue
        if library:
            libraries.append(library)
    system = system_libraries(machine)
    provided = dict(system)
    for path in [library.path for library in libraries] + list(library_paths(base)):
        provided.setdefault(os.path.basename(path), path)  # noqa: PTH119
    provided.update({library.soname: library.path for library in libraries if library.soname})
    limits = system_limits(system, machine, libraries)
    for library in libraries:
        problems += problems_of(library, provided, limits, package_of(library.path, owners))
    return graded(problems, libraries, owners), len(libraries)


def problems_of(
    library: Library, provided: Mapping[str, str], limits: Mapping[str, tuple[int, ...]], package: str
) -> Iterator[Unresolved]:
    """Yield what keeps a library from being loaded."""
    missing = missing_libraries(library, provided)
    if missing:
        others = {stem(name): name for name in provided if OF_CUDA.match(name)}
        other = next(
            (others[stem(name)] for name in missing if OF_CUDA.match(name) and stem(name) in others), ""
        )
        yield Unresolved("IMG007", library.path, package, " ".join(missing), other)
    newer = newer_version(library, limits)
    if newer:
        has = ".".join(map(str, limits[version_key(newer)[0]]))
        yield Unresolved("IMG008", library.path, package, f"{newer}, newer than {has}")


def package_of(path: str, owners: Mapping[str, Sequence[Owned]]) -> str:
    """Return the distribution that owns a file, "" if none records it; of several the last that is listed."""
    return owners[path][-1].package if path in owners else ""


def graded(
    problems: Sequence[Unresolved], libraries: Sequence[Library], owners: Mapping[str, Sequence[Owned]]
) -> list[Unresolved]:
    """Return the problems that matter, with `is_main` set.

    Files of one folder whose names differ in their digits are alternatives, one for each CUDA or FFmpeg: one that can be
    loaded is enough.
    """

    def alternative(path: str) -> str:
        return re.sub(r"\d+", "#", path)

    refused = {problem.path for problem in problems}
    loadable = {alternative(library.path) for library in libraries if library.path not in refused}
    members: dict[str, list[str]] = {}
    for library in libraries:
        members.setdefault(package_of(library.path, owners), []).append(library.path)
    remaining = [problem for problem in problems if alternative(problem.path) not in loadable]
    return [
        problem._replace(is_main=is_main(problem, members.get(problem.package, []), refused))
        for problem in remaining
    ]


def is_main(problem: Unresolved, members: Sequence[str], refused: set[str]) -> bool:
    """Return whether nothing of the package can be loaded that is importable, or nothing at all where nothing is."""
    modules = [path for path in members if MODULE.search(path)]
    return (
        bool(problem.package)
        and problem.path in (modules or members)
        and refused.issuperset(modules or members)
    )
