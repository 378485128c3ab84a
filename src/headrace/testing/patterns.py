"""Texts that a regular expression matches: takes the pattern, gives one after another."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from typing import Any, TypeAlias

# The parser of Python's own `re`: a pattern of a contract must mean the same to it and to RE2.
_PARSER: Any = importlib.import_module("re._parser")

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_CATEGORIES = {
    "CATEGORY_DIGIT": _DIGITS,
    "CATEGORY_WORD": _LETTERS + _DIGITS + "_",
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_DIGIT": _LETTERS,
    "CATEGORY_NOT_WORD": "-. ",
    "CATEGORY_NOT_SPACE": _LETTERS + _DIGITS,
}
# What stands for a negated set: the first of these that is not in it.
_ANY = _LETTERS + _DIGITS + "-_.,;:!?@#/+*= " + _LETTERS.upper()
# A text for each of a repeat's first lengths is more than enough.
_LENGTHS = 4
_TRIED = 10_000

_Parsed: TypeAlias = Any
"""What the parser makes of a part of a pattern: it has no types."""

_Choice: TypeAlias = "tuple[int, Callable[[int], str]]"
"""How many texts there are, and the text of a number below that."""


def matching(pattern: str) -> Iterator[str]:
    """Texts that match the whole of a pattern, each once; none when no such text is found."""
    size, text = _sequence(_PARSER.parse(pattern))
    compiled = re.compile(pattern)
    tried = (text(number) for number in islice(count(), min(size, _TRIED)))
    seen: set[str] = set()
    for each in tried:
        if each not in seen and compiled.fullmatch(each):
            seen.add(each)
            yield each


def _sequence(items: Sequence[_Parsed]) -> _Choice:
    """One part after another: the last one varies first."""
    parts = [_part(str(kind), value) for kind, value in items]
    size = 1
    for each, _ in parts:
        size *= each

    def text(number: int) -> str:
        texts = []
        for each, make in reversed(parts):
            number, index = divmod(number, each)
            texts.append(make(index))
        return "".join(reversed(texts))

    return size, text


def _part(kind: str, value: _Parsed) -> _Choice:
    if kind == "LITERAL":
        return 1, lambda _: chr(value)
    if kind in {"NOT_LITERAL", "IN", "ANY"}:
        return _characters(kind, value)
    if kind in {"MAX_REPEAT", "MIN_REPEAT"}:
        return _repeat(*value)
    if kind == "SUBPATTERN":
        return _sequence(value[-1])
    if kind == "BRANCH":
        return _either([_sequence(branch) for branch in value[1]])
    # AT (^, $, \b) takes no character; whether it holds is seen when the text is matched.
    return 1, lambda _: ""


def _characters(kind: str, value: _Parsed) -> _Choice:
    if kind == "ANY":
        characters = _LETTERS
    elif kind == "NOT_LITERAL":
        characters = _ANY.replace(chr(value), "")
    else:
        characters = _set(value)
    return len(characters), characters.__getitem__


def _set(items: Sequence[_Parsed]) -> str:
    """The characters that a set may be written as."""
    found = "".join(_members(str(kind), value) for kind, value in items)
    if str(items[0][0]) == "NEGATE":
        found = "".join(each for each in _ANY if each not in found)
    return "".join(dict.fromkeys(found))


def _members(kind: str, value: _Parsed) -> str:
    if kind == "LITERAL":
        return chr(value)
    if kind == "RANGE":
        low, high = value
        return "".join(map(chr, range(low, min(high, low + 64) + 1)))
    return _CATEGORIES.get(str(value), "") if kind == "CATEGORY" else ""


def _repeat(least: int, most: _Parsed, items: Sequence[_Parsed]) -> _Choice:
    """The shortest first."""
    lengths = range(least, min(int(most), least + _LENGTHS) + 1)
    return _either([_sequence(list(items) * length) for length in lengths])


def _either(choices: list[_Choice]) -> _Choice:
    def text(number: int) -> str:
        for size, make in choices:
            if number < size:
                return make(number)
            number -= size
        raise IndexError(number)

    return sum(size for size, _ in choices), text
