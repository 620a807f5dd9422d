"""Own files in the image and how a container runs: what is read, and what is refused with what to write instead."""

from __future__ import annotations

import re

import pytest

from support.descriptions import PLAIN, SOURCE, problem_lines, read_service
from torchpin.description import write
from torchpin.model import CopiedFiles, Run

FILES = """\
files:
  - {from: services/lora/server.py, to: server.py}
  - {from: libs/common, to: /app/common, owner: worker, mode: "0640", ignore: ["**/*.log", "!keep.log"]}
run:
  user: worker
  entrypoint: [tini, --, /bin/sh, /opt/torchpin/start.sh]
  writable: [/app/cache]
  shm_size: 8GB
  ipc: private
  env_file: [services/lora/.env, ~/lora.env, /etc/lora/env]
  secrets: [HF_TOKEN]
  labels: {org.example.team: speech, org.opencontainers.image.vendor: "a $b"}
  freeze: /app/cache/freeze.txt
"""


def refusals(text: str) -> list[str]:
    """The problems of a description with a text at its end, without their places."""
    return [
        re.sub(r"^services/lora/service\.yaml:\d+:\d+: ", "", line) for line in problem_lines(PLAIN + text)
    ]


def test_every_word_is_read_and_reads_back() -> None:
    service = read_service(PLAIN + FILES)
    assert service.files == (
        CopiedFiles(origin="services/lora/server.py", target="server.py"),
        CopiedFiles(
            origin="libs/common",
            target="/app/common",
            owner="worker",
            mode="0640",
            ignore=("**/*.log", "!keep.log"),
        ),
    )
    assert service.run == Run(
        user="worker",
        entrypoint=("tini", "--", "/bin/sh", "/opt/torchpin/start.sh"),
        writable=("/app/cache",),
        shm_size="8GB",
        ipc="private",
        env_files=("services/lora/.env", "~/lora.env", "/etc/lora/env"),
        secrets=("HF_TOKEN",),
        labels={"org.example.team": "speech", "org.opencontainers.image.vendor": "a $b"},
        freeze="/app/cache/freeze.txt",
    )
    assert read_service(write.to_yaml(service)) == service


def test_a_path_in_the_image_is_below_the_home_or_absolute() -> None:
    service = read_service(PLAIN)
    assert [service.path_in_image(path) for path in ("server.py", ".", "/app")] == [
        "/opt/lora/server.py", "/opt/lora", "/app",
    ]  # fmt: skip


@pytest.mark.parametrize("user", ["1000:1000", "65534:65534", "worker"])
def test_a_user_is_a_name_or_ids(user: str) -> None:
    service = read_service(f'{PLAIN}run: {{user: "{user}"}}\nfiles: [{{from: a, to: b, owner: "{user}"}}]\n')
    assert (service.run.user, service.files[0].owner) == (user, user)
    assert read_service(write.to_yaml(service)) == service


