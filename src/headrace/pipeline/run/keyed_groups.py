"""Rolls groups up for a keyed copy: takes partial results in order, gives finished groups too.

Where the first group never decreases while the ranged part grows, the rows with one value of it are
a *block*: its groups are finished when the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.run.keyed_rows import GroupRows, Unfit
from headrace.store.keyed_copies import Item
from headrace.store.ordered_keys import turned
from headrace.store.rollups import Merger, State, block_part, pack, pack_group
from headrace.store.snapshots import EndpointContract

Entry: TypeAlias = "tuple[Item, Sequence[Item]]"


def rolled_up(contract: EndpointContract, engine: DuckDBEngine) -> Iterator[Entry]:
    """Each partial result under its key, in order, with the groups that end before it.

    The query's tables stand under their names for this thread.

    Raises:
        Unfit: partial results cannot be merged exactly, or the groups are not in order.
    """
    rows = GroupRows.of(contract)
    ranged = len(rows.query.equal)
    parts = len(rows.encoders)
    merger = Merger.of(rows.rollup, contract.columns)
    ranged_part = rows.encoders[ranged].part
    is_turned = block_part(rows.rollup, ranged_part).descending != ranged_part.descending
    block = _Block(merger, is_turned=is_turned)
    waiting: Item | None = None
    for keys, states in rows.read(engine):
        group = b"".join(keys[parts:])
        done: list[Item] = []
        if rows.rollup.monotone:
            done = block.take(b"".join(keys[:ranged]), keys[ranged], keys[parts:], states)
        if waiting is not None:
            yield waiting, done
        waiting = b"".join(keys), pack(len(group), states)
    if waiting is not None:
        yield waiting, block.finished()


@dataclass(slots=True)
class _Block:
    """The groups that begin alike, as far as they have come.

    Attributes:
        merger: of their states.
        is_turned: whether blocks are found in the opposite order of the ranged part.
        name: what all keys of the block begin with, and the first group.
        low, high: the first and the last value of the ranged part.
        groups: key of the group -> its states.
    """

    merger: Merger
    is_turned: bool
    name: tuple[bytes, bytes] | None = None
    low: bytes = b""
    high: bytes = b""
    groups: dict[bytes, list[State]] = field(default_factory=dict)

    def take(
        self, prefix: bytes, ranged: bytes, group: Sequence[bytes], states: list[State]
    ) -> list[Item]:
        """Add a partial result; gives the groups of the block that ends before it."""
        name = prefix, group[0] if group else b""
        done: list[Item] = []
        if name != self.name:
            done = self.finished()
            self._require_order(name, ranged)
            self.name, self.low, self.groups = name, ranged, {}
        self.high = ranged
        key = b"".join(group)
        known = self.groups.get(key)
        self.groups[key] = states if known is None else self.merger.merged(known, states)
        return done

    def finished(self) -> list[Item]:
        """The finished groups of the block."""
        if self.name is None:
            return []
        ends = (turned(self.high), turned(self.low)) if self.is_turned else (self.low, self.high)
        return [
            (self.name[0] + ends[1] + key, pack_group(*ends, self.merger.row(states)))
            for key, states in self.groups.items()
        ]

    def _require_order(self, name: tuple[bytes, bytes], ranged: bytes) -> None:
        if self.name is None or self.name[0] != name[0]:
            return
        is_later = name[1] < self.name[1] if self.is_turned else name[1] > self.name[1]
        if not is_later or ranged == self.high:
            raise Unfit("its first group does not grow with the part of the key that has a range")
