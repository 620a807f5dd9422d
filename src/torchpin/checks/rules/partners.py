"""TOR002, TOR005: packages that go with some releases of torch only, and packages that torch itself pins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from torchpin import facts
from torchpin.checks.context import CheckContext, current_lock
from torchpin.checks.pin_fixes import help_text, pin_changes, pin_location, torch_move
from torchpin.checks.registry import Ok, Unknown, check, finding
from torchpin.compat import measured, partners, torch_pins
from torchpin.compat.overrides import overrides
from torchpin.compat.pins import list_pins
from torchpin.compat.publication import is_no_release
from torchpin.model import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torchpin.checks.pin_fixes import Pins
    from torchpin.checks.registry import Answer
    from torchpin.compat.partners import Choice
    from torchpin.compat.pins import Pin
    from torchpin.facts import Partner
    from torchpin.model import Environment, Finding, Level


@check("TOR002", "a package does not go with the torch release", judge=True)
def partners_go_with_torch(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Use the version that the finding names, or another torch.

    torchvision, torchaudio, xformers, vllm and others are compiled against one release of torch, or need a minimum: they
    say so in their METADATA. Any other pair does not resolve, or replaces torch. torchcodec, torchao, fbgemm-gpu and the
    last torchaudio say nothing there; what their projects publish applies, and a wrong pair installs and then fails to load.

    Example: torch 2.8.0 goes with torchvision 0.23.0 and torchcodec 0.6 and 0.7, not with torchcodec 0.9.1.

    Sources: METADATA of the wheels on PyPI; the compatibility tables of torchcodec and FBGEMM; torchao's own check.
    """
    if is_no_release(env):
        return  # TOR001 has the finding
    pins = list_pins(env, current_lock(context, env))
    torch = env.service.torch.version
    for name in pins:
        # one that is named a companion is expected to be a partner
        if name not in facts.partners() and (name == "torch" or name not in env.service.torch.companions):
            continue
        version = pins[name].version
        row = partners.partner_row(name, version)
        fits = partners.goes_with(row, torch) if row else None
        if row is None:
            yield Unknown(
                message=f"the torch that {name} {version.public} goes with is not in the facts", about=name
            )
        elif fits is None:
            message = f"{name} {version.public} is said to go with torch{row.torch}; torch {torch} is later than the facts"
            yield Unknown(message=message, about=name)
        elif fits:
            yield Ok(
                about=name, evidence=f"{name} {version.public} goes with torch{row.torch}: {row.citation}"
            )
        else:
            yield _wrong_partner(env, pins, name, row)


def _wrong_partner(env: Environment, pins: Pins, name: str, row: Partner) -> Finding:
    torch, pin = env.service.torch.version, pins[name]
    fitting, level = partners.choices(name, torch), row.level
    if level == "warning":  # it works, if less well: what another package refuses to work with is no remedy
        fitting = tuple(choice for choice in fitting if measured.works_with(pins, name, choice.version))
        level = level if fitting else "notice"
    best = fitting[-1] if fitting else None
    replacement = Requirement(f"{name}=={best.version}") if best else None
    in_companions = pin.path.startswith("torch.companions.") or (
        not pin.path and name in facts.channel_packages()
    )
    path = f"torch.companions.{name}"
    if in_companions and best:
        fix: Sequence[Change] = (Change(path=path, value=str(best.version)),)
    else:
        fix = pin_changes(env, pins, replacement, name)
    because = f": {row.because}" if row.because else ""
    return finding(
        env,
        pin.location if in_companions else pin_location(pins, replacement, name),
        f"{name} {pin.version.public} does not match torch {torch}; it goes with {_required_torch(row)}{because}",
        help=_help(env, pins, name, fitting, in_companions=in_companions, level=level, specifier=row.torch),
        about=name,
        evidence=row.citation,
        level=level,
        fix=fix,
        fix_is_safe=bool(best and best.certain),
    )


def _required_torch(row: Partner) -> str:
    return f"torch{row.torch}" if row.torch != "<0" else "none"


def _help(
    env: Environment,
    pins: Pins,
    name: str,
    fitting: Sequence[Choice],
    *,
    in_companions: bool,
    level: Level,
    specifier: str,
) -> str:
    """What to pin instead, or which torch to move to: that of a package such as vllm, which was chosen for its own sake."""
    torch = env.service.torch.version
    move = "" if in_companions or specifier == "<0" else torch_move(env, specifier)
    if not fitting and level == "notice":
        return f"no {name} goes with torch {torch} and with the other pins: choose another torch, or leave it"
    if not fitting:
        place = "`companions`" if in_companions else "its layer"
        return f"no known {name} goes with torch {torch}: {move or 'choose another torch'}, or remove {name} from {place}"
    best, others = fitting[-1], [str(choice.version) for choice in fitting[:-1]]
    note = f" ({', '.join(others[-3:])} would do too)" if others else ""
    if in_companions:
        return f'set `{name}: "{best.version}"` in `companions`{note}'
    pin = help_text(env, pins, Requirement(f"{name}=={best.version}"), name)
    return f"{pin}{note}{f', or {move}' if move else ''}"


@check("TOR005", "a pin contradicts what torch itself pins", judge=True)
def torch_pins_are_kept(context: CheckContext, env: Environment) -> Iterator[Answer]:
    """Write the version that torch requires, or leave the package out: torch brings it. To keep another, override it.

    A CUDA build of torch requires its triton and its nvidia-* libraries in one version each. Another version beside it has
    no resolution; where each step installs what it names, the last one wins, and torch runs with a library that it was not
    built for.

    Example: `nvidia-cudnn-cu12==9.15.1.9` beside torch 2.9.1, which requires nvidia-cudnn-cu12==9.10.2.21.

    Sources: METADATA of torch's wheels on the channels and on PyPI.
    """
    del context
    required, overridden = torch_pins.torch_pins(env), overrides(env)
    for name, pin in list_pins(env, None).items():
        if not torch_pins.is_torch_pinned(name) or not pin.path:
            continue
        if override := overridden.get(name):
            yield Ok(
                about=name, evidence=f"{override.package} overrides what torch requires: {override.evidence}"
            )
            continue
        requirement = required.requirements.get(name)
        if requirement is None:
            if not required.complete:
                message = f"what torch {env.service.torch.version} on {env.variant.channel} requires of {name} is not in the facts"
                yield Unknown(message=message, about=name)
        elif torch_pins.allows(requirement, pin.version):
            yield Ok(
                about=name, evidence=f"torch requires {requirement_text(requirement)}: {required.source}"
            )
        else:
            yield _contradiction(env, pin, requirement, required.source)


def requirement_text(requirement: Requirement) -> str:
    """A requirement without its marker."""
    return f"{requirement.name}{requirement.specifier}"


def _contradiction(env: Environment, pin: Pin, requirement: Requirement, source: str) -> Finding:
    torch, requirement_line = env.service.torch.version, requirement_text(requirement)
    exact = torch_pins.pinned_exactly(requirement)
    remove = f"remove `- {pin.name}=={pin.version}`, since torch brings its own"
    fix = pin_changes(env, {pin.name: pin}, Requirement(f"{pin.name}=={exact}"), pin.name) if exact else ()
    return finding(
        env,
        pin.location,
        f"{pin.name}=={pin.version} contradicts torch {torch} on {env.variant.channel}, which requires {requirement_line}",
        help=f"{remove}, or write `- {pin.name}=={exact}`; to keep it against torch's requirement, say why in `overrides:`"
        if exact
        else remove,
        about=pin.name,
        evidence=source,
        fix=fix,
        fix_is_safe=bool(exact),
    )