REFUSED = {
    "files: [{from: ../a, to: a}]": "files[0].from: '../a' is not a path inside the repository",
    "files: [{from: /etc/passwd, to: a}]": "files[0].from: '/etc/passwd' is not a path inside the repository",
    "files: [{from: ., to: a}]": "files[0].from: '.' is not a path inside the repository",
    "files: [{from: .git/config, to: a}]": "files[0].from: .git is never copied into an image; choose another file or folder",
    "files: [{from: a/.torchpin, to: a}]": "files[0].from: .torchpin is never copied into an image; choose another file or folder",
    "files: [{from: torchpin.toml, to: a}]": (
        "files[0].from: torchpin.toml is never copied into an image; choose another file or folder"
    ),
    "files: [{from: a}]": "files[0]: the key 'to' is missing",
    "files: [{from: a, to: ../b}]": (
        "files[0].to: '../b' is not a path in the image: absolute, or below the service's folder in it"
    ),
    "files: [{from: a, to: /app/}]": (
        "files[0].to: '/app/' is not a path in the image: absolute, or below the service's folder in it; write '/app'"
    ),
    **{
        f"files: [{{from: a, to: {place}}}]": (
            f"files[0].to: '{place}' is the system's or torchpin's, or is mounted over; choose another place, such as /app"
        )
        for place in ("/usr/bin/x", "/tmp/a", "/run/a", "/etc/passwd", "/opt/venv/x", "/opt/torchpin", "/proc", "/opt", "/root")
    },
    "files: [{from: a, to: b, owner: worker}]": (
        "files[0].owner: 'worker' is neither root nor the user of `run`; write `user: worker` there, or choose one of them"
    ),
    "files: [{from: a, to: b, mode: 0755}]": "files[0].mode: expected text, found 0755 (quote it)",
    'files: [{from: a, to: b, mode: "4755"}]': (
        'files[0].mode: \'4755\' is not a mode that its owner can read, in three octal digits such as "0755" (quote it)'
    ),
    'files: [{from: a, to: b, ignore: ["# x"]}]': (
        "files[0].ignore[0]: '# x' is not a pattern as in a .dockerignore, such as **/*.log"
    ),
    "files: [{from: a, to: b}, {from: c, to: /opt/lora/b}]": (
        "files[1].to: something else is copied to /opt/lora/b; choose another path"
    ),
    "files: [{from: a, to: smoke.py}]": (
        "files[0].to: something else is copied to /opt/lora/smoke.py; choose another path"
    ),
    "files: [{from: a, to: /data/a}]\nrun: {volumes: [/data]}": (
        "files[0].to: a volume is mounted at /data and hides it; choose another path"
    ),
    SOURCE + "files: [{from: a, to: third_party/sd-scripts}]": (
        "files[0].to: /opt/lora/third_party/sd-scripts is a source at a commit, which would no longer be what it says; "
        "choose a path in it that it has not"
    ),
    'run: {user: "0:0"}': "run.user: '0:0' is root; write `user: root`, or the id of another user",
    'run: {user: "1000"}': "run.user: '1000' is not a user name, or uid:gid such as \"1000:1000\"",
    "run: {writable: [/usr/share/x]}": (
        "run.writable[0]: '/usr/share/x' is in a system directory, which the service's user does not own; choose another path"
    ),
    "run: {entrypoint: []}": "run.entrypoint: expected at least one argument",
    "run: {entrypoint: [tini], freeze: /data/f}": (
        "run.freeze: /opt/torchpin/start.sh writes it, which `entrypoint` replaces; leave it out, or let the entrypoint run "
        "that script"
    ),
    "run: {shm_size: 8}": "run.shm_size: expected a size such as 8GB, found 8",
    "run: {shm_size: 8 GB}": "run.shm_size: '8 GB' is not a size such as 8GB",
    "run: {ipc: host, shm_size: 8GB}": (
        "run.shm_size: with `ipc: host` the host's /dev/shm is used; leave out one of them"
    ),
    "run: {ipc: 'container:x'}": "run.ipc: 'container:x' is not host, private or shareable",
    "run: {env_file: [../x.env]}": (
        "run.env_file[0]: '../x.env' is not the path of a file on the host: absolute, from the home (~/) or in the repository"
    ),
    "run: {secrets: [hf-token]}": "run.secrets[0]: 'hf-token' is not the name of an environment variable",
    "run: {secrets: {HF_TOKEN: x}}": "run.secrets: expected a list, found a mapping",
    **{
        f"run: {{labels: {{{name}: x}}}}": f"run.labels.{name}: '{name}' is set by torchpin or reserved; choose another name"
        for name in ("io.torchpin.key", "org.opencontainers.image.revision", "com.docker.x")
    },
    "run: {labels: {-a: x}}": "run.labels.-a: '-a' is not the name of a label such as org.example.team",
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED.items())
def test_what_cannot_be_is_refused_with_what_to_do(text: str, message: str) -> None:
    assert refusals(f"{text}\n") == [message]


@pytest.mark.parametrize(
    "place", ["/app", "/srv/a", "/usr/local/bin/tool", "/etc/nginx/a.conf", "/home/worker/a", "/opt/app", "."]
)
def test_a_place_of_ones_own_is_taken(place: str) -> None:
    assert read_service(f"{PLAIN}files: [{{from: a, to: {place}}}]\n").files[0].target == place
