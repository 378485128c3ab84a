"""The keyed access path: takes parameters, gives rows that are JSON already, found by key.

A copy never changes while it is open, so that one transaction lasts as long as its reader, and
nothing is locked. As far as can be foreseen, rows are read many at a time, and only the last key is
compared with the end of the range.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import lmdb

from headrace.serve.keyed.groups import GroupReader
from headrace.serve.keyed.guards import admission
from headrace.serve.keyed.limits import MOST_ENTRIES, NotByKey
from headrace.serve.keyed.ranges import Span, Values, span_finder
from headrace.store.keyed_copies import OpenCopy, hold_copy, release_copy
from headrace.store.ordered_keys import PartEncoder
from headrace.store.snapshots import EndpointContract

_LOG = logging.getLogger("headrace.serve")

_PLACE = struct.Struct(">Q")
_place = _PLACE.pack
# What SQL takes for LIMIT and OFFSET.
_MOST_ROWS = 2**63 - 1


class KeyedReader:
    """One endpoint's keyed copy, open; for one thread at a time.

    It answers on the event loop: what takes it long is not its to answer (see `limits`).
    """

    def __init__(self, copy: OpenCopy, contract: EndpointContract) -> None:
        """Use `open`."""
        assert contract.keyed is not None, f"{contract.name} has no keyed query"
        query = contract.keyed
        encoders = tuple(map(PartEncoder.of, query.key))
        self._name = contract.name
        self._copy = copy
        self._query = query
        self._is_damaged = False
        self._txn = copy.env.begin()
        self._cursor = self._txn.cursor(copy.rows)
        self._span = span_finder(query, encoders)
        self._admits = admission(contract)
        self._is_whole = query.limit is None and query.offset is None
        self._read = self._backward if query.reverse else self._forward
        self._lone = [] if copy.meta.lone is None else [copy.meta.lone.encode()]
        self._fills = False
        self._groups = (
            None if query.rollup is None else GroupReader(self._txn, copy, contract, encoders)
        )

    @classmethod
    def open(cls, path: Path, contract: EndpointContract) -> KeyedReader:
        """Open a copy for a contract that has a keyed query.

        Raises:
            StoreError: the copy is missing, or cannot be read.
        """
        copy = hold_copy(path)
        try:
            return cls(copy, contract)
        except BaseException:
            release_copy(copy)
            raise

    def close(self) -> None:
        """Give the copy back."""
        self._cursor.close()
        self._txn.abort()
        release_copy(self._copy)

    def rows(self, bound: Values, limit: int, offset: int) -> list[bytes]:
        """The rows of an answer, each a JSON object.

        Args:
            bound: parameter -> its value, as its reader gives it; None is NULL. Those of the scope
                are among them.
            limit: the most rows, after the query's own limit; 0 is all of them.
            offset: rows left out before, after the query's own offset.

        Raises:
            NotByKey: the query is to be asked instead.
        """
        is_admitted = self._admits is None or self._admits(bound)
        if not self._is_whole:
            limit, offset = self._window(bound, limit, offset)
        if limit < 0:
            return []
        try:
            if not is_admitted:
                rows = []
            elif self._groups is not None:
                rows = sliced(self._groups.rows(bound), limit, offset)
            else:
                span = self._span(bound)
                rows = [] if span is None else self._bounded(span, limit, offset)
        except lmdb.Error as exc:
            raise self._damaged(exc) from exc
        return rows or self._lone[offset:]

    def _bounded(self, span: Span, limit: int, offset: int) -> list[bytes]:
        """The rows of a span, as long as they and those before them are not too many."""
        left = MOST_ENTRIES - offset
        if 0 < limit <= left:
            return self._read(span, limit, offset)
        # One more than may be: whether there are more.
        rows = self._read(span, left + 1, offset) if left >= 0 else None
        if rows is None or len(rows) > left:
            raise NotByKey(f"more than {MOST_ENTRIES} rows")
        return rows

    def _damaged(self, exc: lmdb.Error) -> NotByKey:
        if not self._is_damaged:
            self._is_damaged = True
            _LOG.error(
                "endpoint %s is answered by queries where its keyed copy is damaged: %s: %s",
                self._name,
                self._copy.path,
                exc,
            )
        return NotByKey("the keyed copy is damaged")

    def page(
        self, bound: Values, limit: int, after: bytes | None
    ) -> tuple[list[bytes], bytes | None]:
        """Some rows, and where the next page begins.

        Args:
            bound: as for `rows`.
            limit: the most rows, at least 1.
            after: what the page before gave; None for the first one.

        Returns:
            The rows, and what to ask for the next page with; None when there are no more.

        Raises:
            ValueError: `after` is not what a page gave.
            NotByKey: the query is to be asked instead.
        """
        before, key = (0, b"") if after is None else _read_mark(after)
        if self._groups is not None or self._query.offset is not None:
            return self._counted_page(bound, limit, before)
        is_admitted = self._admits is None or self._admits(bound)
        most, _ = self._window(bound, limit + 1, before)
        if most < 0:
            return [], None
        try:
            span = self._span(bound) if is_admitted else None
            if span is None:
                return self._lone[before:], None
            rest = self._rest(span, key)
            rows = self._bounded(rest, min(limit, most), 0)
            last = self._cursor.key()
            if len(rows) < limit or most <= limit or not self._goes_on(rest):
                return (rows or self._lone[before:]), None
        except lmdb.Error as exc:
            raise self._damaged(exc) from exc
        return rows, _place(before + limit) + last

    def _goes_on(self, span: Span) -> bool:
        """Whether there is a row of a span behind the one that was read last."""
        start, end = span
        if self._query.reverse:
            return self._cursor.prev() and self._cursor.key() >= start
        return self._cursor.next() and self._cursor.key() < end

    def _counted_page(
        self, bound: Values, limit: int, before: int
    ) -> tuple[list[bytes], bytes | None]:
        """A page that is told by the number of rows before it."""
        rows = self.rows(bound, limit + 1, before)
        mark = _place(before + limit) if len(rows) > limit else None
        return rows[:limit], mark

    def _rest(self, span: Span, key: bytes) -> Span:
        """What of a span lies behind a key, in the order of the answer."""
        start, end = span
        if not key:
            return span
        return (start, min(end, key)) if self._query.reverse else (max(start, key + b"\0"), end)

    def _window(self, values: Values, limit: int, offset: int) -> tuple[int, int]:
        """Limit and offset when the query's own come first; a limit of 0 is all, of -1 none."""
        query = self._query
        total = offset + (_number(query.offset, values) or 0)
        most = _number(query.limit, values)
        if most is None:
            return limit, total
        left = most - offset
        return (min(limit or left, left) if left > 0 else -1), total

    def _forward(self, span: Span, limit: int, offset: int) -> list[bytes]:
        start, end = span
        cursor = self._cursor
        if not cursor.set_range(start) or (
            offset and not _skipped(cursor.iternext(True, False), offset)
        ):
            return []
        if limit and self._fills:
            rows = list(islice(cursor.iternext(False, True), limit))
            if len(rows) == limit and cursor.key() < end:
                return rows
            self._fills = False
            return self._forward(span, limit, offset)
        rows = []
        items = cursor.iternext(True, True)
        for key, row in islice(items, limit) if limit else items:
            if key >= end:
                return rows
            rows.append(row)
        self._fills = len(rows) == limit
        return rows

    def _backward(self, span: Span, limit: int, offset: int) -> list[bytes]:
        start, end = span
        cursor = self._cursor
        is_found = cursor.prev() if cursor.set_range(end) else cursor.last()
        if not is_found or (offset and not _skipped(cursor.iterprev(True, False), offset)):
            return []
        if limit and self._fills:
            rows = list(islice(cursor.iterprev(False, True), limit))
            if len(rows) == limit and cursor.key() >= start:
                return rows
            self._fills = False
            return self._backward(span, limit, offset)
        rows = []
        items = cursor.iterprev(True, True)
        for key, row in islice(items, limit) if limit else items:
            if key < start:
                return rows
            rows.append(row)
        self._fills = len(rows) == limit
        return rows


def _skipped(keys: Iterator[bytes], offset: int) -> bool:
    """Move a cursor on by so many rows; whether there are as many."""
    return next(islice(keys, offset, None), None) is not None


def _number(amount: int | str | None, values: Values) -> int | None:
    """A number, or the value of the parameter of that name.

    Raises:
        NotByKey: it is no number of rows: what it means is the query's to say.
    """
    found = values[amount] if isinstance(amount, str) else amount
    if found is not None and not (isinstance(found, int) and 0 <= found <= _MOST_ROWS):
        raise NotByKey(f"{found!r} is no number of rows")
    return found


def _read_mark(mark: bytes) -> tuple[int, bytes]:
    """How many rows came before a page, and the key of the last one."""
    if len(mark) < _PLACE.size:
        raise ValueError(f"{mark!r} is no mark of a page")
    return _PLACE.unpack_from(mark)[0], mark[_PLACE.size :]


def sliced(rows: list[bytes], limit: int, offset: int) -> list[bytes]:
    """Some of the rows; a limit of 0 is all."""
    return rows[offset : offset + limit] if limit else rows[offset:]
