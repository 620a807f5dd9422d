"""What is said of a command line that cannot be parsed."""

from __future__ import annotations

from copy import deepcopy

import pytest
from invoke import Program
from invoke.exceptions import ParseError
from invoke.parser import Parser

from torchpin.cli.main import namespace
from torchpin.cli.suggestions import describe_parse_error

CORE = Program().initial_context
DRY = "`--dry` is not an option of torchpin; use `--dry-run`, which add, build, bump, install, remove and run have"


def describe(line: str) -> str:
    parser = Parser(initial=CORE, contexts=deepcopy(namespace).to_contexts())
    with pytest.raises(ParseError) as error:
        parser.parse_argv(line.split())
    return describe_parse_error(error.value, program="invoke", tasks=parser.contexts, core=CORE)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("biuld", "no task `biuld` (did you mean build?)"),
        ("qqqq", "no task `qqqq`; `invoke --list` shows all"),
        (
            "build --servce lora",
            "`invoke build` has no option `--servce` (did you mean --service, --provenance?)",
        ),
        (
            "build --servce=lora",
            "`invoke build` has no option `--servce` (did you mean --service, --provenance?)",
        ),
        ("build --qqqq", "`invoke build` has no option `--qqqq`; `invoke build --help` shows all"),
        ("build -x", "`invoke build` has no option `-x`; `invoke build --help` shows all"),
        ("build -xy", "`invoke build` has no option `-x`; `invoke build --help` shows all"),
        ("why --servce lora torch", "`invoke why` has no option `--servce` (did you mean --service?)"),
        ("why --echo lora torch", "`--echo` is a global option; put it before the task"),
        ("--verson", "`invoke` has no option `--verson` (did you mean --version?)"),
        ("build lora", "`invoke build` takes no argument `lora` (did you mean --service lora?)"),
        (
            "build documnt",
            "`invoke build` takes no argument `documnt` (did you mean document, doctor, --service documnt?)",
        ),
        ("build it's", "`invoke build` takes no argument `it's` (did you mean --service it's?)"),
        ("schema it's", "`invoke schema` takes no argument `it's`; `invoke schema --help` shows all"),
        ("lock --dry-run", "`invoke lock` has no option `--dry-run`; `invoke lock --help` shows all"),
        ("--dri", "`invoke` has no option `--dri`; `invoke --help` shows all"),
        ("add --dry lora rich", DRY),
        ("add -R lora rich", DRY.replace("--dry`", "-R`", 1)),
        ("build --service", "`invoke build --service` needs a value"),
        ("new --service", "`invoke new --service` needs a value"),
        ("why", "`invoke why` needs SERVICE and COMPONENT; `invoke why --help` shows the usage"),
        ("why lora", "`invoke why` needs COMPONENT; `invoke why --help` shows the usage"),
    ],
)
def test_a_line_that_cannot_be_parsed_is_explained(line: str, message: str) -> None:
    assert describe(line) == message


def test_a_message_that_is_not_recognized_stays_as_it_is() -> None:
    error = ParseError("'x' is ambiguous when given after an optional-value flag")
    assert describe_parse_error(error, program="invoke", tasks={}, core=CORE) == str(error)
