"""The layers of prefixes: what an engine has built is compressed once, and kept by the digest of its tar."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import IO, TYPE_CHECKING, Any

from torchpin.assembly.compression import MEDIA_TYPES, compression_version, compressor
from torchpin.assembly.layer import LayerBlob
from torchpin.errors import ToolError, os_error_reason
from torchpin.tools.cache import partial_file
from torchpin.tools.kept_layers import keep_layer, read_layer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torchpin.assembly.compression import Compression

_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class PrefixLayers:
    """The layers below a folder, compressed in one way."""

    folder: Path
    compression: Compression

    def path(self, diff_id: str) -> Path:
        """Where a layer is, or would be."""
        version = compression_version(self.compression) or self.compression
        return self.folder / f"{diff_id.removeprefix('sha256:')}-{version}"

    def read(self, diff_id: str) -> LayerBlob | None:
        """A layer that is there as it was made; None without it."""
        return read_layer(self.path(diff_id))

    def read_config(self, identity: str) -> Mapping[str, Any] | None:
        """The configuration of an image, by the id that its engine has for it; None where it is not kept."""
        try:
            config = json.loads(self._config_path(identity).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return config if isinstance(config, dict) else None

    def keep_config(self, identity: str, config: Mapping[str, Any]) -> None:
        """Keep a configuration. Raises ToolError where it cannot be written."""
        path = self._config_path(identity)
        with partial_file(path, lambda: self.read_config(identity) == config) as part:
            if part is not None:
                try:
                    part.seek(0)
                    part.truncate()
                    part.write(json.dumps(config).encode())
                    part.flush()
                    path.with_name(f"{path.name}.part").replace(path)
                except OSError as error:
                    raise ToolError(f"the cache: {os_error_reason(error, str(path))}") from None

    def _config_path(self, identity: str) -> Path:
        return self.folder / f"{identity.removeprefix('sha256:')}.config.json"

    def add(self, diff_id: str, content: IO[bytes]) -> LayerBlob:
        """Keep a layer, from its tar. Raises ToolError where that has another digest, or cannot be written."""
        path = self.path(diff_id)
        with partial_file(path, lambda: self.read(diff_id) is not None) as part:
            if part is not None:
                part.seek(0)
                part.truncate()
                try:
                    blob = self._compress(diff_id, content, part)
                    part.flush()
                    keep_layer(blob, path)
                except OSError as error:
                    raise ToolError(f"the cache: {os_error_reason(error, str(path))}") from None
        kept = self.read(diff_id)
        if kept is None:
            raise ToolError(f"{path} was removed while it was made; try again")
        return kept

    def _compress(self, diff_id: str, content: IO[bytes], part: IO[bytes]) -> LayerBlob:
        packer, plain, packed = compressor(self.compression), sha256(), sha256()
        uncompressed = size = 0
        while True:
            chunk = content.read(_CHUNK)  # always cut at the same places: the compressed bytes depend on it
            plain.update(chunk)
            uncompressed += len(chunk)
            output = packer.compress(memoryview(chunk)) if chunk else packer.flush()
            packed.update(output)
            size += part.write(output)
            if not chunk:
                break
        if f"sha256:{plain.hexdigest()}" != diff_id:
            raise ToolError(f"the Docker engine wrote another layer than {diff_id}; run the command again")
        return LayerBlob(
            name="prefix",
            path="",
            digest=f"sha256:{packed.hexdigest()}",
            size=size,
            media_type=MEDIA_TYPES[self.compression],
            diff_id=diff_id,
            uncompressed=uncompressed,
        )
