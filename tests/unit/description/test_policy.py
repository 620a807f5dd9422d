"""What holds for all services of a repository: services/policy.yaml is read with the care of a description."""

from __future__ import annotations

import pytest

from torchpin.description.policy import Policy, parse_policy
from torchpin.errors import InputError


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        (None, Policy()),
        ("{}\n", Policy()),
        ("cooldown: 7 days\n", Policy(cooldown=7)),
        ("cooldown: 1 day\n", Policy(cooldown=1)),
        ("cooldown: {time: 2 weeks}\n", Policy(cooldown=14)),
        (
            "cooldown:\n  time: 7 days\n  except: {vLLM: its fixes must not wait, Flash_Attn: as vllm}\n",
            Policy(cooldown=7, exceptions={"vllm": "its fixes must not wait", "flash-attn": "as vllm"}),
        ),
    ],
)
def test_a_cool_down_has_a_time_and_exceptions_with_reasons(text: str | None, policy: Policy) -> None:
    parsed = parse_policy(text)
    assert (parsed.cooldown, dict(parsed.exceptions)) == (policy.cooldown, dict(policy.exceptions))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("cooldown: 7\n", "1:11: cooldown: "),
        ("cooldown: 7 months\n", "1:11: cooldown: "),
        ("cooldown: 0 days\n", "1:11: cooldown: "),
        ("cooldown: {except: {vllm: a}}\n", "1:11: cooldown: "),
        ("cooldown:\n  time: 7 days\n  except: [vllm]\n", "3:11: cooldown.except: "),
        ("cooldown:\n  time: 7 days\n  except:\n    vllm:\n", "4:10: cooldown.except.vllm: "),
        ('cooldown:\n  time: 7 days\n  except:\n    vllm: ""\n', "4:11: cooldown.except.vllm: "),
        ("cooldown:\n  time: 7 days\n  except:\n    vllm==1: a\n", "4:14: cooldown.except.vllm==1: "),
        ("cool-down: 7 days\n", "1:1: "),
        ("- a\n", "1:1: "),
        ("cooldown: [\n", "2:1: "),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, place: str) -> None:
    with pytest.raises(InputError) as excinfo:
        parse_policy(text)
    assert str(excinfo.value).startswith(f"services/policy.yaml:{place}")
    assert "correct services/policy.yaml" in str(excinfo.value)
