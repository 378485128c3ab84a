"""Rolled-up answers: takes a range, gives the finished rows of its groups from a keyed copy.

Where a group grows with the range, as a month with the day, groups that lie within the range are
read as they are; only the first and the last may have to be put together from partial results.
"""

from __future__ import annotations

import lmdb

from headrace.serve.keyed.limits import MOST_ENTRIES, NotByKey, counted
from headrace.serve.keyed.ranges import Span, Values, part_finder, prefix_finder
from headrace.store.keyed_copies import OpenCopy
from headrace.store.ordered_keys import PartEncoder, after, turned
from headrace.store.rollups import Merger, States, block_part, unpack
from headrace.store.snapshots import EndpointContract
from headrace.store.stretches import Stretches


class GroupReader:
    """The groups of one endpoint's keyed copy."""

    def __init__(
        self,
        txn: lmdb.Transaction[bytes],
        copy: OpenCopy,
        contract: EndpointContract,
        encoders: tuple[PartEncoder, ...],
    ) -> None:
        """Read in a transaction on a copy that the caller holds."""
        query = contract.keyed
        assert query is not None, f"{contract.name} has no keyed query"
        assert query.rollup is not None, f"{contract.name} rolls nothing up"
        ranged = encoders[len(query.equal)]
        outer = PartEncoder.of(block_part(query.rollup, ranged.part))
        self._is_turned = outer.part.descending != ranged.part.descending
        self._prefix = prefix_finder(query, encoders)
        self._inner = part_finder(ranged, query.low, query.high)
        self._outer = part_finder(outer, query.low, query.high)
        self._reverse = query.reverse
        self._monotone = query.rollup.monotone
        self._merger = Merger.of(query.rollup, contract.columns)
        self._stretches = Stretches(ranged, self._merger)
        self._parts = txn.cursor(copy.rows)
        self._groups = txn.cursor(copy.groups)
        self._blocks = txn.cursor(copy.blocks)

    def rows(self, values: Values) -> list[bytes]:
        """The rows of all groups, each a JSON object, in order. Raises NotByKey for too many."""
        prefix, inner, outer = self._prefix(values), self._inner(values), self._outer(values)
        if prefix is None or inner is None or outer is None:
            return []
        if self._monotone:
            rows = self._finished(prefix, inner, outer)
        else:
            rows = self._merged(prefix + inner[0], prefix + inner[1])
        return rows[::-1] if self._reverse else rows

    def _finished(self, prefix: bytes, inner: Span, outer: Span) -> list[bytes]:
        """The groups of a range, the rows of which are finished but for its ends."""
        start, end = prefix + outer[0], prefix + outer[1]
        first = self._block(prefix, start)
        if first is None or first[1] >= outer[1]:
            return []
        rows: list[bytes] = []
        if first[1] < outer[0]:
            rows += self._edge(prefix, inner, first)
            start = prefix + after(first[0])
        if self._groups.set_range(start):
            for key, row in counted(self._groups.iternext(True, True)):
                if key >= end:
                    break
                rows.append(row)
        last = self._block(prefix, end)
        if last is not None and last[1] < outer[1] and (last != first or not rows):
            rows += self._edge(prefix, inner, last)
        return rows

    def _block(self, prefix: bytes, start: bytes) -> Span | None:
        """The first block that ends at or behind a place: its last value, and its first one."""
        if not self._blocks.set_range(start):
            return None
        key, low = self._blocks.item()
        return (key[len(prefix) :], low) if key.startswith(prefix) else None

    def _edge(self, prefix: bytes, inner: Span, block: Span) -> list[bytes]:
        """The groups of a block that is in the range in part only."""
        high, low = block
        if self._is_turned:
            low, high = turned(high), turned(low)
        found = self._parts_of(prefix, inner, low, high)
        if len(found) == 1:
            return [self._merger.finished(found[0][1])]
        groups: dict[bytes, list[States]] = {}
        for group, states in found:
            groups.setdefault(group, []).append(states)
        return [self._merger.row(groups[group]) for group in sorted(groups)]

    def _parts_of(
        self, prefix: bytes, inner: Span, low: bytes, high: bytes
    ) -> list[tuple[bytes, States]]:
        """What of a block between its first value and its last one lies in a range."""
        parts, stretches = self._parts, self._stretches
        first = last = None
        if inner[0] > low:
            low, first = inner[0], stretches.place(inner[0])
        if inner[1] <= high:
            high, last = inner[1], stretches.place(inner[1])
        # A stretch lies under the last of its values.
        if not parts.set_range(prefix + low):
            return []
        key, stretch = parts.item()
        found = stretches.merged(stretch, first, last)
        end = prefix + high
        while key < end and len(found) <= MOST_ENTRIES and parts.next():
            key, stretch = parts.item()
            found += stretches.merged(stretch, first, last)
        if len(found) > MOST_ENTRIES:
            raise NotByKey(f"more than {MOST_ENTRIES} groups")
        return found

    def _merged(self, start: bytes, end: bytes) -> list[bytes]:
        """The groups of a range of keys, from their partial results."""
        if not self._parts.set_range(start):
            return []
        groups: dict[bytes, list[States]] = {}
        for key, data in counted(self._parts.iternext(True, True)):
            if key >= end:
                break
            size, states = unpack(data)
            groups.setdefault(key[len(key) - size :], []).append(states)
        row = self._merger.row
        return [row(groups[group]) for group in sorted(groups)]
