"""Partial results of groups: takes those of parts of a range, gives the finished row as JSON.

All arithmetic is exact: sums are whole numbers of the type's least unit. A finished row has the
bytes that DuckDB's own encoder gives it.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from headrace.base.tables import Schema
from headrace.store.snapshots import KeyPart, Rollup, RollupField

# One state a field: a group's JSON text; a sum or None; a count; (bytes in order, JSON text) of an
# extreme or None; sum and count of an average.
State: TypeAlias = Any

_DECIMAL = re.compile(r"DECIMAL\(([0-9]+),([0-9]+)\)")
# Above it a double does not hold every whole number, and an average depends on how it is rounded.
EXACT_SUM = 2**53
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_HEAD = struct.Struct(">HH")


@dataclass(frozen=True, slots=True)
class Merger:
    """How the partial results of one endpoint's groups are merged and finished.

    Attributes:
        merges: for each field, what makes one state of two.
        finishes: for each field, what makes its JSON text of its state.
        starts: for each field, what stands before its text.
    """

    merges: tuple[Callable[[State, State], State], ...]
    finishes: tuple[Callable[[State], str], ...]
    starts: tuple[str, ...]

    @classmethod
    def of(cls, rollup: Rollup, columns: Schema) -> Merger:
        """The merger of the fields of an answer, `columns`."""
        names = [json.dumps(column.name, ensure_ascii=False) for column in columns]
        starts = [f"{',' if number else '{'}{name}:" for number, name in enumerate(names)]
        return cls(
            merges=tuple(_MERGES[field.function] for field in rollup.fields),
            finishes=tuple(map(_finish, rollup.fields)),
            starts=tuple(starts),
        )

    def merged(self, one: Sequence[State], other: Sequence[State]) -> list[State]:
        """The states of a group of which two parts are known."""
        return [merge(a, b) for merge, a, b in zip(self.merges, one, other, strict=True)]

    def row(self, states: Sequence[State]) -> bytes:
        """The JSON object of a group."""
        pairs = zip(self.starts, self.finishes, states, strict=True)
        return "".join([start + finish(state) for start, finish, state in pairs]).encode() + b"}"


def pack(group_size: int, states: Sequence[State]) -> bytes:
    """Bytes of the states of a group whose key takes so many bytes."""
    return _encode([group_size, *map(_packed, states)])


def unpack(data: bytes) -> tuple[int, list[State]]:
    """The inverse of `pack`."""
    group_size, *states = _decode(data)
    return group_size, [_unpacked(state) for state in states]


def block_part(rollup: Rollup, ranged: KeyPart) -> KeyPart:
    """The ranged part as finished groups are found by it: in the order of the first group."""
    groups = rollup.groups
    return replace(ranged, descending=groups[0].descending if groups else ranged.descending)


def pack_group(low: bytes, high: bytes, row: bytes) -> bytes:
    """Bytes of a finished group.

    Args:
        low, high: the ends of the ranged part in the block of groups that begin alike.
        row: the JSON object.
    """
    return _HEAD.pack(len(low), len(high)) + low + high + row


def read_group(data: bytes) -> tuple[bytes, bytes, bytes]:
    """The inverse of `pack_group`."""
    low, high = _HEAD.unpack_from(data)
    return data[4 : 4 + low], data[4 + low : 4 + low + high], data[4 + low + high :]


def _packed(state: State) -> State:
    if isinstance(state, int):
        return state if -(2**63) <= state < 2**63 else {"int": str(state)}
    return [*map(_packed, state)] if isinstance(state, tuple) else state


def _unpacked(state: State) -> State:
    if isinstance(state, dict):
        return int(state["int"])
    return tuple(map(_unpacked, state)) if isinstance(state, list) else state


def _same(one: State, other: State) -> State:  # noqa: ARG001 - every merge takes two
    return one


def _sum(one: State, other: State) -> State:
    if one is None or other is None:
        return one if other is None else other
    return one + other


def _least(one: State, other: State) -> State:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)


def _greatest(one: State, other: State) -> State:
    if one is None or other is None:
        return one if other is None else other
    return max(one, other)


def _average(one: State, other: State) -> State:
    return _sum(one[0], other[0]), one[1] + other[1]


_MERGES: dict[str, Callable[[State, State], State]] = {
    "group": _same,
    "sum": _sum,
    "count": _sum,
    "min": _least,
    "max": _greatest,
    "avg": _average,
}


def _finish(field: RollupField) -> Callable[[State], str]:
    if field.function == "sum":
        match = _DECIMAL.fullmatch(field.type)
        return _decimal_text(int(match[2])) if match else _whole_text
    return _FINISHES[field.function]


def _text(state: State) -> str:
    return str(state)


def _whole_text(state: State) -> str:
    return "null" if state is None else str(state)


def _extreme_text(state: State) -> str:
    return "null" if state is None else str(state[1])


def _average_text(state: State) -> str:
    total, count = state
    return double_text(total / count) if count else "null"


def _decimal_text(scale: int) -> Callable[[State], str]:
    def text(state: State) -> str:
        if state is None or not scale:
            return _whole_text(state)
        digits = str(abs(state)).rjust(scale + 1, "0")
        return f"{'-' if state < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"

    return text


_FINISHES: dict[str, Callable[[State], str]] = {
    "group": _text,
    "count": _text,
    "min": _extreme_text,
    "max": _extreme_text,
    "avg": _average_text,
}


def double_text(value: float) -> str:
    """A finite double as DuckDB writes it in JSON: the shortest digits that are read as the same.

    >>> [double_text(value) for value in (1.0, -0.25, 1e21, 1e-7, 0.00001)]
    ['1.0', '-0.25', '1e21', '1e-7', '0.00001']
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
