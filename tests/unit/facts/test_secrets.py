"""The table of what tells a secret: each row matches its own examples, and nothing that looks alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torchpin.facts.secrets import secret_forms, secret_names
from torchpin.redaction import HIDDEN, hide_forms, names_secret, redact_credentials

if TYPE_CHECKING:
    from torchpin.facts.secrets import SecretForm, SecretName

NAMES = [(row, name) for row in secret_names() for name in row.examples]
OTHERS = [name for row in secret_names() for name in row.others]


@pytest.mark.parametrize(("row", "name"), NAMES, ids=[name for _, name in NAMES])
def test_a_name_tells_a_secret(row: SecretName, name: str) -> None:
    assert names_secret(name), row.id
    assert redact_credentials(f"{name}=s3cr3t") == f"{name}={HIDDEN}"


@pytest.mark.parametrize("name", OTHERS)
def test_a_name_that_looks_alike_tells_none(name: str) -> None:
    assert not names_secret(name)
    assert redact_credentials(f"{name}=s3cr3t") == f"{name}=s3cr3t"


@pytest.mark.parametrize("form", secret_forms(), ids=lambda form: form.id)
def test_a_value_of_a_known_form_is_hidden(form: SecretForm) -> None:
    for text in (f"see {form.example} here", f"'{form.example}'", f"X={form.example}", f"/{form.example}"):
        assert HIDDEN in hide_forms(text)
        assert form.example not in hide_forms(text)


@pytest.mark.parametrize(
    "text",
    [
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "task-0123456789abcdefghij", "disk-0123456789abcdefghij", "sk-learn-contrib-package", "hf_transfer",
        "nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04@sha256:0123456789abcdef", "glibc-2.35-0ubuntu3.8-something",
        "flash_attn-2.8.3+cu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl", "npm_config_cache",
        "pkg:pypi/torch@2.5.1", "actions/checkout@v4", "git@github.com:a/b.git", "git+https://github.com/a/b@v1.0",
        "https://localhost:8000/x@y", "mailto:a@b.example", "a-1-py3-none-any.whl", "/usr/t/x",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact_credentials(text) == text
