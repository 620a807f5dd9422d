"""What an engine is asked without docker-py, and which places are left to docker-py."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from torchpin.tools import engine_socket

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def test_the_socket_is_that_of_docker_s_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_socket.socket_path() == "/var/run/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/user/1000/docker.sock")
    assert engine_socket.socket_path() == "/run/user/1000/docker.sock"


@pytest.mark.parametrize(
    ("name", "value"),
    [("DOCKER_HOST", "tcp://10.0.0.1:2376"), ("DOCKER_HOST", "ssh://build"), ("DOCKER_CONTEXT", "remote")],
)
def test_an_engine_elsewhere_is_left_to_docker_py(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert engine_socket.socket_path() is None
    assert engine_socket.inspect_image("torchpin/lora-gpu:1") is None


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ({}, "/var/run/docker.sock"),
        ({"currentContext": "default"}, "/var/run/docker.sock"),
        ({"currentContext": "remote"}, None),
        ([], None),
    ],
)
def test_a_chosen_context_is_left_to_docker_py(
    configured: object, expected: str | None, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(configured))
    assert engine_socket.socket_path() == expected


def test_without_an_engine_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setattr(engine_socket._Connection, "connect", refuse)
    assert engine_socket.inspect_image("torchpin/lora-gpu:1") is None


def refuse(_: object) -> None:
    raise ConnectionRefusedError
