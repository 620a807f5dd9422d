"""The loopback index: its pages and files, and real uv that resolves against recorded channels."""

from __future__ import annotations

import gc
import hashlib
import json
import socket
import threading
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from support.uv_commands import run_uv
from torchpin.tools import index_server

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence
    from email.message import Message
    from pathlib import Path

WHEEL = "torch-2.5.1+cu121-cp310-cp310-linux_x86_64.whl"
CONTENT = b"0123456789"
FILES = {
    "cu121": {
        "torch": (
            index_server.File(
                filename=WHEEL,
                sha256=hashlib.sha256(CONTENT).hexdigest(),
                metadata="Metadata-Version: 2.1\nName: torch\nVersion: 2.5.1+cu121\n",
                content=CONTENT,
                requires_python=">=3.8",
                size=10,
            ),
        ),
        "torch-audio": (
            index_server.File(filename="torch_audio-1-py3-none-any.whl", sha256=None),
            index_server.File(
                filename="torch_audio-2-py3-none-any.whl", sha256="ab", metadata="Name: torch-audio\n"
            ),
        ),
    },
    "cpu": {},
}
FILE_PATH = "cu121/files/torch-2.5.1%2Bcu121-cp310-cp310-linux_x86_64.whl"


class Reply(NamedTuple):
    status: int
    headers: Message[str, str]
    body: bytes


def send_request(address: str, method: str = "GET", **headers: str) -> Reply:
    request = Request(
        address, method=method, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    try:
        with urlopen(request, timeout=10) as reply:
            return Reply(reply.status, reply.headers, reply.read())
    except HTTPError as error:
        with error:
            return Reply(error.code, error.headers, error.read())


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with index_server.serve(FILES) as address:
        yield address


def test_a_channels_root_lists_its_packages(base: str) -> None:
    reply = send_request(f"{base}/cu121/")
    assert reply.headers["Content-Type"] == "application/vnd.pypi.simple.v1+json"
    assert [row["name"] for row in json.loads(reply.body)["projects"]] == ["torch", "torch-audio"]
    assert json.loads(send_request(f"{base}/cpu/").body)["projects"] == []


def test_a_page_carries_hashes_sizes_pythons_and_metadata_hashes(base: str) -> None:
    page = json.loads(send_request(f"{base}/cu121/torch/").body)
    assert (page["meta"], page["name"]) == ({"api-version": "1.0"}, "torch")
    metadata = send_request(f"{base}/{FILE_PATH}.metadata").body
    assert page["files"] == [
        {
            "filename": WHEEL,
            "url": f"{base}/{FILE_PATH}",
            "hashes": {"sha256": hashlib.sha256(CONTENT).hexdigest()},
            "requires-python": ">=3.8",
            "size": 10,
            "core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()},
        }
    ]


def test_a_page_leaves_out_what_is_not_known(base: str) -> None:
    rows = json.loads(send_request(f"{base}/cu121/Torch_Audio/").body)["files"]
    assert rows[0] == {
        "filename": "torch_audio-1-py3-none-any.whl",
        "url": f"{base}/cu121/files/torch_audio-1-py3-none-any.whl",
        "hashes": {},
    }


def test_html_is_for_those_who_ask_for_nothing_else(base: str) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    for accept in ("text/html", "application/vnd.pypi.simple.v1+html, text/html;q=0.1"):
        reply = send_request(f"{base}/cu121/torch/", Accept=accept)
        assert reply.headers["Content-Type"].startswith("text/html")
        assert (
            f'<a href="{base}/{FILE_PATH}#sha256={digest}" data-requires-python="&gt;=3.8"'
            in reply.body.decode()
        )
        assert f">{WHEEL}</a>" in reply.body.decode()
    assert '<a href="torch/">torch</a>' in send_request(f"{base}/cu121/", Accept="text/html").body.decode()
    uv_accept = (
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
    )
    for accept in (uv_accept, "*/*", "text/html, */*;q=0.8"):
        assert json.loads(send_request(f"{base}/cu121/torch/", Accept=accept).body)


def test_a_plus_in_a_file_name_may_be_encoded_or_not(base: str) -> None:
    plain = FILE_PATH.replace("%2B", "+")
    assert send_request(f"{base}/{FILE_PATH}").body == send_request(f"{base}/{plain}").body == CONTENT
    assert send_request(f"{base}/{FILE_PATH}.metadata").body == send_request(f"{base}/{plain}.metadata").body


def test_head_tells_the_length_and_sends_nothing(base: str) -> None:
    reply = send_request(f"{base}/{FILE_PATH}", "HEAD")
    assert (reply.status, reply.headers["Content-Length"], reply.body) == (200, "10", b"")
    assert reply.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("requested", "span", "body"),
    [
        ("bytes=2-4", "bytes 2-4/10", b"234"),
        ("bytes=7-", "bytes 7-9/10", b"789"),
        ("bytes=7-99", "bytes 7-9/10", b"789"),
        ("bytes=-3", "bytes 7-9/10", b"789"),
        ("bytes=-99", "bytes 0-9/10", CONTENT),
    ],
)
def test_a_range_of_a_file_is_sent_alone(base: str, requested: str, span: str, body: bytes) -> None:
    reply = send_request(f"{base}/{FILE_PATH}", Range=requested)
    assert (reply.status, reply.headers["Content-Range"], reply.body) == (206, span, body)
    assert reply.headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize("requested", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_with_the_size(base: str, requested: str) -> None:
    reply = send_request(f"{base}/{FILE_PATH}", Range=requested)
    assert (reply.status, reply.headers["Content-Range"], reply.body) == (416, "bytes */10", b"")


@pytest.mark.parametrize("requested", ["bytes=4-2", "bytes=-", "bytes=0-1,4-5", "pages=1-2"])
def test_what_is_no_plain_range_is_ignored(base: str, requested: str) -> None:
    assert send_request(f"{base}/{FILE_PATH}", Range=requested)[::2] == (200, CONTENT)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("cu121/numpy/", "/cu121/numpy/ does not exist"),
        ("cu999/torch/", "/cu999/torch/ does not exist"),
        ("", "/ does not exist"),
        ("cu121/files/x-1-py3-none-any.whl", "x-1-py3-none-any.whl does not exist"),
        (
            "cu121/files/torch_audio-1-py3-none-any.whl",
            "torch_audio-1-py3-none-any.whl is recorded without content or dependencies",
        ),
        (
            "cu121/files/torch_audio-2-py3-none-any.whl",
            "torch_audio-2-py3-none-any.whl is recorded without content",
        ),
    ],
)
def test_what_the_index_does_not_have_is_a_404_with_its_reason(base: str, path: str, reason: str) -> None:
    reply = send_request(f"{base}/{path}")
    assert (reply.status, json.loads(reply.body)["title"]) == (404, reason)
    assert reply.headers["Content-Type"] == "application/problem+json"


