"""A process that has imported torchpin and forks a child for each command, which so starts at once: see `forks.py`.

A request is JSON (arguments, folder, variables) with descriptors: where the answers go, and the three standard streams.
The answers are lines: the child's id and, when it has ended, its exit code as `subprocess` has it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import sys
from typing import Any

import torchpin
from torchpin.cli.entry import main
from torchpin.facts import load

# what functions of torchpin import when they are called
LATER_IMPORTS = ("cyclonedx.output.json", "docker", "git", "jinja2", "rich.console", "rich.table", "tomli_w")
SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
REQUEST_BYTES = 1 << 20


def import_everything() -> None:
    for module in pkgutil.walk_packages(torchpin.__path__, f"{torchpin.__name__}."):
        if ".resources" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in LATER_IMPORTS:
        importlib.import_module(name)
    for name in load.NAMES:
        load.load_table(name)
    gc.collect()
    gc.freeze()  # so that a collection in a child copies no page


def become(request: dict[str, Any], streams: list[int]) -> None:
    """Make this child what a new process would be."""
    os.setsid()
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environ"])
    os.chdir(request["folder"])
    sys.argv = ["torchpin", *request["arguments"]]


def serve(requests: socket.socket) -> None:
    """Answers requests until nobody can send more, and returns in the child of each, which is then the command."""
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data:  # a child has ended
                    pid, answers = key.data
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    with answers:
                        answers.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                    continue
                content, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 4)
                if not content:
                    sys.exit()
                answers, streams = socket.socket(fileno=descriptors[0]), descriptors[1:]
                pid = os.fork()
                if not pid:
                    return become(json.loads(content), streams)
                for descriptor in streams:
                    os.close(descriptor)
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, answers))
                answers.sendall(b"%d\n" % pid)


def run(descriptor: int) -> None:
    """The whole life of the process, and of each command, whose signals wait until it is one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    import_everything()
    with socket.socket(fileno=descriptor) as requests:
        serve(requests)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    main()
