"""A stated license is SPDX's where it is one of SPDX's, and is never made more exact than it was stated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchpin.model import LicenseStatement
from torchpin.sbom.licenses import (
    UNKNOWN,
    License,
    interpret_statement,
    joint_expression,
    spdx_expression,
)

BSD, MIT, APACHE = (
    f"OSI Approved :: {name}" for name in ("BSD License", "MIT License", "Apache Software License")
)


def stated(expression: str = "", text: str = "", *classifiers: str) -> License:
    return interpret_statement(
        LicenseStatement(
            name="a",
            version="1",
            sha256="0f" * 32,
            expression=expression,
            text=text,
            classifiers=classifiers,
        )
    )


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("mpl-2.0 and mit", "MPL-2.0 AND MIT"),
        ("(MIT or Apache-2.0) AND bsd-3-clause", "(MIT OR Apache-2.0) AND BSD-3-Clause"),
        ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
        ("LicenseRef-NVIDIA-Proprietary", "LicenseRef-NVIDIA-Proprietary"),
        ("GPL-2.0+", "GPL-2.0+"),
    ],
)
def test_an_expression_of_spdx_is_spelled_as_spdx_does(text: str, expression: str) -> None:
    assert spdx_expression(text) == expression


@pytest.mark.parametrize(
    "text",
    ["", " ", "BSD", "Apache 2.0", "gpl", "MIT AND", "and", ")(", "MIT)(", "(" * 5000, "BSD 3-Clause OR Apache-2.0"],
)  # fmt: skip
def test_what_is_no_expression_is_none(text: str) -> None:
    assert spdx_expression(text) == ""


@given(st.text(max_size=40))
def test_no_text_is_a_traceback(text: str) -> None:
    assert isinstance(spdx_expression(text), str)


def test_the_most_exact_statement_counts() -> None:
    assert stated("MIT", "BSD-3-Clause", APACHE) == License(expression="MIT")
    assert stated("", "BSD-3-Clause", BSD) == License(expression="BSD-3-Clause")
    assert stated("", "Apache 2.0", APACHE) == License(names=("Apache Software License",))
    assert stated("", "Apache 2.0") == License(names=("Apache 2.0",))
    assert stated("My Own", "MIT License") == License(names=("My Own",))
    assert interpret_statement(None) == UNKNOWN


def test_a_classifier_is_an_identifier_only_if_it_names_one_license() -> None:
    assert stated("", "", MIT) == License(expression="MIT")
    assert stated("", "", BSD) == License(names=("BSD License",))
    # whether one may choose, or both apply, is not stated
    assert stated("", "Dual", APACHE, MIT) == License(names=("Apache Software License", "MIT License"))


def test_many_licenses_are_one_expression_with_what_is_not_stated() -> None:
    licenses = [
        License(expression="MIT"),
        License(expression="MIT OR Apache-2.0"),
        License(names=("BSD License",)),
        License(expression="MIT"),
    ]
    assert joint_expression(licenses) == "LicenseRef-BSD-License AND MIT AND (MIT OR Apache-2.0)"
    assert joint_expression([*licenses[:1], UNKNOWN]) == "LicenseRef-not-stated AND MIT"
    assert spdx_expression(joint_expression(licenses)) == joint_expression(licenses)
