"""The files that pip and uv read their settings from, wherever they are copied from or written."""

from __future__ import annotations

import pytest

from torchpin.installs.commands import install_commands
from torchpin.installs.project import parse_project

CHANNEL = "https://download.pytorch.org/whl"
CONF = f"[global]\nindex-url = {CHANNEL}/cu124\n"
TOML = f'[[index]]\nurl = "{CHANNEL}/cu124"\n'
PIP, UV = "RUN pip install torch\n", "RUN uv pip install torch\n"


def indexes(dockerfile: str, **files: str) -> list[tuple[str, str]]:
    """The channels of the last install with the lines that set them; `__` in a keyword is a dot."""
    texts = {name.replace("__", "."): text for name, text in files.items()}
    texts["Dockerfile"] = f"FROM python:3.11-slim-bookworm\n{dockerfile}"
    step = install_commands(parse_project(texts), "Dockerfile")[-1]
    return [(index.url.rpartition("/")[2], index.location) for index in step.indexes.indexes]


@pytest.mark.parametrize(
    ("dockerfile", "expected"),
    [
        ("COPY a.txt /etc/pip.conf\n" + PIP, [("cu124", "a.txt:2:1")]),
        ("COPY a.txt /root/.config/pip/pip.conf\n" + PIP, [("cu124", "a.txt:2:1")]),
        ("COPY a.txt /c\nENV PIP_CONFIG_FILE=/c\n" + PIP, [("cu124", "a.txt:2:1")]),
        ("COPY a.txt /elsewhere/pip.conf\n" + PIP, [("", "")]),
        (PIP + "COPY a.txt /etc/pip.conf\n", [("", "")]),
        (f"COPY <<E /etc/pip.conf\n{CONF}E\n{PIP}", [("cu124", "Dockerfile:4:1")]),
        (f"RUN cat > /etc/pip.conf <<E\n{CONF}E\n{PIP}", [("cu124", "Dockerfile:4:1")]),
        (f"RUN printf '[global]\\nindex-url={CHANNEL}/cu124\\n' > /etc/pip.conf && pip install torch\n", [("cu124", "Dockerfile:2:1")]),
        ("COPY a.txt /etc/pip.conf\nCOPY b.txt /root/.pip/pip.conf\n" + PIP, [("cu126", "b.txt:2:1")]),
        ("COPY a.txt /etc/pip.conf\nRUN pip config set global.index-url https://a/cpu\n" + PIP, [("cpu", "Dockerfile:3:37")]),
        ("COPY a.txt /etc/pip.conf\n" + UV, [("", "")]),
        ("COPY c.txt /etc/uv/uv.toml\n" + UV, [("", ""), ("cu124", "c.txt:2:8")]),
        ("COPY c.txt /root/.config/uv/uv.toml\n" + UV, [("", ""), ("cu124", "c.txt:2:8")]),
        ("COPY c.txt /c\nENV UV_CONFIG_FILE=/c\n" + UV, [("", ""), ("cu124", "c.txt:2:8")]),
        ("COPY c.txt /c\nRUN uv pip install --config-file /c torch\n", [("", ""), ("cu124", "c.txt:2:8")]),
        (f"COPY <<E /etc/uv/uv.toml\n{TOML}E\n{UV}", [("", ""), ("cu124", "Dockerfile:4:8")]),
    ],
)  # fmt: skip
def test_a_file_of_settings_counts_where_it_is_read(dockerfile: str, expected: list[tuple[str, str]]) -> None:
    files = {"a__txt": CONF, "b__txt": CONF.replace("cu124", "cu126"), "c__txt": TOML}
    assert sorted(indexes(dockerfile, **files)) == expected


def test_a_password_in_pip_s_configuration_is_hidden() -> None:
    text = CONF.replace("https://", "https://user:s3cr3t-pass@")
    dockerfile = {"Dockerfile": f"FROM a:1\nCOPY pip.conf /etc/pip.conf\n{PIP}", "pip.conf": text}
    step = install_commands(parse_project(dockerfile), "Dockerfile")[0]
    assert "s3cr3t" not in repr(step)
