"""How an image is made, what of it is proven, and how to go back: sections of docs/PINNING.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from torchpin import facts
from torchpin.compat import recommendations
from torchpin.description import environments as description_environments
from torchpin.documents import pinning_layers
from torchpin.documents.markdown import block, code, paragraphs, prose, table
from torchpin.documents.sections import NOTHING, count, environments, locked, missing, once
from torchpin.image import plan
from torchpin.lock import layers
from torchpin.records.freeze import freeze_differences, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.model import Artifact, Environment, LayerLock, Lock, Service

RECORD, PROBE, NOT_YET = "yes, by the record", "yes, by the build's probe", "not yet"


# --- build order -----------------------------------------------------------------------------------------------------


def order(service: Service, locks: Mapping[str, Lock]) -> str:
    texts = ((env, _numbered(_order(env, lock))) for env, lock in locked(service, locks))
    return paragraphs(once(texts), missing(service, locks))


def _numbered(lines: Iterable[str]) -> str:
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, start=1))


def _order(env: Environment, lock: Lock) -> list[str]:
    service = env.service
    named = ", ".join(map(code, service.apt)) or "none"
    return [
        f"Base image: {code(env.base.reference)}.",
        f"System packages, by apt: {named}.",
        f"Python {service.python}: {_python(env, lock)}.",
        *(
            [f"torch and its companions: {pinning_layers.GIVEN}; no later step may replace them."]
            if lock.given
            else []
        ),
        *(_step(layer, lock) for layer in lock.layers if layer.packages),
        *(
            f"Source {source.name}: tag {code(source.tag)} at commit {code(source.commit)}, to {code(f'{service.home}/{source.path}')}."
            for source in service.sources
        ),
        f"The runtime's scripts to `/opt/torchpin`, and `smoke.py` to {code(service.home)}.",
        "Proof: `probe.py` compares the image with its lock, then `smoke.py` runs; only an image that passes both is tagged.",
    ]


def _python(env: Environment, lock: Lock) -> str:
    if env.service.torch.origin == "base":
        return "the base image's own, in a virtual environment that sees the base's packages"
    uv = next((layer.uv for layer in lock.layers), "")
    return f"the base image's own if it is exactly this, else the build that uv {uv} knows by hash, in a virtual environment"


def _step(layer: LayerLock, lock: Lock) -> str:
    sources = [package.name for package in layer.packages if package.is_source]
    parts = [
        f"{count(len(layer.packages), 'package')} from {_origin(layer)}, each by its hash, without dependencies",
        f"{', '.join(sources)} built from source with `build.txt`" if sources and lock.build else "",
        "optional: if it fails, the image goes without it" if layer.optional else "",
    ]
    return f"Layer {code(layer.file)}: {'; '.join(filter(None, parts))}."


def _origin(layer: LayerLock) -> str:
    if layer.origin in facts.abi_packages():
        return f"{layer.origin}'s own release"
    return "PyPI" if layer.origin == "pypi" else f"the channel {code(layer.origin)}"


# --- compatibility matrix --------------------------------------------------------------------------------------------


def matrix(service: Service, locks: Mapping[str, Lock], records: Mapping[str, str | None]) -> str:
    headers = ("Component", "Version", "Source", "Proven")
    texts = (
        (env, table(headers, _matrix(env, lock, records.get(env.name))))
        for env, lock in locked(service, locks)
    )
    return paragraphs(once(texts), missing(service, locks))


def _matrix(env: Environment, lock: Lock, freeze: str | None) -> list[tuple[str, str, str, str]]:
    service = env.service
    probed = _probed(lock, freeze)
    python = "the base image" if service.torch.origin == "base" else "the base image or uv"
    cuda = description_environments.cuda(env)
    tag, digest = env.base.image.rpartition(":")[2], env.base.digest
    rows = [
        ("Base image", f"{env.base.image.removesuffix(f':{tag}')} {code(tag)}", "its registry", "yes, by its digest" if digest else "not yet: no digest is recorded"),
        ("Python", code(str(service.python)), python, probed),
        *([("CUDA of torch", code(cuda), f"torch of {code(description_environments.torch_build(env) or NOTHING)}", probed)] if cuda else []),
    ]  # fmt: skip
    optional = {one.name for layer in lock.layers if layer.optional for one in layer.packages}
    origins = {one.name: _origin(layer) for layer in lock.layers for one in layer.packages}
    declared = [canonicalize_name(one.name) for layer in service.layers for one in layer.packages]
    for name in dict.fromkeys([*service.torch.family, *declared]):
        package = lock.all.get(name)
        if package is None:
            rows.append((name, recommendations.ABSENT, NOTHING, "no: it is not locked"))
        elif name in lock.packages:
            proven = _installed(package, freeze, optional=name in optional)
            rows.append((name, code(package.version), origins[name], proven))
        else:
            rows.append((name, code(package.version), "the base image", probed))
    rows += [
        (one.name, f"{code(one.tag)} at {code(one.commit[:12])}", prose(one.url), probed)
        for one in service.sources
    ]
    return rows


def _probed(lock: Lock, freeze: str | None) -> str:
    """An image has a record only if its probe ended well; a record of another lock proves nothing of this one."""
    if freeze is None:
        return NOT_YET
    return f"{NOT_YET}: the record is of another lock" if freeze_differences(freeze, lock) else PROBE


def _installed(package: Artifact, freeze: str | None, *, optional: bool) -> str:
    if freeze is None:
        return NOT_YET
    there = frozen(freeze).get(package.name)
    if there == package.version:
        return RECORD
    if there is None and optional:
        return "no: optional, and missing in the recorded image"
    return f"no: the record has {there or 'none'}"


# --- verification checklist ------------------------------------------------------------------------------------------


def checklist(service: Service, locks: Mapping[str, Lock]) -> str:
    here = locked(service, locks)
    name = service.name
    commands = [
        f"invoke build --service {name}   # proves each image before it is tagged",
        f"invoke freeze --service {name}  # reads it again, and compares it with lock and record",
        f"invoke verify --service {name}  # every check",
    ]
    return paragraphs(
        "**The probe checks, while the image is built**:" if here else "",
        once((env, _boxes(_checked(env, lock))) for env, lock in here),
        "**The build's log**, as `invoke build` keeps it in `.torchpin/logs`:" if here else "",
        once((env, _boxes(_logged(env, lock))) for env, lock in here),
        "**Commands**:",
        block(commands, "bash"),
        missing(service, locks),
    )


def _boxes(lines: Iterable[str]) -> str:
    return "\n".join(f"- [ ] {line}" for line in lines)


def _checked(env: Environment, lock: Lock) -> list[str]:
    expected: dict[str, Any] = plan.expectations(env, lock)
    torch = expected["torch"]
    required, optional = expected["distributions"], expected["optional"]
    inherited = expected.get("inherited", {})
    archs = f", compiled for {' '.join(torch['archs'])} at least" if torch["archs"] else ""
    lines = [
        f"Python is {expected['python']}.",
        f"torch calls itself {code(torch['version'])}, with {_cuda(torch['cuda'])}{archs}.",
        f"The base image's own are untouched: {_pins(inherited)}." if inherited else "",
        f"{count(len(required), 'package')} installed at the locked version, each once, and nothing else.",
        f"Of the {count(len(optional), 'optional package')}, each at the locked version or absent."
        if optional
        else "",
        f"These import: {', '.join(map(code, expected['imports']))}." if expected["imports"] else "",
        *(f"{code(path)} is at {code(commit)}." for path, commit in expected["sources"].items()),
        "`smoke.py` ends well.",
    ]
    return [line for line in lines if line]


def _cuda(version: str | None) -> str:
    return f"CUDA {version}" if version else "no CUDA"


def _pins(versions: Mapping[str, str]) -> str:
    return ", ".join(code(f"{name}=={version}") for name, version in versions.items())


def _logged(env: Environment, lock: Lock) -> list[str]:
    expected: dict[str, Any] = plan.expectations(env, lock)
    if env.service.torch.origin == "base":
        torch = "No line has `+ torch==`: torch is the base image's, and stays."
    else:
        torch = f"One line has {code(f'+ torch=={_version(lock)}')}, in the step of {code(f'{layers.TORCH}.txt')}."
    optional = [layer.file for layer in lock.layers if layer.optional and layer.packages]
    return [
        f"It ends with `probe: ok` and torch {expected['torch']['version']}, {_cuda(expected['torch']['cuda'])}.",
        torch,
        "No package is installed twice, and no line has `- NAME==` or `~ NAME==`: nothing is removed or replaced.",
        *(
            f"The optional layer {code(file)} could not be installed only where you accept that."
            for file in optional
        ),
        "No line has `probe: FAIL`.",
    ]


def _version(lock: Lock) -> str:
    return lock.all["torch"].version if "torch" in lock.all else ""


# --- rollback --------------------------------------------------------------------------------------------------------


def rollback(service: Service) -> str:
    name = service.name
    names = [env.name for env in environments(service)]
    folders = " ".join(f"lockfiles/{one}" for one in names)
    back = [
        f"git log --oneline -- services/{name} {folders}",
        "git revert COMMIT  # description and lock together; never one without the other",
        f"invoke build --service {name}",
    ]
    tags = [f"docker image ls '*torchpin/{one}'" for one in names]
    return paragraphs(
        "A change of the description is one commit with its lock, its rendering and its record; revert it whole.",
        block(back, "bash"),
        "An image keeps the key of what it was made from as its tag.\nSo the previous one is still there until somebody removes it, and this build ends at once:",
        block(tags, "bash"),
    )
