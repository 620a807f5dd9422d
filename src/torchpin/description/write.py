"""The other way: a service as the YAML text that reads back as the same values (comments and order are not kept)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchpin.model import Base, Service


def description(service: Service) -> str:
    """The other way: a service as YAML text that reads back as the same values (comments and order are not kept)."""
    return yaml.safe_dump(_plain(service), sort_keys=False, allow_unicode=True, width=10_000)


def _base(base: Base) -> dict[str, object]:
    return _filled({"image": base.image, "digest": base.digest, "rationale": base.rationale})


def _plain(service: Service) -> dict[str, object]:
    run, health = service.run, service.run.health
    return _filled({
        "name": service.name,
        "summary": service.summary,
        "python": str(service.python),
        "base": _base(service.base),
        "torch": _filled({
            "version": str(service.torch.version),
            "companions": {name: str(version) for name, version in service.torch.companions.items()},
            "from": "base" if service.torch.origin == "base" else None,
        }),
        "variants": {v.name: _filled({"channel": v.channel, "platform": v.platform, "base": v.base and _base(v.base)})
                     for v in service.variants},
        "gpus": list(service.gpus),
        "driver": service.driver,
        "apt": list(service.apt),
        "imports": list(service.imports),
        "sources": [_filled({"name": s.name, "url": s.url, "tag": s.tag, "commit": s.commit, "path": s.path,
                             "requirements": s.requirements}) for s in service.sources],
        "run": _filled({
            "command": list(run.command),
            "env": dict(run.env),
            "ports": list(run.ports),
            "volumes": list(run.volumes),
            "freeze": run.freeze,
            "user": run.user,
            "health": health and {"command": list(health.command), "interval": health.interval, "timeout": health.timeout,
                                  "start_period": health.start_period, "retries": health.retries},
        }),
        "budget": service.budget_bytes is not None and {"image": f"{Decimal(service.budget_bytes) / 10**6:f}MB"},
        "recommends": [{"component": r.component, "says": r.says, "by": r.by} for r in service.recommends],
        "reasons": {r.component: {"because": r.because, "evidence": r.evidence} for r in service.reasons},
        "waivers": [{"check": w.check, "about": w.about, "reason": w.reason, "review_by": w.review_by} for w in service.waivers],
    }) | {"layers": [_filled({"name": x.name, "packages": [str(p) for p in x.packages]}) | ({"packages": []} if not x.packages else {})
                     | ({"optional": True} if x.optional else {}) for x in service.layers]}  # fmt: skip


def _filled(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value}
