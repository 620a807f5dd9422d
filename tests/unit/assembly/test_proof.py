from __future__ import annotations

import io
import tarfile

import pytest

from torchpin.assembly.proof import read_proof, report_tar

DOCKERFILE = """\
FROM base AS image
RUN true

# The proof.
FROM image AS proof
USER worker
RUN --mount=type=bind,source=expect.json,target=/run/torchpin/expect.json \\
    --mount=type=tmpfs,target=/workspace \\
    python -B /opt/torchpin/prove.py "a  b" && \\
    if [ ! -s /tmp/proof.json ]; then exit 1; fi

FROM image
RUN install
"""


def test_the_proof_is_what_the_dockerfile_has() -> None:
    proof = read_proof(DOCKERFILE)
    assert proof.user == "worker"
    assert proof.files == {"/run/torchpin/expect.json": "expect.json"}
    assert proof.scratch == ("/workspace",)
    assert proof.script.startswith('python -B /opt/torchpin/prove.py "a  b" &&')
    assert proof.script.endswith("if [ ! -s /tmp/proof.json ]; then exit 1; fi")
    assert "mount" not in proof.script


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("AS proof", "AS other", "must be one RUN"),
        ("USER worker", "ENV A=1", "must be one RUN"),
        ("USER worker", "RUN true", "must be one RUN"),
        ("type=tmpfs,target=/workspace", "type=secret,id=network,target=/x", "which a container cannot have"),
        ("type=bind,source=expect.json", "type=bind,from=wheels,source=/x", "which a container cannot have"),
    ],
)
def test_a_proof_that_no_container_can_run_is_refused(before: str, after: str, message: str) -> None:
    assert before in DOCKERFILE
    with pytest.raises(ValueError, match=message):
        read_proof(DOCKERFILE.replace(before, after))


def test_the_report_is_a_layer() -> None:
    content = report_tar(b'{"a": 1}', epoch=86400)
    assert content == report_tar(b'{"a": 1}', epoch=86400)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = archive.getmembers()
        assert [(member.name, member.mode, member.mtime, member.uid) for member in members] == [
            ("opt", 0o755, 86400, 0),
            ("opt/torchpin", 0o755, 86400, 0),
            ("opt/torchpin/proof.json", 0o644, 86400, 0),
        ]
        report = archive.extractfile(members[2])
        assert report
        assert report.read() == b'{"a": 1}'
