"""Lists that Dockerfiles and lists name are read, whatever they are called; other files are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchpin.commands.project_files import read_folder
from torchpin.project.included_files import named_files

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, **files: str) -> None:
    """Files by path; `__` in a keyword is a dot, and `_of_` a slash."""
    for name, text in files.items():
        path = folder / name.replace("_of_", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("RUN pip install -r deps/gpu.pip", {"deps/gpu.pip"}),
        ("RUN pip install --requirement=lists/gpu -cbounds", {"lists/gpu", "bounds"}),
        ('COPY ["my list.txt", "/tmp/"]', {"my list.txt", "list.txt"}),
        ("COPY env.yaml .\nRUN echo done", {"env.yaml"}),
        ("-r common.in\ntorch==2.7.1\n", {"common.in"}),
    ],
)
def test_names_are_taken_out_of_a_text(text: str, names: set[str]) -> None:
    assert named_files(text) >= names


def test_what_a_dockerfile_names_is_read_and_what_that_names_too(tmp_path: Path) -> None:
    write(
        tmp_path,
        Dockerfile="COPY requirements/ r/\nRUN pip install -r r/requirements/gpu.txt\n",
        requirements_of_gpu__txt="-r shared/base.in\n",
        requirements_of_shared_of_base__in="einops==0.8.1\n",
        data_of_words__txt="nothing\n",
    )
    assert set(read_folder(tmp_path).texts) == {
        "Dockerfile",
        "requirements/gpu.txt",
        "requirements/shared/base.in",
    }


def test_of_many_files_of_a_name_those_with_the_longest_same_end_are_read(tmp_path: Path) -> None:
    """Which of them lies at a path of the image depends on what is copied there."""
    others = {f"{name}_of_list__txt": f"{name}==1\n" for name in "bcdefgh"}
    write(tmp_path, Dockerfile="RUN pip install -r /app/z/list.txt\n", z_of_list__txt="z==1\n", **others)
    lists = [path for path in read_folder(tmp_path).texts if path.endswith("list.txt")]
    assert ("z/list.txt" in lists, len(lists)) == (True, 5)


def test_a_chain_of_names_ends(tmp_path: Path) -> None:
    write(
        tmp_path,
        Dockerfile="RUN pip install -r l0.in\n",
        **{f"l{n}__in": f"-r l{n + 1}.in\n" for n in range(12)},
    )
    assert 4 <= len(read_folder(tmp_path).texts) <= 8


def test_a_list_outside_of_the_project_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "inside", Dockerfile="RUN pip install -r ../secret.txt -r /etc/passwd\n")
    write(tmp_path, secret__txt="token\n")
    (tmp_path / "inside" / "secret.txt").symlink_to(tmp_path / "secret.txt")
    result = read_folder(tmp_path / "inside")
    assert set(result.texts) == {"Dockerfile"}
    assert any("secret.txt: skipped, a link to" in reason for reason in result.skipped)
