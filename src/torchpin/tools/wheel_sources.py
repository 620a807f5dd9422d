"""Where the locked wheels of an environment are: on its indexes or their mirrors, at addresses, in the repository."""

from __future__ import annotations

import os
from functools import cached_property
from threading import Lock as Mutex
from typing import TYPE_CHECKING

from torchpin.compat.pins import file_packages
from torchpin.description.environments import index_url, service_index
from torchpin.errors import ToolError
from torchpin.facts import index_pages
from torchpin.lock.locations import file_urls
from torchpin.redaction import redact_credentials
from torchpin.tools import credentials, http, pypi
from torchpin.tools.cache import cache_folder
from torchpin.tools.file_sizes import mirror_help
from torchpin.tools.package_files import file_digest, repository_wheel
from torchpin.tools.wheel_store import WheelStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torchpin.model import Artifact, Environment, Lock, Settings
    from torchpin.tools.wheel_store import Report

_PAGE = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"


class WheelSources:
    """The wheels of one environment's lock, on this machine or fetched."""

    def __init__(self, root: Path, env: Environment, lock: Lock, settings: Settings) -> None:
        self._root, self._env, self._settings = root, env, settings
        self._origins = {package.sha256: layer.origin for layer in lock.layers for package in layer.packages}
        self._urls: Mapping[str, str] = file_urls(env, lock, settings.mirrors)
        self._asking = Mutex()
        self.store = WheelStore(folder=cache_folder(settings) / "wheels")

    def fetch(self, artifact: Artifact, report: Report) -> Path:
        """A locked wheel. `report` gets the bytes that are there, from the thread that calls.

        Raises ToolError where it cannot be read, is another file, or is an archive of sources.
        """
        if artifact.is_source:
            raise ToolError(f"{artifact.filename} is an archive of sources, which has to be built")
        if artifact.origin == "repository":
            return self._of_repository(artifact)
        return self.store.fetch(artifact, lambda: self.address(artifact), report)

    def address(self, artifact: Artifact) -> str:
        """Where a locked file is. Raises ToolError where its index does not list it."""
        if artifact.name in self._urls:
            return self._urls[artifact.name]
        index = self._index(self._origins[artifact.sha256])
        page = f"{index.rstrip('/')}/{artifact.name}/"
        addresses = self._addresses(page)
        if artifact.filename not in addresses:
            raise ToolError(f"{redact_credentials(page)} does not list {artifact.filename}; {mirror_help()}")
        return http.with_credentials(http.join(page, addresses[artifact.filename]), (index,))

    def _of_repository(self, artifact: Artifact) -> Path:
        file = file_packages(self._env)[artifact.name].file
        path = repository_wheel(self._root, file.path if file else "")
        if file_digest(path) != artifact.sha256:
            raise ToolError(f"{path} is not the file that is locked ({artifact.sha256}); run `invoke lock`")
        return path

    def _index(self, origin: str) -> str:
        """The address of a layer's index, or of its mirror, with the credentials that this machine has for its name."""
        mirrors = self._settings.mirrors
        own_index = service_index(self._env, origin)
        if own_index:
            return credentials.with_index_credentials(
                own_index.name, mirrors.get(own_index.name, own_index.url), os.environ
            )
        url = mirrors.get(origin) or index_url(origin) if origin != "pypi" else None
        return credentials.with_index_credentials(origin, url, os.environ) if url else self._pypi

    @cached_property
    def _pypi(self) -> str:
        with self._asking:
            return credentials.default_index(self._settings) or pypi.index_address(self._settings)

    def _addresses(self, page: str) -> Mapping[str, str]:
        response = http.fetch(page, accept=_PAGE)
        try:
            return index_pages.parse_addresses(response.content.decode())
        except ValueError as error:
            raise ToolError(
                f"{redact_credentials(page)} is not a page of an index: {error}; {mirror_help()}"
            ) from None
