"""The builds of a compose file: `build` of each service, with its context, Dockerfile, arguments and target."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from torchpin.description.yaml_reader import Reader
from torchpin.project.expansion import expand
from torchpin.project.image_build import BuildFile, ImageBuild, build_inputs, project_paths
from torchpin.project.inline_dockerfile import inline_dockerfile
from torchpin.project.secret_values import hide_secret, is_secret
from torchpin.redaction import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torchpin.project.inline_dockerfile import InlineDockerfile

FILE_NAME = r"(?:docker-)?compose(?:[.-][\w.-]+)?\.ya?ml"
_MOST_BUILDS = 500
_MOST_VALUES = 20_000  # aliases of YAML let a small file have billions
_DEEPEST_MERGE = 20


def is_compose_file(name: str) -> bool:
    """Whether a file's name is one that docker compose reads, as compose.yaml or docker-compose.gpu.yml."""
    return re.fullmatch(FILE_NAME, name) is not None


def read_compose_file(
    file: str, text: str, variables: Mapping[str, str] | None = None, current: str = ""
) -> BuildFile:
    """A compose file's builds, with paths by `current` as in `project_paths`. `variables`: of its .env file; an argument with one that is not known is left out."""
    return _ComposeReader(file, variables or {}, current).read(text)


class _ComposeReader:
    def __init__(self, file: str, variables: Mapping[str, str], current: str) -> None:
        self._current = current
        self._reader, self._file, self._variables = Reader(file), file, variables
        self._left = _MOST_VALUES
        self._text_read = ""

    def read(self, text: str) -> BuildFile:
        self._text_read = text
        root = self._reader.compose(text)
        services = dict(self._pairs(root, "")).get("services") if root else None
        builds: list[ImageBuild] = []
        for name, service in self._pairs(services, "services") if services else ():
            values = dict(self._pairs(service, f"services.{name}"))
            if "build" in values and len(builds) < _MOST_BUILDS:
                build = self._build(name, values)
                builds += [build] if build else []
        return BuildFile(builds=tuple(builds), problems=tuple(self._reader.problems))

    def _build(self, name: str, service: Mapping[str, yaml.Node]) -> ImageBuild | None:
        node, path = service["build"], f"services.{name}.build"
        values = {"context": node} if isinstance(node, yaml.ScalarNode) else dict(self._pairs(node, path))
        context = self._text(values.get("context"))
        paths = project_paths(self._file, context, self._text(values.get("dockerfile")), self._current)
        if paths is None or "$" in "".join(paths):
            self._reader.add_problem(
                node, path, f"its context or Dockerfile is not a path in the project: {hide_secret(context)}"
            )
            return None
        inline = values.get("dockerfile_inline")
        platforms = (
            self._text(service.get("platform")),
            *self._texts(values.get("platforms"), f"{path}.platforms"),
        )
        return ImageBuild(
            name=name,
            context=paths[0],
            dockerfile=paths[1],
            position=self._reader.position(node),
            inputs=build_inputs(
                self._args(values.get("args"), f"{path}.args"),
                self._text(values.get("target")),
                tuple(platform for platform in platforms if platform and "$" not in platform),
            ),
            inline=inline.value if isinstance(inline, yaml.ScalarNode) else "",
            placed=self._placed(inline),
        )

    def _args(self, node: yaml.Node | None, path: str) -> dict[str, str]:
        """The arguments, of a mapping or of a list; one without a value is that of the machine that builds."""
        if isinstance(node, yaml.SequenceNode):
            rows = (text.partition("=") for text in self._texts(node, path))
            pairs = [(name, value) for name, separator, value in rows if separator]
        else:
            scalars = self._pairs(node, path) if node else ()
            pairs = [(name, self._text(value)) for name, value in scalars if _has_text(value)]
        resolved = {
            name: value.replace("$$", "$") for name, value in pairs if "$" not in value.replace("$$", "")
        }
        return {name: HIDDEN if is_secret(name, value) else value for name, value in resolved.items()}

    def _pairs(self, node: yaml.Node | None, path: str, depth: int = 0) -> Iterator[tuple[str, yaml.Node]]:
        """The entries of a mapping, those of the mappings that `<<` merges first, so that its own win."""
        if not isinstance(node, yaml.MappingNode):
            if node is not None:
                self._reader.add_problem(node, path, "expected a mapping")
            return
        for key, value in node.value:
            if key.value == "<<" and depth < _DEEPEST_MERGE:
                merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for inner in merged if self._left > 0 else ():
                    self._left -= 1
                    yield from self._pairs(inner, path, depth + 1)
        for key, value in node.value:
            self._left -= 1
            if self._left < 0:
                return
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                yield key.value, value

    def _texts(self, node: yaml.Node | None, path: str) -> list[str]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self._reader.add_problem(node, path, "expected a list")
            return []
        self._left -= len(node.value)
        return [self._text(item) for item in node.value[: max(self._left, 0)]]

    def _text(self, node: yaml.Node | None) -> str:
        """A scalar with the variables filled in; a dollar sign stays `$$`."""
        if not isinstance(node, yaml.ScalarNode):
            return ""
        parts = str(node.value).split("$$")
        return "$$".join(expand(part, self._variables, quotes=False) for part in parts)

    def _placed(self, node: yaml.Node | None) -> InlineDockerfile | None:
        """An inline Dockerfile with its lines, which a literal block has as they are, and no scalar of another style."""
        if not isinstance(node, yaml.ScalarNode) or node.style != "|":
            return None
        return inline_dockerfile(node.value, self._text_read, node.start_mark.line + 1)


def _has_text(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag != "tag:yaml.org,2002:null"
