"""Assembled images into a registry: blob by blob out of the cache, what another repository of the registry has is mounted.

docker would compress the layers once more, in a way of its own; so a pushed image has the digests that it has here.
"""

from __future__ import annotations

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock as Mutex
from typing import IO, TYPE_CHECKING, Any

import requests

from torchpin.assembly.image import MANIFEST_TYPE, digest
from torchpin.description.environments import DOCKER_HUB, split_image_name
from torchpin.errors import ToolError
from torchpin.redaction import redact_credentials
from torchpin.tools.docker import insecure_registries, registry_credentials, short_message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from torchpin.assembly.image import AssembledImage
    from torchpin.progress import Step
    from torchpin.tools.docker import Client

_HUB_HOST = "registry-1.docker.io"
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_UPLOADS = 4  # at a time
_WAITS = (1, 4)  # seconds between attempts to send a blob
_TIMEOUT = (20, 300)  # seconds to connect; of silence
_WORTH_ASKING = 1_000_000  # bytes of a blob that is looked for in other repositories


@dataclass(frozen=True, kw_only=True, slots=True)
class Pushed:
    """Bytes of layers that were sent, that were mounted from another repository, and that were there."""

    sent: int = 0
    mounted: int = 0
    present: int = 0


@dataclass(kw_only=True)
class _Registry:
    """A registry, with what it wants to know of the user for each repository."""

    host: str
    plain: bool
    credentials: Mapping[str, str]
    session: requests.Session = field(default_factory=requests.Session)
    authorizations: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.session.auth = lambda request: request  # else a line of .netrc would stand for the token
        if bundle := os.environ.get("SSL_CERT_FILE"):
            self.session.verify = bundle

    @property
    def address(self) -> str:
        host = _HUB_HOST if self.host == DOCKER_HUB else self.host
        return f"{'http' if self.plain else 'https'}://{host}"

    def request(self, method: str, url: str, scope: str, **options: Any) -> requests.Response:
        """The response to a request, with the user's token where the registry wants one. Raises requests' errors."""
        response = self._request(method, url, scope, options)
        if response.status_code == HTTPStatus.UNAUTHORIZED and scope not in self.authorizations:
            self.authorizations[scope] = self._authorize(response.headers.get("WWW-Authenticate", ""), scope)
            response = self._request(method, url, scope, options)
        return response

    def _request(self, method: str, url: str, scope: str, options: Mapping[str, Any]) -> requests.Response:
        address = url if "://" in url else f"{self.address}{url}"
        headers = dict(options.get("headers", {}))
        if address.startswith(f"{self.address}/") and (authorization := self.authorizations.get(scope)):
            headers["Authorization"] = authorization  # no other host that an upload leads to gets it
        return self.session.request(
            method, address, timeout=_TIMEOUT, allow_redirects=method == "HEAD",
            **{**options, "headers": headers},
        )  # fmt: skip

    def _authorize(self, challenge: str, scope: str) -> str:
        """The header that answers a challenge, "" where there is none."""
        kind, _, text = challenge.partition(" ")
        user = (self.credentials.get("username", ""), self.credentials.get("password", ""))
        if kind.lower() == "basic":
            return requests.Request("GET", self.address, auth=user).prepare().headers["Authorization"]
        fields = dict(_CHALLENGE.findall(text))
        realm = fields.pop("realm", "")
        if kind.lower() != "bearer" or not realm.startswith(("https://", self.address)):
            return ""
        identity = self.credentials.get("identitytoken")
        token_query = {**fields, "scope": scope}
        if identity:
            form = {
                **token_query,
                "grant_type": "refresh_token",
                "refresh_token": identity,
                "client_id": "torchpin",
            }
            response = self.session.post(realm, data=form, timeout=_TIMEOUT)
        else:
            parameters = {**token_query, "scope": scope.split(" ")}
            response = self.session.get(
                realm, params=parameters, auth=user if user[0] else None, timeout=_TIMEOUT
            )
        document = response.json() if response.ok else {}
        token = document.get("token") or document.get("access_token")
        return f"Bearer {token}" if token else ""


class _Count:
    """Adds up the bytes of blobs that several threads send, on a step."""

    def __init__(self, running: Step | None, total: int) -> None:
        self._running, self._total, self._mutex = running, total, Mutex()
        self._done: dict[str, int] = {}

    def __call__(self, identity: str, done: int) -> None:
        if self._running:
            with self._mutex:
                self._done[identity] = done
                self._running.advance(min(sum(self._done.values()), self._total), total=self._total)


class _CountedFile:
    """A file that is sent, and how much of it has been read; requests asks for its length."""

    def __init__(self, file: IO[bytes], size: int, count: Callable[[int], object]) -> None:
        self._file, self._size, self._count, self._done = file, size, count, 0

    def __len__(self) -> int:
        return self._size - self._done

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._done += len(content)
        self._count(self._done)
        return content


