"""A service written as a description reads back as the same service."""

from __future__ import annotations

from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from support.descriptions import lora_service, read_service
from torchpin.description import patterns, write
from torchpin.description.sections.run import START_SCRIPT
from torchpin.model import (
    Base,
    CopiedFiles,
    Health,
    Layer,
    Reason,
    Recommendation,
    Run,
    Service,
    Source,
    Torch,
    Variant,
    Waiver,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_real_lora_service_reads_back_from_its_own_description() -> None:
    service = lora_service()
    assert read_service(write.to_yaml(service)) == service


names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
prose = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20).filter(
    lambda text: bool(text.strip()) and "\ufffe" not in text and "\uffff" not in text
)
numbers = st.integers(0, 99)
releases = st.builds("{}.{}.{}".format, numbers, numbers, numbers).map(Version)
packages = st.from_regex(r"[a-z]{1,8}(-[a-z0-9]{1,4})?", fullmatch=True).filter(
    lambda name: name not in {"torch", "torchvision", "torchaudio"}
)
absolute = st.from_regex(r"/[a-z0-9_]{1,8}(/[a-z0-9_.-]*[a-z])?", fullmatch=True)
values = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters='"\\$`\ufffe\uffff'),
    max_size=20,
)
commands = st.lists(prose, min_size=1, max_size=3).map(tuple)


def some(
    draw: st.DrawFn, strategy: st.SearchStrategy[Any], key: Callable[[Any], Any] | None = None
) -> tuple[Any, ...]:
    """Up to three different values of a strategy."""
    return tuple(draw(st.lists(strategy, max_size=3, unique_by=key or (lambda value: value))))


@st.composite
def layers(draw: st.DrawFn) -> tuple[Layer, ...]:
    pins = some(draw, packages)
    extras = draw(st.sampled_from(["", "[torch]", "[a,b]"]))
    return tuple(
        Layer(
            name=name,
            packages=tuple(
                Requirement(f"{pin}{extras}=={draw(releases)}") for pin in pins[number : number + 1]
            ),
            optional=draw(st.booleans()),
        )
        for number, name in enumerate(some(draw, names.filter(lambda name: name not in patterns.RESERVED)))
    )


@st.composite
def sources(draw: st.DrawFn) -> tuple[Source, ...]:
    source = st.builds(
        Source,
        name=names,
        url=st.just("https://example.org/a.git"),
        tag=st.sampled_from([None, "v1", "a/b+c"]),
        commit=st.from_regex(r"[0-9a-f]{40}", fullmatch=True),
        path=names.map("third_party/{}".format),
        to=st.none() | names.map("nodes/{}".format),
        requirements=st.sampled_from([("requirements.txt",), ("a/b.txt", "c.txt")]),
        install=st.sampled_from([None, "requirements", "editable", "wheel"]),
        submodules=st.sampled_from([None, True, False, (), ("libs/a",), ("a", "b")]),
        lfs=st.sampled_from([None, True, False]),
    )
    by_path = some(draw, source, lambda sampled_source: sampled_source.path)
    return tuple({sampled_source.name: sampled_source for sampled_source in by_path}.values())


@st.composite
def runs(draw: st.DrawFn) -> Run:
    health = st.builds(Health, command=commands, interval=st.integers(1, 86400), retries=st.integers(1, 9))
    return Run(
        command=draw(commands) if draw(st.booleans()) else (),
        env=draw(st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), values, max_size=3)),
        ports=some(draw, st.integers(1, 65535)),
        volumes=some(draw, absolute),
        freeze=draw(st.none() | absolute),
        user=draw(st.none() | st.sampled_from(["worker", "1000:1000"])),
        entrypoint=draw(st.just(()) | commands.map(lambda words: (*words, START_SCRIPT))),
        writable=some(draw, absolute),
        shm_size=draw(st.none() | st.just("8GB")),
        ipc=draw(st.sampled_from([None, "private"])),
        env_files=some(draw, st.sampled_from([".env", "~/a.env", "/etc/a.env"])),
        secrets=some(draw, st.from_regex(r"[A-Z_]{1,8}", fullmatch=True)),
        labels=draw(st.dictionaries(st.from_regex(r"org\.[a-z]{1,8}", fullmatch=True), prose, max_size=2)),
        health=draw(st.none() | health),
        compiles=draw(st.sampled_from([None, True, False])),
        bytecode=draw(st.booleans()),
    )


@st.composite
def variants(draw: st.DrawFn) -> tuple[Variant, ...]:
    platforms = ("linux/amd64", "linux/arm64", "linux/amd64")
    return tuple(
        Variant(name=name, channel=draw(st.sampled_from(["cu121", "cpu", "pypi"])), platform=platform)
        for name, platform in zip(some(draw, names) or ("gpu",), platforms, strict=False)
    )


companions = st.dictionaries(st.sampled_from(["torchvision", "torchaudio", "xformers-x"]), releases)
reasons = st.builds(Reason, component=prose, because=prose, evidence=prose)
waivers = st.builds(
    Waiver, check=st.just("GPU001"), about=prose, reason=prose, review_by=st.dates(min_value=date(1, 1, 1))
)


copied = st.builds(
    CopiedFiles,
    origin=st.sampled_from(["a", "a/b.py"]),
    target=st.from_regex(r"(/srv/)?[a-z]{1,8}\.txt", fullmatch=True),
    mode=st.sampled_from([None, "0755", "640"]),
    ignore=st.just(()) | st.just(("**/*.log", "!a.log")),
)


@st.composite
def services(draw: st.DrawFn) -> Service:
    return Service(
        name="lora",
        summary=draw(prose),
        python=Version(f"3.{draw(st.integers(8, 14))}.{draw(numbers)}"),
        base=Base(
            image="debian:12",
            digest=draw(st.none() | st.just("sha256:" + "0f" * 32)),
            rationale=draw(st.just("") | prose),
        ),
        torch=Torch(version=draw(releases), companions=MappingProxyType(draw(companions))),
        variants=draw(variants()),
        layers=draw(layers()),
        gpus=some(draw, prose),
        apt=some(draw, st.sampled_from(["git", "g++", "libc6", "libgl1"])),
        imports=some(draw, st.sampled_from(["torch", "a.b", "_c"])),
        sources=draw(sources()),
        files=some(draw, copied, lambda entry: entry.target),
        run=draw(runs()),
        budget_bytes=draw(st.none() | st.integers(0, 10**20)),
        recommends=some(draw, st.builds(Recommendation, component=prose, says=prose, by=prose)),
        reasons=some(draw, reasons, lambda reason: reason.component),
        waivers=some(draw, waivers),
    )


@settings(max_examples=20)
@given(services())
def test_a_description_reads_back_as_the_same_service(service: Service) -> None:
    assert read_service(write.to_yaml(service)) == service
