"""Rolls groups up for a keyed copy: takes partial results in order, gives finished groups too.

Where the first group never decreases while the ranged part grows, the rows with one value of it are
a *block*: its groups are finished when the next one begins. Its partial results are written
together, a *stretch* at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.run.keyed_rows import GroupRows, Unfit
from headrace.store.keyed_copies import Block, Partial
from headrace.store.ordered_keys import turned
from headrace.store.rollups import Merger, States, block_part, pack
from headrace.store.snapshots import EndpointContract
from headrace.store.stretches import Stretches

# Partial results in a stretch: so many for each of its groups, on average, and so many in all. One
# that is asked for in part only is read as a whole.
_MOST_PARTS_EACH = 256
_MOST_PARTS = 16_384


def rolled_up(contract: EndpointContract, engine: DuckDBEngine) -> Iterator[Partial]:
    """Partial results under their keys, in order; those of blocks a stretch at a time.

    A stretch lies under the last of its keys, without the group.

    The query's tables stand under their names for this thread.

    Raises:
        Unfit: partial results cannot be merged exactly, or the groups are not in order.
    """
    rows = GroupRows.of(contract)
    ranged, parts = len(rows.query.equal), len(rows.encoders)
    if not rows.rollup.monotone:
        for keys, states in rows.read(engine):
            group = b"".join(keys[parts:])
            item = (b"".join(keys[:parts]) + group, pack(len(group), states))
            yield Partial(item)
        return
    open_block = _OpenBlock.of(rows, Merger.of(rows.rollup, contract.columns))
    for keys, states in rows.read(engine):
        prefix, group = b"".join(keys[:ranged]), b"".join(keys[parts:])
        first = keys[parts] if group else b""
        ended = open_block.begin((prefix, first), keys[ranged])
        if ended is not None:
            yield ended
        open_block.add(keys[ranged], group, states)
    if open_block.name is not None:
        yield open_block.ended()


@dataclass(slots=True)
class _OpenBlock:
    """The groups that begin alike, as far as they have come.

    Attributes:
        merger: of their states.
        stretches: how its partial results are written.
        is_turned: whether blocks are found in the opposite order of the ranged part.
        name: what all keys of the block begin with, and the first group.
        low, high: the first and the last value of the ranged part.
        groups: key of the group -> its states, of each stretch that has ended.
        parts: those of the stretch that goes on.
        count: how many they are.
    """

    merger: Merger
    stretches: Stretches
    is_turned: bool
    name: tuple[bytes, bytes] | None = None
    low: bytes = b""
    high: bytes = b""
    groups: dict[bytes, list[States]] = field(default_factory=dict)
    parts: dict[bytes, list[tuple[bytes, States]]] = field(default_factory=dict)
    count: int = 0

    @classmethod
    def of(cls, rows: GroupRows, merger: Merger) -> _OpenBlock:
        """Nothing yet, of a roll-up's rows."""
        ranged = rows.encoders[len(rows.query.equal)]
        is_turned = block_part(rows.rollup, ranged.part).descending != ranged.part.descending
        return cls(merger, Stretches(ranged, merger), is_turned)

    def begin(self, name: tuple[bytes, bytes], ranged: bytes) -> Partial | None:
        """Go on with the block of that name; gives what ends before it, if anything does."""
        if name == self.name:
            return self._stretch() if self._is_full and ranged != self.high else None
        ended = None if self.name is None else self.ended()
        self._require_order(name, ranged)
        self.name, self.low, self.groups = name, ranged, {}
        return ended

    @property
    def _is_full(self) -> bool:
        return self.count >= min(_MOST_PARTS_EACH * len(self.parts), _MOST_PARTS)

    def add(self, ranged: bytes, group: bytes, states: States) -> None:
        """Add a partial result."""
        self.high = ranged
        self.parts.setdefault(group, []).append((ranged, states))
        self.count += 1

    def ended(self) -> Partial:
        """The last stretch, and the block itself."""
        return self._stretch()._replace(block=self._finished())

    def _stretch(self) -> Partial:
        """End the stretch of the partial results since the one before; there are some."""
        assert self.name is not None, "a stretch belongs to a block"
        for group, parts in self.parts.items():
            merged = self.merger.merged([states for _, states in parts])
            self.groups.setdefault(group, []).append(merged)
        item = self.name[0] + self.high, self.stretches.pack(self.parts)
        ended = Partial(item, self.count)
        self.parts, self.count = {}, 0
        return ended

    def _finished(self) -> Block:
        """The block with the groups that it has, in order; its last stretch has ended."""
        assert self.name is not None, "a block has a name"
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
