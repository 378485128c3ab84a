"""Serves what is in memory: takes tables, a manifest and its code, gives what never changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import duckdb

from headrace.base.errors import NotFound
from headrace.base.tables import Version
from headrace.serve.caching.cache import AnswerCache
from headrace.serve.columnar.in_process import InProcessReader
from headrace.serve.columnar.snapshot_reader import SnapshotReader
from headrace.serve.editions.edition import Edition
from headrace.serve.editions.pins import Pins
from headrace.serve.kit import Kit
from headrace.store.snapshots import Manifest, Ref, Snapshot

_EPOCH = "1970-01-01T00:00:00.000000Z"


@dataclass(frozen=True, slots=True)
class Unpublished:
    """A contract without a store: `texts` are the Python files of its manifest, by address.

    `versions` name the tables, which are in a DuckDB of the caller's.
    """

    manifest: Manifest
    texts: Mapping[str, bytes]
    versions: Mapping[str, Version]

    def get_object(self, address: str) -> bytes:
        """The text that `address` names."""
        try:
            return self.texts[address]
        except KeyError:
            raise NotFound(f"{address}: no such text") from None


class _NoLease:
    """Nobody deletes what is in memory."""

    def renew(self) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Do nothing."""


def _no_other(number: int) -> Edition:
    raise NotFound(f"snapshot {number}: there is only the one in memory")


class Pinned:
    """One edition for good, in the place of a `Watcher`."""

    environment = "memory"
    failure = None

    def __init__(
        self, kit: Kit, unpublished: Unpublished, connection: duckdb.DuckDBPyConnection
    ) -> None:
        """Open it.

        Args:
            kit: as for every edition.
            unpublished: what to serve.
            connection: to a DuckDB that has the tables; their rows may be replaced between two
                requests, their columns may not. It is closed with this.

        Raises:
            Exception: what the user's code raises when it is imported.
        """
        snapshot = Snapshot(dict(unpublished.versions), unpublished.manifest)
        ref = Ref(self.environment, 1, "", snapshot.content, _EPOCH, "in memory")
        reader = InProcessReader(SnapshotReader(ref, snapshot, connection))
        # Its rows may be replaced: no answer is kept.
        kit = replace(kit, cache=AnswerCache(0))
        self._edition: Edition | None = Edition.prepare(kit, unpublished, reader, _NoLease(), {})
        self.pins = Pins(_no_other, 1, kit.settings.deadline_seconds, lambda: self.number)

    @property
    def number(self) -> int:
        """1 as long as it is open, then 0."""
        return int(self._edition is not None)

    def acquire(self) -> Edition | None:
        """The edition, for one request."""
        return self._edition

    def release(self, edition: Edition) -> None:
        """A request has ended: the edition stays."""

    def refresh(self) -> None:
        """There is nothing newer."""

    def start(self) -> None:
        """There is nothing to follow."""

    def close(self) -> None:
        """Close the edition, and its connection."""
        if self._edition is not None:
            self._edition.close()
        self._edition = None
