"""Makes the keyed copies of a snapshot that is about to be published: one file for each query.

With the previous snapshot's copy, only the rows of cells that came or went are written. A copy
that cannot be made stops nothing: its endpoint is answered from the snapshot's own files.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from headrace.base.errors import StoreError
from headrace.base.tables import Cell, Version
from headrace.engines.duckdb import DuckDBEngine
from headrace.engines.text_rows import json_row_sql
from headrace.observe.events import CopyFinished, Observer
from headrace.pipeline.run.keyed_groups import rolled_up
from headrace.pipeline.run.keyed_rows import KeyedRows, Unfit
from headrace.pipeline.run.scheduling import Task, run_tasks
from headrace.store.keyed_copies import (
    CopyWriter,
    KeyTooLong,
    Meta,
    TooLarge,
    is_sparse,
    too_large,
)
from headrace.store.keyed_folder import (
    Copy,
    MissingCopy,
    Refusal,
    copy_recipe,
)
from headrace.store.ordered_keys import NoOrder
from headrace.store.scopes import scope_parameters
from headrace.store.snapshots import EndpointContract, Snapshot
from headrace.store.store import Store

# A row that is changed costs some ten times one that is appended; a file is copied in no time.
LARGEST_CHANGE = 0.1


@dataclass(frozen=True, slots=True)
class CopyBuilder:
    """Makes copies in a store.

    Attributes:
        before: the snapshot that is published; its copies are where new ones start from.
        limit_bytes: how large a copy may be.
        largest_change: the share of rows up to which a copy is made from the one before.
    """

    store: Store
    engine: DuckDBEngine
    snapshot: Snapshot
    before: Snapshot
    limit_bytes: int
    largest_change: float = LARGEST_CHANGE

    def build_all(self, copies: Iterable[MissingCopy], observe: Observer) -> None:
        """Make copies one after the other. Ctrl-C ends the one that is being made."""
        tasks = [
            Task(copy.address, frozenset(), partial(self._report, copy, observe), _nothing)
            for copy in copies
        ]
        run_tasks(tasks, 1, self.engine.interrupt)

    def _report(self, new: MissingCopy, observe: Observer) -> bool:
        started = time.monotonic()
        try:
            event = self._attempt(new)
        except Exception as exc:  # noqa: BLE001 - whatever it is, nothing depends on the copy
            event = CopyFinished(new.endpoint, "failed", message=str(exc).partition("\n")[0])
        observe(replace(event, seconds=time.monotonic() - started))
        return True

    def _attempt(self, new: MissingCopy) -> CopyFinished:
        try:
            made = self._build(new)
        except (TooLarge, KeyTooLong, NoOrder, Unfit) as exc:
            limit_bytes = self.limit_bytes if isinstance(exc, TooLarge) else 0
            self.store.keyed.refuse(new.address, Refusal(str(exc), limit_bytes))
            return CopyFinished(new.endpoint, "refused", message=str(exc))
        return CopyFinished(new.endpoint, "built", made.rows, made.size_bytes)

    def _build(self, new: MissingCopy) -> Copy:
        staged = self.store.keyed.staged()
        try:
            rows = self._write(new.contract, staged)
            if staged.stat().st_size > self.limit_bytes:
                raise TooLarge(too_large(self.limit_bytes))
            return self.store.keyed.keep(new.address, staged, rows)
        finally:
            staged.unlink(missing_ok=True)

    def _write(self, contract: EndpointContract, staged: Path) -> int:
        try:
            change = self._change(contract)
            if change is not None:
                return self._rewrite(contract, staged, change)
        except StoreError:
            # The copy before is damaged, or has no room for more: it is not needed.
            staged.unlink(missing_ok=True)
        return self._write_whole(contract, staged)

    def _write_whole(self, contract: EndpointContract, staged: Path) -> int:
        assert contract.keyed is not None
        with closing(CopyWriter(staged, self.limit_bytes)) as writer:
            with self._attached(contract):
                if contract.keyed.rollup is None:
                    rows = writer.append_rows(KeyedRows.of(contract).read(self.engine))
                else:
                    rows = writer.append_parts(rolled_up(contract, self.engine))
            writer.finish(Meta(rows, self._lone(contract)))
        return rows

    def _lone(self, contract: EndpointContract) -> str | None:
        """The row of the whole query when no key matches: no key is equal to NULL."""
        assert contract.keyed is not None
        if not contract.keyed.lone:
            return None
        row = json_row_sql(contract.columns)
        nulls = {parameter.name: None for parameter in contract.parameters}
        # For whom nothing holds there is no row either, so that its row is everybody's.
        nulls |= dict.fromkeys(scope_parameters(contract.scope))
        sql = f"SELECT {row} FROM ({contract.sql}\n)"
        with self._attached(contract):
            found = self.engine.cursor().execute(sql, nulls or None).fetchone()
        return None if found is None else str(found[0])

    # From the copy of the snapshot before

    def _change(self, contract: EndpointContract) -> _Change | None:
        """What of the copy before has to be rewritten; None when all of it has."""
        keyed = contract.keyed
        assert keyed is not None
        if not keyed.by_cell or keyed.rollup is not None:
            return None
        previous = self._previous(contract)
        if previous is None:
            return None
        old, new = self.before.tables[keyed.by_cell], self.snapshot.tables[keyed.by_cell]
        change = _Change(previous, _without(old, new), _without(new, old))
        if not all(map(self.store.is_whole, change.gone.files)):
            return None
        changed = change.gone.rows + change.came.rows
        if changed > self.largest_change * new.rows:
            return None
        previous.require_whole()
        return None if is_sparse(previous.path) else change

    def _previous(self, contract: EndpointContract) -> Copy | None:
        """The copy of the same query before, when nothing but cells has changed since."""
        recipe = copy_recipe(contract)
        for each in self.before.manifest.endpoints:
            if each.keyed is None or each.tables != contract.tables or copy_recipe(each) != recipe:
                continue
            found = self.store.keyed_copy(each, self.before)
            if isinstance(found, Copy) and self._only_cells(contract):
                return found
        return None

    def _only_cells(self, contract: EndpointContract) -> bool:
        assert contract.keyed is not None
        for table in contract.tables:
            old, new = self.before.tables[table], self.snapshot.tables[table]
            if table != contract.keyed.by_cell and old.address != new.address:
                return False
            if (old.schema, old.split, old.recipe) != (new.schema, new.split, new.recipe):
                return False
        return True

    def _rewrite(self, contract: EndpointContract, staged: Path, change: _Change) -> int:
        shutil.copyfile(change.previous.path, staged)
        kept = KeyedRows.of(contract)
        # Twice the room: what is rewritten needs pages before the old ones are free.
        with closing(CopyWriter(staged, 2 * self.limit_bytes)) as writer:
            rows = change.previous.rows
            with self._attached(contract, change.gone):
                rows -= writer.remove_rows(kept.read(self.engine))
            with self._attached(contract, change.came):
                rows += writer.add_rows(kept.read(self.engine))
            writer.finish(Meta(rows, self._lone(contract)))
        if staged.stat().st_size > self.limit_bytes:
            raise TooLarge(too_large(self.limit_bytes))
        return rows

    def _attached(
        self, contract: EndpointContract, cells: Version | None = None
    ) -> AbstractContextManager[None]:
        """The tables that a contract reads; with `cells`, these are all that one of them has."""
        versions = [
            cells if cells and table == cells.table else self.snapshot.tables[table]
            for table in contract.tables
        ]
        return self.engine.attached(versions, self.store.data_root)


@dataclass(frozen=True, slots=True)
class _Change:
    """A copy to start from, and the cells that are in it and no longer, and the other way round."""

    previous: Copy
    gone: Version
    came: Version


def _without(version: Version, other: Version) -> Version:
    """The cells of a version that another one does not hold."""
    held = Counter(cell.address for cell in other.cells)
    kept: list[Cell] = []
    for cell in version.cells:
        if held[cell.address]:
            held[cell.address] -= 1
        else:
            kept.append(cell)
    return version.only(kept)


def _nothing() -> None:
    """No copy needs another."""
