"""The description of a service: all sections of its service.yaml."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from torchpin.description.patterns import (
    ANY_PYTHON,
    APT,
    DRIVER,
    MODULE,
    NAME,
    PROSE,
    PYTHON,
    SIZE,
    TAKEN_HOMES,
    apt_name,
)
from torchpin.description.sections.base import BASE, base_mapping, build_base
from torchpin.description.sections.building import (
    REPOSITORIES,
    STAGE,
    build_repositories,
    build_stage,
    check_repositories,
    check_stage,
    repository_mapping,
    stage_mapping,
)
from torchpin.description.sections.files import FILES, build_files, check_files, files_mapping
from torchpin.description.sections.indexes import INDEXES, build_indexes, index_mapping
from torchpin.description.sections.layers import LAYERS, build_layers, check_layers, layer_mapping
from torchpin.description.sections.overrides import (
    OVERRIDES,
    build_overrides,
    check_overrides,
    override_mapping,
)
from torchpin.description.sections.reasons import (
    REASONS,
    RECOMMENDS,
    WAIVERS,
    build_reasons,
    build_recommendations,
    build_waivers,
    reason_mapping,
    recommendation_mapping,
    waiver_mapping,
)
from torchpin.description.sections.run import RUN, build_run, check_run, run_mapping
from torchpin.description.sections.sources import SOURCES, build_sources, check_sources, source_mapping
from torchpin.description.sections.torch import TORCH, build_torch, torch_mapping
from torchpin.description.sections.variants import VARIANTS, build_variants, variant_mapping
from torchpin.description.shapes import Items, Key, Record, Text
from torchpin.model import Run, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.description.yaml_reader import Reader
    from torchpin.model import Position


def _refuse_taken_home(name: str) -> str:
    return f"/opt/{name} is reserved for torchpin; choose another name" if name in TAKEN_HOMES else ""


_BUDGET = Record(
    keys=(Key(name="image", shape=Text(rule=SIZE), doc="The most that the image may take.", example="20GB"),)
)
SERVICE = Record(
    keys=(
        Key(
            name="name",
            shape=Text(rule=NAME, refuse=_refuse_taken_home),
            doc="The name of the service, that of its folder.",
            example="whisper",
            required=True,
        ),
        Key(
            name="summary",
            shape=Text(rule=PROSE),
            doc="What the service is, in a sentence.",
            example="Transcription of speech over HTTP",
            required=True,
        ),
        Key(
            name="python",
            shape=Text(rule=ANY_PYTHON),
            doc="The Python of the image: a full version, or that of the base image where torch is the base image's.",
            example='"3.11.13"',
            required=True,
        ),
        Key(name="base", shape=BASE, doc="The base image.", required=True),
        Key(name="torch", shape=TORCH, doc="torch and its companions.", required=True),
        Key(
            name="variants",
            shape=VARIANTS,
            doc="The ways to build the service, by name: each has one lock, one Dockerfile, one image.",
            example="{gpu: {channel: cu128, platform: linux/amd64}}",
            required=True,
        ),
        Key(
            name="layers",
            shape=LAYERS,
            doc="The packages, in install order. torch is installed before them.",
            example="[{name: web, packages: [fastapi==0.119.0]}]",
            required=True,
        ),
        Key(
            name="indexes",
            shape=INDEXES,
            doc="Indexes of packages beside PyPI, by name; a layer comes from one by `index`.",
            example="{corp: {url: https://wheels.example.org/simple}}",
        ),
        Key(
            name="gpus",
            shape=Items(of=Text(rule=PROSE), unique=True),
            doc="The GPUs that the service has to run on: models, machine types or capabilities.",
            example="[RTX 4090, H100]",
        ),
        Key(
            name="driver",
            shape=Text(rule=DRIVER),
            doc="The NVIDIA driver of the hosts that it has to run on.",
            example='"550.54.14"',
        ),
        Key(
            name="apt",
            shape=Items(of=Text(rule=APT), unique=True, name_of=apt_name),
            doc="System packages of the distribution, each with its version where that matters: `git=1:2.43.0-1ubuntu7`.",
            example="[ffmpeg, git=1:2.43.0-1ubuntu7]",
        ),
        Key(
            name="apt_repositories",
            shape=REPOSITORIES,
            doc="Debian repositories beside those of the distribution, for `apt`.",
        ),
        Key(
            name="imports",
            shape=Items(of=Text(rule=MODULE), unique=True),
            doc="Modules that the verification of the image imports.",
            example="[torch, fastapi]",
        ),
        Key(name="sources", shape=SOURCES, doc="Git repositories that are cloned into the image."),
        Key(
            name="files",
            shape=FILES,
            doc="Files and folders of the repository that are copied into the image, in its last layers.",
            example="[{from: services/whisper/server.py, to: server.py}]",
        ),
        Key(
            name="build",
            shape=STAGE,
            doc="Packages that are compiled for this torch and these GPUs, in a stage of its own: the image gets the wheels, and neither compiler nor toolkit.",
        ),
        Key(
            name="overrides",
            shape=OVERRIDES,
            doc="Versions that hold against what other packages require of them, such as an exact pin of torch; each is a deviation with its reason.",
        ),
        Key(name="run", shape=RUN, doc="How a container runs."),
        Key(name="budget", shape=_BUDGET, doc="Limits of the image.", example="{image: 20GB}"),
        Key(
            name="recommends",
            shape=RECOMMENDS,
            doc="What somebody says a component should be; deviations are computed from it.",
            example='[{component: torch, says: "2.5.x"}]',
        ),
        Key(
            name="reasons",
            shape=REASONS,
            doc="Why a deviation is right, by component.",
            example="{torch: {because: B200 needs torch 2.7, evidence: torch's compiled architectures}}",
        ),
        Key(
            name="waivers",
            shape=WAIVERS,
            doc="Findings that are accepted until a day.",
            example="[{check: BAS003, about: devel, reason: nvcc is used at run time, review_by: 2027-01-31}]",
        ),
    )
)


def check_service(reader: Reader, values: Mapping[str, Any]) -> None:
    """Adds a problem for each thing that no shape says: what belongs together in the sections of a description."""
    name, torch, python = values.get("name"), values.get("torch") or {}, values.get("python")
    folder = reader.file.split("/")[-2] if "/" in reader.file else name
    if name and name != folder:
        reader.add_problem_at("name", f"expected {folder!r}, the name of its folder, found {name!r}")
    if python and torch.get("from") != "base" and not PYTHON.pattern.fullmatch(python):
        reader.add_problem_at("python", f"{python!r} is not {PYTHON.expected}")
    check_layers(reader, values)
    check_overrides(reader, values)
    check_sources(reader, values.get("sources") or (), values.get("layers") or ())
    check_repositories(reader, values.get("apt_repositories") or ())
    check_stage(reader, values)
    check_run(reader, values.get("run") or {}, f"/opt/{name}")
    check_files(reader, values, f"/opt/{name}")


def build_service(values: Mapping[str, Any], positions: Mapping[str, Position]) -> Service:
    """The service of values that were read without a problem."""
    budget = values.get("budget", {}).get("image")
    return Service(
        name=values["name"],
        summary=values["summary"],
        python=Version(values["python"]),
        base=build_base(values["base"]),
        torch=build_torch(values["torch"]),
        variants=build_variants(values["variants"]),
        layers=build_layers(values["layers"]),
        indexes=build_indexes(values.get("indexes", {})),
        gpus=values.get("gpus", ()),
        driver=values.get("driver"),
        apt=values.get("apt", ()),
        apt_repositories=build_repositories(values.get("apt_repositories", ())),
        imports=values.get("imports", ()),
        sources=build_sources(values.get("sources", ())),
        files=build_files(values.get("files", ())),
        build=build_stage(values["build"]) if "build" in values else None,
        run=build_run(values["run"]) if "run" in values else Run(),
        budget_bytes=_parse_size(budget) if budget else None,
        recommends=build_recommendations(values.get("recommends", ())),
        reasons=build_reasons(values.get("reasons", {})),
        waivers=build_waivers(values.get("waivers", ())),
        overrides=build_overrides(values.get("overrides", ())),
        positions=positions,
    )


def _parse_size(text: str) -> int:
    return int(Decimal(text[:-2]) * {"MB": 10**6, "GB": 10**9, "TB": 10**12}[text[-2:]])


def service_mapping(service: Service) -> dict[str, object]:
    """The values of a service.yaml; those of keys that are not there are empty."""
    budget = service.budget_bytes
    return {
        "name": service.name,
        "summary": service.summary,
        "python": str(service.python),
        "base": base_mapping(service.base),
        "torch": torch_mapping(service.torch),
        "variants": {variant.name: variant_mapping(variant) for variant in service.variants},
        "indexes": {index.name: index_mapping(index) for index in service.indexes},
        "gpus": list(service.gpus),
        "driver": service.driver,
        "apt": list(service.apt),
        "apt_repositories": [repository_mapping(repository) for repository in service.apt_repositories],
        "imports": list(service.imports),
        "sources": [source_mapping(source) for source in service.sources],
        "files": [files_mapping(files) for files in service.files],
        "build": stage_mapping(service.build) if service.build else None,
        "overrides": [override_mapping(override) for override in service.overrides],
        "run": run_mapping(service.run),
        "budget": None if budget is None else {"image": f"{Decimal(budget) / 10**6:f}MB"},
        "recommends": [recommendation_mapping(recommendation) for recommendation in service.recommends],
        "reasons": {reason.component: reason_mapping(reason) for reason in service.reasons},
        "waivers": [waiver_mapping(waiver) for waiver in service.waivers],
        "layers": [layer_mapping(layer) for layer in service.layers],
    }
