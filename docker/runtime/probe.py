"""probe: what this environment is, as one JSON document, and whether it is what was expected.

Every image carries this file in /opt/torchpin/: standard library only, Python 3.8 and later, no GPU needed.
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
DRIVER = re.compile(r"Kernel Module\D*? (?:for \S+ +)?(\d+(?:\.\d+)+)")
DRIVER_FILE = "/proc/driver/nvidia/version"
VERSION = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<pre_number>\d*))?"
    r"(?P<post>-(?P<post_bare>\d+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_number>\d*))?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<dev_number>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?"
)
PRE = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}


# --- names and versions


def normalized(name: str) -> str:
    """Answer the PEP 503 form of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def comparable(version: str) -> str:
    """Answer the same text for versions that PEP 440 holds equal: locks normalize, old wheels may not."""
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


def sentence(error: BaseException) -> str:
    """Answer an error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")


# --- the environment


def site_folders() -> list[str]:
    """Answer the package folders of this environment and its base: neither the user's nor PYTHONPATH's."""
    paths = sysconfig.get_paths()
    folders = [*site.getsitepackages(), paths["purelib"], paths["platlib"]]
    # lib64 is often a link to lib: each real folder counts once
    return list(dict.fromkeys(os.path.realpath(folder) for folder in folders if Path(folder).is_dir()))


def own_and_base(folders: Sequence[str]) -> tuple[list[str], list[str]]:
    """Answer the folders of this environment, and those of the base that it can see.

    Only an environment made with --system-site-packages sees any: to Python they are package folders like its own.
    """
    if sys.prefix == sys.base_prefix:
        return list(folders), []
    paths = sysconfig.get_paths()
    homes = {os.path.realpath(paths["purelib"]), os.path.realpath(paths["platlib"])}
    inside = os.path.join(os.path.realpath(sys.prefix), "")  # noqa: PTH118 - the separator at its end
    env_folders = [folder for folder in folders if folder in homes or folder.startswith(inside)]
    return env_folders, [folder for folder in folders if folder not in env_folders]


def record(distribution: metadata.Distribution) -> tuple[str, str]:
    """Answer name and version; a damaged record answers with its folder's, so that it shows as an extra."""
    name, _, version = Path(str(getattr(distribution, "_path", "unnamed"))).stem.partition("-")
    try:
        read = distribution.read_text
        fields = HeaderParser().parsestr(read("METADATA") or read("PKG-INFO") or read("") or "")
    except (OSError, ValueError):
        return normalized(name), version
    return normalized(str(fields.get("Name") or name)), str(fields.get("Version") or version)


