"""YAML and TOML as nodes: takes a file's text, gives its values, each with label and place."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

import yaml

from headrace.base.declarations import Value
from headrace.base.errors import Place, Problem


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. `label` is how a message calls it; `text` is how the user spelt it."""

    label: str
    place: Place
    value: Value
    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    label: str
    place: Place
    items: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping, in the file's order, with the keys that occur twice."""

    label: str
    place: Place
    entries: tuple[tuple[Scalar, Node], ...] = ()


Node: TypeAlias = Scalar | Items | Entries


class Misread(Exception):
    """A text is not what its ending says: raised with the one problem that it has."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


# The constructor of PyYAML resolves by YAML 1.1 (`no` is false, 12:30 is a number, dates are
# objects). Without its resolvers every plain scalar stays text, and `plain_value` decides.
class _Loader(yaml.CSafeLoader):
    yaml_implicit_resolvers = {}  # noqa: RUF012  (PyYAML's own attribute)


_KNOWN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map")}
_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}
# Numbers with a leading zero are codes (007), not numbers: they stay text.
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,99})")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")

# libyaml builds nodes by recursion in C: some 50,000 levels overflow the stack and end the
# process. A text shorter than this cannot nest that deep.
_SAFE_CHARACTERS = 5_000
_MAX_DEPTH = 100


def parse_yaml(text: str, file: str, first_line: int = 1) -> Node | None:
    """The one document of a YAML text; None when it is empty.

    Args:
        text: the YAML.
        file: what its places name.
        first_line: the line of the file on which `text` starts.

    Raises:
        Misread: not YAML, more than one document, nested too deeply, or with a tag.
    """
    try:
        _refuse_depth(text)
        root = yaml.compose(text, Loader=_Loader)
        return None if root is None else _YamlNodes(file, first_line - 1).read(root, "the file")
    except yaml.YAMLError as exc:
        raise Misread(_yaml_problem(exc, text, file, first_line - 1)) from exc
    except RecursionError as exc:
        raise Misread(_too_deep(file)) from exc


def _refuse_depth(text: str) -> None:
    if len(text) < _SAFE_CHARACTERS:
        return
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise RecursionError


def _too_deep(file: str) -> Problem:
    return Problem(Place(file), "this is nested too deeply", f"at most {_MAX_DEPTH} levels")


def _yaml_problem(exc: yaml.YAMLError, text: str, file: str, lines_before: int) -> Problem:
    if not isinstance(exc, yaml.MarkedYAMLError) or exc.problem_mark is None:
        position = getattr(exc, "position", 0)
        reason = getattr(exc, "reason", str(exc))
        line = text.count("\n", 0, position) + 1 + lines_before
        return Problem(Place(file, line), f"this is not YAML: {reason}")
    mark = exc.problem_mark
    place = Place(file, mark.line + 1 + lines_before, mark.column + 1)
    lines = text.split("\n")
    has_tab = mark.line < len(lines) and "\t" in lines[mark.line][: mark.column + 1]
    hint = "indent with spaces, not with tabs" if has_tab else ""
    return Problem(place, f"this is not YAML: {exc.problem}", fix=hint)


class _YamlNodes:
    """Turns PyYAML's nodes into ours; an alias is read once, however often it is used."""

    def __init__(self, file: str, lines_before: int) -> None:
        self._file = file
        self._lines_before = lines_before
        self._done: dict[tuple[int, str], Node] = {}
        self._open: set[int] = set()

    def read(self, node: yaml.Node, label: str) -> Node:
        mark = node.start_mark
        place = Place(self._file, mark.line + 1 + self._lines_before, mark.column + 1)
        if node.tag not in _KNOWN_TAGS:
            found = f"the tag `{node.tag}` is not known here"
            raise Misread(Problem(place, found, "a value without a tag"))
        if isinstance(node, yaml.ScalarNode):
            value = node.value if node.style else plain_value(node.value)
            return Scalar(label, place, value, node.value)
        return self._collection(node, label, place)

    def _collection(self, node: yaml.Node, label: str, place: Place) -> Node:
        known = self._done.get((id(node), label))
        if known is not None:
            return known
        if id(node) in self._open:
            raise Misread(Problem(place, "this alias holds itself"))
        self._open.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            made: Node = Items(label, place, tuple(self._items(node, label)))
        else:
            made = Entries(label, place, tuple(self._entries(node)))
        self._open.discard(id(node))
        self._done[id(node), label] = made
        return made

    def _items(self, node: yaml.Node, label: str) -> Iterator[Node]:
        inner = item_label(label)
        return (self.read(item, inner) for item in node.value)

    def _entries(self, node: yaml.Node) -> Iterator[tuple[Scalar, Node]]:
        for key_node, value_node in node.value:
            key = self.read(key_node, "this key")
            if not isinstance(key, Scalar):
                raise Misread(Problem(key.place, f"this key is {describe(key)}", "a name"))
            yield key, self.read(value_node, f"`{key.text}`")