def test_other_addresses_of_the_port_say_nothing(base: str) -> None:
    root = f"http://{urlsplit(base).netloc}"
    assert send_request(f"{root}/cu121/torch/").status == send_request(f"{base}x/cu121/torch/").status == 404


def test_only_the_loopback_is_bound_and_other_contents_have_another_address(base: str) -> None:
    assert urlsplit(base).hostname == "127.0.0.1"
    with index_server.serve({"cu121": {}}) as different_address, index_server.serve(FILES) as same_address:
        assert urlsplit(different_address).path != urlsplit(base).path == urlsplit(same_address).path


def test_the_server_ends_with_its_block_and_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    before = threading.active_count()
    with index_server.serve(FILES) as address, closing(HTTPConnection(urlsplit(address).netloc)) as client:
        client.request("GET", urlsplit(address).path + "/cu121/")
        with closing(socket.create_connection((client.host, client.port))) as unfinished:
            unfinished.sendall(b"GET / HTTP/1.1\r\n")
        assert client.getresponse().read()
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((client.host, client.port))
    gc.collect()
    assert capfd.readouterr() == ("", "")


def test_recorded_files_keep_every_row_and_describe_each_with_its_machines_dependencies() -> None:
    rows = {file.filename: file for file in index_server.recorded_files("cu126")["torch"]}
    x86_64 = rows["torch-2.6.0+cu126-cp310-cp310-manylinux_2_28_x86_64.whl"]
    aarch64 = rows["torch-2.6.0+cu126-cp310-cp310-linux_aarch64.whl"]
    assert "Requires-Dist: nvidia-cudnn-cu12==9.5.1.17; " in (x86_64.metadata or "")
    assert "nvidia" not in (aarch64.metadata or "nvidia")
    assert "Requires-Python: >=3.9.0\nProvides-Extra: optree\n" in (aarch64.metadata or "")
    assert any(file.metadata is None and file.sha256 for file in rows.values())
    assert all(file.content is None for file in rows.values())


