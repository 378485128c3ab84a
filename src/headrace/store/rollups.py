"""Partial results of groups: takes those of parts of a range, gives the finished row as JSON.

All arithmetic is exact: sums are whole numbers of the type's least unit. A finished row has the
bytes that DuckDB's own encoder gives it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from headrace.base.tables import Schema
from headrace.store.snapshots import KeyPart, Rollup, RollupField

# What is known of each field, one after the other: a group's JSON text; a sum, None without values;
# a count; of an extreme its bytes in order, None without values, and its JSON text; of an average a
# sum and a count.
States: TypeAlias = Sequence[Any]
Columns: TypeAlias = Sequence[Sequence[Any]]

_DECIMAL = re.compile(r"DECIMAL\(([0-9]+),([0-9]+)\)")
# Above it a double does not hold every whole number, and an average depends on how it is rounded.
EXACT_SUM = 2**53
_WIDTHS = {"group": 1, "sum": 1, "count": 1, "min": 2, "max": 2, "avg": 2}
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


@dataclass(frozen=True, slots=True)
class Merger:
    """How the partial results of one endpoint's groups are merged and finished.

    Attributes:
        merges: for each field, what makes its states of those of several parts, and where they are.
        finishes: for each field, what stands before its text, what makes that of its states, and
            where they are.
    """

    merges: tuple[tuple[Callable[[Columns, int], States], int], ...]
    finishes: tuple[tuple[str, Callable[[States, int], str], int], ...]

    @classmethod
    def of(cls, rollup: Rollup, columns: Schema) -> Merger:
        """The merger of the fields of an answer, `columns`."""
        names = [json.dumps(column.name, ensure_ascii=False) for column in columns]
        places = [
            sum(_WIDTHS[each.function] for each in rollup.fields[:number])
            for number in range(len(rollup.fields))
        ]
        fields = list(zip(rollup.fields, places, strict=True))
        return cls(
            merges=tuple((_MERGES[field.function], place) for field, place in fields),
            finishes=tuple(
                (f"{',' if number else '{'}{name}:", _finish(field), place)
                for number, (name, (field, place)) in enumerate(zip(names, fields, strict=True))
            ),
        )

    def merged(self, parts: Sequence[States]) -> States:
        """The states of a group, from those of its parts, at least one."""
        return parts[0] if len(parts) == 1 else self.summed(list(zip(*parts, strict=True)))

    def summed(self, columns: Columns) -> States:
        """The states of a group, from each state of its parts, at least one."""
        states: list[Any] = []
        for merge, place in self.merges:
            states += merge(columns, place)
        return states

    def row(self, parts: Sequence[States]) -> bytes:
        """The JSON object of a group, from the states of its parts, at least one."""
        return self.finished(self.merged(parts))

    def finished(self, states: States) -> bytes:
        """The JSON object of a group, from its states."""
        text = ""
        for start, finish, place in self.finishes:
            text += start + finish(states, place)
        return text.encode() + b"}"


def pack(group_size: int, states: States) -> bytes:
    """Bytes of the states of a group whose key takes so many bytes."""
    try:
        return _encode([group_size, *states])
    except OverflowError:  # more than 64 bits
        return _encode([-1 - group_size, *map(_wrapped, states)])


def unpack(data: bytes) -> tuple[int, States]:
    """The inverse of `pack`."""
    group_size, *states = _decode(data)
    if group_size < 0:
        return -1 - group_size, list(map(_unwrapped, states))
    return group_size, states


def _wrapped(state: object) -> object:
    return {"int": str(state)} if isinstance(state, int) else state


def _unwrapped(state: object) -> object:
    return int(state["int"]) if isinstance(state, dict) else state


def block_part(rollup: Rollup, ranged: KeyPart) -> KeyPart:
    """The ranged part as finished groups are found by it: in the order of the first group."""
    groups = rollup.groups
    return replace(ranged, descending=groups[0].descending if groups else ranged.descending)


def _same(columns: Columns, place: int) -> States:
    return (columns[place][0],)


def _sum(columns: Columns, place: int) -> States:
    column = columns[place]
    if len(column) == 1:
        return column
    known = [each for each in column if each is not None]
    return (sum(known) if known else None,)


def _extreme(best: Callable[[Sequence[bytes]], bytes]) -> Callable[[Columns, int], States]:
    def merge(columns: Columns, place: int) -> States:
        keys, texts = columns[place], columns[place + 1]
        known = [each for each in keys if each is not None]
        if not known:
            return None, texts[0]
        found = best(known)
        return found, texts[keys.index(found)]

    return merge


def _average(columns: Columns, place: int) -> States:
    return *_sum(columns, place), sum(columns[place + 1])


_MERGES: dict[str, Callable[[Columns, int], States]] = {
    "group": _same,
    "sum": _sum,
    "count": _sum,
    "min": _extreme(min),
    "max": _extreme(max),
    "avg": _average,
}


def _finish(field: RollupField) -> Callable[[States, int], str]:
    match = _DECIMAL.fullmatch(field.type)
    if field.function == "sum" and match and int(match[2]):
        return _decimal_text(int(match[2]))
    return _FINISHES[field.function]


def _group_text(states: States, place: int) -> str:
    text: str = states[place]
    return text


def _text(states: States, place: int) -> str:
    return str(states[place])


def _whole_text(states: States, place: int) -> str:
    state = states[place]
    return "null" if state is None else str(state)


def _extreme_text(states: States, place: int) -> str:
    return str(states[place + 1])


def _average_text(states: States, place: int) -> str:
    count = states[place + 1]
    return double_text(states[place] / count) if count else "null"


def _decimal_text(scale: int) -> Callable[[States, int], str]:
    least = 10**scale  # from which on no zero is to be added

    def text(states: States, place: int) -> str:
        state = states[place]
        if state is None:
            return "null"
        if state >= least:
            digits = str(state)
            return f"{digits[:-scale]}.{digits[-scale:]}"
        digits = str(abs(state)).rjust(scale + 1, "0")
        return f"{'-' if state < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"

    return text


_FINISHES: dict[str, Callable[[States, int], str]] = {
    "group": _group_text,
    "sum": _whole_text,
    "count": _text,
    "min": _extreme_text,
    "max": _extreme_text,
    "avg": _average_text,
}


def double_text(value: float) -> str:
    """A finite double as DuckDB writes it in JSON: the shortest digits that are read as the same.

    >>> [double_text(value) for value in (1.0, -0.25, 1e22, 1e-7, 0.00001)]
    ['1.0', '-0.25', '1e22', '1e-7', '0.00001']
    """
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int), "a finite number has an exponent"
    minus = "-" if sign else ""
    text = "".join(map(str, digits))
    exponent += len(text) - len(text.rstrip("0"))
    text = text.rstrip("0")
    if not text:
        return f"{minus}0.0"
    point = len(text) + exponent
    if not -6 < point <= 21:
        rest = f".{text[1:]}" if len(text) > 1 else ""
        return f"{minus}{text[0]}{rest}e{point - 1}"
    if point <= 0:
        return f"{minus}0.{'0' * -point}{text}"
    whole = text[:point].ljust(point, "0")
    return f"{minus}{whole}.{text[point:] or '0'}"