def item_label(label: str) -> str:
    """How a message calls an item of a list."""
    return label if label.startswith("an entry of ") else f"an entry of {label}"


def plain_value(text: str) -> Value:
    """A plain scalar by the rules of YAML 1.2: dates, `yes` and `no` are text.

    >>> plain_value("12"), plain_value("no"), plain_value("007"), plain_value("true")
    (12, 'no', '007', True)
    """
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and not _LEADING_ZERO.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


_MAX_SHOWN = 60


def describe(node: Node) -> str:
    """A node in a message: "'many'", "5", "empty", "a list", "a mapping"."""
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Entries):
        return "a mapping"
    if node.value is None:
        return "empty" if node.text in _NULLS else node.text
    shown = repr(node.value) if isinstance(node.value, str) else node.text
    return shown if len(shown) <= _MAX_SHOWN else shown[: _MAX_SHOWN - 1] + "…"


_TOML_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_TOML_HEADER = re.compile(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?")
_TOML_KEY = re.compile(r"(\s*)([A-Za-z0-9_.\-\"' ]+?)\s*=\s*")


def parse_toml(text: str, file: str) -> Entries:
    """A TOML text as one mapping.

    Raises:
        Misread: not TOML.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:
        raise Misread(_toml_problem(exc, text, file)) from exc
    return cast("Entries", _TomlNodes(text, file).read((), document))


def _toml_problem(exc: Exception, text: str, file: str) -> Problem:
    message = str(exc)
    match = _TOML_POSITION.search(message)
    if match is None:
        return Problem(Place(file), f"this is not TOML: {message}")
    line = int(match[1] or text.count("\n") + 1)
    place = Place(file, line, int(match[2] or 0))
    return Problem(place, f"this is not TOML: {message[: match.start()]}")


class _TomlNodes:
    """Gives tomllib's values their places, which it does not report, from the text's lines."""

    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._places = dict(_toml_places(text, file))

    def read(self, path: tuple[str, ...], value: object) -> Node:
        place = self._place(path)
        label = f"`{path[-1]}`" if path else "the file"
        if isinstance(value, Mapping):
            entries = tuple(self._entry(path, str(key), inner) for key, inner in value.items())
            return Entries(label, place, entries)
        if isinstance(value, list):
            return Items(label, place, tuple(self.read(path, item) for item in value))
        if isinstance(value, str | int | float | bool):
            return Scalar(label, place, value, _toml_text(value))
        # Dates and times have no place in the settings: no reader takes them.
        return Scalar(label, place, None, str(value))

    def _entry(self, path: tuple[str, ...], key: str, value: object) -> tuple[Scalar, Node]:
        inner = (*path, key)
        return Scalar("this key", self._place(inner), key, key), self.read(inner, value)

    def _place(self, path: tuple[str, ...]) -> Place:
        while path and path not in self._places:
            path = path[:-1]
        return self._places.get(path, Place(self._file))


def _toml_text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _toml_places(text: str, file: str) -> Iterator[tuple[tuple[str, ...], Place]]:
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _TOML_HEADER.fullmatch(line):
            table = _toml_path(header[1])
            yield table, Place(file, number, line.index("[") + 1)
        elif key := _TOML_KEY.match(line):
            yield (*table, *_toml_path(key[2])), Place(file, number, len(key[1]) + 1)


def _toml_path(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
