"""The patterns of the texts in a description, which keep each one from escaping a Dockerfile, a shell line or TOML."""

import re

from torchpin.description.yaml_reader import text_rule

NAME = text_rule(
    r"[a-z0-9](?:[a-z0-9-]{0,37}[a-z0-9])?",
    "a name (lower-case letters, digits and inner dashes, at most 39 characters)",
)
PYTHON = text_rule(r"3\.\d{1,2}\.\d{1,2}", "a full Python version such as 3.10.14")
ANY_PYTHON = text_rule(r"3\.\d{1,2}(?:\.\d{1,2})?", "a Python version such as 3.10.14")
_RELEASE = (
    r"(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)*(?:[-_.]?(?:a|b|c|rc|alpha|beta|pre|preview)[-_.]?[0-9]*)?"
    r"(?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?(?:[-_.]?dev[-_.]?[0-9]*)?"
)
RELEASE = text_rule(_RELEASE, "a release version")
_PACKAGE = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
PIN = text_rule(
    rf"{_PACKAGE} *(?:\[[A-Za-z0-9._, -]*\])? *== *v?{_RELEASE}(?:\+[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*)? *",
    "an exact pin such as tqdm==4.66.5",
)
PACKAGE = text_rule(_PACKAGE, "the name of a package")
COMPANION = text_rule(r"(?!torch$)[a-z0-9]+(?:-[a-z0-9]+)*", "the package name of a companion")
IMAGE = text_rule(
    r"(?:[a-z0-9][a-z0-9.-]*(?::\d{1,5})?/)?(?:[a-z0-9]+(?:(?:[.]|_{1,2}|-+)[a-z0-9]+)*/)*"
    r"[a-z0-9]+(?:(?:[.]|_{1,2}|-+)[a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}",
    "an image with a tag, such as nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04",
)
DIGEST = text_rule(r"sha256:[0-9a-f]{64}", "a digest (sha256: and 64 hexadecimal digits)")
DRIVER = text_rule(r"\d{3}(?:\.\d{1,3}){1,2}", "an NVIDIA driver version such as 550.54.14 (quote it)")
# Those of AMD, Intel, nightly builds and Jetson are read too, so that the judge can tell what they have (CHN001).
_BUILD = r"cu\d{2,3}|cpu|xpu|rocm\d{1,2}(?:\.\d{1,2}){1,2}"
CHANNEL = text_rule(
    rf"{_BUILD}|pypi|(?:nightly|test)/(?:{_BUILD})|(?:jp\d{{1,2}}|sbsa|l4t)(?:[./-]?[a-z0-9.]+)*",
    "a channel (cu121, cu128, …, cpu or pypi)",
)
PLATFORM = text_rule(r"linux/(?:amd64|arm64)", "a platform (linux/amd64 or linux/arm64)")
# A trailing `-` would remove the package: `apt-get install git-`.
APT = text_rule(
    r"[a-z0-9][a-z0-9+.-]*[a-z0-9+](?:=(?:[0-9]+:)?[0-9][A-Za-z0-9.+~-]*)?",
    "a Debian package name, or one with its version such as git=1:2.43.0-1ubuntu7",
)


def apt_name(package: str) -> str:
    """The name of a system package, without its version."""
    return package.partition("=")[0]


