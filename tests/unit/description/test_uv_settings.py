"""What uv's configuration says of where packages are reached, and what it says of them, which is left out."""

from __future__ import annotations

import pytest

from torchpin.description.uv_settings import parse_uv_settings, reaching_variables
from torchpin.errors import InputError


def test_only_what_tells_where_and_how_packages_are_reached_is_read() -> None:
    text = """
exclude-newer = "2020-01-01"
resolution = "lowest"
system-certs = true
allow-insecure-host = ["a.example", "b.example:8443"]
http-proxy = "http://proxy.example:3128"
no-proxy = ["c.example"]
keyring-provider = "subprocess"
concurrent-downloads = 4
[[index]]
url = "https://further.example/simple"
[[index]]
name = "corp"
url = "https://user:S3CRET@corp.example/simple"
default = true
"""
    assert parse_uv_settings([("uv.toml", text)]) == {
        "UV_SYSTEM_CERTS": "true",
        "UV_INSECURE_HOST": "a.example b.example:8443",
        "HTTP_PROXY": "http://proxy.example:3128",
        "NO_PROXY": "c.example",
        "UV_KEYRING_PROVIDER": "subprocess",
        "UV_CONCURRENT_DOWNLOADS": "4",
        "UV_DEFAULT_INDEX": "corp=https://user:S3CRET@corp.example/simple",
    }


@pytest.mark.parametrize(
    "text", ['index-url = "https://a/simple"\n', '[pip]\nindex-url = "https://a/simple"\n']
)
def test_former_names_of_the_default_index_count(text: str) -> None:
    assert parse_uv_settings([("uv.toml", text)]) == {"UV_DEFAULT_INDEX": "https://a/simple"}


def test_the_user_s_file_counts_before_the_system_s_and_lists_are_joined() -> None:
    user = 'index-url = "https://user/simple"\nallow-insecure-host = ["a"]\n'
    system = 'index-url = "https://system/simple"\nallow-insecure-host = ["b"]\noffline = false\n'
    assert parse_uv_settings([("user", user), ("system", system)]) == {
        "UV_DEFAULT_INDEX": "https://user/simple",
        "UV_INSECURE_HOST": "a b",
        "UV_OFFLINE": "false",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = [\n", "uv.toml: invalid TOML: "),
        ("\noffline = 1\n", "uv.toml:2:1: offline: expected true or false"),
        ("concurrent-builds = true\n", "uv.toml:1:1: concurrent-builds: expected a number"),
        ("http-proxy = 1\n", "uv.toml:1:1: http-proxy: expected a text"),
        ('no-proxy = "a"\n', "uv.toml:1:1: no-proxy: expected a list of texts"),
        ("index-url = 1\n", "uv.toml:1:1: index-url: expected an address"),
        ("index = [{ default = true }]\n", "uv.toml:1:1: index: the default index has no url"),
        ('index = [{ default = true, url = "a", format = "flat" }]\n', "uv.toml:1:1: index: the default index is a list"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InputError) as excinfo:
        parse_uv_settings([("uv.toml", text)])
    assert str(excinfo.value).startswith(message)
    assert str(excinfo.value).endswith("uv is configured there; correct it, or set UV_NO_CONFIG=1")


@pytest.mark.parametrize(
    ("name", "stays"),
    [
        ("UV_DEFAULT_INDEX", True),
        ("UV_INDEX_CORP_USERNAME", True),
        ("UV_INDEX_CORP_PASSWORD", True),
        ("UV_CREDENTIALS_DIR", True),
        ("UV_SYSTEM_CERTS", True),
        ("UV_HTTP_TIMEOUT", True),
        ("HTTPS_PROXY", True),
        ("NETRC", True),
        ("UV_INDEX", False),
        ("UV_INDEX_STRATEGY", False),
        ("UV_EXTRA_INDEX_URL", False),
        ("UV_EXCLUDE_NEWER", False),
        ("UV_NO_BINARY_PACKAGE", False),
        ("UV_CONFIG_FILE", False),
        ("UV_PYTHON", False),
        ("UV_A_NAME_OF_A_LATER_RELEASE", False),
        ("VIRTUAL_ENV", False),
    ],
)
def test_of_uv_s_variables_only_those_are_handed_on(name: str, stays: bool) -> None:
    assert reaching_variables({name: "x"}) == ({name: "x"} if stays else {})