@dataclass(frozen=True, kw_only=True, slots=True)
class _Push:
    """A push into a repository of a registry; `others` are those in which blobs may be."""

    registry: _Registry
    repository: str
    others: tuple[str, ...]
    files: Mapping[str, Path]
    count: _Count

    @property
    def scope(self) -> str:
        pulls = (f"repository:{other}:pull" for other in self.others)
        return " ".join([f"repository:{self.repository}:pull,push", *pulls])

    def blob(self, identity: str, size: int, content: bytes | None = None) -> Pushed:
        """Send a blob, unless it is there. Raises ToolError with what the registry answers."""
        for wait in (*_WAITS, None):
            try:
                return self._blob(identity, size, content)
            except requests.ConnectionError:
                if wait is None:
                    raise
                time.sleep(wait)
        raise AssertionError

    def _blob(self, identity: str, size: int, content: bytes | None) -> Pushed:
        if self._has(self.repository, identity):
            self.count(identity, size)
            return Pushed(present=size)
        other = next(
            (other for other in self.others if size >= _WORTH_ASKING and self._has(other, identity)), ""
        )
        started = self.registry.request(
            "POST",
            f"/v2/{self.repository}/blobs/uploads/",
            self.scope,
            params={"mount": identity, "from": other} if other else {},
        )
        if started.status_code == HTTPStatus.CREATED:
            self.count(identity, size)
            return Pushed(mounted=size)
        _expect(started, HTTPStatus.ACCEPTED)
        location = started.headers["Location"]
        headers = {"Content-Type": "application/octet-stream"}
        if content is not None:
            sent = self._send(location, identity, content, headers)
        else:
            with self.files[identity].open("rb") as file:
                counted = _CountedFile(file, size, lambda done: self.count(identity, done))
                sent = self._send(location, identity, counted, headers)
        _expect(sent, HTTPStatus.CREATED)
        return Pushed(sent=size)

    def _send(self, location: str, identity: str, data: Any, headers: Mapping[str, str]) -> requests.Response:
        return self.registry.request(
            "PUT", location, self.scope, params={"digest": identity}, data=data, headers=headers
        )

    def _has(self, repository: str, identity: str) -> bool:
        return self.registry.request("HEAD", f"/v2/{repository}/blobs/{identity}", self.scope).ok

    def manifest(self, name: str, content: bytes) -> None:
        headers = {"Content-Type": MANIFEST_TYPE}
        url = f"/v2/{self.repository}/manifests/{name}"
        _expect(
            self.registry.request("PUT", url, self.scope, data=content, headers=headers), HTTPStatus.CREATED
        )


def _expect(response: requests.Response, status: HTTPStatus) -> None:
    if response.status_code != status:
        text = " ".join(response.text.split())[:200]
        raise ToolError(f"it answers {response.status_code} {response.reason}{f': {text}' if text else ''}")


def push_image(
    client: Client,
    image: AssembledImage,
    files: Mapping[str, Path],
    tags: Sequence[str],
    *,
    others: Sequence[str] = (),
    running: Step | None = None,
) -> Pushed:
    """Push an image with its tags, which are of one repository; `others` are names of images that may have blobs of it.

    `files` are its layers by their digests; `running` is advanced by their bytes, sent or there. The tags come last, in their order. Raises ToolError with the registry's message.
    """
    host, path = split_image_name(tags[0])
    plain = bool(_LOOPBACK.fullmatch(host)) or host in insecure_registries(client)
    registry = _Registry(host=host, plain=plain, credentials=registry_credentials(host))
    elsewhere = [split_image_name(other) for other in others]
    layers = {layer.digest: layer.size for layer in image.layers}
    push = _Push(
        registry=registry,
        repository=path.rpartition(":")[0],
        others=tuple(name for other_host, name in elsewhere if other_host == host),
        files=files,
        count=_Count(running, sum(layers.values())),
    )
    try:
        with ThreadPoolExecutor(_UPLOADS) as pool:
            results = list(pool.map(lambda layer: push.blob(*layer), layers.items()))
        push.blob(digest(image.config), len(image.config), image.config)
        for tag in tags:
            push.manifest(tag.rpartition(":")[2], image.manifest)
    except (requests.RequestException, OSError, ValueError, ToolError) as error:
        reason = str(error) if isinstance(error, ToolError) else short_message(error)
        raise ToolError(
            f"{tags[-1]} could not be pushed: {redact_credentials(reason)}; check `docker login` and `build.registry`"
        ) from None
    return Pushed(
        sent=sum(result.sent for result in results),
        mounted=sum(result.mounted for result in results),
        present=sum(result.present for result in results),
    )