def installed(folders: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Answer the version of each distribution, and the names recorded twice in one folder."""
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
    """Answer what lies in this environment, what it sees of the base beyond that, and its names recorded twice."""
    env_folders, base_folders = own_and_base(site_folders())
    versions, duplicates = installed(env_folders)
    seen = installed(base_folders)[0]  # whatever is wrong with the base's records, nobody here can change it
    return versions, {name: seen[name] for name in seen if name not in versions}, duplicates


def frozen(versions: dict[str, str]) -> str:
    """Answer the freeze record: one `name==version` a line, sorted."""
    return "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))


def attempt(question: Callable[[], Any]) -> Any:
    """Answer the question, or None where this build has no answer."""
    try:
        return question()
    except Exception:  # a missing fact is null, never a crash
        return None


def imported(name: str) -> str | None:
    """Import a module; answer its error, if any, as a text."""
    try:
        importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # some packages leave by SystemExit
        return sentence(error)
    return None


def torch_facts(error: str | None) -> dict[str, Any] | None:
    """Answer what the imported torch was compiled for, or what became of its import."""
    if error is not None:
        return None if error == "ModuleNotFoundError: No module named 'torch'" else {"error": error}
    torch: Any = sys.modules["torch"]
    return {
        "version": attempt(lambda: str(torch.__version__)),
        "cuda": attempt(lambda: torch.version.cuda),
        "cudnn": attempt(lambda: torch.backends.cudnn.version()),  # noqa: PLW0108 - it may be missing
        "cxx11_abi": attempt(lambda: bool(torch._C._GLIBCXX_USE_CXX11_ABI)),
        # torch.cuda.get_arch_list() answers [] without a GPU; the private one does not ask for a GPU
        "archs": (attempt(lambda: torch._C._cuda_getArchFlags()) or "").split(),  # noqa: PLW0108
        "git_version": attempt(lambda: torch.version.git_version),
    }


def driver() -> str | None:
    """Answer the NVIDIA driver's version: the kernel's word, else nvidia-smi's (WSL)."""
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
    """Answer the GPUs that torch sees."""
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
    """Answer the driver and the devices; an `error` stands there only if torch could not tell."""
    version = driver()
    try:
        gpus = devices()
    except Exception as error:  # a broken driver is an answer
        return {"driver": version, "devices": [], "error": sentence(error)}
    return {"driver": version, "devices": gpus} if version or gpus else None


# --- the sources: git's files by hand, an image may have no git


def git_folders(checkout: str) -> tuple[Path, Path]:
    """Answer the folder that holds HEAD and the one that holds the refs (they differ in a worktree)."""
    git = Path(checkout, ".git")
    if git.is_file():
        git = Path(checkout, git.read_text(encoding="utf-8").partition("gitdir:")[2].strip())
    common = git / "commondir"
    return git, Path(git, common.read_text(encoding="utf-8").strip()) if common.is_file() else git


def packed_refs(common: Path) -> dict[str, str]:
    """Answer the packed refs; an annotated tag answers with the commit that it names."""
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
    """Answer the full commit of a checkout, or a text that begins with `error: `."""
    try:
        git, common = git_folders(checkout)
        value = (git / "HEAD").read_text(encoding="utf-8").strip()
        for _ in range(5):  # git's own limit on refs to refs
            if not value.startswith("ref: "):
                break
            name = value[len("ref: ") :]
            loose = next((folder / name for folder in (git, common) if (folder / name).is_file()), None)
            value = loose.read_text(encoding="utf-8").strip() if loose else packed_refs(common).get(name, "")
    except (OSError, ValueError) as error:
        return f"error: {sentence(error)}"
    return value if HEX.fullmatch(value) else "error: HEAD names no commit"


# --- the answer


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Keep stdout clean: what imports print, from Python or from C, goes to stderr."""
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


def collect(imports: Sequence[str] = (), sources: Sequence[str] = ()) -> dict[str, Any]:
    """Answer the whole document."""
    versions, inherited, duplicates = environment()
    with stdout_to_stderr():
        # each once: a second try at a broken torch words another error
        errors = {name: imported(name) for name in dict.fromkeys(["torch", *imports])}
        torch = torch_facts(errors["torch"])
        gpu = gpu_facts()
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
        "gpu": gpu,
    }


# --- the expectation


def is_text(value: object) -> bool:
    """Answer whether this is a string."""
    return isinstance(value, str)


def is_list(value: object) -> bool:
    """Answer whether this is a list of strings."""
    return isinstance(value, list) and all(map(is_text, value))


def is_table(value: object) -> bool:
    """Answer whether this maps strings to strings."""
    return isinstance(value, dict) and all(map(is_text, value.values()))


def is_build(value: object) -> bool:
    """Answer whether this tells a build of torch, or that there is none to look at."""
    if not isinstance(value, dict):
        return value is None
    cuda, archs = value.get("cuda"), value.get("archs")
    well_formed = set(value) <= {"version", "cuda", "archs"} and is_text(value.get("version"))
    return well_formed and (cuda is None or is_text(cuda)) and (archs is None or is_list(archs))


SHAPE: Mapping[str, Callable[[object], bool]] = {
    "environment": is_text,
    "python": is_text,
    "distributions": is_table,
    "optional": is_table,
    "inherited": is_table,
    "torch": is_build,
    "imports": is_list,
    "sources": is_table,
}


def expectation(text: str) -> dict[str, Any]:
    """Read an expectation; a ValueError says everything that is wrong with it."""
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("expected a JSON object")  # noqa: TRY004 - wrong input, not a bug
    errors = [f"missing key {key}" for key in ("python", "distributions") if key not in document]
    errors += [f"unknown key {key}" for key in document if key not in SHAPE]
    errors += [
        f"wrong value of {key}" for key, fits in SHAPE.items() if key in document and not fits(document[key])
    ]
    if not errors:
        inherited = set(map(normalized, document.get("inherited", ())))
        env_names = map(normalized, [*document["distributions"], *document.get("optional", ())])
        errors = [
            f"{name}: expected both here and from the base"
            for name in sorted(inherited.intersection(env_names))
        ]
    if errors:
        raise ValueError("; ".join(errors))
    return document


def problems(answer: dict[str, Any], expect: dict[str, Any]) -> list[str]:
    """Compare; answer one line for each thing that is not as expected."""
    differences = []
    if not is_python(answer["python"], expect["python"]):
        differences.append(differs("python", expect["python"], answer["python"]))
    differences += distribution_problems(answer, expect)
    differences += inherited_problems(answer, expect)
    if expect.get("torch"):
        differences += torch_problems(answer["torch"], expect["torch"])
    tried = {**dict.fromkeys(expect.get("imports", ()), "not tried"), **answer["imports"]}
    differences += [f"import {name}: {error}" for name, error in tried.items() if error is not None]
    for path, expected in expect.get("sources", {}).items():
        actual = answer["sources"].get(path, "not asked")
        if actual != expected:
            differences.append(differs(path, expected, actual))
    return differences


def differs(subject: str, expected: object, actual: object) -> str:
    """Word one difference."""
    return f"{subject}: expected {expected or 'none'}, found {actual or 'none'}"


def is_python(actual: str, expected: str) -> bool:
    """Answer whether this Python is the wanted one; `3.11` wants any 3.11.x: a base image decides which."""
    return actual == expected or (expected.count(".") == 1 and actual.startswith(f"{expected}."))


def is_version(actual: str, expected: str) -> bool:
    """Answer whether a version is the wanted one; where no local part is wanted, any will do."""
    compared = actual if "+" in expected else actual.partition("+")[0]
    return comparable(compared) == comparable(expected)


def distribution_problems(answer: dict[str, Any], expect: dict[str, Any]) -> list[str]:
    """Answer the missing, wrong, extra and doubled distributions, by name."""
    actual = answer["distributions"]
    required = {normalized(name): version for name, version in expect["distributions"].items()}
    optional = {normalized(name): version for name, version in expect.get("optional", {}).items()}
    expected = {**optional, **required}
    inherited = set(map(normalized, expect.get("inherited", ())))  # its own line says so
    differences = []
    for name in sorted({*required, *actual} - inherited):
        if name not in actual:
            base = answer["inherited"].get(name)
            reason = f"not installed here; the base has {base}" if base else "not installed"
            differences.append(f"{name}: expected {expected[name]}, {reason}")
        elif name not in expected:
            differences.append(f"{name}: expected not to be installed, found {actual[name]}")
        elif comparable(actual[name]) != comparable(expected[name]):
            differences.append(differs(name, expected[name], actual[name]))
    differences += [f"{name}: recorded more than once in site-packages" for name in answer["duplicates"]]
    return differences


def inherited_problems(answer: dict[str, Any], expect: dict[str, Any]) -> list[str]:
    """Answer what the base does not bring as expected, by name; whatever else it brings is its own affair."""
    expected = {normalized(name): version for name, version in expect.get("inherited", {}).items()}
    differences = []
    for name, version in sorted(expected.items()):
        actual = answer["inherited"].get(name)
        if name in answer["distributions"]:
            differences.append(f"{name}: expected from the base, but it is installed in the environment")
        elif actual is None or not is_version(actual, version):
            differences.append(differs(name, f"{version} from the base", actual))
    return differences


def torch_problems(actual: dict[str, Any] | None, expected: dict[str, Any]) -> list[str]:
    """Compare the build of torch: its own version, CUDA, compiled architectures."""
    if actual is None or "error" in actual:
        reason = actual["error"] if actual else "torch is not installed"
        return [f"torch.__version__: expected {expected['version']}, {reason}"]
    differences = []
    version = str(actual["version"])
    if not is_version(version, expected["version"]):  # PyPI's build of torch 2.5.1 calls itself 2.5.1+cu124
        differences.append(differs("torch.__version__", expected["version"], version))
    if "cuda" in expected and actual["cuda"] != expected["cuda"]:
        differences.append(differs("torch CUDA", expected["cuda"], actual["cuda"]))
    missing = [arch for arch in expected.get("archs") or () if arch not in actual["archs"]]
    if missing:
        differences.append(differs("torch architectures", " ".join(missing), " ".join(actual["archs"])))
    return differences


def verdict(answer: dict[str, Any], differences: Sequence[str]) -> str:
    """Word the result: a line for each problem and a last line."""
    if differences:
        count = f"{len(differences)} problem" + ("s" if len(differences) > 1 else "")
        return "".join(f"probe: FAIL {line}\n" for line in differences) + f"probe: {count}\n"
    torch = answer["torch"] or {}
    build = f"torch {torch.get('version')}, " + (f"CUDA {torch['cuda']}" if torch.get("cuda") else "no CUDA")
    return f"probe: ok, {len(answer['distributions'])} distributions, {build if torch else 'no torch'}\n"


# --- the command


def parser() -> argparse.ArgumentParser:
    """Answer the arguments."""
    argument_parser = argparse.ArgumentParser(
        prog="probe.py", description="Tell what this environment is, as JSON."
    )
    argument_parser.add_argument(
        "--expect", metavar="FILE", help="compare with this expectation (JSON); 1 if it differs"
    )
    argument_parser.add_argument(
        "--import", dest="imports", metavar="NAME", nargs="+", action="extend", default=[]
    )
    argument_parser.add_argument(
        "--source", dest="sources", metavar="PATH", nargs="+", action="extend", default=[]
    )
    argument_parser.add_argument(
        "--freeze", action="store_true", help="print name==version lines and nothing else"
    )
    return argument_parser


def main(argv: Sequence[str]) -> int:
    """Run the command; answer its exit code."""
    arguments = parser()
    options = arguments.parse_args(argv)
    if options.freeze and (options.expect or options.imports or options.sources):
        arguments.error("--freeze stands alone")
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
    answer = collect(
        imports=list(dict.fromkeys([*expected.get("imports", ()), *options.imports])),
        sources=list(dict.fromkeys([*expected.get("sources", ()), *options.sources])),
    )
    sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    sys.stdout.flush()
    if expect is None:
        return 0
    differences = problems(answer, expect)
    sys.stderr.write(verdict(answer, differences))
    return 1 if differences else 0


if __name__ == "__main__":
    faulthandler.enable()  # an import that crashes the interpreter still says where
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os.dup2(2, 1)  # what libraries print on their way out must not follow the document
    sys.exit(code)
