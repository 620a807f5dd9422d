"""An index that cannot be reached: one sentence with what helps, and uv's words for those who want them."""

from __future__ import annotations

import pytest

from support.small_service import DESCRIPTION, read_environment
from torchpin.model import Settings
from torchpin.tools.unreachable import unreachable_text

OFFICIAL = "https://download.pytorch.org/whl/cu121"
UV = """\
    error: Request failed after 3 retries in 7.9s
      cause: Failed to fetch: {quote}{address}/torch/{quote}
      cause: error sending request for url ({address}/torch/)
      cause: client error (Connect)
      cause: {reason}"""


def message(address: str, reason: str, *, quote: str = "", mirrors: dict[str, str] | None = None) -> str:
    output = UV.format(address=address, reason=reason, quote=quote)
    return unreachable_text(read_environment(DESCRIPTION), Settings(mirrors=mirrors or {}), output)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("dns error", "name not known"),
        ("tcp connect error: Connection refused (os error 111)", "connection refused"),
        ("Network is unreachable (os error 101)", "no network"),
        ("operation timed out", "no answer in time"),
    ],
)
@pytest.mark.parametrize("quote", ["", "`"])
def test_an_address_that_cannot_be_reached_is_named_with_the_reason(
    reason: str, said: str, quote: str
) -> None:
    head, advice, *words = message(OFFICIAL, reason, quote=quote).splitlines()
    assert head == f"cannot reach https://download.pytorch.org ({said})"
    assert advice == "  help: `--recorded` works without it, or set TORCHPIN_MIRROR_CU121 to a mirror"
    assert words[0] == "  uv: error: Request failed after 3 retries in 7.9s"
    assert len(words) == 5


def test_the_help_is_about_the_address_that_was_asked() -> None:
    mirror = "http://127.0.0.1:9/whl/cu121"
    text = message(mirror, "dns error", mirrors={"cu121": f"{mirror}/"})
    assert "the address is that of the mirror of cu121 (TORCHPIN_MIRROR_CU121)" in text
    assert "or name a mirror (docs/mirrors.md)" in message("https://wheels.example.org/simple", "dns error")


def test_a_certificate_of_the_network_is_to_be_named() -> None:
    head, advice, *_ = message(OFFICIAL, "invalid peer certificate: UnknownIssuer").splitlines()
    assert head == "cannot reach https://download.pytorch.org (certificate not trusted)"
    assert advice == "  help: set SSL_CERT_FILE to the file of the certificates that this network uses"


def test_an_index_that_answers_otherwise_keeps_the_words_of_uv() -> None:
    assert not message(OFFICIAL, "HTTP status client error (403 Forbidden)")
    assert not unreachable_text(read_environment(DESCRIPTION), Settings(), "No solution found: dns error")
