"""A project of others to a first description: what can be read becomes its draft, and what cannot is said."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from torchpin import facts
from torchpin.adopt import dockerfile, installs, registry, scan
from torchpin.description import patterns, read, write
from torchpin.errors import InputError
from torchpin.model import Base, Layer, Recommendation, Run, Service, Source, Torch, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torchpin.adopt.dockerfile import Stage
    from torchpin.adopt.installs import Install, Project, Want
    from torchpin.adopt.scan import Caught

FAMILY = ("torch", "torchvision", "torchaudio")


@dataclass(frozen=True, kw_only=True, slots=True)
class Adoption:
    """`text`: the drafted description; `missing`: why there is none; `caught`: what is wrong with what is there."""

    name: str
    text: str
    missing: str
    caught: tuple[Caught, ...]
    files: tuple[str, ...]


@dataclass(kw_only=True, slots=True)
class _Draft:
    """What is gathered on the way; `left`: what was left out, for the draft's opening comment."""

    layers: list[Layer] = field(default_factory=list)
    recommends: list[Recommendation] = field(default_factory=list)
    apt: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    missing: str = ""
    channel: str = ""


def adoption(texts: Mapping[str, str], name: str) -> Adoption:
    """The draft of a project, `{path: text}`; of several Dockerfiles the one for GPUs, else the first."""
    project = installs.project(texts)
    draft = _Draft()
    file = _main(project)
    for step in _steps(project, file):
        _take(project, draft, step)
    service = _service(project, draft, file, name)
    text = _text(service, draft, file) if service else ""
    return Adoption(
        name=name, text=text, missing=draft.missing, caught=scan.caught(project), files=tuple(sorted(texts))
    )


def _main(project: Project) -> str:
    wanted = ("Dockerfile.gpu", "Dockerfile.cuda", "Dockerfile")
    ranked = sorted(
        project.dockerfiles, key=lambda one: (posixpath.basename(one) not in wanted, one.count("/"), one)
    )
    return next(iter(ranked), "")


def _steps(project: Project, file: str) -> Iterable[Install]:
    """The installs of the Dockerfile; without any, the requirement files and pyproject as one step."""
    found = list(installs.installs(project, file)) if file else []
    if any(one.tool == "pip" for one in found):
        return found
    rows = [
        row for path in project.lists if "constraint" not in path for row in installs.listed(project, path)
    ]
    wants = (*(row for row in rows if isinstance(row, installs.Want)), *installs.declared(project))
    index = next((row[1] for row in rows if isinstance(row, tuple) and row[0] in {"index", "extra"}), "")
    return [
        *found,
        installs.Install(tool="pip", where=file or "requirements", file=file, wants=wants, index=index),
    ]


def _take(project: Project, draft: _Draft, step: Install) -> None:
    if step.tool == "apt":
        draft.apt += [
            one.text
            for one in step.wants
            if patterns.APT.pattern.fullmatch(one.text) and one.text not in draft.apt
        ]
        return
    if step.tool == "conda":
        draft.left += [f"{one.text} (conda)" for one in step.wants]
        return
    held: dict[str, str] = {
        canonicalize_name(one.requirement.name): _pin(one) for one in step.bounds if one.requirement
    }
    pins = [pin for want in step.wants if (pin := _pinned(project, draft, step, want, held))]
    once = {canonicalize_name(pin.name): pin for pin in reversed(pins)}
    fresh = [pin for pin in reversed(once.values()) if not _declared(draft, pin)]
    for pin in [one for one in fresh if canonicalize_name(one.name) in facts.abi_packages()]:
        draft.layers.append(Layer(name=f"step-{len(draft.layers) + 1}", packages=(pin,)))
    plain = tuple(one for one in fresh if canonicalize_name(one.name) not in facts.abi_packages())
    if plain:
        draft.layers.append(Layer(name=f"step-{len(draft.layers) + 1}", packages=plain))


def _declared(draft: _Draft, pin: Requirement) -> bool:
    names = {canonicalize_name(one.name) for layer in draft.layers for one in layer.packages}
    return canonicalize_name(pin.name) in names


def _pin(want: Want) -> str:
    spec = list(want.requirement.specifier) if want.requirement else []
    exact = [one.version for one in spec if one.operator in {"==", "==="} and "*" not in one.version]
    return exact[0] if exact else ""


