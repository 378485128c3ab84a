"""Rolls groups up for a keyed copy: takes partial results in order, gives finished groups too.

Where the first group never decreases while the ranged part grows, the rows with one value of it are
a *block*: its groups are finished when the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.run.keyed_rows import GroupRows, Unfit
from headrace.store.keyed_copies import Block, Item
from headrace.store.ordered_keys import turned
from headrace.store.rollups import Merger, States, block_part, pack
from headrace.store.snapshots import EndpointContract

# So many parts of one group are merged before more are added.
_MOST_PARTS = 1000


def rolled_up(
    contract: EndpointContract, engine: DuckDBEngine
) -> Iterator[tuple[Item, Block | None]]:
    """Each partial result under its key, in order, with the block that ends before it.

    The query's tables stand under their names for this thread.

    Raises:
        Unfit: partial results cannot be merged exactly, or the groups are not in order.
    """
    rows = GroupRows.of(contract)
    ranged, parts = len(rows.query.equal), len(rows.encoders)
    if not rows.rollup.monotone:
        for keys, states in rows.read(engine):
            group = b"".join(keys[parts:])
            yield (b"".join(keys[:parts]) + group, pack(len(group), states)), None
        return
    open_block = _OpenBlock.of(rows, Merger.of(rows.rollup, contract.columns))
    waiting: Item | None = None
    for keys, states in rows.read(engine):
        prefix, group = b"".join(keys[:ranged]), b"".join(keys[parts:])
        first = keys[parts] if group else b""
        ended = open_block.begin((prefix, first), keys[ranged])
        if waiting is not None:
            yield waiting, ended
        open_block.add(keys[ranged], group, states)
        waiting = b"".join(keys[:parts]) + group, pack(len(group), states)
    if waiting is not None:
        yield waiting, open_block.finished()


@dataclass(slots=True)
class _OpenBlock:
    """The groups that begin alike, as far as they have come.

    Attributes:
        merger: of their states.
        is_turned: whether blocks are found in the opposite order of the ranged part.
        name: what all keys of the block begin with, and the first group.
        low, high: the first and the last value of the ranged part.
        groups: key of the group -> the states of its parts.
    """

    merger: Merger
    is_turned: bool
    name: tuple[bytes, bytes] | None = None
    low: bytes = b""
    high: bytes = b""
    groups: dict[bytes, list[States]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: GroupRows, merger: Merger) -> _OpenBlock:
        """Nothing yet, of a roll-up's rows."""
        ranged = rows.encoders[len(rows.query.equal)].part
        is_turned = block_part(rows.rollup, ranged).descending != ranged.descending
        return cls(merger, is_turned)

    def begin(self, name: tuple[bytes, bytes], ranged: bytes) -> Block | None:
        """Go on with the block of that name; gives the one that ends before it, if one does."""
        if name == self.name:
            return None
        ended = self.finished()
        self._require_order(name, ranged)
        self.name, self.low, self.groups = name, ranged, {}
        return ended

    def add(self, ranged: bytes, group: bytes, states: States) -> None:
        """Add a partial result."""
        self.high = ranged
        parts = self.groups.setdefault(group, [])
        parts.append(states)
        if len(parts) >= _MOST_PARTS:
            parts[:] = [self.merger.merged(parts)]

    def finished(self) -> Block | None:
        """The block with the groups that it has, in order."""
        if self.name is None:
            return None
        low, high = self.low, self.high
        if self.is_turned:
            low, high = turned(high), turned(low)
        start = self.name[0] + high
        rows = [(start + key, self.merger.row(self.groups[key])) for key in sorted(self.groups)]
        return Block((start, low), rows)

    def _require_order(self, name: tuple[bytes, bytes], ranged: bytes) -> None:
        if self.name is None or self.name[0] != name[0]:
            return
        is_later = name[1] < self.name[1] if self.is_turned else name[1] > self.name[1]
        if not is_later or ranged == self.high:
            raise Unfit("its first group does not grow with the part of the key that has a range")
