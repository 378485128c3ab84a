"""Ranges of keys: takes the parameters of a request, gives the bounds of the keys that fit."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import TypeAlias

from headrace.store.ordered_keys import PartEncoder, after
from headrace.store.snapshots import Bound, KeyedQuery

Values: TypeAlias = Mapping[str, object]
"""Parameter -> its value; None is NULL."""
Span: TypeAlias = "tuple[bytes, bytes]"
"""The first key, and what comes behind the last one."""

# What an encoder raises for a value that no value of its type is equal to.
_UNEQUAL = (ValueError, ArithmeticError, struct.error)
# Before every value that is not NULL, and behind it.
_FIRST, _BEHIND = b"\x01", b"\x02"


def prefix_finder(
    query: KeyedQuery, encoders: tuple[PartEncoder, ...]
) -> Callable[[Values], bytes | None]:
    """What finds the beginning of a query's keys, up to its range; None when none can match."""
    finders = [_equal(name, part) for name, part in zip(query.equal, encoders, strict=False)]
    if len(finders) == 1:
        return finders[0]

    def prefix(values: Values) -> bytes | None:
        keys = b""
        for find in finders:
            key = find(values)
            if key is None:
                return None
            keys += key
        return keys

    return prefix


def span_finder(
    query: KeyedQuery, encoders: tuple[PartEncoder, ...]
) -> Callable[[Values], Span | None]:
    """What finds the keys of a query's rows; None when none can match."""
    prefix = prefix_finder(query, encoders)
    if query.low is None and query.high is None:

        def equal(values: Values) -> Span | None:
            key = prefix(values)
            return None if key is None else (key, key + b"\xff")

        return equal
    part = part_finder(encoders[len(query.equal)], query.low, query.high)

    def ranged(values: Values) -> Span | None:
        key, ends = prefix(values), part(values)
        return None if key is None or ends is None else (key + ends[0], key + ends[1])

    return ranged


def part_finder(
    encoder: PartEncoder, low: Bound | None, high: Bound | None
) -> Callable[[Values], Span | None]:
    """What finds the range of one part of a key; None when no value is in it."""
    lowest = _edge(encoder, low, is_low=True)
    highest = _edge(encoder, high, is_low=False)
    first, last = (highest, lowest) if encoder.part.descending else (lowest, highest)

    def ends(values: Values) -> Span | None:
        start, end = first(values), last(values)
        return None if start is None or end is None else (start, end)

    return ends


def _equal(name: str, encoder: PartEncoder) -> Callable[[Values], bytes | None]:
    encode = encoder.encode

    def find(values: Values) -> bytes | None:
        value = values[name]
        if value is None:
            return None
        try:
            return encode(value)
        except _UNEQUAL:
            return None

    return find


def _edge(
    encoder: PartEncoder, bound: Bound | None, *, is_low: bool
) -> Callable[[Values], bytes | None]:
    """What finds one end of a part's range, as bytes; None when no value is within it."""
    is_start = is_low != encoder.part.descending
    if bound is None:
        return lambda values: _FIRST if is_start else _BEHIND  # noqa: ARG005 - as the others
    name, encode = bound.parameter, encoder.encode
    # A range starts behind a value, or ends behind it, so that the value itself is out or in.
    is_behind = is_start != bound.inclusive

    def find(values: Values) -> bytes | None:
        value = values[name]
        if value is None:
            return None
        try:
            key = encode(value)
        except _UNEQUAL:
            return _near(encoder, value, is_low=is_low)
        return key + b"\xff" if is_behind else key

    return find


def _near(encoder: PartEncoder, value: object, *, is_low: bool) -> bytes | None:
    """The end of a range at a value that the type does not have: between two that it has."""
    try:
        below, _ = encoder.floor(value)
    except _UNEQUAL:
        return None
    if below is None:
        return (_BEHIND if encoder.part.descending else _FIRST) if is_low else None
    return below if encoder.part.descending else after(below)
