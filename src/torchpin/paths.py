"""Every path in a repository that torchpin reads or writes, relative to its root, with forward slashes.

Functions take the name of a service (`lora`) or of an environment (`lora-gpu`).
"""

from __future__ import annotations

import re

SERVICES, LOCKFILES, DOCKER, RECORDS = "services", "lockfiles", "docker", "records"

PINNING, DEVIATIONS, CHECKS, GPUS = "docs/PINNING.md", "DEVIATIONS.md", "docs/CHECKS.md", "docs/GPUS.md"
SERVICE_REFERENCE, TROUBLESHOOTING = "docs/SERVICE.md", "docs/TROUBLESHOOTING.md"
DOCUMENTS = (PINNING, DEVIATIONS, CHECKS, GPUS, TROUBLESHOOTING, SERVICE_REFERENCE)
PUBLISHED = "https://github.com/torchpin/torchpin/blob/main"  # where torchpin's own documents can be read
SCHEMA = "docs/service.schema.json"  # of service.yaml, for editors; no document, since it has no sections
SERVICE_PAGES = "docs/services"  # a page a service


POLICY = f"{SERVICES}/policy.yaml"  # what holds for all services of a repository
SETTINGS = "torchpin.toml"  # of one machine, and in .gitignore
BUMPS = f"{RECORDS}/bumps"  # a file an update
FORMER_BUMP_LOG = f"{RECORDS}/log.yaml"  # all updates, as it was once
DOCKERIGNORE = ".dockerignore"  # what `files:` leave out, too
# A repository's own, in place of those that torchpin brings along.
DOCKERFILE_TEMPLATE = f"{DOCKER}/Dockerfile.j2"
RUNTIME = f"{DOCKER}/runtime"
RESOURCES = "src/torchpin/resources"  # in torchpin's own repository
_SBOM = "sbom.cdx.json"

# What `init` writes beside the first service.
SERVICES_README = f"{SERVICES}/README.md"
TASKS, NOXFILE, GITIGNORE = "tasks.py", "noxfile.py", ".gitignore"
WORKFLOW, PRE_COMMIT = ".github/workflows/torchpin.yml", ".pre-commit-config.yaml"
IMAGES_WORKFLOW = ".github/workflows/torchpin-images.yml"

# In torchpin's own repository, whose facts are measured and renewed there.
INDEX_SNAPSHOTS = "src/torchpin/facts/data/index"
MEASURED = "src/torchpin/facts/data/measured"
PARTNERS = "src/torchpin/facts/data/partners.yaml"

# Scanners of vulnerabilities find the files of a lock by it: "Lock files are named for scanners" in docs/ARCHITECTURE.md.
_LOCK_SUFFIX = ".requirements.txt"
_FORMER_LOCK_FILE = re.compile(r"(\d\d-[\w-]+|build|upstream-[\w-]+)\.txt")

# Working files, in .gitignore. They are inside the repository because a transaction renames its staged files into
# place, and a rename is atomic only within one file system.
WORK = ".torchpin"
LOGS = f"{WORK}/logs"
TRANSACTION = f"{WORK}/transaction"
BAKE_FILE = "docker-bake.json"  # of one machine, and in .gitignore; where buildx looks for it
_BAKE = f"{WORK}/bake"
BAKE_NETWORK = f"{_BAKE}/network.yaml"  # what older releases of buildx read in compose files alone
PACKAGES = f"{WORK}/packages"  # the archives of git commits that packages are built from
UNDO = f"{WORK}/bumps"  # what undoes an update, a file each
RESOLVED = f"{WORK}/resolved"  # under which policy each lock was resolved, a file each
PROOFS = f"{WORK}/proofs"  # what the last proof of each environment has shown
KEPT = f"{WORK}/kept"  # results of earlier runs, by what they rest on; safe to delete
WRITTEN = f"{WORK}/written.json"  # the generated files as torchpin last wrote them


def service_folder(service: str) -> str:
    return f"{SERVICES}/{service}"


def description_path(service: str) -> str:
    return f"{SERVICES}/{service}/service.yaml"


