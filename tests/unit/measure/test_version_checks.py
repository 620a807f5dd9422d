"""The versions that modules compare, by sources like those of peft, transformers, diffusers and trl."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from torchpin.measure import version_checks
from torchpin.measure.version_checks import VersionCheck


def checks(text: str) -> set[tuple[str, str, str]]:
    """What the checks need, raise, and the function that runs them."""
    return {
        (check.needs, check.raises, check.function)
        for check in version_checks.version_checks(ast.parse(dedent(text)))
    }


PEFT = """
    import importlib.metadata as importlib_metadata
    import packaging.version
    TORCHAO_MINIMUM_VERSION = packaging.version.parse("0.16.0")
    def is_torchao_available():
        if importlib.util.find_spec("torchao") is not None:
            torchao_version = packaging.version.parse(importlib_metadata.version("torchao"))
            if torchao_version < TORCHAO_MINIMUM_VERSION:
                raise ImportError("incompatible")
            return True
        return False
"""


def test_a_constant_that_is_compared_and_raised_about() -> None:
    (check,) = version_checks.version_checks(ast.parse(dedent(PEFT)))
    assert check == VersionCheck(
        needs="torchao>=0.16.0",
        raises="ImportError",
        function="is_torchao_available",
        constant="TORCHAO_MINIMUM_VERSION",
    )


def test_the_version_may_stand_on_the_right_and_the_error_in_the_other_branch() -> None:
    assert checks(
        """
        def is_auto_gptq_available():
            MINIMUM = packaging.version.parse("0.5.0")
            installed = packaging.version.parse(importlib_metadata.version("auto_gptq"))
            if MINIMUM <= installed:
                return True
            else:
                raise ImportError("old")
        """
    ) == {("auto-gptq>=0.5.0", "ImportError", "is_auto_gptq_available")}


def test_an_error_may_follow_a_branch_that_returns() -> None:
    assert checks(
        """
        def use():
            if is_torch_version(">=", "2.1.0"):
                return 1
            raise ImportError("old")
        """
    ) == {("torch>=2.1.0", "ImportError", "use")}


def test_comparisons_at_the_top_end_the_import() -> None:
    assert checks(
        """
        import torch
        if Version(torch.__version__.split("+")[0]) < Version("2.4.0"):
            raise ImportError("torch is too old")
        """
    ) == {("torch>=2.4.0", "ImportError", "")}


def test_functions_that_the_top_calls_end_the_import() -> None:
    assert checks(
        """
        def _check():
            if version("torch") < "2.0.1":
                raise RuntimeError
        _check()
        """
    ) == {("torch>=2.0.1", "RuntimeError", "")}


def test_guarded_comparisons_at_the_top_are_left_out() -> None:
    assert not checks(
        """
        import torch
        try:
            if Version(torch.__version__) < Version("2.4.0"):
                raise ImportError
        except ImportError:
            pass
        if flag:
            assert Version(torch.__version__) >= Version("2.5.0")
        """
    )


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ('is_accelerate_version("<", "0.17.0")', {"accelerate>=0.17.0"}),
        ('not is_torch_greater_or_equal("2.6.1")', {"torch>=2.6.1"}),
        ('compare_versions("bitsandbytes", "<", "0.43.2")', {"bitsandbytes>=0.43.2"}),
        ('is_peft_available() and version("peft") < "0.6.0"', {"peft>=0.6.0"}),
        ('version("a-b") < "1.2.0" or version("a-b") >= "2.0.0"', {"a-b>=1.2.0", "a-b<2.0.0"}),
        ('not (version("torch") >= "2.0.1" and flag)', {"torch>=2.0.1"}),
        ('flag and other and version("torch") < "2.0.1"', set()),
        ("sys.version_info < (3, 9)", set()),
        ('version("torch") < minimum', set()),
        ('name < "1.0.0"', set()),
    ],
)
def test_the_comparisons_that_decide_alone_are_read(test: str, expected: set[str]) -> None:
    rows = checks(f"def use(name):\n    if {test}:\n        raise ImportError('x')")
    assert {needs for needs, _, _ in rows} == expected


def test_packages_that_then_count_as_absent() -> None:
    text = """
        ACCELERATE_MIN_VERSION = "0.26.0"
        def is_accelerate_available(min_version=ACCELERATE_MIN_VERSION):
            return _present and version.parse(importlib.metadata.version("accelerate")) >= version.parse(ACCELERATE_MIN_VERSION)
    """
    (check,) = version_checks.version_checks(ast.parse(dedent(text)))
    assert (check.needs, check.raises, check.constant) == (
        "accelerate>=0.26.0",
        "",
        "ACCELERATE_MIN_VERSION",
    )


def test_required_versions_by_text_and_by_table() -> None:
    text = """
        deps = {"tqdm": "tqdm>=4.27", "numpy": "numpy>=1.17", "tokenizers": "tokenizers>=0.22", "regex": "regex"}
        names = ["tqdm", "numpy", "tokenizers", "python"]
        for name in names:
            if name == "tokenizers":
                if not is_tokenizers_available():
                    continue
            require_version_core(deps[name])
        require_version("torch>=2.0", "pip install torch")
        def trainer():
            require_version_core(deps["regex"])
    """
    assert checks(text) == {
        ("tqdm>=4.27", "ImportError", ""),
        ("numpy>=1.17", "ImportError", ""),
        ("torch>=2.0", "ImportError", ""),
        ("regex", "ImportError", "trainer"),
    }


def test_tables_and_constants_may_come_from_another_module() -> None:
    tree = ast.parse('require_version_core(deps["numpy"])\nif version("peft") < MIN: raise ImportError')
    rows = version_checks.version_checks(
        tree, constants={"MIN": "0.6.0"}, tables={"deps": {"numpy": "numpy>=1.17"}}
    )
    assert {check.needs for check in rows} == {"numpy>=1.17", "peft>=0.6.0"}
    assert version_checks.version_constants(ast.parse('A_MIN = "1.2.0"\nb = "1.3.0"\nC = "x"')) == {
        "A_MIN": "1.2.0"
    }


def test_names_with_several_values_hold_no_version() -> None:
    assert not checks(
        """
        MINIMUM = "1.2.0"
        if old:
            MINIMUM = "1.1.0"
        def use():
            if version("torch") < MINIMUM:
                raise ImportError
        """
    )
