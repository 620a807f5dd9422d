"""What the end of the template sets, computed: an image that is built is asked in the integration tests."""

from __future__ import annotations

from support.small_service import DESCRIPTION, make_lock, read_environment
from torchpin.assembly.settings import container_settings, described_labels
from torchpin.image.plan import Image, image_plan

BELOW = {
    "Env": ["PATH=/opt/venv/bin:/usr/bin", "LANG=C", "EMPTY="],
    "Cmd": ["bash"],
    "Entrypoint": ["/nvidia.sh"],
    "User": "nobody",
    "ExposedPorts": {"22/tcp": {}},
}


def image(lines: str = "") -> Image:
    env = read_environment(DESCRIPTION + lines)
    return image_plan(env, make_lock(env))


def test_a_plain_service_starts_by_torchpin_s_script() -> None:
    assert container_settings(image(), BELOW) == {
        "Env": [*BELOW["Env"], "TORCHPIN_REPORT=jinja2 six"],
        "User": "nobody",
        "ExposedPorts": {"22/tcp": {}},
        "WorkingDir": "/opt/lora",
        "Entrypoint": ["/bin/sh", "/opt/torchpin/start.sh"],
    }


def test_what_a_description_says_of_containers_is_set() -> None:
    described = image(
        "run:\n"
        "  env: {LANG: C.UTF-8, A: x=y}\n"
        "  ports: [8000]\n"
        "  entrypoint: [tini, --]\n"
        "  command: [python, app.py]\n"
        "  health: {command: [python, -c, pass], interval: 5, timeout: 2, start_period: 7, retries: 4}\n"
    )
    settings = container_settings(described, BELOW)
    assert settings["Env"][:4] == ["PATH=/opt/venv/bin:/usr/bin", "LANG=C.UTF-8", "EMPTY=", "A=x=y"]
    assert settings["ExposedPorts"] == {"22/tcp": {}, "8000/tcp": {}}
    assert settings["Entrypoint"] == ["tini", "--"]
    assert settings["Cmd"] == ["python", "app.py"]
    assert settings["Healthcheck"] == {
        "Test": ["CMD", "python", "-c", "pass"],
        "Interval": 5_000_000_000,
        "Timeout": 2_000_000_000,
        "StartPeriod": 7_000_000_000,
        "Retries": 4,
    }


def test_labels_say_what_is_in_an_image() -> None:
    commit = "0123456789012345678901234567890123456789"
    described = image(
        "run: {labels: {x: 'y z'}}\n"
        f"sources: [{{name: tool, path: third_party/tool, url: https://github.com/a/tool, tag: v1, commit: {commit}}}]\n"
    )
    assert described_labels(described) == {
        "org.opencontainers.image.title": "lora-gpu",
        "org.opencontainers.image.description": "Training",
        "org.opencontainers.image.version": "2.5.1+cu121",
        "io.torchpin.source.tool": f"https://github.com/a/tool@v1#{commit}",
        "io.torchpin.description": "services/lora/service.yaml",
        "x": "y z",
    }
