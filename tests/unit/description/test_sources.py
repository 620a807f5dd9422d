"""The sources of a description: a commit alone, submodules, LFS, requirements, folders of the image."""

from __future__ import annotations

import pytest

from support.descriptions import PLAIN, problem_lines, read_service
from torchpin.description import write
from torchpin.description.settings import parse_settings
from torchpin.errors import InputError
from torchpin.model import Source

COMMIT = "0f" * 20
TOOL = f"sources:\n  - name: tool\n    url: https://example.org/tool\n    commit: {COMMIT}\n    path: third_party/tool\n"
NODE = (
    f"  - name: node\n    url: https://example.org/node\n    commit: {COMMIT}\n    path: third_party/node\n"
)


def sources_of(text: str) -> tuple[Source, ...]:
    service = read_service(PLAIN + text)
    assert read_service(write.to_yaml(service)) == service
    return service.sources


def test_a_source_needs_no_tag() -> None:
    (source,) = sources_of(TOOL)
    assert (source.tag, source.version, source.folder) == (None, "0f0f0f0f0f0f", "third_party/tool")


def test_every_word_is_read() -> None:
    words = "    tag: v1\n    to: a\n    requirements: [r.txt, s.txt]\n    install: wheel\n    without: [a]\n    submodules: [libs/a]\n    lfs: false\n"
    assert sources_of(TOOL + words) == (
        Source(
            name="tool",
            url="https://example.org/tool",
            commit=COMMIT,
            path="third_party/tool",
            tag="v1",
            to="a",
            requirements=("r.txt", "s.txt"),
            install="wheel",
            without=("a",),
            submodules=("libs/a",),
            lfs=False,
        ),
    )


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("[]", ()), ("[a, b]", ("a", "b"))])  # fmt: skip
def test_submodules_are_all_some_or_none(text: str, value: object) -> None:
    assert sources_of(f"{TOOL}    submodules: {text}\n")[0].submodules == value


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("    install: requirements\n", "sources[0].install: `install: requirements` installs what files ask for; name them"),
        ("    install: pip\n", "sources[0].install: 'pip' is not 'requirements' (what the source asks for)"),
        ("    submodules: all\n", "sources[0].submodules: expected true or false"),
        ("    submodules: [../a]\n", "sources[0].submodules[0]: '../a' is not a path inside the repository"),
        ("    submodules: [a, a]\n", "sources[0].submodules[1]: duplicate 'a'; keep one"),
        ("    requirements: [../a]\n", "sources[0].requirements[0]: '../a' is not a path inside the repository"),
        ("    to: /opt/a\n", "sources[0].to: '/opt/a' is not a path inside the repository"),
        ("    without: [a]\n", "sources[0].without: nothing that the source asks for is installed; remove it"),
        ("    lfs: 1\n", "sources[0].lfs: expected true or false"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_refused_at_its_place(words: str, message: str) -> None:
    (line,) = problem_lines(PLAIN + TOOL + words)
    assert message in line


def test_the_layer_of_a_source_has_a_name_of_its_own() -> None:
    text = (PLAIN + TOOL).replace("name: training", "name: tool")
    assert read_service(text + "    requirements: r.txt\n")
    (line,) = problem_lines(text + "    requirements: r.txt\n    install: requirements\n")
    assert "the requirements of 'tool' become a layer of that name, which another layer has" in line


def test_a_folder_in_the_image_may_lie_in_that_of_a_source_above_it() -> None:
    tool, node = sources_of(f"{TOOL}    to: tool\n{NODE}    to: tool/nodes/node\n")
    assert (tool.folder, node.folder) == ("tool", "tool/nodes/node")
    assert sources_of(f"{TOOL}{NODE}    to: third_party/tool/nodes/node\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"{TOOL}    to: a/b\n{NODE}    to: a\n",
            "sources[1].to: 'a/b', the folder of a source above, lies in it; move that source below this one",
        ),
        (
            f"{TOOL}    to: a\n{NODE}    to: a\n",
            "sources[1].to: 'a' is the folder of another source in the image; choose another",
        ),
        (
            f"{TOOL}    to: third_party/node\n{NODE}",
            "sources[1].path: 'third_party/node' is the folder of another source in the image; choose another",
        ),
    ],
)
def test_a_folder_that_would_lie_over_another_is_refused(text: str, message: str) -> None:
    (line,) = problem_lines(PLAIN + text)
    assert line.endswith(message)


def test_a_submodule_has_a_mirror_named_after_its_source_and_path() -> None:
    services = [read_service(f"{PLAIN}{TOOL}    submodules: true\n")]
    settings = parse_settings(
        '[mirrors]\n"tool-libs-b" = "file:///b"\n', {"TORCHPIN_MIRROR_TOOL_LIBS_A": "file:///a"}, services
    )
    assert settings.mirrors == {"tool-libs-a": "file:///a", "tool-libs-b": "file:///b"}
    with pytest.raises(InputError, match=r"mirrors\.tool-libs-a: the value is not an address"):
        parse_settings(None, {"TORCHPIN_MIRROR_TOOL_LIBS_A": "no address"}, services)


def test_a_source_without_submodules_has_no_mirror_of_one() -> None:
    with pytest.raises(InputError, match="unknown mirror variable 'TORCHPIN_MIRROR_TOOL_LIBS_A'"):
        parse_settings(None, {"TORCHPIN_MIRROR_TOOL_LIBS_A": "file:///a"}, [read_service(PLAIN + TOOL)])
