"""What installed sources ask for, read from real clones."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.git_repositories import git
from support.small_service import DESCRIPTION, read_environment
from torchpin.errors import InputError
from torchpin.model import Settings, Source, Upstream
from torchpin.workspace import workspace
from torchpin.workspace.upstreams import read_upstream

if TYPE_CHECKING:
    from pathlib import Path

    from torchpin.model import Environment

pytestmark = pytest.mark.usefixtures("plain_git")
PYPROJECT = '[build-system]\nrequires = ["hatchling", "torch>=2"]\n[project]\nname = "Tool"\n'


def described(folder: Path, files: dict[str, str], **values: object) -> Environment:
    """An environment with a source of these files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for name, text in files.items():
        (folder / name).write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    source = Source(
        name="tool", url=folder.as_uri(), commit=git(folder, "rev-parse", "HEAD"), path="third_party/tool", **values  # type: ignore[arg-type]
    )  # fmt: skip
    env = read_environment(DESCRIPTION)
    return replace(env, service=replace(env.service, sources=(source,)))


def read(root: Path, env: Environment) -> tuple[Upstream, list[str]]:
    messages: list[str] = []
    repo = workspace.Repository(root=root, settings=Settings(), services=(env.service,))
    (root / "third_party").mkdir(exist_ok=True)
    return read_upstream(repo, env, env.service.sources[0], messages.append), messages


def test_files_and_package_are_read_as_data(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": PYPROJECT + 'dependencies = ["einops"]\n',
        "requirements.txt": "--pre\nsix>=1\n-r more.txt\n-e .\n",
        "more.txt": "torch @ https://example.org/torch.whl\nrich\n",
    }
    env = described(tmp_path / "origin", files, requirements=("requirements.txt",), install="wheel")
    upstream, messages = read(tmp_path, env)
    assert upstream == Upstream(
        source="tool",
        commit=env.service.sources[0].commit,
        file="requirements.txt",
        requirements=("einops", "rich", "six>=1", "torch @ https://example.org/torch.whl"),
        distribution="tool",
        build=("hatchling",),
    )
    assert messages[0] == f"third_party/tool: cloned at {env.service.sources[0].commit[:12]}"
    assert messages[1].startswith("third_party/tool/requirements.txt:1: `--pre` is not used: ")


def test_credentials_in_an_address_stay_out_of_the_lock(tmp_path: Path) -> None:
    line = "six @ git+https://reader:S3CRET@example.org/six@main"
    for values in ({"install": "requirements"}, {}):
        env = described(tmp_path / "origin", {"r.txt": f"{line}\n"}, requirements=("r.txt",), **values)
        shutil.rmtree(tmp_path / "third_party", ignore_errors=True)
        assert read(tmp_path, env)[0].requirements == ("six @ git+https://example.org/six@main",)


@pytest.mark.parametrize(
    ("files", "values", "message"),
    [
        ({"a.txt": "a @ git+https://example.org/a\n-r gone.txt\n"}, {"requirements": ("a.txt",), "install": "requirements"}, "third_party/tool/a.txt:2:1: gone.txt is not in the clone"),
        ({"a.txt": "einops\n"}, {"requirements": ("a.txt",), "install": "requirements", "without": ("rich",)}, "tool leaves out rich, which it does not ask for"),
        ({"a.txt": ""}, {"install": "wheel"}, "tool is not a package: it has none of pyproject.toml, setup.cfg, setup.py"),
        ({"setup.py": "setup(name=NAME)"}, {"install": "wheel"}, "tool has no name in its pyproject.toml, setup.cfg or setup.py"),
        ({"pyproject.toml": PYPROJECT + 'dynamic = ["dependencies"]\n'}, {"install": "editable"}, "tool computes its requirements in its build; name the files that have them"),
        ({"pyproject.toml": PYPROJECT + 'dependencies = ["b @ https://example.org/b.whl"]\n'}, {"install": "wheel"}, "tool requires b from an address, https://example.org/b.whl; pin a version of it in a layer"),
        ({"pyproject.toml": "[project"}, {"install": "wheel"}, "tool cannot be read: "),
        ({"a.txt": "einops\x07\n"}, {"requirements": ("a.txt",), "install": "requirements"}, "third_party/tool/a.txt:1:7: a control character"),
    ],
)  # fmt: skip
def test_what_cannot_be_locked_is_said_with_its_place(
    tmp_path: Path, files: dict[str, str], values: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError) as excinfo:
        read(tmp_path, described(tmp_path / "origin", files, **values))
    assert message in str(excinfo.value)


@pytest.mark.parametrize("install", ["requirements", "none"])
def test_a_file_that_is_not_utf_8_is_named_with_its_line(install: str, tmp_path: Path) -> None:
    env = described(
        tmp_path / "origin", {"requirements.txt": "six\n"}, requirements=("requirements.txt",),
        **({} if install == "none" else {"install": install}),
    )  # fmt: skip
    origin = tmp_path / "origin"
    (origin / "requirements.txt").write_bytes("six\n# f\u00fcr\n".encode("latin-1"))
    git(origin, "commit", "-q", "-a", "-m", "second")
    (source,) = env.service.sources
    source = replace(source, commit=git(origin, "rev-parse", "HEAD"))
    env = replace(env, service=replace(env.service, sources=(source,)))
    with pytest.raises(InputError) as error:
        read(tmp_path, env)
    assert str(error.value).startswith("third_party/tool/requirements.txt:2: tool at ")
    assert "is not UTF-8; choose another version of the source" in str(error.value)
