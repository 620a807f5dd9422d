"""torchpin.toml and TORCHPIN_… variables become settings; all their errors are reported at once."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

import pytest

from torchpin.description.environments import mirror_variable
from torchpin.description.settings import mirror_names, parse_settings
from torchpin.errors import InputError
from torchpin.model import Base, Service, Settings, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.fixture_types import Services

MIRROR = "https://mirror.example/whl/cu121"
END = "correct torchpin.toml or the TORCHPIN_… variables; nothing was written"
TOML = """
[mirrors]
cu121 = "https://mirror.example/whl/cu121"
sd-scripts = "file:///srv/git/sd-scripts.git"
"docker.io" = "registry.example/hub"

[build]
registry = "registry.example/torchpin"
network = "host"
"""
SOURCE = Source(
    name="sd-scripts",
    url="https://github.com/kohya-ss/sd-scripts",
    tag="v0.10.0",
    commit="9" * 40,
    path="third_party/sd-scripts",
)


@pytest.fixture
def lora(service: Services) -> Service:
    return service(sources=(SOURCE,))


def problem_messages(text: str | None, environ: Mapping[str, str], *services: Service) -> list[str]:
    """The problems that settings are refused with, without where they stand."""
    with pytest.raises(InputError) as excinfo:
        parse_settings(text, environ, services)
    assert str(excinfo.value).endswith(END)
    assert excinfo.value.exit_code == 2
    return [problem.message for problem in excinfo.value.problems]


def test_without_a_file_and_variables_nothing_is_replaced(lora: Service) -> None:
    assert parse_settings(None, {}, [lora]) == Settings(mirrors={}, registry="", network="default")
    assert parse_settings("", {"PATH": "/bin", "TORCHPIN_REQUIRE": "docker"}, [lora]) == Settings()


def test_the_file_s_tables_are_read(lora: Service) -> None:
    assert parse_settings(TOML, {}, [lora]) == Settings(
        mirrors={
            "cu121": MIRROR,
            "sd-scripts": "file:///srv/git/sd-scripts.git",
            "docker.io": "registry.example/hub",
        },
        registry="registry.example/torchpin",
        network="host",
    )


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("TORCHPIN_MIRROR_CU121", "cu121"),
        ("TORCHPIN_MIRROR_PYPI", "pypi"),
        ("TORCHPIN_MIRROR_PYTHON", "python"),
        ("TORCHPIN_MIRROR_SD_SCRIPTS", "sd-scripts"),
        ("TORCHPIN_MIRROR_DOCKER_IO", "docker.io"),
    ],
)
def test_each_variable_of_the_readme_replaces_an_address(variable: str, name: str, lora: Service) -> None:
    mirror = "registry.example/hub" if name == "docker.io" else MIRROR
    assert parse_settings(None, {variable: mirror}, [lora]).mirrors == {name: mirror}


def test_a_variable_wins_over_the_file(lora: Service) -> None:
    loaded_settings = parse_settings(
        TOML,
        {
            "TORCHPIN_MIRROR_CU121": "http://127.0.0.1:8000/cu121/",
            "TORCHPIN_REGISTRY": "ghcr.io/name",
            "TORCHPIN_REGISTRY_CACHE": "ghcr.io/name/cache",
            "TORCHPIN_BUILD_NETWORK": "none",
        },
        [lora],
    )
    assert loaded_settings.registry_cache == "ghcr.io/name/cache"
    assert loaded_settings.mirrors["cu121"] == "http://127.0.0.1:8000/cu121/"
    assert loaded_settings.mirrors["sd-scripts"] == "file:///srv/git/sd-scripts.git"
    assert (loaded_settings.registry, loaded_settings.network) == ("ghcr.io/name", "none")


def test_an_empty_variable_is_as_if_it_were_not_set(lora: Service) -> None:
    empty = {
        "TORCHPIN_MIRROR_CU121": "",
        "TORCHPIN_MIRROR_NOTHING": "",
        "TORCHPIN_REGISTRY": "",
        "TORCHPIN_BUILD_NETWORK": "",
    }
    assert parse_settings(TOML, empty, [lora]) == parse_settings(TOML, {}, [lora])


@pytest.mark.parametrize(
    "address",
    [
        "https://user:p%40ss@mirror.example/simple",
        "https://mirror.example",
        "http://127.0.0.1:8000/simple/",
        "file:///srv/git/a.git",
        "file:///srv/@scope/a.git",
        "ssh://git@mirror.example:22/a.git",
        "git://mirror.example/a.git",
        "git@mirror.example:group/a.git",
        "https://mirror.example/whl?channel=cu121&x=%20",
    ],
)
def test_addresses_of_every_kind_are_taken(address: str) -> None:
    assert parse_settings(None, {"TORCHPIN_MIRROR_PYPI": address}, []).mirrors == {"pypi": address}


@pytest.mark.parametrize(
    "address",
    ["registry.example/hub", "registry.local:5000/hub/", "localhost:5000", "localhost", "mirror:5000"],
)
def test_a_registry_s_mirror_is_a_registry(address: str) -> None:
    assert parse_settings(None, {"TORCHPIN_MIRROR_DOCKER_IO": address}, []).mirrors == {"docker.io": address}


@pytest.mark.parametrize(
    "address",
    [
        "foo",
        "-x",
        "javascript:x",
        "ext::sh -c id",
        "ext::id",
        "--upload-pack=id",
        "/srv/python",
        "mirror.example/simple",
        "https://",
        "https:///simple",
        "https://-x/simple",
        "ssh://-oProxyCommand=id/x",
        "https://mirror.example:port/simple",
        "ftp://mirror.example/simple",
        "file://",
        "git@-x:a",
        "git@mirror.example:--x",
        "git@mirror.example:-x",
    ],
)
def test_what_has_no_scheme_or_no_host_is_no_mirror(address: str) -> None:
    assert len(problem_messages(None, {"TORCHPIN_MIRROR_PYPI": address})) == 1


@pytest.mark.parametrize(
    "address", ["foo", "-x", "javascript:x", "https://registry.example/hub", "Registry.example"]
)
def test_what_is_no_registry_is_no_registry_s_mirror(address: str) -> None:
    assert problem_messages(None, {"TORCHPIN_MIRROR_DOCKER_IO": address}) == [
        "mirrors.docker.io: the value is not a registry such as registry.example/hub"
    ]


@pytest.mark.parametrize(
    "address",
    [
        *("https://user:SE CRET@x.example/simple", "user:SECRET@x.example", "x.example/s?token=SECRET"),
        *(
            "https:/x.example/s?token=SECRET",
            "https://x.example/s?x=(a)'SECRET",
            "https:user/SECRET",
            "SECRET",
        ),
    ],
)
def test_a_wrong_address_s_password_is_not_repeated(address: str) -> None:
    for messages in (
        problem_messages(None, {"TORCHPIN_MIRROR_PYPI": address}),
        problem_messages(f'[mirrors]\npypi = "{address}"\n', {}),
        problem_messages(f'[mirrors]\npypi = ["{address}"]\n', {}),
        problem_messages(None, {"TORCHPIN_MIRROR_DOCKER_IO": address}),
        problem_messages(None, {"TORCHPIN_REGISTRY": f"{address}?"}),
        problem_messages(None, {"TORCHPIN_BUILD_NETWORK": address}),
        problem_messages(f'[build]\nnetwork = "{address}"\n', {}),
    ):
        assert "CRET" not in "".join(messages)


@pytest.mark.parametrize(
    "address", ["x.example/s?token=SECRET", "https://user:SECRET@x.example", "a b SECRET"]
)
@pytest.mark.parametrize(
    "line", ['[mirrors]\n"{}" = "pypi"', '[build]\n"{}" = "x"', '[mirrors."{}"]', '["{}"]', '"{}" = 1']
)
def test_an_address_in_the_place_of_a_name_is_not_repeated(line: str, address: str) -> None:
    messages = problem_messages(line.format(address), {})
    assert messages
    assert "SECRET" not in "".join(messages)


def test_channels_pypi_python_and_docker_hub_have_names_without_any_service() -> None:
    names = mirror_names([])
    assert {"cpu", "cu118", "cu121", "cu128", "pypi", "python", "docker.io"} <= {*names}
    assert len(names) == len({*names})


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("ghcr.io/owner/base:1", "ghcr.io"),
        ("registry.local:5000/base:1", "registry.local:5000"),
        ("nvcr.io/nvidia/pytorch:24.10-py3", "nvcr.io"),
    ],
)
def test_a_base_s_own_registry_has_a_name(image: str, registry: str, service: Services) -> None:
    assert registry in mirror_names([service(base=Base(image=image))])
    variable = mirror_variable(registry)
    loaded_settings = parse_settings(None, {variable: "mirror.local/x"}, [service(base=Base(image=image))])
    assert loaded_settings.mirrors == {registry: "mirror.local/x"}


@pytest.mark.parametrize("image", ["debian:12", "nvidia/cuda:12.1.1-base", "docker.io/nvidia/cuda:12.1.1"])
def test_a_base_of_docker_hub_adds_no_name(image: str, service: Services) -> None:
    assert mirror_names([service(base=Base(image=image))]) == mirror_names([])


def test_every_source_of_every_service_has_a_name(lora: Service, service: Services) -> None:
    second_service = service(
        name="other", sources=(Source(name="seedvr", url="u", tag="t", commit="c", path="p"),)
    )
    assert {"sd-scripts", "seedvr"} <= {*mirror_names([lora, second_service])}


def test_no_two_names_have_the_same_variable(lora: Service) -> None:
    names = mirror_names([lora])
    assert len({mirror_variable(name) for name in names}) == len(names)


def test_a_mirror_of_nothing_is_refused_with_the_name_that_was_meant(lora: Service) -> None:
    assert problem_messages('[mirrors]\nsd_scripts = "x"\n', {}, lora) == [
        "unknown mirror 'sd_scripts' (did you mean 'sd-scripts'?)"
    ]


def test_a_mirror_of_nothing_like_it_is_refused_with_what_there_is(lora: Service) -> None:
    (message,) = problem_messages('[mirrors]\nzzzzzz = "x"\n', {}, lora)
    assert message == f"unknown mirror 'zzzzzz' (known: {', '.join(mirror_names([lora]))})"


def test_a_variable_of_nothing_is_refused_with_the_one_that_was_meant(lora: Service) -> None:
    assert problem_messages(None, {"TORCHPIN_MIRROR_SDSCRIPTS": "x"}, lora) == [
        "unknown mirror variable 'TORCHPIN_MIRROR_SDSCRIPTS' (did you mean 'TORCHPIN_MIRROR_SD_SCRIPTS'?)"
    ]


@pytest.mark.parametrize(
    "text", ["[mirrors\n", "cu121 = https://x\n", "[mirrors]\ncu121 = 'a'\ncu121 = 'b'\n", "a" * 3 + "\x00"]
)
def test_a_file_that_is_no_toml_is_refused(text: str) -> None:
    (message,) = problem_messages(text, {})
    assert message.startswith("invalid TOML: ")


def test_a_problem_stands_in_the_file() -> None:
    with pytest.raises(InputError) as excinfo:
        parse_settings("[mirrors]\npypi = 'not an address'\n", {}, [])
    assert str(excinfo.value).splitlines() == [
        "torchpin.toml:2:1: mirrors.pypi: the value is not an address such as https://… or file:///…",
        END,
    ]


def test_a_problem_of_a_variable_is_not_said_to_stand_in_the_file() -> None:
    with pytest.raises(InputError) as excinfo:
        parse_settings(None, {"TORCHPIN_MIRROR_PYPI": "not an address"}, [])
    assert "TORCHPIN_MIRROR_PYPI" in str(excinfo.value)
    assert "torchpin.toml" not in str(excinfo.value).splitlines()[0]


def test_an_unknown_table_is_refused() -> None:
    assert problem_messages('[mirror]\npypi = "https://x"\n', {}) == [
        "mirror: unknown table (known: mirrors, build)"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('mirrors = "x"\n', "mirrors: expected a table of addresses by name"),
        (
            "build = 1\n",
            "build: expected a table of registry, network, cache, registry_cache and keep_downloads",
        ),
        (
            '[build]\ntag = "x"\n',
            "build.tag: unknown key (known: cache, keep_downloads, network, registry, registry_cache)",
        ),
        ("[mirrors]\npypi = 1\n", "mirrors.pypi: the value is not an address such as https://… or file:///…"),
        (
            '[mirrors]\npypi = ""\n',
            "mirrors.pypi: the value is not an address such as https://… or file:///…",
        ),
        (
            '[mirrors]\npypi = "https://a b"\n',
            "mirrors.pypi: the value is not an address such as https://… or file:///…",
        ),
        (
            '[mirrors]\npypi = "https://a\'b"\n',
            "mirrors.pypi: the value is not an address such as https://… or file:///…",
        ),
        (
            '[mirrors]\npypi = "https://$(id)"\n',
            "mirrors.pypi: the value is not an address such as https://… or file:///…",
        ),
        (
            '[mirrors]\npypi = "https://x\\n"\n',
            "mirrors.pypi: the value is not an address such as https://… or file:///…",
        ),
        (
            "[mirrors]\npypi = ['https://x']\n",
            "mirrors.pypi: the value is not an address such as https://… or file:///…",
        ),
        (
            '[build]\nregistry = "https://ghcr.io/name"\n',
            "build.registry: the value is not a registry such as ghcr.io/name",
        ),
        ('[build]\nregistry = "A b"\n', "build.registry: the value is not a registry such as ghcr.io/name"),
        ("[build]\nregistry = 5\n", "build.registry: the value is not a registry such as ghcr.io/name"),
        ('[build]\nnetwork = "bridge"\n', "build.network: the value is not default, host or none"),
        ("[build]\nkeep_downloads = 1\n", "build.keep_downloads: the value is not true or false"),
        ("[build]\nnetwork = 5\n", "build.network: the value is not default, host or none"),
        (
            "[build]\nregistry_cache = 1\n",
            "build.registry_cache: the value is not a registry such as ghcr.io/name",
        ),
        ('[build]\nnetwork = ["host"]\n', "build.network: the value is not default, host or none"),
    ],
)
def test_a_wrong_value_is_refused(text: str, message: str) -> None:
    assert problem_messages(text, {}) == [message]


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("TORCHPIN_REGISTRY", "the value is not a registry such as ghcr.io/name"),
        ("TORCHPIN_REGISTRY_CACHE", "the value is not a registry such as ghcr.io/name"),
        ("TORCHPIN_BUILD_NETWORK", "the value is not default, host or none"),
        ("TORCHPIN_BUILD_KEEP_DOWNLOADS", "the value is not true or false"),
        ("TORCHPIN_MIRROR_PYPI", "the value is not an address such as https://… or file:///…"),
    ],
)
def test_a_wrong_variable_is_refused(variable: str, message: str) -> None:
    (problem,) = problem_messages(None, {variable: "a b"})
    assert problem.endswith(message)


def test_a_dotted_name_without_quotes_is_refused_with_how_to_write_it() -> None:
    """TOML reads `docker.io` without quotes as a table in a table."""
    text = "\n".join(problem_messages('[mirrors]\ndocker.io = "registry.example/hub"\n', {}))
    assert '"docker.io"' in text


def test_every_problem_is_told_at_once_and_in_the_same_order_each_time(lora: Service) -> None:
    text = '[mirrors]\ncu12 = "x"\npypi = 1\n[build]\nzeta = 1\nalpha = 2\nnetwork = "x"\n[other]\n'
    messages = problem_messages(text, {"TORCHPIN_MIRROR_NONE": "x"}, lora)
    assert len(messages) == 7
    assert [line for line in messages if "unknown key" in line] == [
        "build.alpha: unknown key (known: cache, keep_downloads, network, registry, registry_cache)",
        "build.zeta: unknown key (known: cache, keep_downloads, network, registry, registry_cache)",
    ]


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ('[build]\nnetwork = "host"\n\n  registry = 5\n', "torchpin.toml:4:3"),
        ("build.registry = 5\n", "torchpin.toml:1:1"),
        ("# build\nbuild = {registry = 5}\n", "torchpin.toml:2:1"),
        ("# build\nbuild = 5\n", "torchpin.toml:2:1"),
        ("[build]\n[other]\nx = 1\n", "torchpin.toml:2:2"),
        ("[mirrors]\n'zzzzzz' = 1\n", "torchpin.toml:2:1"),
        ('[mirrors]\npypi = "https://x"\ndocker.io = "registry.example"\n', "torchpin.toml:3:1"),
        ("[mirrors.docker]\nio = 1\n", "torchpin.toml:1:2"),
        ("[mirrors]\ndocker.io = 1\ndocker.hub = 1\n", "torchpin.toml"),  # not one place
        ('[build]\nregistry = 5\n[other]\nx = """\n[build]\nregistry = 5\n"""\n', "torchpin.toml"),
        ("a = " + "[" * 100_000, "torchpin.toml"),
        ("#" * 1_000_001, "torchpin.toml"),
        ("# build\n[", "torchpin.toml:2:2"),  # tomllib says "at end of document"
    ],
    ids=range(13),
)
def test_a_problem_has_the_line_of_its_key_or_none(text: str, position: str) -> None:
    with pytest.raises(InputError) as excinfo:
        parse_settings(text, {}, [])
    assert str(excinfo.value.problems[0].position) == position


def test_the_keys_of_a_long_file_are_found_in_linear_time() -> None:
    text = "[mirrors]\n" + "".join(f"x{number} = 1\n" for number in range(50_000)) + "a" * 400_000 + " = 1\n"
    start = process_time()
    with pytest.raises(InputError, match=r"torchpin\.toml:2:1: unknown mirror 'x0'"):
        parse_settings(text, {}, [])
    assert process_time() - start < 10  # under a second on an idle machine


@pytest.mark.parametrize(
    ("text", "variable", "expected"),
    [
        (None, "", False),
        ("[build]\nkeep_downloads = true\n", "", True),
        ("[build]\nkeep_downloads = true\n", "false", False),
        (None, "true", True),
    ],
)
def test_downloads_are_kept_where_that_is_asked_for(
    text: str | None, variable: str, *, expected: bool
) -> None:
    settings = parse_settings(text, {"TORCHPIN_BUILD_KEEP_DOWNLOADS": variable}, ())
    assert settings.keep_downloads is expected
