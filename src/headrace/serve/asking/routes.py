"""Routes of compiled endpoints: takes path templates, gives the one that a path matches.

A tree with one step per segment: a match costs the same among ten routes and among a thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from headrace.serve.asking.parameters import decoded
from headrace.serve.formats.forms import Form, Formats

Target = TypeVar("Target")


class Match(NamedTuple, Generic[Target]):
    """What a path leads to, and the text of each path parameter."""

    target: Target
    parameters: dict[str, str]


@dataclass(slots=True)
class _Node(Generic[Target]):
    literal: dict[str, _Node[Target]] = field(default_factory=dict)
    any: _Node[Target] | None = None
    target: Target | None = None
    names: tuple[str, ...] = ()


class Routes(Generic[Target]):
    """Path templates ("/stores/{store_id}/revenue"), each with its target."""

    def __init__(self, routes: Iterable[tuple[str, Target]]) -> None:
        self._root: _Node[Target] = _Node()
        for path, target in routes:
            self._add(path, target)

    def match(self, segments: Sequence[str]) -> Match[Target] | None:
        """What a path leads to, segment by segment; a literal wins over a parameter."""
        node = self._root
        values: tuple[str, ...] = ()
        for at, segment in enumerate(segments):
            literal, parameter = node.literal.get(segment), node.any
            if literal is not None and parameter is not None:
                # Two ways: the literal one is tried to its end first.
                return _match(node, segments, at, values)
            if literal is not None:
                node = literal
            # An empty segment is no value: `/stores//revenue` names no store.
            elif parameter is not None and segment:
                node, values = parameter, (*values, segment)
            else:
                return None
        return _matched(node, values)

    def _add(self, path: str, target: Target) -> None:
        node, names = self._root, []
        for segment in path.strip("/").split("/"):
            if segment.startswith("{") and segment.endswith("}"):
                names.append(segment[1:-1])
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.literal.setdefault(segment, _Node())
        if node.target is not None:
            raise ValueError(f"two endpoints have the path {path}")
        node.target, node.names = target, tuple(names)


def _match(
    node: _Node[Target], segments: Sequence[str], at: int, values: tuple[str, ...]
) -> Match[Target] | None:
    if at == len(segments):
        return _matched(node, values)
    segment = segments[at]
    if (literal := node.literal.get(segment)) and (
        found := _match(literal, segments, at + 1, values)
    ):
        return found
    if node.any and segment:
        return _match(node.any, segments, at + 1, (*values, segment))
    return None


def _matched(node: _Node[Target], values: tuple[str, ...]) -> Match[Target] | None:
    if node.target is None:
        return None
    return Match(node.target, dict(zip(node.names, values, strict=True)))


def find_route(
    routes: Routes[Target], formats: Formats, segments: Sequence[str]
) -> tuple[Match[Target] | None, Form | None]:
    """What a path leads to, and the format that its ending asks for."""
    if "." not in segments[-1]:
        return routes.match(segments), None
    stem, form = formats.by_ending(segments[-1])
    if form and (found := routes.match([*segments[:-1], stem])):
        return found, form
    return routes.match(segments), None


def path_segments(raw_path: bytes) -> list[str]:
    """A path's segments, decoded one by one: `%2F` is part of a value, not a separator."""
    if b"%" not in raw_path and raw_path.isascii():
        return raw_path.decode().removeprefix("/").split("/")
    parts = raw_path.removeprefix(b"/").split(b"/")
    return [decoded(part, plus_is_space=False) for part in parts]
