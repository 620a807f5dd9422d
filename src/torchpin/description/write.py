"""A service as the text of a service.yaml."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Base, Service


def to_yaml(service: Service) -> str:
    """A service as YAML text that reads back as the same values; comments and order of a file are not kept."""
    # PyYAML folds lines at 80 columns by default; no text of a description is folded.
    return yaml.safe_dump(_service_mapping(service), sort_keys=False, allow_unicode=True, width=10_000)


def _base_mapping(base: Base) -> dict[str, object]:
    return _without_empty({"image": base.image, "digest": base.digest, "rationale": base.rationale})


def _service_mapping(service: Service) -> dict[str, object]:
    run, health = service.run, service.run.health
    return _without_empty({
        "name": service.name,
        "summary": service.summary,
        "python": str(service.python),
        "base": _base_mapping(service.base),
        "torch": _without_empty({
            "version": str(service.torch.version),
            "companions": {name: str(version) for name, version in service.torch.companions.items()},
            "from": "base" if service.torch.origin == "base" else None,
        }),
        "variants": {variant.name: _without_empty({"channel": variant.channel, "platform": variant.platform, "base": variant.base and _base_mapping(variant.base)})
                     for variant in service.variants},
        "gpus": list(service.gpus),
        "driver": service.driver,
        "apt": list(service.apt),
        "imports": list(service.imports),
        "sources": [_without_empty({"name": source.name, "url": source.url, "tag": source.tag, "commit": source.commit, "path": source.path,
                             "requirements": source.requirements}) for source in service.sources],
        "run": _without_empty({
            "command": list(run.command),
            "env": dict(run.env),
            "ports": list(run.ports),
            "volumes": list(run.volumes),
            "freeze": run.freeze,
            "user": run.user,
            "health": health and {"command": list(health.command), "interval": health.interval, "timeout": health.timeout,
                                  "start_period": health.start_period, "retries": health.retries},
        }) | ({} if run.compiles is None else {"compiles": run.compiles}),
        "budget": service.budget_bytes is not None and {"image": f"{Decimal(service.budget_bytes) / 10**6:f}MB"},
        "recommends": [{"component": recommendation.component, "says": recommendation.says, "by": recommendation.by} for recommendation in service.recommends],
        "reasons": {reason.component: {"because": reason.because, "evidence": reason.evidence} for reason in service.reasons},
        "waivers": [{"check": waiver.check, "about": waiver.about, "reason": waiver.reason, "review_by": waiver.review_by} for waiver in service.waivers],
    }) | {"layers": [_without_empty({"name": layer.name, "packages": [str(package) for package in layer.packages]}) | ({"packages": []} if not layer.packages else {})
                     | ({"optional": True} if layer.optional else {}) for layer in service.layers]}  # fmt: skip


def _without_empty(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value}
