"""The commands of a Dockerfile's RUN lines: by the shell's grammar, and in scripts of the project that they run."""

from __future__ import annotations

from time import process_time

import pytest

from torchpin.project.runs import UnreadRun, parse_runs
from torchpin.project.stages import BuildInputs

SCRIPT = "#!/bin/bash -e\npip install torch==$TORCH \\\n  --index-url $1\ncd /srv && bash more.sh\n"


def commands(text: str, **scripts: str) -> list[str]:
    texts = {name.replace("_", "/") + ".sh": script for name, script in scripts.items()}
    runs = parse_runs(f"FROM a\n{text}", "Dockerfile", texts.keys(), scripts=texts)
    return [f"{run.location} {' '.join(run.command.texts)}" for run in runs]


def unread(text: str, **scripts: str) -> list[str]:
    parts: list[UnreadRun] = []
    texts = {f"{name}.sh": script for name, script in scripts.items()}
    tuple(parse_runs(f"FROM a\n{text}", "Dockerfile", texts.keys(), unread=parts, scripts=texts))
    return [f"{row.part.file}:{row.part.place.line} {row.part.reason}" for row in parts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'ARG D=gpu\nRUN if [ "$D" = gpu ]; then \\\n  pip install a; \\\nelse \\\n  pip install b; fi\n',
            ["3:8 [ gpu = gpu ]", "4:3 pip install a"],
        ),
        (
            'ENV D=cpu\nRUN case "$D" in \\\n  gpu) pip install a;; \\\n  *) pip install b;; esac\n',
            ["5:6 pip install b"],
        ),
        ('ARG MORE=""\nRUN pip install a $MORE ${MORE:-}\n', ["3:5 pip install a"]),
        (
            "RUN <<EOF\npip install a \\\n    b\npip install c\nEOF\n",
            ["3:1 pip install a b", "5:1 pip install c"],
        ),
        ("RUN <<-EOF\n\tpip install a \\\n\t  b\n\tEOF\n", ["3:2 pip install a b"]),
        ("RUN cat <<EOF > r.txt && pip install -r r.txt\na\nEOF\n", ["2:5 cat", "2:26 pip install -r r.txt"]),
        ("RUN <<'EOF' bash\npip install a\nEOF\n", ["2:5 bash", "3:1 pip install a"]),
        ('SHELL ["/bin/bash", "-c"]\nRUN p {a,b}\n', ["3:5 p a b"]),
        ("RUN p {a,b}\n", ["2:5 p {a,b}"]),
        (
            'RUN ["bash", "-c", "pip install a && pip install b"]\n',
            ["2:1 pip install a", "2:1 pip install b"],
        ),
        ('RUN ["pip", "install", "$X"]\n', ["2:1 pip install $X"]),
        ("RUN pip install a 2>&1 | tee log\n", ["2:5 pip install a", "2:26 tee log"]),
        (
            'RUN if [ "$(uname -m)" = aarch64 ]; then pip install a; else pip install b; fi\n',
            ["2:13 uname -m", "2:8 [ x86_64 = aarch64 ]", "2:62 pip install b"],
        ),
        ("RUN for p in a b; do pip install $p; done\n", ["2:22 pip install a", "2:22 pip install b"]),
    ],
)
def test_the_commands_are_those_that_run(text: str, expected: list[str]) -> None:
    assert commands(text) == [f"Dockerfile:{row}" for row in expected]


def test_the_platform_tells_the_machine() -> None:
    text = "FROM --platform=linux/arm64 a\nRUN p $(uname -m) $(dpkg --print-architecture)\n"
    *_, run = parse_runs(text, "Dockerfile")
    assert run.command.texts == ("p", "aarch64", "arm64")
    *_, run = parse_runs("FROM a\nRUN p $(arch)\n", "Dockerfile", options=BuildInputs(platform="linux/arm64"))
    assert run.command.texts == ("p", "aarch64")


def test_a_script_of_the_project_is_read_where_it_is_run() -> None:
    text = "ENV TORCH=2.7.1\nCOPY build/install.sh more.sh /srv/\nWORKDIR /srv\nRUN ./install.sh https://x.example\n"
    assert commands(text, build_install=SCRIPT, more="pip install b\n") == [
        "Dockerfile:5:5 ./install.sh https://x.example",
        "build/install.sh:2:1 pip install torch==2.7.1 --index-url https://x.example",
        "build/install.sh:4:1 cd /srv",
        "build/install.sh:4:12 bash more.sh",
        "more.sh:1:1 pip install b",
    ]


def test_a_sourced_script_sets_variables_and_another_does_not() -> None:
    copied = "COPY . /\nWORKDIR /\n"
    script = "export A=1; B=2\n"
    assert commands(f"{copied}RUN . ./env.sh && p $A $B\n", env=script)[-1].endswith(" p 1 2")
    assert commands(f"{copied}RUN bash env.sh && p $A $B\n", env=script)[-1].endswith(" p $A $B")


def test_scripts_that_run_each_other_end() -> None:
    text = "COPY . /\nWORKDIR /\nRUN bash a.sh\n"
    assert unread(text, a="bash b.sh\n", b="bash a.sh\n") == ["b.sh:1 the script runs itself"]


def test_what_cannot_be_followed_has_its_file() -> None:
    assert unread("RUN bash x.sh\n") == [":2 the script is not in the project"]
    assert unread("RUN . /etc/os-release; source venv/bin/activate\n") == []
    assert unread("COPY a.sh /\nRUN /a.sh\n", a="p\n$PIP install a\n") == [
        "a.sh:2 which command runs depends on PIP"
    ]
    assert unread('SHELL ["pwsh", "-c"]\nRUN p\n') == [":3 its shell is 'pwsh'"]


def test_a_dockerfile_of_800_instructions_is_read_in_a_second() -> None:
    line = "RUN apt-get update && apt-get install -y git && pip install a==${V} b==2 --index-url https://x.example\n"
    start = process_time()
    assert len(commands("ARG V=1\n" + line * 800)) == 2_400
    assert process_time() - start < 5  # half a second; more on a busy machine
