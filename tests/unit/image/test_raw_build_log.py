"""BuildKit's JSON as events and as the plain log; the documents are as buildx 0.13 and later ones write them."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchpin.image import build_log
from torchpin.image.raw_build_log import RawBuildLog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torchpin.image.build_log import Event

DAY = "2026-11-26T14:06"
FROM = {"digest": "sha256:aa", "name": "[1/3] FROM docker.io/library/debian:12@sha256:96d5"}
RUN = {"digest": "sha256:bb", "name": "[2/3] RUN uv pip install\n    torch"}
COPY = {"digest": "sha256:cc", "name": "[3/3] COPY smoke.py /opt/lora/smoke.py"}


def at(second: float) -> str:
    return f"{DAY}:{second:012.9f}Z"


def output(text: str | bytes, second: float, digest: str = "sha256:bb") -> dict[str, Any]:
    data = text if isinstance(text, bytes) else text.encode()
    return {
        "logs": [{"vertex": digest, "stream": 1, "data": b64encode(data).decode(), "timestamp": at(second)}]
    }


def pull(name: str, current: int, total: int, **more: str) -> dict[str, Any]:
    row = {"id": name, "vertex": "sha256:aa", "current": current, "total": total, "started": at(1), **more}
    return {"statuses": [row]}


DOCUMENTS: list[dict[str, Any]] = [
    {"vertexes": [COPY, RUN, FROM]},
    {"vertexes": [{**FROM, "started": at(1)}]},
    pull("sha256:11", 0, 40_000_000),
    pull("sha256:22", 1_000_000, 10_000_000),
    pull("sha256:11", 40_000_000, 40_000_000, completed=at(2)),
    pull("sha256:11", 40_000_000, 40_000_000, completed=at(2)),
    pull("extracting sha256:11", 5_000_000, 40_000_000),
    {"vertexes": [{**FROM, "started": at(1), "completed": at(3.1)}]},
    {"vertexes": [{**RUN, "started": at(4)}]},
    output("Resolved 3 packages\n + tor", 4.5),
    output("ch==2.9.1\n", 4.75),
    output("10%\r50%\r100%\nno end of line", 5),
    {"vertexes": [{**RUN, "started": at(4), "completed": at(6.06)}]},
    {"vertexes": [{**COPY, "started": at(7), "completed": at(7), "cached": True}]},
]
PLAIN = [
    "#1 [1/3] FROM docker.io/library/debian:12@sha256:96d5",
    "#1 sha256:11 40.00MB done",
    "#1 DONE 2.1s",
    "#2 [2/3] RUN uv pip install torch",
    "#2 0.500 Resolved 3 packages",
    "#2 0.750  + torch==2.9.1",
    "#2 1.000 100%",
    "#2 2.060 no end of line",
    "#2 DONE 2.1s",
    "#3 [3/3] COPY smoke.py /opt/lora/smoke.py",
    "#3 CACHED",
]


def stream(documents: Iterable[dict[str, Any]], indent: int | None) -> list[str]:
    text = "".join(json.dumps(document, indent=indent) + "\n" for document in documents)
    return text.splitlines(keepends=True)


def read(lines: Iterable[str]) -> tuple[list[str], list[Event]]:
    log = RawBuildLog()
    readings = [reading for line in lines for reading in log.read(line)]
    readings += log.remaining()
    return [text for text, _ in readings if text is not None], [event for _, event in readings if event]


@pytest.mark.parametrize("indent", [None, 2], ids=["a line each", "indented"])
def test_the_log_for_people_is_the_plain_one(indent: int | None) -> None:
    lines, _ = read(stream(DOCUMENTS, indent))
    assert lines == PLAIN


def test_steps_are_planned_before_they_start_and_numbered_when_they_do() -> None:
    _, events = read(stream(DOCUMENTS, 2))
    assert [event.text for event in events if event.kind == "planned"] == [
        "[3/3] COPY smoke.py /opt/lora/smoke.py",
        "[2/3] RUN uv pip install torch",
        "[1/3] FROM docker.io/library/debian:12@sha256:96d5",
    ]
    others = [(event.step, event.kind) for event in events if event.kind not in {"planned", "output"}]
    assert others == [
        (1, "started"), (1, "done"), (2, "started"), (2, "done"), (3, "started"), (3, "cached"),
    ]  # fmt: skip


def test_transfers_are_exact_bytes_of_all_files_together() -> None:
    _, events = read(stream(DOCUMENTS, 2))
    transfers = [(event.done, event.total, event.bytes) for event in events if event.done or event.total]
    assert transfers[:3] == [
        (0, 40_000_000, "0B / 40.00MB"),
        (1_000_000, 50_000_000, "1.00MB / 50.00MB"),
        (41_000_000, 50_000_000, "41.00MB / 50.00MB"),
    ]
    assert {row[:2] for row in transfers[3:]} == {(41_000_000, 50_000_000)}  # extracting is not transferring


def test_a_transfer_of_unknown_size_has_no_total() -> None:
    _, events = read(stream([{"vertexes": [FROM]}, pull("transferring context:", 7_000, 0)], None))
    assert (events[-1].done, events[-1].total, events[-1].bytes) == (7_000, 0, "")


def test_a_failure_is_read_from_the_log_as_before() -> None:
    failed = {"started": at(4), "completed": at(6), "error": "process did not complete: exit code: 1"}
    canceled = {"started": at(4), "completed": at(6), "error": "rpc error: context canceled"}
    documents = [
        {"vertexes": [{**RUN, "started": at(4)}, {**COPY, "started": at(4)}]},
        output("error: no such package\n", 5),
        {"vertexes": [{**COPY, **canceled}]},
        {"vertexes": [{**RUN, **failed}]},
    ]
    lines, events = read([*stream(documents, 2), "Dockerfile:9\n", "ERROR: failed to solve: exit code: 1\n"])
    failure = build_log.find_failure(lines)
    assert failure.step == "RUN uv pip install torch"
    assert failure.lines == ("error: no such package", "ERROR: process did not complete: exit code: 1")
    assert lines[-2:] == ["Dockerfile:9", "ERROR: failed to solve: exit code: 1"]
    ends = {event.text for event in events if event.kind == "failed"}
    assert ends == {"CANCELED", "ERROR: process did not complete: exit code: 1"}


def test_a_step_that_goes_on_after_its_end_is_one_step_of_the_log() -> None:
    documents = [
        {"vertexes": [{**FROM, "started": at(1), "completed": at(1.1)}]},
        {"vertexes": [{**FROM, "started": at(2)}]},
        {"vertexes": [{**FROM, "started": at(2), "completed": at(4)}]},
    ]
    lines, events = read(stream(documents, None))
    assert lines == [f"#1 {FROM['name']}", "#1 DONE 0.1s", "#1 DONE 2.0s"]
    assert [event.kind for event in events] == ["planned", "started", "done", "started", "done"]


def test_no_line_and_no_event_has_a_credential() -> None:
    address = "https://user:c4n4ry@mirror.example/simple"
    documents = [
        {"vertexes": [{"digest": "sha256:bb", "name": f"[1/1] RUN get {address}", "started": at(1)}]},
        output(f"reading {address[:20]}", 2),
        output(f"{address[20:]}\n", 3),
        {
            "vertexes": [
                {"digest": "sha256:bb", "name": "x", "started": at(1), "completed": at(4), "error": address}
            ]
        },
        {"warnings": [{"vertex": "sha256:bb", "short": b64encode(address.encode()).decode()}]},
    ]
    lines, events = read([*stream(documents, 2), f"ERROR: {address}\n"])
    assert "c4n4ry" not in repr((lines, events))
    assert repr((lines, events)).count("https://mirror.example/simple") == 9


@pytest.mark.parametrize(
    "text",
    [
        "{ no document }\n",
        '{"vertexes": [{"name": "without a digest"}]}\n',
        '{"vertexes": 3}\n',
        '{"logs": [{"vertex": "sha256:bb", "data": "not base64"}]}\n',
        '{"statuses": [{"vertex": "sha256:bb", "current": "many"}]}\n',
        '{\n  "vertexes": [\n',
        "{}}\n",
    ],
)
def test_what_is_no_document_of_buildkit_is_kept_as_it_is(text: str) -> None:
    lines, _ = read([text, '{"vertexes": []}\n'] if text.count("\n") == 1 else [text])
    assert [line for line in lines if line] == [text.rstrip("\n")] or lines == text.splitlines()


@given(
    st.lists(st.one_of(st.text(), st.sampled_from(["{", "}", '{"logs": null}', "[]", '{"statuses": [{}]}'])))
)
def test_no_stream_breaks_the_reading_of_it(texts: list[str]) -> None:
    lines, events = read(f"{text}\n" for text in texts)
    assert isinstance(lines, list)
    assert isinstance(events, list)
