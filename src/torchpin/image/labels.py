"""The labels of an image that depend on more than its Dockerfile: they are given to its build, and are not in its key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torchpin import facts
from torchpin.description.environments import MACHINES, cuda_version, torch_build
from torchpin.redaction import redact_credentials
from torchpin.sbom.inventory import image_reference
from torchpin.sbom.licenses import interpret_statement, joint_expression

if TYPE_CHECKING:
    from torchpin.model import Environment, Lock

_OCI = "org.opencontainers.image"
SBOM_LABEL = "io.torchpin.sbom"
_SCP_ADDRESS = re.compile(r"(?:[^\s/@:]+@)?(?P<host>[\w.-]+\.[\w.-]+):(?P<path>(?!/)\S+)")


def image_labels(
    env: Environment, lock: Lock, *, sbom_digest: str, origin: str = "", revision: str = ""
) -> dict[str, str]:
    """The labels of an image: its SBOM's digest, the base image, the packages' licenses, what it was built from, its torch.

    `origin` is the address of the repository, `revision` its commit; a folder of this machine is not an address.
    """
    name, tag = image_reference(env.base)
    statements = {statement.sha256: statement for statement in lock.licenses}
    licenses = [interpret_statement(statements.get(package.sha256)) for package in lock.all_packages.values()]
    labels = {
        f"{_OCI}.source": public_address(origin),
        f"{_OCI}.revision": revision,
        f"{_OCI}.base.name": f"{name}:{tag}",
        f"{_OCI}.base.digest": env.base.digest or "",
        f"{_OCI}.licenses": joint_expression(licenses) if statements else "",
        SBOM_LABEL: sbom_digest,
        **_torch_labels(env),
    }
    return {label: value for label, value in labels.items() if value}


def _torch_labels(env: Environment) -> dict[str, str]:
    """What tells whether an image fits a machine: torch, CUDA, Python, architectures, and the oldest driver; "" if not known."""
    release, build, cuda = str(env.service.torch.version), torch_build(env), cuda_version(env)
    compiled = facts.compiled_archs(release, build, MACHINES[env.variant.platform]) if build else None
    driver = facts.driver(cuda) if cuda else None
    return {
        "io.torchpin.torch": f"{release}+{build}" if build else release,
        "io.torchpin.cuda": cuda or "",
        "io.torchpin.python": str(env.service.python),
        "io.torchpin.archs": " ".join(compiled.sm) if compiled else "",
        "io.torchpin.driver": (driver.family or driver.toolkit) if driver else "",
    }


def public_address(address: str) -> str:
    """A repository's address without user, password and query; "" for a folder of this machine."""
    scp = _SCP_ADDRESS.fullmatch(address)
    url = f"ssh://{scp['host']}/{scp['path']}" if scp else address
    return redact_credentials(url) if url.startswith(("https://", "http://", "ssh://", "git://")) else ""
