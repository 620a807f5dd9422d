"""What is installed: names, addresses, files and folders."""

from __future__ import annotations

import pytest

from torchpin.project.requirement import DirectReference, direct_reference, parse_target

WHEEL = "https://x.example/flash_attn-2.8.3%2Bcu12torch2.7-cp311-cp311-linux_x86_64.whl"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("torch==2.7.1", None),
        ("torch[opt]>=2 ; python_version < '3.12'", None),
        (".", DirectReference("folder", ".")),
        (".[dev,Test_x]", DirectReference("folder", ".", extras=frozenset({"dev", "test-x"}))),
        ("../lib", DirectReference("folder", "../lib")),
        ("file:///srv/lib", DirectReference("folder", "file:///srv/lib")),
        (
            "git+https://github.com/a/b.git@v1.2#egg=b[x]&subdirectory=src/c",
            DirectReference("git", "git+https://github.com/a/b.git@v1.2", "b", "", "v1.2", "src/c", frozenset({"x"})),
        ),
        ("git+https://github.com/a/b#egg=b", DirectReference("git", "git+https://github.com/a/b", "b")),
        (
            "b @ git+ssh://git@github.com/a/b@main ; sys_platform == 'linux'",
            DirectReference("git", "git+ssh://git@github.com/a/b@main", "b", "", "main"),
        ),
        ("hg+https://x.example/r", DirectReference("repository", "hg+https://x.example/r")),
        (WHEEL, DirectReference("wheel", WHEEL, "flash-attn", "2.8.3+cu12torch2.7")),
        ("./dist/a-1.0-py3-none-any.whl", DirectReference("wheel", "./dist/a-1.0-py3-none-any.whl", "a", "1.0")),
        ("/tmp/a-1.0.tar.gz", DirectReference("archive", "/tmp/a-1.0.tar.gz", "a", "1.0")),
        ("x @ https://x.example/archive/main.zip", DirectReference("archive", "https://x.example/archive/main.zip", "x")),
    ],
)  # fmt: skip
def test_a_reference_is_read_out_of_its_text(text: str, reference: DirectReference | None) -> None:
    assert direct_reference(text) == reference


def test_a_target_has_a_name_where_its_text_says_one() -> None:
    assert parse_target("Flash_Attn==2", "f:1:1").name == "flash-attn"
    assert parse_target("git+https://x.example/a#egg=My_Name", "f:1:1").name == "my-name"
    assert parse_target(".", "f:1:1").name == ""


def test_a_long_text_is_cut_and_none() -> None:
    target = parse_target("a" * 3_000, "f:1:1")
    assert (target.text, target.requirement, target.reference) == ("a" * 80 + "…", None, None)


def test_a_marker_that_is_nested_too_deep_is_no_requirement() -> None:
    assert parse_target("a; " + "(" * 900 + "os_name=='x'" + ")" * 900, "f:1:1").requirement is None
