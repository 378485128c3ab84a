"""Compares answers: takes what a test expects of an endpoint, gives each place that differs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from headrace.pipeline.project.documents import Entries, Items, Node, Scalar
from headrace.testing.declarations import Request

_JSON = ("application/json", "application/problem+json")
_UNAUTHORIZED = 401
_NDJSON = "application/x-ndjson"
_SHOWN_CHARACTERS = 500
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer as it came: status, media type and body; `log` is what serving logged."""

    status: int
    media_type: str
    body: bytes
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerDifference:
    """What of an answer is not as expected; `lines` is empty when everything is."""

    target: str
    lines: tuple[str, ...]


def compare_answer(request: Request, answer: Answered) -> AnswerDifference:
    """Hold an answer against what is expected of it.

    Of an object, only the fields that are named are compared; a list has as many items as are
    expected, in their order. Numbers are equal by value, and floats but for their last digits.
    """
    lines: list[str] = []
    if answer.status != request.status:
        lines.append(f"status: expected {request.status}, found {answer.status}")
        if answer.body:
            lines.append(f"the answer: {_shown(answer.body.decode('utf-8', 'replace'))}")
        if answer.status == _UNAUTHORIZED and request.principal.is_anonymous:
            lines.append("nobody asks: `as:` says who does, as in `as: {roles: [analyst]}`")
    elif request.body is not None:
        lines += _body_lines(request.body, answer)
    if lines:
        lines += [f"the log: {_shown(each)}" for each in answer.log]
    return AnswerDifference(request.target, tuple(lines))


def _body_lines(expected: Node, answer: Answered) -> list[str]:
    text = answer.body.decode("utf-8", "replace")
    if answer.media_type == _NDJSON and isinstance(expected, Items):
        found: object = [_parsed(line) for line in text.splitlines()]
    elif answer.media_type in _JSON:
        found = _parsed(text)
    else:
        found = text.replace("\r\n", "\n")
    return list(_lines("body", expected, found))


def _parsed(text: str) -> object:
    # By Decimal: 0.10 is 0.1, and nothing is lost on the way to the comparison.
    found: object = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    return found


def _lines(where: str, expected: Node, found: object) -> Iterator[str]:
    if isinstance(expected, Entries) and isinstance(found, Mapping):
        for key, value in expected.entries:
            if key.text in found:
                yield from _lines(f"{where}.{key.text}", value, found[key.text])
            else:
                yield f"{where}.{key.text}: expected {_spelt(value)}, found no such field"
    elif isinstance(expected, Items) and isinstance(found, list):
        yield from _item_lines(where, expected.items, found)
    elif not (isinstance(expected, Scalar) and _is_equal(expected, found)):
        yield f"{where}: expected {_spelt(expected)}, found {_dumped(found)}"


def _item_lines(where: str, expected: Sequence[Node], found: Sequence[object]) -> Iterator[str]:
    if len(expected) != len(found):
        noun = "item" if len(expected) == 1 else "items"
        yield f"{where}: expected {len(expected)} {noun}, found {len(found)}"
    for position, (node, value) in enumerate(zip(expected, found, strict=False)):
        yield from _lines(f"{where}[{position}]", node, value)
    for position, node in enumerate(expected[len(found) :], start=len(found)):
        yield f"{where}[{position}]: expected {_spelt(node)}, found nothing"
    for position, value in enumerate(found[len(expected) :], start=len(expected)):
        yield f"{where}[{position}]: expected nothing, found {_dumped(value)}"


def _is_equal(expected: Scalar, found: object) -> bool:
    value = expected.value
    if isinstance(value, bool) or isinstance(found, bool):
        return value is found
    if isinstance(value, int | float) and isinstance(found, Decimal):
        number = Decimal(expected.text)
        return number == found or math.isclose(number, found, rel_tol=_TOLERANCE)
    return value == found


def _spelt(node: Node) -> str:
    return _shown(_json(node))


def _json(node: Node) -> str:
    if isinstance(node, Items):
        return f"[{', '.join(map(_json, node.items))}]"
    if isinstance(node, Entries):
        fields = (f"{json.dumps(key.text)}: {_json(value)}" for key, value in node.entries)
        return f"{{{', '.join(fields)}}}"
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.text
    return json.dumps(node.value, ensure_ascii=False)


def _dumped(found: object) -> str:
    return _shown(_found_json(found))


def _found_json(found: object) -> str:
    if isinstance(found, list):
        return f"[{', '.join(map(_found_json, found))}]"
    if isinstance(found, dict):
        fields = (f"{json.dumps(name)}: {_found_json(value)}" for name, value in found.items())
        return f"{{{', '.join(fields)}}}"
    return str(found) if isinstance(found, Decimal) else json.dumps(found, ensure_ascii=False)


def _shown(text: str) -> str:
    """A text on a line, not too long."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 1] + "…"
