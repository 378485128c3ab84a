"""Stretches of partial results: takes those of a range of one part, gives them as one value.

A stretch is split by group. Of each group it holds the values of the ranged part, in order, and a
column for each state, so that a range within it is a slice of every column. Whole numbers, which
are always added up, lie as running totals of 64 bits: the sum of any of them is a difference. A
text that all share lies there once. Everything else is written as it is: sums that are wider, those
with NULL among them, extremes.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, TypeAlias

import msgspec

from headrace.store.ordered_keys import PartEncoder
from headrace.store.rollups import Merger, States

Parts: TypeAlias = "Mapping[bytes, Sequence[tuple[bytes, States]]]"
"""Key of a group -> the ranged part and the states of each of its partial results, in order."""
Place: TypeAlias = "tuple[Callable[[Any, Any], int], int | bytes]"
"""A bound: what counts the values of a ranged part that lie before it, given them and this."""

# As LMDB's own files, in the byte order of the machine: a copy is read where it was made.
_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
_MARK = b"\x01"  # before every value that is not NULL
_WIDEST = 2**63
_total = struct.Struct("q").unpack_from
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Stretches:
    """How the stretches of one keyed copy are written and read."""

    def __init__(self, ranged: PartEncoder, merger: Merger) -> None:
        """Of a copy with that ranged part, which is never NULL."""
        size = ranged.size
        self._code = None if size is None else _CODES.get(size)
        self._merger = merger
        self._end = 0 if size is None else 1 + size
        self._behind = 0 if size is None else 256**size

    def pack(self, parts: Parts) -> bytes:
        """The bytes of a stretch."""
        return _encode(
            [
                [
                    group,
                    self._ranged([ranged for ranged, _ in own]),
                    [_column(each) for each in zip(*(states for _, states in own), strict=True)],
                ]
                for group, own in parts.items()
            ]
        )

    def merged(
        self, data: bytes, low: Place | None, high: Place | None
    ) -> list[tuple[bytes, States]]:
        """The groups of a stretch that have partial results in a range, with their states.

        A range has no end where there is no bound.
        """
        code, summed = self._code, self._merger.summed
        found: list[tuple[bytes, States]] = []
        for group, ranged, columns in _decode(data):
            values = array(code, ranged) if code else ranged
            start = low[0](values, low[1]) if low else 0
            end = high[0](values, high[1]) if high else len(values)
            if start < end:
                states = _difference(columns, start, end)
                if states is None:
                    states = summed([_slice(column, start, end) for column in columns])
                found.append((group, states))
        return found

    def place(self, bound: bytes) -> Place:
        """Where a bound lies: a value's bytes, those `after` it, or a mark that all compare to."""
        if self._code is None:
            return bisect_left, bound
        if len(bound) == 1:
            return bisect_left, self._behind if bound > _MARK else -1
        number = int.from_bytes(bound[1 : self._end])
        return bisect_right if len(bound) > self._end else bisect_left, number

    def _ranged(self, keys: list[bytes]) -> bytes | list[bytes]:
        if self._code is None:
            return keys
        return array(self._code, [int.from_bytes(key[1:]) for key in keys]).tobytes()


def _column(states: Sequence[Any]) -> bytes | str | dict[str, Any] | Sequence[Any]:
    """One state of each partial result, packed."""
    if isinstance(states[0], str) and all(each == states[0] for each in states):
        return states[0]
    if not any(isinstance(each, int) for each in states):
        return states
    if None not in states:
        try:
            return array("q", accumulate(states, initial=0)).tobytes()
        except OverflowError:
            pass
    if any(each is not None and not -_WIDEST <= each < _WIDEST for each in states):
        return {"int": [None if each is None else str(each) for each in states]}
    return states


def _difference(columns: Sequence[Any], start: int, end: int) -> States | None:
    """The states of some of a group's partial results; None when totals and texts do not tell."""
    states: list[Any] = []
    for column in columns:
        if type(column) is bytes:
            states.append(_total(column, 8 * end)[0] - _total(column, 8 * start)[0])
        elif type(column) is str:
            states.append(column)
        else:
            return None
    return states


def _slice(column: Any, start: int, end: int) -> Sequence[Any]:  # noqa: ANN401 - as it is decoded
    """One state of some partial results; of totals, the one that all of them have together."""
    if type(column) is bytes:
        return (_total(column, 8 * end)[0] - _total(column, 8 * start)[0],)
    if type(column) is str:
        return [column] * (end - start)
    if type(column) is dict:
        texts = column["int"][start:end]
        return [None if each is None else int(each) for each in texts]
    part: Sequence[Any] = column[start:end]
    return part