def _pinned(
    project: Project, draft: _Draft, step: Install, want: Want, held: Mapping[str, str]
) -> Requirement | None:
    """A want as an exact pin; torch and companions go elsewhere, and what has no version is recommended and said."""
    wheel = re.search(r"([\w.]+?)-(\d[\w.]*?)(?:\+|%2B)[^/]*\.whl", want.text)
    if want.requirement is None or want.requirement.url:
        if wheel and canonicalize_name(wheel[1]) in facts.abi_packages():
            return Requirement(f"{canonicalize_name(wheel[1])}=={wheel[2]}")
        draft.left.append(want.text)
        return None
    name = canonicalize_name(want.requirement.name)
    version = _pin(want) or held.get(name) or project.locked.get(name, "")
    if name in FAMILY:
        draft.versions.setdefault(name, version)
        if name == "torch" and not draft.channel:
            channel, how = registry.channel_of(step, want)
            draft.channel = "pypi" if how == "from PyPI" else channel
        return None
    if want.requirement.marker and not want.requirement.marker.evaluate(
        {"sys_platform": "linux", "platform_system": "Linux", "extra": ""}
    ):
        return None
    if not version:
        _open(draft, want, name)
        return None
    extras = f"[{','.join(sorted(want.requirement.extras))}]" if want.requirement.extras else ""
    return Requirement(f"{want.requirement.name}{extras}=={version}")


def _open(draft: _Draft, want: Want, name: str) -> None:
    said = str(want.requirement.specifier) if want.requirement else ""
    draft.left.append(f"{want.text} (no version)")
    draft.recommends.append(
        Recommendation(component=name, says=said or "any", by=want.where.partition(":")[0])
    )


# --- the description -------------------------------------------------------------------------------------------------


def _service(project: Project, draft: _Draft, file: str, name: str) -> Service | None:
    stage = dockerfile.final(project.texts[file]) if file else None
    image, _, digest = stage.image.partition("@") if stage else ("", "", "")
    base = facts.base(image)
    own = base.torch if base and base.torch else ""
    version = own.partition("+")[0] if own else draft.versions.get("torch", "").partition("+")[0]
    missing = [
        *([] if image and ":" in image and not dockerfile.unresolved(image) else ["a base image with a tag"]),
        *([] if _is_version(version) else ["the version of torch"]),
    ]
    if missing:
        draft.missing = f"{' and '.join(missing)} cannot be told from what is here"
        return None
    channel = (
        own.partition("+")[2]
        or _cuda_channel(base if own else None)
        or draft.channel
        or _release_channel(version)
    )
    return Service(
        name=name,
        summary=f"Say in one line what {name} does",
        python=_python(project, stage, base, given=bool(own)),
        base=Base(
            image=image,
            digest=digest or None,
            rationale="Say why it stands on this image.",
        ),
        torch=Torch(
            version=Version(version),
            companions=_companions(draft, version),
            origin="base" if own else "index",
        ),
        variants=(_variant(channel, stage),),
        layers=tuple(draft.layers) or (Layer(name="app", packages=()),),
        apt=tuple(sorted(draft.apt)),
        sources=tuple(_sources(project, draft, file)),
        run=_run(stage) if stage else Run(),
        recommends=tuple(draft.recommends),
    )


def _cuda_channel(base: facts.Base | None) -> str:
    return "cu" + "".join(base.cuda.split(".")[:2]) if base and base.cuda else ""


def _release_channel(version: str) -> str:
    """Without an index it is PyPI's."""
    return "pypi" if facts.release(version) else "cpu"


def _companions(draft: _Draft, version: str) -> Mapping[str, Version]:
    """Those that are installed; one without a version is the release's partner."""
    release = facts.release(version)
    partners = {"torchvision": release.torchvision, "torchaudio": release.torchaudio} if release else {}
    found = {}
    for name in FAMILY[1:]:
        own = draft.versions.get(name, "").partition("+")[0] or (partners.get(name) or ("",))[-1]
        if name in draft.versions and _is_version(own):
            found[name] = Version(own)
    return MappingProxyType(found)


