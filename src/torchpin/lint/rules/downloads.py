"""ADO007, ADO015: what is downloaded and run, or put into the image, without being compared with anything."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from torchpin.installs import commands
from torchpin.lint.registry import build_finding, register_rule
from torchpin.project.dockerfile import parse_instructions
from torchpin.project.secret_values import hide_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torchpin.installs.commands import Project
    from torchpin.model import Finding
    from torchpin.project.runs import RunCommand

_DOWNLOADERS = {"curl", "wget"}
_INTERPRETERS = {"sh", "bash", "zsh", "dash", "python", "python3", "perl"}
_SHELLS = {"sh", "bash", "zsh", "dash"}
_VERIFYING = re.compile(r"(?:sha\d*|md5|b2)sum|shasum|gpgv?|cosign|minisign|openssl|signify")
_OF_PROCESS = re.compile(r"\b(?P<shell>(?:ba|z|da)?sh|source)\s+<\(\s*(?P<command>(?:curl|wget)\b[^)]*)\)")
_SUBSTITUTED = re.compile(r"(?:\$\(|`|<\()\s*(?:curl|wget)\b")


@register_rule("ADO007", "a downloaded program is run unverified", "warning")
def unverified_program(project: Project) -> Iterator[Finding]:
    """Download a fixed version, compare its hash, then run it; or install the tool from a package.

    Whatever the address serves at build time runs as root, piped into a shell or out of a file; a broken connection runs
    half of it.

    Example: `RUN curl -LsSf https://example.com/install.sh | sh`.

    Wrong:
        FROM ubuntu:24.04
        RUN wget https://example.com/install.sh && bash install.sh

    Right:
        FROM ubuntu:24.04
        RUN wget https://example.com/install-1.2.sh \\
            && echo "0ddf0b7a  install-1.2.sh" | sha256sum -c - \\
            && bash install-1.2.sh

    Sources: hadolint DL4006 names the pipe alone; aws/deep-learning-containers fetches its scanner this way.
    """
    for file in project.dockerfiles:
        yield from _process_substitutions(project, file)
        downloaded: dict[str, tuple[RunCommand, str]] = {}  # by the name of the file: where, and the address
        for run in commands.run_commands(project, file):
            texts = _plain_command(run.command.texts)
            program = posixpath.basename(texts[0]) if texts else ""
            if _VERIFYING.fullmatch(program):
                downloaded.clear()
            elif program in _DOWNLOADERS:
                yield from _piped_download(run, texts)
                name = _written_file(run, texts)
                if name:
                    downloaded[name] = (run, _address(texts))
            elif program in _SHELLS and _run_file(program, texts) in downloaded:
                earlier, address = downloaded.pop(_run_file(program, texts))
                yield _finding(earlier, address, program)
            elif program in {*_INTERPRETERS, "eval"} and any(_SUBSTITUTED.search(text) for text in texts[1:]):
                yield _finding(run, _address(re.split(r"[\s\"')]", " ".join(texts[1:]))), program)
            else:
                name = _run_file(program, texts)
                if name in downloaded:
                    earlier, address = downloaded.pop(name)
                    yield _finding(earlier, address, program if name != program else "name")


def _process_substitutions(project: Project, file: str) -> Iterator[Finding]:
    """`bash <(curl …)`, whose parts are commands of their own."""
    for instruction in parse_instructions(project.texts[file]) if "<(" in project.texts[file] else ():
        match = _OF_PROCESS.search(instruction.text) if instruction.keyword == "RUN" else None
        if match:
            place = instruction.arguments.place(match.start())
            address = hide_secret(_address(match["command"].split()))
            message = f"{address} is run by {match['shell']} without verification"
            yield build_finding("ADO007", f"{file}:{place.line}:{place.column}", message, about=address)


def _plain_command(texts: tuple[str, ...]) -> tuple[str, ...]:
    start = 0
    while start < len(texts) and (
        texts[start] in {"sudo", "env", "exec", "then", "do", "else", "{", "!"}
        or re.fullmatch(r"\w+=\S*", texts[start])
    ):
        start += 1
    return texts[start:]


def _piped_download(run: RunCommand, texts: tuple[str, ...]) -> Iterator[Finding]:
    follows = run.following.texts if run.following else ()
    shells = [name for token in follows[:2] if (name := posixpath.basename(token)) in _INTERPRETERS]
    if shells and run.command.operator in {"|", "|&"}:
        yield _finding(run, _address(texts), shells[0])


def _finding(run: RunCommand, address: str, program: str) -> Finding:
    by = f"run by {program}" if program != "name" else "run"
    return build_finding("ADO007", run.location, f"{address} is {by} without verification", about=address)


def _address(texts: tuple[str, ...] | list[str]) -> str:
    return next((text for text in texts if "://" in text), "a downloaded script")


def _written_file(run: RunCommand, texts: tuple[str, ...]) -> str:
    """The name of the file that a download writes, "" for none."""
    for number, text in enumerate(texts):
        last = "O" if texts[0].endswith("wget") else "o"
        if text in {"--output", "--output-document"} or re.fullmatch(rf"-\w*{last}", text):
            return _file_name("".join(texts[number + 1 : number + 2]))
        if text.startswith(("--output=", "--output-document=")):
            return _file_name(text.partition("=")[2])
        if re.fullmatch(rf"-[a-zA-Z]*{last}-", text):
            return ""  # `-qO-`, to standard output
    for redirect in run.command.redirects:
        if redirect.operator in {">", ">>"} and redirect.descriptor in {None, 1}:
            return posixpath.basename(redirect.target.text)
    remote_name = texts[0].endswith("wget") or any(
        re.fullmatch(r"-\w*O|--remote-name", text) for text in texts
    )
    return posixpath.basename(re.sub(r"[?#].*", "", _address(texts))) if remote_name else ""


def _file_name(path: str) -> str:
    return "" if path == "-" else posixpath.basename(path)


def _run_file(program: str, texts: tuple[str, ...]) -> str:
    """The name of the file that a command runs: an argument of an interpreter, else the command itself by its path."""
    if program in _INTERPRETERS:
        return posixpath.basename(next((text for text in texts[1:] if not text.startswith("-")), ""))
    return program if texts and "/" in texts[0] else ""


@register_rule("ADO015", "a file is added from an address without its checksum", "warning")
def unverified_addition(project: Project) -> Iterator[Finding]:
    """Add the checksum: `ADD --checksum=sha256:… ADDRESS TARGET`; for a git repository the commit behind a `#`.

    The file at an address may be another one tomorrow, and the builder does not notice; with a checksum the build fails
    instead. Names of branches move.

    Example: `ADD https://example.com/model.bin /models/`.

    Wrong:
        FROM ubuntu:24.04
        ADD https://example.com/models/voice-1.bin /models/

    Right:
        FROM ubuntu:24.04
        ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d https://example.com/models/voice-1.bin /models/

    Sources: the Dockerfile reference, `ADD --checksum`.
    """
    for file in project.dockerfiles:
        for instruction in parse_instructions(project.texts[file]):
            if instruction.keyword != "ADD" or instruction.flags.get("checksum"):
                continue
            words = instruction.exec_form or tuple(instruction.text.split())
            for word in words[:-1]:
                yield from _unverified_source(
                    f"{file}:{instruction.line}:{instruction.column}", hide_secret(word)
                )


def _unverified_source(location: str, source: str) -> Iterator[Finding]:
    address, _, ref = source.partition("#")
    if address.endswith(".git") or address.startswith("git@"):
        if not re.match(r"[0-9a-f]{40}(?=[:]|$)|v?\d", ref):
            message = (
                f"{source} is added at a branch, which moves"
                if ref
                else f"{source} is added at its newest commit"
            )
            yield build_finding("ADO015", location, message, help="name a commit behind a `#`", about=address)
    elif re.match(r"(?:https?|ftp)://", address):
        yield build_finding("ADO015", location, f"{source} is added without its checksum", about=address)
