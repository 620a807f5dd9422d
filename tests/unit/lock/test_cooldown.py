"""Which cut-off a lock has, when it moves, and what is said of packages that are younger."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.small_service import DESCRIPTION, make_lock, read_environment
from torchpin.description.policy import Policy
from torchpin.errors import InputError
from torchpin.lock import cooldown, file_format
from torchpin.lock.cooldown import CutOff, YoungFile, choose_cutoff, with_cutoff

if TYPE_CHECKING:
    from torchpin.model import Lock

TODAY = dt.date(2026, 11, 26)
WEEK = Policy(cooldown=7)
ENV = read_environment(DESCRIPTION)
CUTOFF = CutOff(time="2026-11-19T00:00:00Z", days=7, exceptions={"six": "a reason"})


def chosen(policy: Policy, current: Lock | None, *upgrade: str, env: object = ENV) -> str | None:
    cutoff = choose_cutoff(policy, env, current, upgrade=upgrade, today=TODAY)  # type: ignore[arg-type]
    return cutoff.time if cutoff else None


def recorded(time: str) -> Lock:
    return with_cutoff(make_lock(ENV), replace(CUTOFF, time=time))


def test_without_a_cool_down_there_is_no_cut_off() -> None:
    assert chosen(Policy(), recorded("2026-11-01T00:00:00Z")) is None


def test_a_new_cut_off_is_the_midnight_before() -> None:
    assert chosen(WEEK, None) == chosen(WEEK, make_lock(ENV)) == "2026-11-19T00:00:00Z"


def test_a_cut_off_stays_while_nothing_moves() -> None:
    assert chosen(WEEK, recorded("2026-11-01T00:00:00Z")) == "2026-11-01T00:00:00Z"


def test_it_moves_on_with_an_upgrade_and_with_the_description_and_never_back() -> None:
    assert chosen(WEEK, recorded("2026-11-01T00:00:00Z"), "six") == "2026-11-19T00:00:00Z"
    changed = read_environment(DESCRIPTION.replace("six==1.17.0", "six==1.16.0"))
    assert chosen(WEEK, recorded("2026-11-01T00:00:00Z"), env=changed) == "2026-11-19T00:00:00Z"
    assert chosen(Policy(cooldown=30), recorded("2026-11-01T00:00:00Z"), "six") == "2026-11-01T00:00:00Z"


def test_layers_from_pypi_name_the_cut_off_and_read_back() -> None:
    lock = recorded("2026-11-01T00:00:00Z")
    texts = file_format.lock_texts(lock)
    assert "# cutoff: 2026-11-01T00:00:00Z\n" in texts["02-training.requirements.txt"]
    assert "# cutoff" not in texts["00-torch.requirements.txt"]  # its channel publishes no times
    parsed = file_format.parse_lock("lockfiles/lora-gpu", texts)
    assert file_format.lock_texts(parsed) == texts
    assert cooldown.recorded_cutoff(parsed) == "2026-11-01T00:00:00Z"


def test_a_lock_without_a_cool_down_is_as_it_was() -> None:
    lock = make_lock(ENV)
    assert file_format.lock_texts(with_cutoff(lock, None)) == file_format.lock_texts(lock)
    assert "cutoff" not in "".join(file_format.lock_texts(lock).values())


def test_a_cut_off_of_another_form_is_refused() -> None:
    text = file_format.layer_text(replace(make_lock(ENV).layers[2], cutoff="yesterday"))
    with pytest.raises(InputError, match="cutoff: expected a time such as 2026-11-19T00:00:00Z"):
        file_format.parse_layer("a.txt", text)


def test_packages_that_are_too_young_are_named_with_their_place_and_the_day_they_are_allowed() -> None:
    published = dt.datetime(2026, 11, 24, 8, tzinfo=dt.timezone.utc)
    young = [
        YoungFile(name="six", version="1.17.0", published=published),
        YoungFile(name="markupsafe", version="3.0", published=None),
    ]
    assert cooldown.refusal(ENV, CUTOFF, young) == (
        "lora-gpu cannot be locked: the cool-down of 7 days (services/policy.yaml) takes what was published before 2026-11-19\n"
        "    markupsafe 3.0 has no time of publication on its index, so its age is not known\n"
        "    services/lora/service.yaml:9:48: six 1.17.0 was published on 2026-11-24; it is allowed from 2026-12-02\n"
        "use an index that lists when its files were published (PEP 700), as PyPI does; or wait, pin an earlier release, or name the package with a reason under `cooldown.except` in "
        "services/policy.yaml"
    )


def test_a_refusal_as_of_a_day_is_about_that_day() -> None:
    young = [YoungFile(name="six", version="2", published=dt.datetime(2026, 11, 20, tzinfo=dt.timezone.utc))]
    assert cooldown.refusal(ENV, replace(CUTOFF, days=0), young).splitlines()[1:] == [
        "    services/lora/service.yaml:9:48: six 2 was published on 2026-11-20",
        "choose a later day, or pin an earlier release",
    ]


def test_an_exception_is_told_with_its_reason() -> None:
    published = dt.datetime(2026, 11, 24, 8, tzinfo=dt.timezone.utc)
    (notice,) = cooldown.notices(CUTOFF, [YoungFile(name="six", version="1.17.0", published=published)])
    assert notice == "six 1.17.0, published on 2026-11-24 (a reason)"


def test_uv_gets_the_cut_off_and_what_it_does_not_hold_for() -> None:
    assert cooldown.uv_options(CUTOFF, ["torch"]) == (
        "--exclude-newer", "2026-11-19T00:00:00Z",
        "--exclude-newer-package", "six=false", "--exclude-newer-package", "torch=false",
    )  # fmt: skip