def _python(project: Project, stage: Stage | None, base: facts.Base | None, *, given: bool) -> Version:
    """Where the base gives torch, its Python; else a whole version, of the base, the image's tag or pyproject."""
    image = stage.image if stage else ""
    tag = re.search(r"python:(3\.\d+(?:\.\d+)?)", image)
    asked = re.search(r"3\.\d+", str((project.pyproject.get("project") or {}).get("requires-python", "")))
    told = (
        (base.python if base else None)
        or (tag[1] if tag else "")
        or (base.apt_python if base else None)
        or (asked[0] if asked else "")
    )
    if given:
        return Version(told or "3.11")
    minor = ".".join((told or "3.11").split(".")[:2])
    return Version(
        told
        if told and patterns.PYTHON.pattern.fullmatch(told)
        else {"3.10": "3.10.14", "3.12": "3.12.11", "3.13": "3.13.5"}.get(minor, f"{minor}.13")
    )


def _variant(channel: str, stage: Stage | None) -> Variant:
    arm = bool(stage) and "arm64" in (stage.start.flags.get("platform", "") if stage else "")
    name = "cpu" if channel == "cpu" else "gpu"
    return Variant(name=name, channel=channel, platform="linux/arm64" if arm else "linux/amd64")


def _sources(project: Project, draft: _Draft, file: str) -> Iterable[Source]:
    """The git clones at a tag whose commit the facts know; the others are said."""
    for run in installs.runs(project, file) if file else ():
        texts = run.command.texts
        url = next((one for one in texts if re.match(r"https://\S+", one)), "")
        if texts[:2] != ("git", "clone") or not url:
            continue
        tag = next((texts[n + 1] for n, one in enumerate(texts[:-1]) if one in {"-b", "--branch"}), "")
        repo = re.sub(r"(?:\.git)?/?$", "", url).partition("://")[2].partition("/")[2]
        known = next((row for row in facts.source_tags(repo) if row.tag == tag and row.commit), None)
        name = repo.rpartition("/")[2].lower()
        if known and known.commit and patterns.NAME.pattern.fullmatch(name):
            yield Source(
                name=name,
                url=url.removesuffix(".git"),
                tag=tag,
                commit=known.commit,
                path=f"third_party/{name}",
            )
            continue
        draft.left.append(f"{url} at {tag or 'no tag'}")


def _run(stage: Stage) -> Run:
    ports: list[int] = []
    volumes: list[str] = []
    env: dict[str, str] = {}
    command: tuple[str, ...] = ()
    for one in stage.instructions:
        if one.keyword == "EXPOSE":
            ports += [
                int(word.partition("/")[0]) for word in one.text.split() if word.partition("/")[0].isdigit()
            ]
        elif one.keyword == "VOLUME":
            volumes += [
                word for word in one.words or one.text.split() if patterns.ABSOLUTE.pattern.fullmatch(word)
            ]
        elif one.keyword == "ENV":
            env |= {k: v for k, v in dockerfile.assignments(one).items() if _is_env(k, v)}
        elif one.keyword in {"CMD", "ENTRYPOINT"} and one.words:
            command = (*(command if one.keyword == "CMD" and command else ()), *one.words)
    return Run(
        command=command, env=env, ports=tuple(dict.fromkeys(ports)), volumes=tuple(dict.fromkeys(volumes))
    )


def _is_env(key: str, value: str) -> bool:
    own = key in patterns.OWN_VARIABLES
    return bool(
        not own
        and patterns.KEY.pattern.fullmatch(key)
        and patterns.VALUE.pattern.fullmatch(value)
        and "$" not in value
    )


def _text(service: Service, draft: _Draft, file: str) -> str:
    """The draft below a comment that says what is not in it; without what the reader would refuse, piece by piece."""
    opening = [
        f"# Drafted from {file or 'the requirement files'}. What people have to look at:",
        "# - gpus: name the cards that it must run on.",
    ]
    opening += [f"# - left out: {one}" for one in dict.fromkeys(draft.left)]
    for one in (
        service,
        replace(service, run=Run()),
        replace(service, run=Run(), apt=()),
        replace(service, run=Run(), apt=(), sources=(), recommends=()),
    ):
        text = "\n".join(opening) + "\n" + write.description(one)
        try:
            read.services({one.file: text})
        except InputError as error:
            draft.missing = str(error)
        else:
            draft.missing = ""
            return text
    return ""


def _is_version(text: str) -> bool:
    try:
        return bool(Version(text))
    except InvalidVersion:
        return False
