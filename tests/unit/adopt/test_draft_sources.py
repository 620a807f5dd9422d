"""Git checkouts of a project as sources: at the commit that a line says, or that the facts have for a tag."""

from __future__ import annotations

import pytest

from torchpin.adopt.draft import draft_adoption
from torchpin.description import read

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TORCH = "FROM python:3.11-slim-bookworm\nRUN pip install torch==2.6.0 --index-url https://download.pytorch.org/whl/cu124\n"


@pytest.mark.parametrize(
    ("line", "source"),
    [
        (f"RUN git clone https://e.example/a/thing.git && cd thing && git checkout {COMMIT}", ("thing", None, None)),
        (f"RUN git clone https://e.example/a/thing\nRUN cd thing && git reset --hard {COMMIT}", ("thing", None, None)),
        (f"RUN git clone --recursive https://e.example/a/thing && git -C thing checkout {COMMIT}", ("thing", None, True)),
        (f"RUN pip install git+https://e.example/a/my_lib@{COMMIT}", ("my-lib", "wheel", None)),
        (f"RUN pip install 'lib @ git+https://e.example/a/lib.git@{COMMIT}'", ("lib", "wheel", None)),
    ],
)  # fmt: skip
def test_a_checkout_at_a_commit_is_a_source(line: str, source: tuple[str, str | None, bool | None]) -> None:
    draft = draft_adoption({"Dockerfile": f"{TORCH}{line}\n"}, "x")
    (service,) = read.read_services({"services/x/service.yaml": draft.text})
    (drafted,) = service.sources
    assert (drafted.name, drafted.install, drafted.submodules) == source
    assert (drafted.commit, drafted.path) == (COMMIT, f"third_party/{source[0]}")


@pytest.mark.parametrize(
    ("line", "omitted"),
    [
        ("RUN git clone https://e.example/a/thing", "https://e.example/a/thing at no tag"),
        ("RUN git clone --branch=v9 https://e.example/a/thing", "https://e.example/a/thing at v9"),
        ("RUN pip install git+https://e.example/a/lib@main", "git+https://e.example/a/lib@main"),
        (
            f"RUN pip install git+https://e.example/a/lib@{COMMIT}#subdirectory=py",
            f"git+https://e.example/a/lib@{COMMIT}#subdirectory=py",
        ),
    ],
)
def test_one_whose_commit_is_not_known_is_left_out_and_said(line: str, omitted: str) -> None:
    draft = draft_adoption({"Dockerfile": f"{TORCH}{line}\n"}, "x")
    assert f"# - left out: {omitted}\n" in draft.text
    assert "\nsources:" not in draft.text
