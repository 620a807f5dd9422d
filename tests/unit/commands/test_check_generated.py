"""`check` of a repository that holds what torchpin generates: locks and rendered Dockerfiles are passed over, and said."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchpin.commands.check import CheckOptions, CheckReport, check

RENDERED = (
    "# Made from services/api/service.yaml, its lock and Dockerfile.j2 by `invoke render`; do not edit.\n"
    "FROM ubuntu\n"
)
NOTE = "not checked: {} that torchpin generates; `invoke verify` checks them"


def lock(channel: str) -> str:
    return (
        f"# torchpin lock of {channel}, layer 00-torch\n# Made by `invoke lock`; do not edit.\n"
        f"--index-url https://download.pytorch.org/whl/{channel}\ntorch==2.6.0+cu124\n"
    )


GENERATED = {
    "docker/api-gpu/Dockerfile": RENDERED,
    "lockfiles/api-gpu/00-torch.requirements.txt": lock("cu124"),
    "lockfiles/cap-gpu/00-torch.requirements.txt": lock("cu128"),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write({"Dockerfile": "FROM ubuntu:24.04\n"})
    return tmp_path


def write(files: dict[str, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


def run(*paths: str) -> CheckReport:
    return check(CheckOptions(paths=paths))


def checked(report: CheckReport) -> set[str]:
    return {match.place[0] for match in report.result.matches}


def test_generated_files_are_passed_over_in_a_folder() -> None:
    write(GENERATED)
    report = run()
    assert (checked(report), report.exit_code) == (set(), 0)
    assert report.skipped == (NOTE.format("1 Dockerfile and 2 lock files"),)
    assert run("lockfiles/cap-gpu/00-torch.requirements.txt").skipped == ()


def test_the_same_files_without_the_header_or_elsewhere_are_checked() -> None:
    write({path: text.partition("\n")[2] for path, text in GENERATED.items()})
    report = run()
    assert (report.skipped, "docker/api-gpu/Dockerfile" in checked(report)) == ((), True)
    write({"app/Dockerfile": RENDERED, **GENERATED})
    assert checked(run()) == {"app/Dockerfile"}


def test_a_lock_that_a_dockerfile_of_the_project_installs_is_read() -> None:
    write(GENERATED)
    write({"Dockerfile": "FROM ubuntu:24.04\nCOPY lockfiles lockfiles\nRUN pip install -r lockfiles/cap-gpu/00-torch.requirements.txt\n"})  # fmt: skip
    report = run()
    assert report.skipped == (NOTE.format("1 Dockerfile"),)
    assert "lockfiles/cap-gpu/00-torch.requirements.txt" in checked(report)


def test_source_code_is_no_dockerfile() -> None:
    write({"dockerfile.py": "import re\n", "my_dockerfile_reader.py": "import re\n"})
    assert (checked(run()), run().problems) == (set(), ())
    assert (
        run("dockerfile.py").problems[0].startswith("dockerfile.py is not one of the files that are checked")
    )