def is_description(path: str) -> bool:
    return path.startswith(f"{SERVICES}/") and path.endswith("/service.yaml")


def smoke_path(service: str) -> str:
    """The script that an image runs at the end of its build, to use what it holds."""
    return f"{SERVICES}/{service}/smoke.py"


def lock_folder(environment: str) -> str:
    return f"{LOCKFILES}/{environment}"


def lock_path(environment: str, file: str) -> str:
    """A layer file of a lock, or what a source requires."""
    return f"{LOCKFILES}/{environment}/{file}"


def lock_file(name: str) -> str:
    """The file name of a lock's part: a layer (`02-training`), `build`, or `upstream-` and a source."""
    return f"{name}{_LOCK_SUFFIX}"


def lock_part(file: str) -> str:
    """The part of a lock that a file is named after."""
    return file.removesuffix(_LOCK_SUFFIX)


def present_name(file: str) -> str:
    """The name that a lock's file has now; it differs from a name that was given before there was a suffix."""
    former = _FORMER_LOCK_FILE.fullmatch(file)
    return lock_file(former[1]) if former else file


def is_lock_file(file: str) -> bool:
    """Whether a file in a lock folder may be one of the lock, under its present name or its former one."""
    return file.endswith(".txt") and "/" not in file


def image_folder(environment: str) -> str:
    return f"{DOCKER}/{environment}"


def rendered_paths(environment: str) -> tuple[str, str]:
    """An image's Dockerfile, and the list of what its build reads."""
    return f"{DOCKER}/{environment}/Dockerfile", f"{DOCKER}/{environment}/context.txt"


def record_folder(environment: str) -> str:
    return f"{RECORDS}/{environment}"


def bake_context(environment: str) -> str:
    """The build context that docker-bake.json names."""
    return f"{_BAKE}/{environment}"


def bake_secret(environment: str, name: str) -> str:
    """The file of a build secret that docker-bake.json names."""
    return f"{_BAKE}/secrets/{environment}/{name}"


def freeze_path(environment: str) -> str:
    """The freeze record: what `pip freeze` printed in the built image."""
    return f"{RECORDS}/{environment}/pip_freeze.txt"


def build_path(environment: str) -> str:
    """The build record: the image's key, id, size, base, and what its probe reported."""
    return f"{RECORDS}/{environment}/build.json"


def kept_proof_path(environment: str) -> str:
    """What is kept of an environment's last proof."""
    return f"{PROOFS}/{environment}.json"


def page_path(service: str) -> str:
    """The page of a service."""
    return f"{SERVICE_PAGES}/{service}.md"


def is_document(path: str) -> bool:
    """Whether a path is of a page with generated sections."""
    return path in DOCUMENTS or (path.startswith(f"{SERVICE_PAGES}/") and path.endswith(".md"))


def bump_path(name: str) -> str:
    """The record of an update, by its name."""
    return f"{BUMPS}/{name}.yaml"


def bump_name(path: str) -> str:
    """The name of an update, by the path of its record."""
    return path.removeprefix(f"{BUMPS}/").removesuffix(".yaml")


def is_bump(path: str) -> bool:
    """Whether a path is of the record of an update, or of the log of all of them that there was once."""
    return path == FORMER_BUMP_LOG or (path.startswith(f"{BUMPS}/") and path.endswith(".yaml"))


def undo_path(name: str) -> str:
    """What undoes an update, by its name."""
    return f"{UNDO}/{name}.json"


def sbom_path(environment: str) -> str:
    """The software bill of materials, in CycloneDX."""
    return f"{RECORDS}/{environment}/{_SBOM}"


def environment_paths(environment: str) -> tuple[str, ...]:
    """All files that are generated from a lock and its description."""
    return *rendered_paths(environment), sbom_path(environment)


def is_record(path: str) -> bool:
    """Whether a path is of what was read out of an image, or of an update: written by torchpin alone, never from a lock."""
    return path.startswith(f"{RECORDS}/") and not path.endswith(f"/{_SBOM}")
