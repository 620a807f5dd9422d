"""Documents: their generated sections are replaced, and the prose around them stays."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from fuzz.harness import Target
from fuzz.texts import characters, fragments, mutated, read_texts, require_located
from torchpin.documents import markdown
from torchpin.errors import InputError

_NAMES = ("lora", "lora-gpu", "seedvr", "bumps", "a")
_MARKERS = tuple(
    marker for name in _NAMES for marker in markdown.section_markers(name, source=f"services/{name}")
)
_PIECES = fragments(
    *_MARKERS, *(f"\n{marker}\n" for marker in _MARKERS), " -->", "<!-- begin generated: ", "<!-- end generated: a (b) -->"
)  # fmt: skip
# those of one page are long, and changes in their few markers rare: its start is enough
_PAGES = tuple(text[:6_000] for text in read_texts("docs/*.md", "DEVIATIONS.md"))
_bodies = st.text(characters, max_size=30).filter(lambda text: "<!--" not in text and "\r" not in text)
sections = st.dictionaries(st.sampled_from(_NAMES), _bodies, max_size=3).map(
    lambda bodies: {
        name: markdown.wrap_section(name, body, source=f"services/{name}") for name, body in bodies.items()
    }
)


@st.composite
def _pages(draw: st.DrawFn) -> str:
    """Prose and sections in turn, with one kind of line ends or another at each of them."""
    names = draw(st.lists(st.sampled_from(_NAMES), unique=True, max_size=4))
    parts = [draw(st.text(characters, max_size=20))]
    for name in names:
        newline = draw(st.sampled_from(["\n", "\r\n"]))
        section = markdown.wrap_section(name, draw(_bodies), source="elsewhere").replace("\n", newline)
        parts += [newline, section, draw(st.sampled_from(["", " ", "\t"])), newline]
        parts.append(draw(st.text(characters, max_size=20) | st.sampled_from([" x", "\r\r", "\n\n\n"])))
    return "".join(parts)


documents = st.one_of(
    _pages(), _pages().flatmap(lambda page: mutated([page], _PIECES)), mutated(_PAGES, _PIECES)
)


def _prose(text: str) -> list[str]:
    """What stands outside of generated sections, by a scan of lines that knows nothing of the code that is tested."""
    pieces, inside = [""], False
    for line in text.split("\n"):
        marker = re.fullmatch(r"<!-- (begin|end) generated: \S+( \(.*\))? -->([ \t]*\r?)", line)
        if marker and marker[1] == "begin" and not inside:
            inside = True
            pieces.append("")
        elif marker and inside:
            inside = False
            pieces[-1] += marker[3] + "\n"
        elif not inside:
            pieces[-1] += line + "\n"
    return pieces


def check_splicing(value: tuple[str, dict[str, str]]) -> None:
    """Markers are refused with their lines, or the sections are those that were given and the prose is as it was."""
    text, new_sections = value
    try:
        before = markdown.generated_sections("p", text)
        spliced = markdown.splice_sections("p", text, new_sections)
    except InputError as error:
        require_located(error, {"p": text})
        return
    present = {
        name: section.replace("\r\n", "\n")
        for name, (_, section) in markdown.generated_sections("p", spliced).items()
    }
    assert present == new_sections
    assert markdown.splice_sections("p", spliced, new_sections) == spliced
    _require_same_prose(text, spliced, exact={*before} == {*new_sections})
    for name in before:
        without = markdown.remove_section("p", text, name)
        assert {*markdown.generated_sections("p", without)} == {*before} - {name}
        _require_same_prose(text, without, exact=False)


def _require_same_prose(before: str, after: str, *, exact: bool) -> None:
    """Blank lines may differ around a section that is added or removed, and nothing else."""
    if exact:
        assert _prose(after) == _prose(before)
    else:
        assert re.sub(r"[\r\n]+", "", "".join(_prose(after))) == re.sub(
            r"[\r\n]+", "", "".join(_prose(before))
        )


TARGET = Target(name="sections", strategy=st.tuples(documents, sections), check=check_splicing)