def test_a_channel_without_a_recorded_page_has_no_files() -> None:
    assert index_server.recorded_files("cu999") == {}


def compile_requirements(
    folder: Path, requirements: Sequence[str], *, channel: str = "cu121", machine: str = "x86_64"
) -> subprocess.CompletedProcess[str]:
    """`uv pip compile` of the recorded channel, as a lock does it: every other package comes from PyPI."""
    sources = "".join(
        f'{name} = {{ index = "{channel}" }}\n' for name in ("torch", "torchvision", "torchaudio")
    )
    with index_server.serve({channel: index_server.recorded_files(channel)}) as base:
        (folder / "pyproject.toml").write_text(
            f'[project]\nname = "x"\nversion = "0"\nrequires-python = "==3.10.*"\n'
            f"dependencies = {list(requirements)!r}\n"
            f'[[tool.uv.index]]\nname = "{channel}"\nurl = "{base}/{channel}/"\nexplicit = true\n'
            f"[tool.uv.sources]\n{sources}"
        )
        arguments = ("--python-version", "3.10", "--python-platform", f"{machine}-manylinux_2_28")
        return run_uv(
            "pip", "compile", "pyproject.toml", *arguments, "--format", "pylock.toml", folder=folder
        )


@pytest.mark.network
def test_uv_locks_a_recorded_torch_with_its_recorded_hash_and_the_rest_from_pypi(tmp_path: Path) -> None:
    result = compile_requirements(tmp_path, ["torch==2.5.1", "torchvision==0.20.1", "torchaudio==2.5.1"])
    assert result.returncode == 0, result.stderr
    assert 'version = "2.5.1+cu121"' in result.stdout
    torch = next(
        line
        for line in result.stdout.splitlines()
        if "/torch-2.5.1%2Bcu121-cp310-cp310-linux_x86_64.whl" in line
    )
    assert "92af92c569de5da937dd1afb45ecfdd598ec1254cf2e49e3d698cb24d71aae14" in torch
    cublas = next(line for line in result.stdout.splitlines() if "nvidia_cublas_cu12-12.1.3.1-" in line)
    assert "127.0.0.1" not in cublas
    assert result.stdout.count("http://127.0.0.1") >= 3


@pytest.mark.network
@pytest.mark.parametrize(("machine", "with_cuda"), [("x86_64", True), ("aarch64", False)])
def test_each_machine_gets_the_dependencies_of_its_own_wheel(
    tmp_path: Path, machine: str, with_cuda: bool
) -> None:
    result = compile_requirements(tmp_path, ["torch==2.6.0"], channel="cu126", machine=machine)
    assert result.returncode == 0, result.stderr
    assert f"_{machine}.whl" in result.stdout
    assert ('name = "nvidia-cudnn-cu12"' in result.stdout) is with_cuda


@pytest.mark.network
@pytest.mark.parametrize("requirement", ["torch==2.4.1", "torch>=2.4,<2.5", "torch<2.5.1"])
def test_a_release_without_recorded_dependencies_is_a_clear_failure(tmp_path: Path, requirement: str) -> None:
    result = compile_requirements(tmp_path, [requirement])
    assert result.returncode != 0
    assert not result.stdout
    assert "recorded without content or dependencies" in result.stderr


@pytest.mark.network
def test_a_release_that_the_channel_never_had_is_no_solution(tmp_path: Path) -> None:
    result = compile_requirements(tmp_path, ["torch==2.7.1"])
    assert result.returncode != 0
    assert "there is no version of torch==2.7.1" in result.stderr


def test_an_interrupt_while_it_starts_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, []

    def start_and_interrupt(thread: threading.Thread) -> None:
        start(thread)
        started.append(thread)
        raise KeyboardInterrupt

    failures: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    monkeypatch.setattr(threading.Thread, "start", start_and_interrupt)
    with pytest.raises(KeyboardInterrupt), index_server.serve(FILES):
        pass
    assert [thread.is_alive() for thread in started] == [False]
    assert failures == []
