"""Settings, targets of updates, and pages of an index."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from fuzz.harness import Target
from fuzz.texts import fragments, mutated, require_located, require_plain, require_printable
from support.descriptions import PLAIN, read_service
from torchpin import facts, paths
from torchpin.bump.target import parse_target
from torchpin.description.environments import mirror_variable
from torchpin.description.settings import mirror_names, parse_settings
from torchpin.errors import InputError
from torchpin.facts import index_pages

_SERVICES = (read_service(PLAIN),)
_SETTINGS = (
    '[mirrors]\npypi = "https://example.org/simple"\n"docker.io" = "registry.example/hub"\n[build]\nregistry = "ghcr.io/a"\nnetwork = "host"\n',
    '[mirrors]\ncu121 = "file:///srv/whl"\n',
    "",
)
_SETTINGS_PIECES = fragments(
    "[mirrors]\n", "[build]\n", "[other]\n", "mirrors = 1\n", "docker.io = 1\n", "network = []\n", 'network = "none"\n', "[[build]]\n", '"""', "'''",
    "a.a.a = {}\n", "[" * 2000, "{a=" * 500, "1979-05-27T07:32:00Z", "git@example.org:a", "ssh://git@example.org/a", "https://u:p@example.org/a?t=x",
)  # fmt: skip
_variables = (
    *map(mirror_variable, mirror_names(_SERVICES)),
    "TORCHPIN_MIRROR_NONE",
    "TORCHPIN_REGISTRY",
    "TORCHPIN_BUILD_NETWORK",
    "PATH",
)
_addresses = st.sampled_from(
    ["https://example.org/a", "host", "ghcr.io/a", "", "-x", "https://u:p@e.org/?a"]
) | st.text(max_size=12)
settings_inputs = st.tuples(
    st.none() | mutated(_SETTINGS, _SETTINGS_PIECES),
    st.dictionaries(st.sampled_from(_variables), _addresses, max_size=3),
)


def _require_named(error: InputError, text: str, environ: dict[str, str]) -> None:
    """Fails unless each problem names a variable that is set, or a place in the file."""
    in_file = [problem for problem in error.problems if problem.position.file not in environ]
    if in_file or not error.problems:
        require_located(InputError("", in_file), {paths.SETTINGS: text})
    require_printable(str(error))


def check_settings(value: tuple[str | None, dict[str, str]]) -> None:
    """Settings are refused with their file or variable, or are plain texts, whatever the order of the variables."""
    text, environ = value
    try:
        parsed = parse_settings(text, environ, _SERVICES)
    except InputError as error:
        _require_named(error, text or "", environ)
        return
    require_plain((dict(parsed.mirrors), parsed.registry, parsed.network))
    assert parse_settings(text, dict(reversed(environ.items())), _SERVICES) == parsed


_TARGETS = (
    "torch==2.7.1", "torch=2.7", "transformers==4.54.1", "python==3.11.9", "base=nvidia/cuda:12.8.1-devel-ubuntu22.04", "sd-scripts@v0.10.1",
    "base==localhost:5000/a:1@sha256:" + "0" * 64, "a == v1!2.0rc1.post3", "torch==2.7.1+cu128", "torch>=2.7", "a[b]==1", "base@v1", "torch@v1",
)  # fmt: skip
bump_targets = st.one_of(
    mutated(
        _TARGETS,
        fragments("==", "=", "@", "v", "+cu121", ".dev0", "!", "base=", "torch==", "~=", "*", "\ud800"),
    ),
    st.text(alphabet="torchbase=@.:/v0123456789+-!_ ", max_size=20),
    st.text(max_size=12),
)


def check_target(text: str) -> None:
    """A target is refused in a message that can be printed, or reads back from its own text as the same."""
    try:
        target = parse_target(text)
    except InputError as error:
        require_printable(str(error))
        return
    require_plain((target.name, target.to, target.digest))
    assert parse_target(str(target)) == target
    if target.kind == "torch":
        assert facts.release(target.to) is None or target.to in {row.version for row in facts.releases()}


_WHEEL = "torch-2.5.1%2Bcu121-cp310-cp310-linux_x86_64.whl"
_HTML = f'<!DOCTYPE html><html><body>\n<a href="/whl/cu121/{_WHEEL}#sha256={"0" * 64}">{_WHEEL}</a><br/>\n</body></html>\n'
_JSON = json.dumps(
    {
        "meta": {"api-version": "1.0"},
        "files": [{"filename": "a-1-py3-none-any.whl", "hashes": {"sha256": "0" * 64}}],
    }
)
_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("0" * 64) | st.just("a-1-py3-none-any.whl"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["files", "filename", "hashes", "sha256"]), inner, max_size=4),
    max_leaves=6,
)  # fmt: skip
pages = st.one_of(
    mutated((_HTML,), fragments("<a href=", "<![CDATA[", "<![x", "<!", "<!--", "<?", "</", "&#", "&#x110000;", "&amp", "<script>", "%2B", "%", "#sha256=")),
    mutated((_JSON,), fragments('{"files": ', "[" * 3000, '{"a":' * 3000, "NaN", "9" * 5000, "null", "-0", "\\ud800")),
    st.dictionaries(st.just("files"), st.lists(_json_values, max_size=3)).map(json.dumps),
    _json_values.map(json.dumps),
)  # fmt: skip


def check_page(text: str) -> None:
    """A page is refused as no page, or gives the names of wheels with their hashes, in order."""
    try:
        files = index_pages.parse_page(text)
    except ValueError:
        return
    assert list(files) == sorted(files)
    for name, sha256 in files.items():
        assert index_pages.is_linux_wheel(name)
        assert sha256 is None or isinstance(sha256, str)
    assert (
        index_pages.parse_page(
            json.dumps({"files": [{"filename": n, "hashes": {"sha256": s}} for n, s in files.items()]})
        )
        == files
    )


SETTINGS = Target(
    name="settings",
    strategy=settings_inputs,
    check=check_settings,
    examples=(("[", {}),),  # an error at the end of the file had no line
)
BUMP_TARGET = Target(
    name="bump-target",
    strategy=bump_targets,
    check=check_target,
    examples=(
        "torch==2.7.\x001",  # its message had the control character as it was
        f"a=={'9' * 5_000}",  # Python converts no number of so many digits
    ),
)
INDEX_PAGE = Target(
    name="index-page",
    strategy=pages,
    check=check_page,
    examples=(
        "<![x",  # html.parser's AssertionError
        '{"a":' * 100_000,  # json's RecursionError
        '{"files": [{"filename": null, "hashes": {}}]}',  # packaging's AttributeError
        '{"files": [{"filename": "a-1-py3-none-any.whl", "hashes": {"sha256": 1}}]}',
    ),
)
