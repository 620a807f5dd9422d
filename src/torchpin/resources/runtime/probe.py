"""probe: describe this environment as a JSON document and compare it with an expectation.

Every image contains this file in /opt/torchpin/: standard library only, Python 3.8 and later, no GPU required.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import importlib
import json
import os
import platform
import re
import shutil
import site
import subprocess
import sys
import sysconfig
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probe_expectation import expectation, normalized, problems, requested_names, verdict
from probe_findings import compiler_findings, file_findings
from probe_kept import Proof

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
DRIVER = re.compile(r"Kernel Module\D*? (?:for \S+ +)?(\d+(?:\.\d+)+)")
DRIVER_FILE = "/proc/driver/nvidia/version"
KEPT = "kept.json"  # beside the expectation: the document of an earlier proof
WHEELS = "/opt/torchpin/wheels.txt"  # of images whose build compiles wheels


def sentence(error: BaseException) -> str:
    """Return an error as one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")


def site_folders() -> list[str]:
    """Return the package folders of this environment and its base, without the user's and those of PYTHONPATH."""
    paths = sysconfig.get_paths()
    folders = [*site.getsitepackages(), paths["purelib"], paths["platlib"]]
    # lib64 is often a link to lib, so each real folder is listed once
    return list(dict.fromkeys(os.path.realpath(folder) for folder in folders if Path(folder).is_dir()))


