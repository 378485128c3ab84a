"""Known keys: takes a node and a table of keys, gives typed values and every mistake found."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar, cast

from headrace.base.errors import Place, Problem
from headrace.base.moments import GRAINS
from headrace.base.names import listed, near_miss
from headrace.pipeline.project.documents import Entries, Items, Node, Scalar, describe

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Problems: TypeAlias = list[Problem]
Reader: TypeAlias = Callable[[Node, Problems], T | None]
"""Turns a node into a value; gives None after it has added what is wrong to the problems."""


@dataclass(frozen=True, slots=True)
class Key(Generic[T_co]):
    """A key that a header may hold, and how its value is read."""

    name: str
    read: Reader[T_co]


@dataclass(frozen=True, slots=True)
class Fields:
    """The values of one mapping. What was wrong is left out: its default stands in for it."""

    place: Place
    values: Mapping[str, object]
    nodes: Mapping[str, Node]

    def get(self, key: Key[T], default: T) -> T:
        """The value of a key, or `default` when it is not given."""
        return cast("T", self.values.get(key.name, default))

    def optional(self, key: Key[T]) -> T | None:
        """The value of a key, or None when it is not given or was wrong."""
        return cast("T | None", self.values.get(key.name))

    def require(self, key: Key[T]) -> T:
        """The value of a key that is known to be there."""
        return cast("T", self.values[key.name])

    def __contains__(self, key: Key[T]) -> bool:
        return key.name in self.nodes

    def node(self, key: Key[T]) -> Node:
        """What was written for a key that is given."""
        return self.nodes[key.name]

    def place_of(self, key: Key[T]) -> Place:
        """Where a key's value stands, or the mapping when it is not given."""
        return self.nodes[key.name].place if key.name in self.nodes else self.place


def report(problems: Problems, node: Node, expected: str, fix: str = "") -> None:
    """Add "`skip` is 'many'; expected …" to the problems."""
    problems.append(Problem(node.place, f"{node.label} is {describe(node)}", expected, fix))


def read_fields(
    node: Node | None, keys: Iterable[Key[object]], place: Place, problems: Problems
) -> Fields:
    """Read a mapping by its table of known keys; None (an empty file) holds no keys."""
    known = {key.name: key for key in keys}
    values: dict[str, object] = {}
    nodes: dict[str, Node] = {}
    for key, value_node in unique_entries(node, problems):
        if key.text not in known:
            problems.append(_unknown(key, known))
            continue
        nodes[key.text] = value_node
        value = known[key.text].read(value_node, problems)
        if value is not None:
            values[key.text] = value
    return Fields(node.place if node is not None else place, values, nodes)


def _unknown(key: Scalar, known: Iterable[str]) -> Problem:
    names = list(known)
    found = f"`{key.text}` is not a key here"
    return Problem(key.place, found, f"one of {listed(names)}", near_miss(key.text, names))


def unique_entries(node: Node | None, problems: Problems) -> list[tuple[Scalar, Node]]:
    """The entries of a mapping without those whose key came before."""
    if node is None:
        return []
    if not isinstance(node, Entries):
        report(problems, node, "a mapping (`key: value`)")
        return []
    first: dict[str, tuple[Scalar, Node]] = {}
    for key, value in node.entries:
        if key.text in first:
            before = first[key.text][0].place.line
            found = f"`{key.text}` is given twice"
            fix = f"it is first given in line {before}"
            problems.append(Problem(key.place, found, "each key once", fix))
        else:
            first[key.text] = (key, value)
    return list(first.values())


def text(node: Node, problems: Problems) -> str | None:
    """A text that is not empty. A number or a date is taken as it is spelt."""
    if isinstance(node, Scalar) and node.value is not None and node.text.strip():
        return node.text
    report(problems, node, "a text")
    return None


def flag(node: Node, problems: Problems) -> bool | None:
    """`true` or `false`."""
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    report(problems, node, "`true` or `false`")
    return None


def whole_number(least: int, most: int = 2**53) -> Reader[int]:
    """A reader of whole numbers from `least` to `most`."""
    upper = f" and at most {most}" if most < 2**53 else ""

    def read(node: Node, problems: Problems) -> int | None:
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        report(problems, node, f"a whole number of at least {least}{upper}")
        return None

    return read


def number(node: Node, problems: Problems) -> float | None:
    """A finite number."""
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    report(problems, node, "a number")
    return None


def one_of(*choices: str) -> Reader[str]:
    """A reader of one word out of `choices`."""

    def read(node: Node, problems: Problems) -> str | None:
        if isinstance(node, Scalar) and node.text in choices and node.value is not None:
            return node.text
        fix = near_miss(node.text, choices) if isinstance(node, Scalar) else ""
        report(problems, node, f"one of {listed(choices)}", fix)
        return None

    return read


# How long what a query takes from the clock holds; for SQL and Python models, and for checks.
VOLATILE = Key("volatile", one_of(*GRAINS, "run"))
# How often a step is tried again; for every step in the settings, and for one model in its header.
RETRIES = Key("retries", whole_number(0, 100))


def texts(node: Node, problems: Problems) -> tuple[str, ...] | None:
    """A text, or a list of texts that is not empty."""
    if isinstance(node, Items):
        if not node.items:
            report(problems, node, "at least one text")
            return None
        found = [text(item, problems) for item in node.items]
        return tuple(item for item in found if item is not None)
    one = text(node, problems)
    return None if one is None else (one,)


def any_texts(node: Node, problems: Problems) -> tuple[str, ...] | None:
    """A text or a list of texts, where an empty text says something, too."""
    items = node.items if isinstance(node, Items) else (node,)
    found: list[str] = []
    for item in items:
        if isinstance(item, Scalar) and item.value is not None:
            found.append(item.text)
        else:
            report(problems, item, "a text", "put an empty text into quotes")
    return tuple(found)


def nested(node: Node, _problems: Problems) -> Node | None:
    """The node itself, for what is read with the help of other keys."""
    return node
