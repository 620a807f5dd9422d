"""The generated pages say everything that they should, and leave alone what people wrote around it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from torchpin.checks.registry import Check
from torchpin.description import read
from torchpin.documents import checks, deviations, markdown, pinning
from torchpin.documents.markdown import escape_literal, prose
from torchpin.errors import InputError
from torchpin.lock.layers import layer_lock, layer_names
from torchpin.model import (
    Artifact,
    Base,
    Environment,
    Layer,
    Lock,
    Reason,
    Recommendation,
    Service,
    Source,
    Torch,
    Upstream,
    Variant,
    Waiver,
)

LORA = "services/lora/service.yaml"
GPU = Variant(name="gpu", channel="cu121", platform="linux/amd64")
CPU = Variant(name="cpu", channel="cpu", platform="linux/amd64")
ARM = Variant(name="arm64", channel="pypi", platform="linux/arm64")
PYPI = Variant(name="gpu", channel="pypi", platform="linux/amd64")
SMALL = Service(
    name="small",
    summary="A small service",
    python=Version("3.10.14"),
    base=Base(image="debian:12"),
    torch=Torch(version=Version("2.5.1"), companions={}),
    variants=(GPU,),
    layers=(Layer(name="tools", packages=(Requirement("tqdm==4.66.5"), Requirement("Rich[jupyter]>=14"))),),
)


def lora() -> Service:
    (service,) = read.read_services({LORA: (Path(__file__).parents[2] / LORA).read_text(encoding="utf-8")})
    return service


def artifact(name: str, version: str, *, size: int | None = 1000, source: bool = False) -> Artifact:
    ending = ".tar.gz" if source else "-py3-none-any.whl"
    return Artifact(
        name=name, version=version, filename=f"{name}-{version}{ending}", sha256="0" * 64, size=size
    )


def lock(
    service: Service, variant: Variant, *, extra: tuple[Artifact, ...] = (), upstream: tuple[str, ...] = ()
) -> Lock:
    """A lock of exactly the declared packages; `extra` joins the last layer, or torch's own for nvidia's."""
    env = Environment(service=service, variant=variant)
    local = "" if variant.channel == "pypi" else f"+{variant.channel}"
    torch = [
        artifact(name, f"{release}{local}", size=None)
        for name, release in sorted(service.torch.family.items())
    ]
    torch_deps = [package for package in extra if package.name.startswith("nvidia-")]
    declared = [
        [
            artifact(
                canonicalize_name(requirement.name),
                next(iter(requirement.specifier)).version,
                source=requirement.name == "dadaptation",
            )
            for requirement in layer.packages
        ]
        for layer in service.layers
    ]
    declared[-1] += [package for package in extra if package not in torch_deps]
    contents = zip(layer_names(env), [torch, torch_deps, *declared], strict=True)
    upstreams = tuple(
        Upstream(
            source=source.name,
            tag=source.tag,
            commit=source.commit,
            file="requirements.txt",
            requirements=upstream,
        )
        for source in service.sources
    )
    return Lock(
        layers=tuple(layer_lock(env, name, packages, uv="0.13.9") for name, packages in contents),
        upstreams=upstreams,
    )


def locks(service: Service, **extra: Artifact) -> dict[str, Lock]:
    return {
        f"{service.name}-{variant.name}": lock(
            service, variant, extra=tuple(package for name, package in extra.items() if name == variant.name)
        )
        for variant in service.variants
    }


def page(service: Service, locked: dict[str, Lock] | None = None, **records: str) -> str:
    env_locks = locks(service) if locked is None else locked
    return pinning.pinning_sections(
        [service], env_locks, {f"{service.name}-{variant}": text for variant, text in records.items()}
    )[service.name]


def page_section(text: str, title: str) -> str:
    """What stands below a heading of the third level."""
    _, _, section = text.partition(f"\n### {title} of ")
    return section.partition("\n\n")[2].partition("\n### ")[0].partition("\n<!--")[0]


def deviation_log(service: Service, locked: dict[str, Lock] | None = None) -> str:
    return deviations.deviation_sections([service], locks(service) if locked is None else locked)[
        service.name
    ]


# --- docs/PINNING.md -------------------------------------------------------------------------------------------------

REQUIRED_SECTIONS = {
    "Base image": ("nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04", "**Rationale**: CUDA 12.x is stable"),
    "Core versions": (
        "| Component | Pinned version | Report says |",
        "| Python | `3.10.14` | report: 3.10;",
        "| PyTorch | `2.7.1+cu128` | report: 2.5.x;",
        "| torchvision | `0.22.1+cu128` |",
        "| CUDA | `12.8` | report: 11.8 / 12.x;",
        "| cuDNN | `9.1.0.70` | earlier page: 8.9.x |",
    ),
    "Python packages": (
        "#### Layer torch\n\n```\ntorch==2.7.1+cu128\ntorchvision==0.22.1+cu128\n",
        "#### Layer training\n\n```\naccelerate==1.6.0\n",
        "diffusers[torch]==0.32.1\n",
        "#### Layer sd-scripts\n\n```\ndadaptation==3.2\n",
        "#### Layer analysis\n\n```\nPillow==10.4.0\n",
        "#### Layer utilities\n",
    ),
    "Sources": (
        "**Repository**:\n\n```\nhttps://github.com/kohya-ss/sd-scripts\n```",
        "**Pinned tag**: `v0.10.0`",
        "**Pinned commit**: `966e9d7f6bb4058abbddb815dd40462b35ffb1d2`",
        "**Note**: The tag must give this commit",
        "Tag v0.9.2 was never published",
        "invoke clone --service lora\n",
        "git clone https://github.com/kohya-ss/sd-scripts third_party/sd-scripts\ncd third_party/sd-scripts\n",
        "git checkout 966e9d7f6bb4058abbddb815dd40462b35ffb1d2  # v0.10.0\n",
    ),
    "Runtime outputs": (
        "**pip freeze location**:\n\n```\n/workspace/lora_training/logs/pip_freeze.txt\n```",
        "start.sh` writes it at every start of a container",
    ),
    "Verification commands": (
        "torch.__version__",
        "torch.cuda.is_available()",
        "importlib.metadata.version('accelerate')",
        "importlib.metadata.version('bitsandbytes')",
        "git -C /opt/lora/third_party/sd-scripts rev-parse HEAD\n",
        "invoke verify --service lora\n",
    ),
    "Deviation log": (
        "(../DEVIATIONS.md#lora)",
        "| Component | Report Says | We Use | Reason | Evidence |",
        "| CUDA | earlier page: 12.1 | 12.8 |",
        "| accelerate | earlier page: 0.25.0 | 1.6.0 | 0.25.0 (2023-12) is below",
    ),
    "Update policy": (
        "1. Test new versions locally first",
        "2. Update the description and these documents",
        "3. Rebuild the Docker image",
        "4. Run the validation suite",
        "5. Record the new `pip_freeze.txt`",
    ),
}


@pytest.mark.parametrize("title", REQUIRED_SECTIONS)
def test_the_page_of_the_real_service_has_every_section_of_the_earlier_page(title: str) -> None:
    service = lora()
    text = page_section(page(service, locks(service, gpu=artifact("nvidia-cudnn-cu12", "9.1.0.70"))), title)
    assert [excerpt for excerpt in REQUIRED_SECTIONS[title] if excerpt not in text] == []


def headings(text: str) -> list[str]:
    """The anchors that GitHub gives, the second of a kind with -1."""
    anchors: list[str] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            slug = re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
            count = sum(1 for anchor in anchors if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", anchor))
            anchors.append(f"{slug}-{count}" if count else slug)
    return anchors


def test_every_link_of_the_contents_meets_its_heading() -> None:
    services = [lora(), SMALL, replace(SMALL, name="tools"), replace(SMALL, name="gpus")]
    sections = pinning.pinning_sections(services, {}, {})
    text = markdown.splice_sections("docs/PINNING.md", pinning.PINNING_OPENING, sections)
    links = re.findall(r"\(#([^)]*)\)", sections["contents"])
    assert len(links) == 4 * 15
    assert {*links} <= {*headings(text)}
    assert list(sections) == ["contents", "lora", "small", "tools", "gpus"]


def test_the_contents_say_where_there_is_nothing() -> None:
    assert "There is no service yet." in pinning.pinning_sections([], {}, {})["contents"]


def test_a_service_cannot_take_the_name_of_the_contents() -> None:
    with pytest.raises(InputError, match="has a section 'contents'; choose another name"):
        pinning.pinning_sections([replace(SMALL, name="contents")], {}, {})


def test_one_table_a_variant_and_one_block_where_their_packages_are_the_same() -> None:
    service = replace(SMALL, variants=(GPU, CPU, ARM))
    text = page(service)
    core = page_section(text, "Core versions")
    assert core.count("| Component | Pinned version |") == 3
    assert "Environment `small-arm64`: channel `pypi`, platform `linux/arm64`" in core
    assert (
        "| PyTorch | `2.5.1+cpu` | - |\n| CUDA | none: a CPU build | - |\n| cuDNN | none: a CPU build |"
        in core
    )
    assert "| CUDA | not known | - |\n| cuDNN | not known: no package of its own brings it |" in core
    packages = page_section(text, "Python packages")
    assert "In `small-gpu`:\n\n```\ntorch==2.5.1+cu121\n```" in packages
    assert packages.count("```\ntqdm==4.66.5\nRich[jupyter]==14\n```") == 1
    assert "In `small-gpu`, " not in packages


def test_a_package_that_only_one_variant_gets_is_told_apart() -> None:
    service = replace(SMALL, variants=(GPU, CPU))
    env_locks = locks(service)
    *earlier_layers, last_layer = env_locks["small-cpu"].layers
    env_locks["small-cpu"] = Lock(layers=(*earlier_layers, replace(last_layer, packages=())))
    text = page_section(page(service, env_locks), "Python packages")
    assert "In `small-cpu`:\n\nNo package of its own." in text


def test_a_layer_says_what_else_it_brings_how_large_and_what_is_source_only() -> None:
    extra = (
        artifact("nvidia-cublas-cu12", "12.1", size=2_500_000),
        artifact("six", "1.17", size=None),
        artifact("old", "1", source=True),
    )
    text = page_section(page(SMALL, {"small-gpu": lock(SMALL, GPU, extra=extra)}), "Python packages")
    assert "`00-torch.txt`: no further package; 1 file of unpublished size." in text
    assert (
        "`01-torch-deps.txt`, which torch and its companions bring: 1 package; 1 file with 2,500,000 bytes in all."
        in text
    )
    assert (
        "`02-tools.txt`: 2 further packages; 3 files with 3,000 bytes in all; 1 file of unpublished size; as source only: old."
        in text
    )


def test_an_optional_layer_says_so() -> None:
    service = replace(SMALL, layers=(replace(SMALL.layers[0], optional=True),))
    assert "Optional: where it cannot be installed, the image goes without it." in page(service)


def test_a_bare_service_has_every_section_too() -> None:
    text = page(SMALL)
    assert page_section(text, "Sources").strip() == "Nothing is cloned."
    assert page_section(text, "GPUs").strip() == "The description wants no GPU."
    assert "none, the description names no `run.freeze`" in page_section(text, "Runtime outputs")
    assert "not recorded: the tag alone decides" in page_section(text, "Base image")
    assert "**Rationale**: not given" in text
    assert "Nothing deviates from what was recommended." in page_section(text, "Deviation log")


def test_torch_from_pypi_is_named_as_it_names_itself() -> None:
    core = page_section(page(replace(SMALL, variants=(PYPI,))), "Core versions")
    assert "| PyTorch | `2.5.1+cu124` (its file says `2.5.1`) |" in core
    assert "| CUDA | `12.4` |" in core


def test_a_lock_without_torch_is_shown_as_it_is() -> None:
    service = replace(SMALL, torch=replace(SMALL.torch, companions={"torchvision": Version("0.20.1")}))
    lock_without_torch = Lock(layers=lock(service, GPU).layers[1:])
    text = page(service, {"small-gpu": lock_without_torch})
    assert "| PyTorch | not installed | - |\n| torchvision | not installed |" in text


def test_what_is_not_locked_yet_says_what_to_run() -> None:
    message = "Not locked yet: `small-gpu`. Run `invoke lock --service small`."
    text = page(SMALL, {})
    for title in ("Core versions", "Python packages"):
        assert page_section(text, title).strip() == message
    assert page_section(text, "Deviation log").strip().endswith(f":\n\n{message}")
    partly_locked = page(replace(SMALL, variants=(GPU, CPU)), {"small-cpu": lock(SMALL, CPU)})
    assert message in page_section(partly_locked, "Core versions")
    assert "2.5.1+cpu" in partly_locked


def test_records_are_linked_told_apart_from_the_lock_or_said_to_be_missing() -> None:
    freeze = "torch==2.5.1+cu121\ntqdm==4.66.5\nrich==14\n"
    link = "[`records/small-gpu/pip_freeze.txt`](../records/small-gpu/pip_freeze.txt)"
    assert f"- `small-gpu`: {link}\n" in page(SMALL, gpu=freeze)
    assert f"{link}, which differs from the lock in 1 package\n" in page(SMALL, gpu=freeze + "extra==1\n")
    assert f"{link}\n" in page(SMALL, {}, gpu=freeze)
    assert (
        "- `small-gpu`: not recorded yet: no image of this environment was built where these documents were made"
        in page(SMALL)
    )


def test_a_source_without_requirements_is_compared_with_nothing() -> None:
    source = Source(
        name="x", url="https://host/~me/x", tag="v1", commit="a" * 40, path="third_party/x", requirements=None
    )
    text = page_section(page(replace(SMALL, sources=(source,))), "Sources")
    assert "compared with the lock" not in text
    assert "git clone 'https://host/~me/x' third_party/x\n" in text


def gpu_rows(torch: str, *variants: Variant, gpus: tuple[str, ...]) -> list[list[str]]:
    service = replace(SMALL, gpus=gpus, variants=variants, torch=Torch(version=Version(torch), companions={}))
    lines = page_section(page(service), "GPUs").strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def test_each_gpu_is_told_whether_each_build_has_code_for_it() -> None:
    gpus = ("A6000", "B200", "B100", "GH200", "Voodoo 2")
    assert gpu_rows("2.5.1", GPU, CPU, ARM, gpus=gpus) == [
        ["A6000", "8.6", "yes", "no: a CPU build", "unknown: no fact tells what this build is"],
        [
            "B200",
            "10.0",
            "no: compiled for sm_50, sm_60, sm_70, sm_75, sm_80, sm_86, sm_90, without PTX",
            "no: a CPU build",
            "unknown: no fact tells what this build is",
        ],
        ["B100", "not known", "unknown: no fact tells its capability", "no: a CPU build", "unknown: no fact tells its capability"],
        ["GH200", "9.0", "no: its host is aarch64, this build is for linux/amd64", "no: a CPU build", "unknown: no fact tells what this build is"],
        ["Voodoo 2", "not known", "unknown: no fact tells its capability", "no: a CPU build", "unknown: no fact tells its capability"],
    ]  # fmt: skip


def test_where_the_architectures_are_not_known_the_ceiling_tells() -> None:
    variant = Variant(name="gpu", channel="cu118", platform="linux/amd64")
    assert gpu_rows("2.7.0", variant, gpus=("B200", "H100")) == [
        ["B200", "10.0", "no: its CUDA makes machine code up to sm_90 only"],
        ["H100", "9.0", "unknown: no fact tells what this build is compiled for"],
    ]


def test_a_build_with_ptx_lists_it() -> None:
    variant = Variant(name="gpu", channel="cu128", platform="linux/amd64")
    assert gpu_rows("2.7.0", variant, gpus=("V100",)) == [
        ["V100", "7.0", "no: compiled for sm_75, sm_80, sm_86, sm_90, sm_100, sm_120, compute_120"],
    ]


def test_a_waiver_stands_beside_its_gpu_with_its_review() -> None:
    waiver = Waiver(check="GPU001", about="RTX A6000", reason="later", review_by=date(2027, 1, 31))
    text = page_section(page(replace(SMALL, gpus=("A6000", "H100"), waivers=(waiver,))), "GPUs")
    assert "| A6000 | 8.6 | yes | `GPU001`, review by 2027-01-31: later |" in text
    assert "| H100 | 9.0 | yes | - |" in text


# --- DEVIATIONS.md ---------------------------------------------------------------------------------------------------

SOURCE = Source(
    name="scripts",
    url="https://host/scripts",
    tag="v1",
    commit="a" * 40,
    path="third_party/scripts",
    requirements="requirements.txt",
)


def test_every_adviser_that_is_not_met_is_named_the_upstream_too() -> None:
    service = replace(
        SMALL,
        sources=(SOURCE,),
        recommends=(
            Recommendation(component="tqdm", says=">=5,<6"),
            Recommendation(component="tqdm", says="4.*", by="page"),
        ),
        reasons=(Reason(component="tqdm", because="It | works", evidence="tried"),),
    )
    text = deviation_log(service, {"small-gpu": lock(service, GPU, upstream=("tqdm==3.*", "absent"))})
    assert "| tqdm | report: >=5,<6; scripts v1: ==3.\\* | 4.66.5 | It \\| works | tried |" in text
    assert "| absent | scripts v1: any | not installed | **no reason given** | - |" in text


def test_a_choice_inside_the_range_is_marked() -> None:
    service = replace(
        SMALL,
        recommends=(Recommendation(component="tqdm", says=">=4"),),
        reasons=(Reason(component="tqdm", because="The newest", evidence="PyPI"),),
    )
    assert "| tqdm | report: >=4 | 4.66.5 (a choice inside the range) | The newest | PyPI |" in deviation_log(
        service
    )


def test_the_same_row_of_several_environments_stands_once_and_others_name_theirs() -> None:
    service = replace(
        SMALL,
        variants=(GPU, CPU),
        recommends=(
            Recommendation(component="tqdm", says="5"),
            Recommendation(component="torch", says="2.6.0"),
            Recommendation(component="CUDA", says="11.8"),
        ),
    )
    rows = [line for line in deviation_log(service).splitlines() if line.startswith("| ")][2:]
    assert [row.split(" | **no")[0] for row in rows] == [
        "| tqdm | report: 5 | 4.66.5",
        "| torch | report: 2.6.0 | 2.5.1+cu121 in `small-gpu`",
        "| torch | report: 2.6.0 | 2.5.1+cpu in `small-cpu`",
        "| CUDA | report: 11.8 | 12.1 in `small-gpu`",
        "| CUDA | report: 11.8 | not installed in `small-cpu`",
    ]


def test_waivers_are_listed_where_there_are_any() -> None:
    waiver = Waiver(check="GPU001", about="B200", reason="not yet", review_by=date(2027, 1, 31))
    text = deviation_log(replace(SMALL, waivers=(waiver,)))
    assert "| Check | About | Reason | Review by |" in text
    assert "| `GPU001` | B200 | not yet | 2027-01-31 |" in text
    assert "Review by" not in deviation_log(SMALL)


def test_the_two_pages_hold_the_same_deviations() -> None:
    service = lora()
    table = next(block for block in deviation_log(service).split("\n\n") if block.startswith("| Component"))
    assert table in page_section(page(service), "Deviation log")


# --- docs/CHECKS.md --------------------------------------------------------------------------------------------------


def test_the_checks_stand_in_one_table() -> None:
    check = Check(
        id="GPU001",
        title="Code for each GPU",
        help="Use <channel> | waive it",
        meaning="It means this.",
        example="such a line.",
        sources="a document.",
        needs=(),
        judge=True,
        run=lambda *_: iter(()),
    )
    text = checks.check_sections([check], {})["checks"]
    assert "### GPU001\n\nCode for each GPU.\n\nIt means this.\n" in text
    assert text.startswith("<!-- begin generated: checks (src/torchpin/checks; invoke document) -->\n")
    assert "| `GPU001` | Code for each GPU | - | Use \\<channel> \\| waive it |" in text


# --- tables and prose ------------------------------------------------------------------------------------------------


def test_a_cell_keeps_its_bars_and_its_line_breaks() -> None:
    assert markdown.table(("A", "B"), [("a|b", "c\nd\r\ne\rf"), (r"a\|b", " ")]).splitlines() == [
        "| A | B |",
        "| --- | --- |",
        r"| a\|b | c<br>d<br>e<br>f |",
        r"| a\\\|b |  |",
    ]


def test_prose_keeps_its_markdown_but_makes_no_html_and_no_marker() -> None:
    assert prose("see `<name>` and <b>, 1 <2\n  then") == "see `<name>` and \\<b>, 1 <2 then"
    assert escape_literal("2.* / ~=3\n<x") == "2.\\* / \\~=3 \\<x"
    text = page(replace(SMALL, summary="<!-- end generated: small -->"))
    assert markdown.splice_sections("p", text, {"small": text}) == text


# --- markers ---------------------------------------------------------------------------------------------------------

OLD = markdown.wrap_section("one", "old", source="there")
NEW = markdown.wrap_section("one", "new\n\nlines", source="here")
ODD = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n\t <!-\u2028\x85\ufeff"))


def test_the_markers_say_where_a_section_comes_from() -> None:
    assert markdown.section_markers("lora", source=LORA) == (
        "<!-- begin generated: lora (services/lora/service.yaml; invoke document) -->",
        "<!-- end generated: lora -->",
    )


@given(before=ODD, after=ODD, newline=st.sampled_from(["\n", "\r\n"]), last=st.booleans())
def test_what_stands_outside_the_markers_survives_byte_for_byte(
    before: str, after: str, newline: str, last: bool
) -> None:
    assume("generated:" not in before + after)
    before = before and before + newline
    after = "" if last else newline + after
    text = before + OLD.replace("\n", newline) + after
    spliced = markdown.splice_sections("p", text, {"one": NEW})
    assert spliced.encode() == (before + NEW.replace("\n", newline) + after).encode()
    assert markdown.splice_sections("p", spliced, {"one": NEW}) == spliced


@given(text=ODD)
def test_a_missing_section_is_appended_once(text: str) -> None:
    assume("generated:" not in text)
    sections = {"one": NEW, "two": markdown.wrap_section("two", "x", source="here")}
    spliced = markdown.splice_sections("p", text, sections)
    assert spliced.startswith(text)
    assert spliced.count("begin generated: ") == 2
    assert markdown.splice_sections("p", spliced, sections) == spliced


@pytest.mark.parametrize(
    ("text", "gap"), [("", ""), ("a", "\n\n"), ("a\n", "\n"), ("a\n\n", ""), ("a\r\n", "\r\n")]
)
def test_one_blank_line_stands_before_an_appended_section(text: str, gap: str) -> None:
    newline = "\r\n" if "\r" in text else "\n"
    assert markdown.splice_sections("p", text, {"one": NEW}) == text + gap + (NEW + "\n").replace(
        "\n", newline
    )


def test_an_indented_marker_and_one_in_a_sentence_are_prose() -> None:
    text = "  <!-- begin generated: x -->\nas <!-- end generated: x -->\n"
    assert markdown.splice_sections("p", text, {}) == text


B1, E1, B2, E2 = (
    *markdown.section_markers("one", source="here"),
    *markdown.section_markers("two", source="here"),
)
BROKEN = {
    "doubled": (
        (B1, E1, "", B1, E1),
        ["p:4:1: the generated section 'one' stands here again, first on line 1"],
    ),
    "unclosed": (("prose", B1), ["p:2:1: the generated section 'one' is not closed"]),
    "never begun": (
        (E1,),
        ["p:1:1: the end of the generated section 'one' does not follow its beginning"],
    ),
    "crossing": (
        (B1, B2, E1, E2),
        [
            "p:1:1: the generated section 'one' is not closed; the marker on line 2 is not its end",
            "p:2:1: the generated section 'two' is not closed; the marker on line 3 is not its end",
            "p:3:1: the end of the generated section 'one' does not follow its beginning",
            "p:4:1: the end of the generated section 'two' does not follow its beginning",
        ],
    ),
    "begun twice": (
        (B1, B1, E1),
        [
            "p:1:1: the generated section 'one' is not closed; the marker on line 2 is not its end",
            "p:2:1: the generated section 'one' stands here again, first on line 1",
        ],
    ),
}


def test_a_section_that_nothing_makes_any_more_goes_and_the_prose_around_it_stays() -> None:
    stale_section = "<!-- begin generated: gone -->\nbody\n<!-- end generated: gone -->"
    text = f"before\n\n{stale_section}\n\nafter\n\n{NEW}\n"
    assert markdown.splice_sections("p", text, {"one": NEW}) == f"before\n\nafter\n\n{NEW}\n"


@pytest.mark.parametrize("case", BROKEN)
def test_markers_that_make_no_sense_stop_with_their_lines(case: str) -> None:
    lines, messages = BROKEN[case]
    sections = {"one": NEW, "two": markdown.wrap_section("two", "x", source="here")}
    with pytest.raises(InputError) as excinfo:
        markdown.splice_sections("p", "\n".join(lines), sections)
    help_text = "Correct these lines, then run `invoke document` again; nothing was written."
    assert str(excinfo.value).splitlines() == [*messages, help_text]


def test_the_whole_pages_are_made_the_same_twice() -> None:
    services = [lora(), replace(SMALL, variants=(GPU, CPU, ARM))]
    env_locks = {name: lock for service in services for name, lock in locks(service).items()}
    for opening, sections in (
        (pinning.PINNING_OPENING, pinning.pinning_sections(services, env_locks, {})),
        (deviations.DEVIATIONS_OPENING, deviations.deviation_sections(services, env_locks)),
        (checks.CHECKS_OPENING, checks.check_sections([], {})),
    ):
        spliced = markdown.splice_sections("p", opening, sections)
        assert spliced.startswith(opening)
        assert markdown.splice_sections("p", spliced, sections) == spliced
        assert re.search(r"\n{3}|[ \t]$", spliced, re.MULTILINE) is None