def own_and_base(folders: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the folders of this environment, and those of the base that it inherits.

    Only an environment with --system-site-packages inherits any; Python lists them among its own package folders.
    """
    if sys.prefix == sys.base_prefix:
        return list(folders), []
    paths = sysconfig.get_paths()
    homes = {os.path.realpath(paths["purelib"]), os.path.realpath(paths["platlib"])}
    inside = os.path.join(os.path.realpath(sys.prefix), "")  # noqa: PTH118 - the separator at its end
    env_folders = [folder for folder in folders if folder in homes or folder.startswith(inside)]
    return env_folders, [folder for folder in folders if folder not in env_folders]


def record(distribution: metadata.Distribution) -> tuple[str, str]:
    """Return name and version; for damaged metadata those of its folder, so that it is reported as an extra."""
    name, _, version = Path(str(getattr(distribution, "_path", "unnamed"))).stem.partition("-")
    try:
        read = distribution.read_text
        fields = HeaderParser().parsestr(read("METADATA") or read("PKG-INFO") or read("") or "")
    except (OSError, ValueError):
        return normalized(name), version
    return normalized(str(fields.get("Name") or name)), str(fields.get("Version") or version)


def installed(folders: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the version of each distribution, and the names recorded twice in one folder."""
    versions: dict[str, str] = {}
    duplicates: set[str] = set()
    for folder in folders:
        seen: set[str] = set()
        for name, version in sorted(
            record(distribution) for distribution in metadata.distributions(path=[folder])
        ):
            if name in seen:
                duplicates.add(name)
            elif name not in versions:  # an earlier folder shadows a later one
                versions[name] = version
            seen.add(name)
    return dict(sorted(versions.items())), sorted(duplicates)


def environment() -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Return the versions in this environment, those inherited from the base, and the names recorded twice."""
    env_folders, base_folders = own_and_base(site_folders())
    versions, duplicates = installed(env_folders)
    seen = installed(base_folders)[0]  # duplicates in the base are not reported: an image cannot change them
    return versions, {name: seen[name] for name in seen if name not in versions}, duplicates


def frozen(versions: dict[str, str]) -> str:
    """Return the freeze record: `name==version` lines, sorted."""
    return "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))


def attempt(read: Callable[[], Any]) -> Any:
    """Return what `read` returns, or None if it fails."""
    try:
        return read()
    except Exception:  # a value that this build lacks is null in the document
        return None


def imported(name: str) -> str | None:
    """Import a module; return its error as text, None without an error."""
    try:
        importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # some packages raise SystemExit
        return sentence(error)
    return None


def torch_facts(error: str | None) -> dict[str, Any] | None:
    """Return the build of the imported torch, the error of its import, or None if it is not installed."""
    if error is not None:
        return None if error == "ModuleNotFoundError: No module named 'torch'" else {"error": error}
    torch: Any = sys.modules["torch"]
    return {
        "version": attempt(lambda: str(torch.__version__)),
        "cuda": attempt(lambda: torch.version.cuda),
        "cudnn": attempt(lambda: torch.backends.cudnn.version()),  # noqa: PLW0108 - it may be missing
        "cxx11_abi": attempt(lambda: bool(torch._C._GLIBCXX_USE_CXX11_ABI)),
        # torch.cuda.get_arch_list() returns [] without a GPU; the private function does not need one
        "archs": (attempt(lambda: torch._C._cuda_getArchFlags()) or "").split(),  # noqa: PLW0108
        "git_version": attempt(lambda: torch.version.git_version),
    }


def driver() -> str | None:
    """Return the NVIDIA driver's version from the kernel module, else from nvidia-smi (WSL has no module)."""
    match = DRIVER.search(attempt(lambda: Path(DRIVER_FILE).read_text(encoding="utf-8")) or "")
    if match:
        return match.group(1)
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return None
    command = (smi, "--query-gpu=driver_version", "--format=csv,noheader")
    try:
        completed = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return next(iter(completed.stdout.split()), None)


def devices() -> list[dict[str, Any]]:
    """Return the GPUs that torch sees."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    properties = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return [
        {
            "name": device.name,
            "capability": f"{device.major}.{device.minor}",
            "memory_bytes": int(device.total_memory),
        }
        for device in properties
    ]


def gpu_facts() -> dict[str, Any] | None:
    """Return the driver and the devices, with `error` only if torch fails to list them."""
    version = driver()
    try:
        gpus = devices()
    except Exception as error:  # a broken driver is reported, too
        return {"driver": version, "devices": [], "error": sentence(error)}
    return {"driver": version, "devices": gpus} if version or gpus else None


def git_folders(checkout: str) -> tuple[Path, Path]:
    """Return the folder with HEAD and the one with the refs (they differ in a worktree).

    The commit is read from git's files, since an image may have no git.
    """
    git = Path(checkout, ".git")
    if git.is_file():
        git = Path(checkout, git.read_text(encoding="utf-8").partition("gitdir:")[2].strip())
    common = git / "commondir"
    return git, Path(git, common.read_text(encoding="utf-8").strip()) if common.is_file() else git


def packed_refs(common: Path) -> dict[str, str]:
    """Return the packed refs with their commits; for an annotated tag that of its commit, not of the tag."""
    refs: dict[str, str] = {}
    packed = common / "packed-refs"
    name = ""
    for line in packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else ():
        if line.startswith("^"):
            refs[name] = line[1:].strip()
        elif not line.startswith("#"):
            value, _, name = line.partition(" ")
            refs[name] = value
    return refs


def commit(checkout: str) -> str:
    """Return the full commit of a checkout, or a text that starts with `error: `."""
    try:
        git, common = git_folders(checkout)
        value = (git / "HEAD").read_text(encoding="utf-8").strip()
        for _ in range(5):  # as many symbolic refs as git follows
            if not value.startswith("ref: "):
                break
            name = value[len("ref: ") :]
            loose = next((folder / name for folder in (git, common) if (folder / name).is_file()), None)
            value = loose.read_text(encoding="utf-8").strip() if loose else packed_refs(common).get(name, "")
    except (OSError, ValueError) as error:
        return f"error: {sentence(error)}"
    return value if HEX.fullmatch(value) else "error: HEAD names no commit"


def user() -> str | None:
    """Return the name of the user that this runs as, its number if it has no name; None where users have no numbers."""
    if not hasattr(os, "geteuid"):
        return None
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):
        return str(os.geteuid())


def unreadable(paths: Sequence[str]) -> list[str]:
    """Return what this user cannot read of files and folders, with all that is in them; a missing one is not readable."""
    refused = {path for path in paths if not is_readable(path)}
    pending = [path for path in paths if os.path.isdir(path)]  # noqa: PTH112
    while pending:
        try:
            entries = list(os.scandir(pending.pop()))  # which knows what is a folder: there are many files
        except OSError:
            continue  # a folder that cannot be listed is refused
        for entry in entries:
            is_folder = os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112
            # a link that leads nowhere is as its project made it
            if not is_readable(entry.path, is_folder) and os.path.exists(entry.path):  # noqa: PTH110
                refused.add(entry.path)
            if is_folder and not entry.is_symlink():
                pending.append(entry.path)
    return sorted(refused)


def is_readable(path: str, is_folder: bool | None = None) -> bool:
    """Return whether this user can read a file, or list and enter a folder; which of both it is, where that is not known."""
    if is_folder is None:
        is_folder = os.path.isdir(path)  # noqa: PTH112
    return os.access(path, os.R_OK | os.X_OK if is_folder else os.R_OK)


def unwritable(paths: Sequence[str]) -> list[str]:
    """Return the folders that this user can neither write to nor make; `~` is the user's own."""
    refused = []
    for path in paths:
        folder = Path(path).expanduser()
        existing = next((place for place in (folder, *folder.parents) if place.exists()), folder)
        if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
            refused.append(path if str(folder) == path else f"{path} ({folder})")
    return refused


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Redirect stdout to stderr: imports print, from Python or from C, and stdout is for the document alone."""
    stdout = sys.stdout
    stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)


def collect(
    imports: Sequence[str] = (),
    sources: Sequence[str] = (),
    readable: Sequence[str] = (),
    writable: Sequence[str] = (),
    gpu: bool = True,
    proof: Proof | None = None,
) -> dict[str, Any]:
    """Return the document of the environment; without `gpu` nothing of the machine's GPUs and driver is in it.

    What a `proof` knows of an earlier one is not imported again.
    """
    versions, inherited, duplicates = environment()
    names = dict.fromkeys(["torch", *imports])
    proven = proof.proven if proof else frozenset()
    with stdout_to_stderr():
        with proof.imports.watched() if proof else contextlib.nullcontext():
            # each once: a second import of a broken torch raises another error
            errors = {name: None if name in proven else imported(name) for name in names}
        torch = proof.kept["torch"] if proof and "torch" in proven else torch_facts(errors["torch"])
        machine_gpus = gpu_facts() if gpu else None
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "distributions": versions,
        "inherited": inherited,
        "duplicates": duplicates,
        "torch": torch,
        "imports": {name: errors[name] for name in imports},
        "sources": {path: commit(path) for path in sources},
        "user": user(),
        "unreadable": unreadable(readable),
        "unwritable": unwritable(writable),
        "gpu": machine_gpus,
        **({"wheels": wheels} if (wheels := wheel_hashes()) else {}),
        **(proof.document(names) if proof else {}),
    }


def examined(
    requested: Sequence[str],
    compiles: bool,
    compiled: Sequence[str] = (),
    capabilities: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what is wrong with the installed files, and with the compiler if kernels are compiled at run time.

    `requested`: the packages and modules that the description names; `compiled`: those that the image's build compiled, for
    GPUs of `capabilities`.
    """
    own, base = own_and_base(site_folders())
    report = file_findings(own, base, requested, platform.machine(), compiled, capabilities)
    return {**report, "findings": [*report["findings"], *(compiler_findings() if compiles else ())]}


def wheel_hashes(path: str = WHEELS) -> dict[str, str]:
    """Return the SHA-256 of each wheel that the image's build compiled, by its file name."""
    text = attempt(lambda: Path(path).read_text(encoding="utf-8")) or ""
    rows = (line.split() for line in text.splitlines())
    pairs = (row for row in rows if len(row) == 2)  # noqa: PLR2004 - as sha256sum writes them
    return dict(sorted((Path(name).name, digest) for digest, name in pairs))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    argument_parser = argparse.ArgumentParser(
        prog="probe.py", description="Describe this environment as JSON."
    )
    argument_parser.add_argument(
        "--expect", metavar="FILE", help="compare with this expectation (JSON); exit code 1 if it differs"
    )
    argument_parser.add_argument(
        "--import", dest="imports", metavar="NAME", nargs="+", action="extend", default=[]
    )
    argument_parser.add_argument(
        "--source", dest="sources", metavar="PATH", nargs="+", action="extend", default=[]
    )
    argument_parser.add_argument(
        "--no-gpu", dest="gpu", action="store_false", help="leave out the machine's GPUs and driver"
    )
    argument_parser.add_argument(
        "--files", action="store_true", help="examine the installed files, too, as --expect does"
    )
    argument_parser.add_argument(
        "--compiles",
        action="store_true",
        help="kernels are compiled at run time: examine the C compiler, too",
    )
    argument_parser.add_argument(
        "--compiled",
        metavar="NAME",
        nargs="+",
        action="extend",
        default=[],
        help="packages that the image's build compiled",
    )
    argument_parser.add_argument(
        "--capability",
        dest="capabilities",
        metavar="X.Y",
        nargs="+",
        action="extend",
        default=[],
        help="GPUs that they have code for",
    )
    argument_parser.add_argument(
        "--freeze", action="store_true", help="print name==version lines and nothing else"
    )
    return argument_parser


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    arguments = parser()
    options = arguments.parse_args(argv)
    if options.freeze and (options.expect or options.imports or options.sources):
        arguments.error("--freeze takes no other option")
    if options.freeze:
        sys.stdout.write(frozen(environment()[0]))
        return 0
    expect = None
    if options.expect:
        try:
            expect = expectation(Path(options.expect).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            arguments.error(f"{options.expect}: {sentence(error)}")
    expected = expect or {}
    proof = None
    if options.expect and not options.gpu:  # the GPUs of a machine are in no earlier proof
        kept = str(Path(options.expect).with_name(KEPT))
        proof = Proof(kept, site_folders(), platform.machine())
        if proof.proven:
            names = ", ".join(sorted(proof.proven))
            sys.stderr.write(f"probe: unchanged since an earlier proof, not imported again: {names}\n")
    document = collect(
        imports=list(dict.fromkeys([*expected.get("imports", ()), *options.imports])),
        sources=list(dict.fromkeys([*expected.get("sources", ()), *options.sources])),
        readable=expected.get("readable", ()),
        writable=expected.get("writable", ()),
        gpu=options.gpu,
        proof=proof,
    )
    if options.files or options.compiles or expect is not None:
        document.update(
            examined(
                requested_names(expected),
                options.compiles or expected.get("compiles") is True,
                [*expected.get("compiled", ()), *options.compiled],
                [*expected.get("capabilities", ()), *options.capabilities],
            )
        )
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    sys.stdout.flush()
    if expect is None:
        return 0
    differences = problems(document, expect)
    sys.stderr.write(verdict(document, differences))
    return 1 if differences else 0


if __name__ == "__main__":
    faulthandler.enable()  # an import that crashes the interpreter leaves a traceback
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os.dup2(2, 1)  # what libraries print at exit must not follow the document
    sys.exit(code)
