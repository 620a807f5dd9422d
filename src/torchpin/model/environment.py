"""A service in one of its variants, with what of its description holds for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torchpin.memory import remembered
from torchpin.model.packages import Layer, Package, package_path
from torchpin.model.service import CopiedFiles

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from torchpin.model.service import Base, BuildStage, Service, Source, Variant

# What builds leave in the folder of a Python project; it is no input of another one.
_BUILD_RESULTS = ("build", "dist", "**/*.egg-info", "**/*.so", "**/*.o", "**/.venv")


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """A service in one variant: it has one lock, one Dockerfile, one image and one record."""

    service: Service
    variant: Variant

    @property
    def name(self) -> str:
        return f"{self.service.name}-{self.variant.name}"

    @property
    def base(self) -> Base:
        return self.variant.base or self.service.base

    @property
    @remembered
    def layers(self) -> tuple[Layer, ...]:
        """The layers of this variant, with its packages."""
        return tuple(
            replace(layer, packages=tuple(package for package in layer.packages if self._has(package)))
            for layer in self.service.layers
            if self._has(layer)
        )

    @property
    @remembered
    def declared_packages(self) -> tuple[tuple[str, Layer, Requirement], ...]:
        """The packages of this variant: the key path of the pin, such as `layers[0].packages[2]`, the layer as described, the pin."""
        return tuple(
            (package_path(number, index, package), layer, package)
            for number, layer in enumerate(self.service.layers)
            if self._has(layer)
            for index, package in enumerate(layer.packages)
            if self._has(package)
        )

    def _has(self, part: Layer | Requirement) -> bool:
        variants = part.variants if isinstance(part, (Layer, Package)) else ()
        return not variants or self.variant.name in variants

    @property
    def stage(self) -> BuildStage | None:
        """The stage that compiles wheels for this variant; None: it has none."""
        stage = self.service.build
        return stage if stage and (not stage.variants or self.variant.name in stage.variants) else None

    @property
    def copied_files(self) -> tuple[CopiedFiles, ...]:
        """What of the repository its build gets a copy of: the service's own files, then the folders that are compiled."""
        wheels = self.stage.wheels if self.stage else ()
        folders = (wheel.folder for wheel in wheels if wheel.folder)
        compiled = (CopiedFiles(origin=folder, target=".", ignore=_BUILD_RESULTS) for folder in folders)
        return (*self.service.files, *compiled)

    @property
    def shipped_sources(self) -> tuple[Source, ...]:
        """The sources that the image holds: one that is compiled to a wheel stays in the stage that does it."""
        built = {wheel.source for wheel in self.service.build.wheels} if self.service.build else set()
        return tuple(source for source in self.service.sources if source.name not in built)
