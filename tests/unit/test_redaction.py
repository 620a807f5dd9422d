"""Secrets in texts: addresses lose their user information and queries, and names say what is a secret."""

from __future__ import annotations

import pytest

from torchpin.redaction import names_secret, redact_credentials


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://mirror.example/x.whl?token=S3CRET", "https://mirror.example/x.whl"),
        ("https://mirror.example?token=S3CRET#sha256=ab", "https://mirror.example#sha256=ab"),
        ("git+https://S3CRET@mirror.example/x@v1?k=S3CRET y", "git+https://mirror.example/x@v1 y"),
        ("(https://mirror.example/?a=S3CRET).", "(https://mirror.example/)."),
        ("https://mirror.example/?a=S3CRET, then", "https://mirror.example/, then"),
        ('{"url": "https://mirror.example/?a=S3CRET\\nnext"}', '{"url": "https://mirror.example/\\nnext"}'),
        ("\x1b[31mhttps://mirror.example/?a=S3CRET\x1b[0m", "\x1b[31mhttps://mirror.example/\x1b[0m"),
        ("did you mean https://mirror.example/?", "did you mean https://mirror.example/?"),
        ("https://mirror.example/x#a?b", "https://mirror.example/x#a?b"),
        ("no address? none", "no address? none"),
        ("https://mirror.example/x#token=S3CRET", "https://mirror.example/x#token=***"),
        (
            "https://mirror.example/x#sha256=ab&api_key=S3CRET",
            "https://mirror.example/x#sha256=ab&api_key=***",
        ),
        ("https%3A%2F%2Fa:S3CRET%40mirror.example%2F%3Ft%3DS3CRET x", "https%3A%2F%2Fmirror.example%2F x"),
        ("https%3a%2f%2fa%3AS3CRET%40mirror.example", "https%3a%2f%2fmirror.example"),
        ("> Authorization: Basic dXNlcjpTM0NSRVQ=", "> Authorization: Basic ***"),
        (r"{\"authorization\": \"Bearer S3CRET\"}", r"{\"authorization\": \"Bearer ***\"}"),
        ("PRIVATE-TOKEN: S3CRET", "PRIVATE-TOKEN: ***"),
        ("x-vendor-api-key: S3CRET", "x-vendor-api-key: ***"),
        ("Set-Cookie: a=S3CRET; b=S3CRET\nnext: line", "Set-Cookie: ***\nnext: line"),
        ("the key: a value, the token: an id", "the key: a value, the token: an id"),
        ("postgres://u:can#S3CRET@h/db x", "postgres://h/db x"),
        ("postgres://u:can/S3CRET@h/db x", "postgres://h/db x"),
        ("postgres://u:can?S3CRET@h/db x", "postgres://h/db x"),
        ("'https://u:it's-S3CRET@h/simple'", "'https://h/simple'"),
        ("https://h:8080/x@v1 https://h/x@v1", "https://h:8080/x@v1 https://h/x@v1"),
        ('["https://h:80", "a@b"]', '["https://h:80", "a@b"]'),
        ('["https://u:p@h","a@b"]', '["https://h","a@b"]'),
        ("u:S3CRET@proxy:3128 is not a package", "proxy:3128 is not a package"),
        ("--proxy=u:S3CRET@proxy:3128", "--proxy=proxy:3128"),
        ("`u:S3CRET@github.com:a/b.git`", "`github.com:a/b.git`"),
        (
            "nvidia/cuda:12.4@sha256:ab python:3.11@sha256:ab",
            "nvidia/cuda:12.4@sha256:ab python:3.11@sha256:ab",
        ),
        ("mirror.example/simple?token=S3CRET", "mirror.example/simple?token=***"),
        ("HF_TOKEN='S3CRET' serve --api-key=S3CRET", "HF_TOKEN='***' serve --api-key=***"),
        (f"--label io.torchpin.key={'ab' * 32}",) * 2,
        ("--label io.torchpin.key=S3CRET", "--label io.torchpin.key=***"),
        ("HF_TOKEN=$HF_TOKEN --max-tokens=4096 auth=none KEY_FILE=/run/secrets/x",) * 2,
        (
            "invalid value 'http://u:a/S3CRET@127.0.0.1:1/simple' for '--default-index'",
            "invalid value 'http://127.0.0.1:1/simple' for '--default-index'",
        ),
        (
            "no Docker engine at u:S3CRET@127.0.0.1:1: Invalid bind address protocol: u:S3CRET@127.0.0.1:1",
            "no Docker engine at 127.0.0.1:1: Invalid bind address protocol: 127.0.0.1:1",
        ),
        (
            'Url { query: Some("x=S3CRET"), password: Some("S3CRET"), y }',
            'Url { query: Some("***"), password: Some("***"), y }',
        ),
        ("a token ghp_S3CRETabcdefghijklmnop.", "a token ***."),
    ],
)
def test_an_address_is_told_without_its_query(text: str, expected: str) -> None:
    assert redact_credentials(text) == expected


def test_a_long_text_of_addresses_takes_no_long_time() -> None:
    assert len(redact_credentials("://" * 200_000)) == 600_000
    assert redact_credentials("https://a:S3CRET@b/?S3CRET " * 50_000) == "https://b/ " * 50_000
    for part in ("%3a%2f%2f", "authorization: ", "x-a-b-c-d", "https://b/#a=b&", "cookie: ",
                 "a:", ",a:@", "https://u:x", "://u:'a", "token=", "eyJ", "eyJa.", "-----BEGIN PRIVATE KEY-----", "hf_",
                 "https://x/t/", "a-", "gl"):  # fmt: skip
        assert redact_credentials(part * 50_000)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in ("HF_TOKEN", "OPENAI_API_KEY", "apikey", "--token", "DB_PASSWORD")),
        *((name, True) for name in ("AWS_SECRET_ACCESS_KEY", "MYSECRET", "TOKEN1", "GOOGLE_CREDENTIALS")),
        *((name, False) for name in ("TOKENIZERS_PARALLELISM", "KEYRING", "PATH", "HF_HOME", "")),
    ],
)
def test_a_name_says_whether_its_value_is_a_secret(name: str, *, expected: bool) -> None:
    assert names_secret(name) is expected
