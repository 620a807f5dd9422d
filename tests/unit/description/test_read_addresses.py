"""Paths, addresses, volumes and names in a description stay off what is not theirs."""

from __future__ import annotations

import pytest

from support.descriptions import LORA, PLAIN, SOURCE, problem_lines, read_service
from torchpin.description import patterns, read
from torchpin.errors import InputError


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../x", "is not a path inside the repository"),
        ("/etc", "is not a path inside the repository"),
        ("a/../../b", "is not a path inside the repository"),
        ("third_party/../x", "is not a path inside the repository"),
        ("third_party/..", "is not a path inside the repository"),
        ("third_party/./x", "is not a path inside the repository; write 'third_party/x'"),
        ("third_party//x", "is not a path inside the repository; write 'third_party/x'"),
        ("third_party/x/", "is not a path inside the repository; write 'third_party/x'"),
        ("~/x", "is not a path inside the repository"),
        ("x", "is not in third_party/, the folder of clones"),
        ("third_party", "is not in third_party/, the folder of clones"),
    ],
)
def test_a_path_stays_in_the_repository(path: str, why: str) -> None:
    text = PLAIN + SOURCE.replace("third_party/sd-scripts", path)
    assert problem_lines(text) == [f"{LORA}:18:11: sources[0].path: {path!r} {why}"]


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        *((path, "") for path in ("/..", "/../x", "/a/../x", "/a/..", "//", "/.", "a", "/")),
        ("/a//b", "; write '/a/b'"),
        ("/a/", "; write '/a'"),
    ],
)
def test_a_path_in_the_container_is_absolute_and_plain(path: str, advice: str) -> None:
    description = f"an absolute path inside the container, such as /workspace{advice}"
    assert problem_lines(PLAIN + f"run: {{freeze: {path}}}\n") == [
        f"{LORA}:13:15: run.freeze: {path!r} is not {description}"
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://t0ken@github.com/a/b",
        "https://user:t0ken@github.com/a/b",
        "http://t0ken@github.com/a",
        "git://t0ken@github.com/a",
        "file://t0ken@host/a",
        "ssh://git:t0ken@github.com/a",
    ],
)
def test_a_token_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    text = PLAIN + SOURCE.replace("https://github.com/kohya-ss/sd-scripts", url)
    (line,) = problem_lines(text)
    assert line == (
        f"{LORA}:15:10: sources[0].url: the address has a user or a token; leave it out, "
        "it belongs in git's credential store"
    )
    assert not patterns.URL.pattern.fullmatch(url)


@pytest.mark.parametrize("url", ["ssh://git@github.com/a/b", "git@github.com:a/b.git"])
def test_an_address_of_ssh_names_its_user(url: str) -> None:
    text = PLAIN + SOURCE.replace("https://github.com/kohya-ss/sd-scripts", url)
    assert read_service(text).sources[0].url == url


@pytest.mark.parametrize(
    ("name", "mirror"),
    [
        ("pypi", "pypi"),
        ("python", "python"),
        ("cu121", "cu121"),
        ("docker-io", "docker.io"),
        ("flash-attn", "flash-attn"),
        ("ghcr-io", "ghcr.io"),
    ],
)
def test_a_source_has_its_mirror_to_itself(name: str, mirror: str) -> None:
    text = PLAIN.replace('image: "nvidia', 'image: "ghcr.io/nvidia')
    assert problem_lines(text + SOURCE.replace("name: sd-scripts", f"name: {name}")) == [
        f"{LORA}:14:11: sources[0].name: {name!r} has the mirror variable of {mirror}; choose another name"
    ]


@pytest.mark.parametrize("path", ["/opt/lora", "/opt/lora/models", "/opt", "/opt/venv", "/etc/x", "/tmp"])
def test_no_volume_hides_what_the_image_needs(path: str) -> None:
    assert problem_lines(PLAIN + f"run: {{volumes: [/models, {path}]}}\n") == [
        f"{LORA}:13:26: run.volumes[1]: a volume at {path!r} would hide files that the image needs; mount it elsewhere"
    ]


def test_a_volume_beside_the_home_is_taken() -> None:
    assert read_service(PLAIN + "run: {volumes: [/opt/lora-models, /opt/other]}\n").run.volumes == (
        "/opt/lora-models",
        "/opt/other",
    )


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/usr/bin/env", "/opt/venv/x", "/opt/torchpin/proof.json", "/opt"]
)
def test_no_record_is_written_over_the_system(path: str) -> None:
    assert problem_lines(PLAIN + f"run: {{freeze: {path}}}\n") == [
        f"{LORA}:13:15: run.freeze: {path!r} is in a system directory; choose another path"
    ]


@pytest.mark.parametrize(
    "user", ["nobody", "daemon", "bin", "www-data", "ubuntu", "sudo", "systemd-network", "_apt"]
)
def test_no_user_of_the_system_runs_a_service(user: str) -> None:
    assert problem_lines(PLAIN + f"run: {{user: {user}}}\n") == [
        f"{LORA}:13:13: run.user: {user!r} is a system user or group; choose another name"
    ]


@pytest.mark.parametrize("name", ["venv", "python", "torchpin"])
def test_no_service_takes_torchpin_s_own_home(name: str) -> None:
    with pytest.raises(InputError) as excinfo:
        read.read_services({f"services/{name}/service.yaml": PLAIN.replace("name: lora", f"name: {name}", 1)})
    assert str(excinfo.value.problems[0]) == (
        f"services/{name}/service.yaml:1:7: name: /opt/{name} is reserved for torchpin; choose another name"
    )