HTTPS = text_rule(
    r"https://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?(?:/[A-Za-z0-9._~+-]+)*/?",
    "an https address without a user, such as https://packages.example.org/debian",
)
SUITE = text_rule(
    r"(?!.*(?:\.\.|//))(?:[A-Za-z0-9][A-Za-z0-9._/-]*|\.?/)",
    "the name of a suite such as bookworm, or / for a repository without suites",
)
WORD = text_rule(r"[A-Za-z0-9][A-Za-z0-9._-]*", "a name of letters, digits, dots, dashes and underscores")
ARMORED = text_rule(
    r"(?!/)(?!.*(?:^|/)\.\.?(?:/|$))(?!.*//)[A-Za-z0-9._/-]+\.asc",
    "an ASCII-armored key in the repository, such as services/whisper/example.asc (`gpg --enarmor` makes one of a .gpg file)",
)
MODULE = text_rule(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", "an importable module name")
COMMIT = text_rule(r"[0-9a-f]{40}", "a full commit id of 40 hexadecimal digits")
TAG = text_rule(r"(?!.*(?:\.\.|//|@\{))[A-Za-z0-9][A-Za-z0-9._/+-]*(?<![./])", "a git tag")
URL = text_rule(
    r"(?:(?:https|http|git|file)://|ssh://(?:[A-Za-z0-9._-]+@)?)(?!-)[A-Za-z0-9._~/%+-]*(?::\d{1,5}/[A-Za-z0-9._~/%+-]*)?"
    r"|git@[A-Za-z0-9][A-Za-z0-9.-]*:[A-Za-z0-9._/-]+",
    "a git address (without a password, which belongs in git's credential store)",
)
_WEB = r"https?://(?!-)[A-Za-z0-9.-]+(?::\d{1,5})?"
INDEX_URL = text_rule(
    rf"{_WEB}(?:/[A-Za-z0-9._~%+-]*)*", "the address of an index, such as https://example.org/simple"
)
WHEEL_URL = text_rule(
    rf"{_WEB}(?:/[A-Za-z0-9._~%+-]+)*/[A-Za-z0-9._%+!-]+\.whl",
    "the address of a wheel, without anything behind .whl",
)
WHEEL_PATH = text_rule(
    r"(?!/)(?!.*(?:^|/)\.\.?(?:/|$))(?!.*//)[A-Za-z0-9._/+!-]+\.whl",
    "the path of a wheel inside the repository",
)
SHA256 = text_rule(r"[0-9a-f]{64}", "a SHA-256 of 64 hexadecimal digits")
# A user or password in an address, which must not be committed. `ssh://git@host` is no secret.
CREDENTIALS = re.compile(r"(?!ssh:)[A-Za-z]+://[^/]*@|ssh://[^/]*:[^/]*@")
COMPONENT = text_rule(r".*", "the name of a component")
INSIDE = text_rule(
    r"(?!/)(?!.*(?:^|/)\.\.?(?:/|$))(?!.*//)[A-Za-z0-9._/-]+(?<!/)", "a path inside the repository"
)
ABSOLUTE = text_rule(
    r"/(?!(?:.*/)?\.{0,2}(?:/|$))[A-Za-z0-9._/-]+",
    "an absolute path inside the container, such as /workspace",
)
TARGET = text_rule(
    rf"\.|{INSIDE.pattern.pattern}|{ABSOLUTE.pattern.pattern}",
    "a path in the image: absolute, or below the service's folder in it",
)
MODE = text_rule(
    r"0?[4-7][0-7]{2}", 'a mode that its owner can read, in three octal digits such as "0755" (quote it)'
)
IGNORED = text_rule(r"(?!#)!?[^\s!](?:.*\S)?", "a pattern as in a .dockerignore, such as **/*.log")
HOST_FILE = text_rule(
    r"(?!.*(?:^|/)\.\.(?:/|$))(?:~?/)?(?!/)(?!.*//)[A-Za-z0-9._/-]*[A-Za-z0-9._-]",
    "the path of a file on the host: absolute, from the home (~/) or in the repository",
)
SHARED_MEMORY = text_rule(r"[1-9]\d{0,5}(?:MB|GB)", "a size such as 8GB")
IPC = text_rule("host|private|shareable", "host, private or shareable")
LABEL = text_rule(
    r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?", "the name of a label such as org.example.team"
)
KEY = text_rule(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")
VALUE = text_rule(r"[^\"\\$`]*", "a plain value (no quotes, backslashes, dollars or backticks)")
_ID = r"(?:0|[1-9]\d{0,8})"
USER = text_rule(rf"[a-z_][a-z0-9_-]{{0,31}}|{_ID}:{_ID}", 'a user name, or uid:gid such as "1000:1000"')
SIZE = text_rule(r"\d{1,15}(?:\.\d{1,6})?(?:MB|GB|TB)", "a size such as 20GB")
CHECK = text_rule(r"[A-Z]{3}\d{3}", "a check's id such as GPU001")
# Zero-width characters alone look like no text at all.
PROSE = text_rule(r".*[^\s\u00ad\u200b-\u200d\u2060-\u2064\ufeff].*", "a sentence")
ORIGIN = text_rule(
    "index|base", "'index' (torch comes from the variant's channel) or 'base' (the base image brings it)"
)
INSTALL = text_rule(
    "requirements|editable|wheel",
    "'requirements' (what the source asks for), 'editable' or 'wheel' (the source itself too)",
)
OWN_VARIABLES = ("PATH", "VIRTUAL_ENV", "HOME")
# A volume there would hide the system, the virtual environment or the probe; most of /opt and /var is free.
SYSTEM = re.compile(
    r"/(?:(?:bin|boot|dev|etc|lib|lib64|proc|run|sbin|sys|tmp|usr)/.*|(?:opt|var)/|opt/(?:venv|python|torchpin)/.*|var/(?:cache|lib|log)/.*)$"
)
# What copied files would be lost below (the engine mounts it) or would break: the system, the environment, the probe.
NO_TARGET = re.compile(
    r"/(?:(?:bin|boot|dev|lib|lib64|proc|run|sbin|sys|tmp)(?:/.*)?|usr(?!/local/).*|etc(?:/(?:passwd|group|shadow|gshadow"
    r"|hosts|hostname|resolv\.conf))?|opt(?:/(?:venv|python|torchpin)(?:/.*)?)?|var(?:/(?:cache|lib|log|run)(?:/.*)?)?|home|root)"
)
# Labels that torchpin and the image formats set.
OWN_LABELS = frozenset(
    f"org.opencontainers.image.{name}"
    for name in (
        "title",
        "description",
        "version",
        "source",
        "revision",
        "licenses",
        "created",
        "base.name",
        "base.digest",
    )
)
RESERVED_LABELS = ("io.torchpin.", "com.docker.", "io.docker.", "org.dockerproject.")
# Users and groups of Debian's and Ubuntu's images: `useradd` fails for them.
TAKEN_USERS = frozenset((
    "_apt", "adm", "audio", "backup", "bin", "cdrom", "crontab", "daemon", "dialout", "dip", "disk", "fax",
    "floppy", "games", "gnats", "input", "irc", "kmem", "kvm", "list", "lp", "mail", "man", "messagebus", "news",
    "nobody", "nogroup", "operator", "plugdev", "proxy", "render", "sasl", "sgx", "shadow", "src", "ssh", "sshd",
    "staff", "sudo", "sync", "sys", "tape", "tty", "ubuntu", "users", "utmp", "uucp", "uuidd", "video", "voice",
    "www-data"
))  # fmt: skip
TAKEN_HOMES = ("venv", "python", "torchpin")  # used by torchpin in /opt
RESERVED = ("torch", "torch-deps", "build")  # layers that torchpin adds
