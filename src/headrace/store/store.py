"""The store: takes built tables and contracts, gives numbered snapshots of each environment.

A folder holds everything: see docs/storage.md. Opening it is cheap and reads nothing; every method
may be called from any thread, and by any number of processes on one machine at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from headrace.base.clock import Clock, SystemClock, format_time
from headrace.base.errors import NotFound, StoreError, UsageError
from headrace.base.hashing import derived
from headrace.base.tables import Batch, Cell, DataFile, Schema
from headrace.store.data import DATA_ENDING, Data, StoredCell
from headrace.store.durable import Disk, Writer, locked
from headrace.store.garbage import Collected, Collector, Retention
from headrace.store.keyed_folder import (
    Copy,
    KeyedFolder,
    Refusal,
    copy_address,
    version_addresses,
)
from headrace.store.leases import Lease, Leases
from headrace.store.objects import Objects
from headrace.store.refs import Refs, conflict, require_environment_name, unknown_environment
from headrace.store.sealing import seal, unseal
from headrace.store.snapshots import (
    EndpointContract,
    Ref,
    Snapshot,
    decode_snapshot,
    encode_snapshot,
)

_FOLDERS = ("data", "objects", "refs", "leases", "staging")
_SNAPSHOTS_CACHED = 8
_SECRET_NAME = "secret"  # noqa: S105 - a file's name
_SECRET_BYTES = 32
_SYSTEM_CLOCK = SystemClock()


@dataclass(slots=True, eq=False)
class Store:
    """One store, on a folder; `open` it."""

    root: Path
    clock: Clock
    _writer: Writer = field(repr=False)
    _decoded: dict[str, Snapshot] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, root: Path, *, clock: Clock = _SYSTEM_CLOCK, disk: Disk | None = None) -> Store:
        """The store in folder `root`, which is created if there is none.

        Args:
            root: a folder on a local file system.
            clock: where the times in refs and leases come from.
            disk: for tests: what carries out the file operations.
        """
        writer = Writer(root, disk or Disk())
        for name in _FOLDERS:
            if not (root / name).is_dir():
                writer.folder(root / name)
        return cls(root, clock, writer)

    @property
    def data_root(self) -> Path:
        """The folder that the paths of data files are relative to."""
        return self.root / "data"

    @property
    def records_path(self) -> Path:
        """The file of the operations record; it need not exist."""
        return self.root / "operations.sqlite"

    @property
    def accounts_path(self) -> Path:
        """The file of accounts and keys; it need not exist."""
        return self.root / "accounts.db"

    # Objects

    def put_object(self, data: bytes) -> str:
        """Store `data` durably; returns its address, the same for the same bytes."""
        return self._objects.put(data)

    def get_object(self, address: str) -> bytes:
        """The bytes that `address` names.

        Raises:
            NotFound: there is no such object.
            CorruptObject: the bytes on disk are not the ones that were put.
        """
        return self._objects.get(address)

    def secret(self) -> bytes:
        """32 random bytes that every process on this store agrees on, made when first asked for.

        Raises:
            CorruptObject: the file is not what was written.
            StoreError, OutcomeUnknown: it could not be made.
        """
        path = self.root / _SECRET_NAME
        if not path.exists():
            made = seal(os.urandom(_SECRET_BYTES).hex().encode())
            self._writer.put_if_absent(path, made, secret=True)
        return bytes.fromhex(unseal(path.read_bytes(), path).decode())

    # Published snapshots

    def salt(self, environment: str) -> str:
        """What hidden values of an environment are hashed with: 64 hexadecimal digits."""
        return derived(self.secret(), f"masks {environment}").hex()

    def environments(self) -> list[str]:
        """The environments that something was published to, sorted."""
        return self._refs.environments()

    def head(self, environment: str) -> Ref | None:
        """What is published in an environment; None when nothing ever was."""
        require_environment_name(environment)
        return self._refs.head(environment)

    def ref(self, environment: str, number: int) -> Ref:
        """One published step of an environment.

        Raises:
            NotFound: there is none of that number; the message says what there is.
        """
        require_environment_name(environment)
        return self._refs.get(environment, number)

    def history(self, environment: str) -> list[Ref]:
        """Every step of an environment that is kept, newest first; [] when there is none."""
        require_environment_name(environment)
        return list(self._refs.newest_first(environment))

    def snapshot(self, ref: Ref) -> Snapshot:
        """What `ref` published; the last few are kept in memory."""
        snapshot = self._decoded.get(ref.snapshot)
        if snapshot is None:
            snapshot = decode_snapshot(self.get_object(ref.snapshot))
            if len(self._decoded) >= _SNAPSHOTS_CACHED:
                self._decoded.clear()
            self._decoded[ref.snapshot] = snapshot
        return snapshot

    def publish(
        self,
        environment: str,
        snapshot: Snapshot,
        *,
        parent: int | None,
        reason: str,
        run: str = "",
    ) -> Ref:
        """Make `snapshot` what an environment shows: all of it at once, and durably, or not at all.

        Args:
            environment: its name.
            snapshot: its data files and objects must be in the store.
            parent: number of the head that the snapshot was made from; None for the first.
            reason: why, in words.
            run: the run that made it.

        Raises:
            Conflict: the head is not `parent`: somebody else has published.
            OutcomeUnknown: it may or may not be published; read again, clean up nothing.
            StoreError: a data file is missing, or the disk refused; nothing is published.
        """
        with locked(self._sweep_lock):
            self._require_head(environment, parent)
            self._require_content(snapshot)
            step = Ref(
                environment=environment,
                number=(parent or 0) + 1,
                snapshot=self.put_object(encode_snapshot(snapshot)),
                content=snapshot.content,
                at=format_time(self.clock.now()),
                reason=reason,
                run=run,
            )
            self._refs.append(step)
        return step

    def rollback(
        self, environment: str, *, to: int | None = None, parent: int | None = None
    ) -> Ref:
        """Publish an older snapshot again, as a new step; no data is read or copied.

        Args:
            environment: its name.
            to: number of the snapshot; None is the newest one whose content is not the head's.
            parent: number of the head that was looked at; None is whatever is the head.

        Raises:
            NotFound: nothing is published, or there is no such snapshot, or none to go back to.
            UsageError: the snapshot is the one that is published already.
            Conflict, OutcomeUnknown, StoreError: as for `publish`.
        """
        head = self.head(environment)
        if head is None:
            raise unknown_environment(environment, self.environments())
        if parent is not None and head.number != parent:
            raise conflict(environment, head.number, parent)
        target = self._older(head) if to is None else self.ref(environment, to)
        if target.snapshot == head.snapshot:
            raise UsageError(
                f"{environment}: snapshot {target.number} is published already, as {head.number}; "
                "expected an older one; run `headrace snapshots` to list them"
            )
        with locked(self._sweep_lock):
            self._require_content(self.snapshot(target))
            step = replace(
                target,
                number=head.number + 1,
                at=format_time(self.clock.now()),
                reason=f"rollback to {target.number}",
                run="",
            )
            self._refs.append(step)
        return step

    def promote(self, source: Ref, environment: str, *, parent: int | None) -> Ref:
        """Publish in one environment what another one shows; no data is read or copied.

        Args:
            source: a step of the other environment.
            environment: where it is published, as the next step.
            parent: number of the head there that was looked at; None when nothing is published.

        Raises:
            UsageError: both are the same environment, or its head has the same content already.
            NotFound: the step is gone.
            Conflict, OutcomeUnknown, StoreError: as for `publish`.
        """
        self._require_another(source, environment)
        with locked(self._sweep_lock):
            self._require_head(environment, parent)
            self.ref(source.environment, source.number)
            self._require_content(self.snapshot(source))
            step = replace(
                source,
                environment=environment,
                number=(parent or 0) + 1,
                at=format_time(self.clock.now()),
                reason=f"promoted from {source.environment}:{source.number}",
                run="",
            )
            self._refs.append(step)
        return step

    # Data

    def new_data_path(self, table: str) -> Path:
        """A new name in the staging folder, to write a Parquet file of `table` to."""
        return self._writer.temporary(f"-{table}{DATA_ENDING}")

    def keep_file(self, table: str, staged: Path, rows: int) -> DataFile:
        """Move a finished Parquet file from staging to its place, durably and read-only."""
        return self._data.keep_file(table, staged, rows)

    def record_cells(
        self,
        table: str,
        schema: Schema,
        cells: Sequence[Cell],
        files: Sequence[DataFile],
        batches: Sequence[Batch] = (),
        moved_at: str = "",
    ) -> None:
        """Note durably that `cells` are built, so that no later run builds them again.

        Args:
            table: the table's name.
            schema: of the rows of all of them.
            cells: may be without rows, and so without a file.
            files: every data file that a cell names.
            batches: raw files that need not be read again; their cells are built, now or before.
            moved_at: when cells that were built before were copied to `files`, ISO 8601 UTC; ""
                for those that are new.
        """
        self._data.record_cells(table, schema, cells, files, batches, moved_at)

    def find_cells(self, table: str) -> dict[str, StoredCell]:
        """Every cell of a table that is built and whole, by address, published or not."""
        return self._data.find_cells(table)

    def find_batches(self, table: str) -> dict[str, Batch]:
        """Every raw file of a partitioned source that was read, by its batch's address.

        Its cells may be gone since: see `find_cells`.
        """
        return self._data.find_batches(table)

    def is_whole(self, file: DataFile) -> bool:
        """Whether a data file is there with its size; its bytes are not read."""
        return self._data.is_whole(file)

    # Keyed copies

    @property
    def keyed(self) -> KeyedFolder:
        """The folder of keyed copies."""
        return KeyedFolder(self.root / "keyed", self._writer)

    def keyed_copy(self, contract: EndpointContract, snapshot: Snapshot) -> Copy | Refusal | None:
        """The keyed copy that answers an endpoint of a snapshot, or why there is none.

        None when the endpoint has no use for one, or when nobody has tried to make it.
        """
        if contract.keyed is None:
            return None
        return self.keyed.find(copy_address(contract, version_addresses(snapshot)))

    # Readers, runs, and what neither of them needs

    def pin(self, ref: Ref, *, holder: str) -> Lease:
        """Keep gc from removing the snapshot of `ref` while its lease is renewed.

        Args:
            ref: as `head`, `ref` or `history` returned it.
            holder: who reads it, for people.

        Raises:
            NotFound: the snapshot is gone already.
        """
        with locked(self._sweep_lock):
            self.ref(ref.environment, ref.number)
            return self._leases.take(ref, holder=holder)

    def hold(self) -> AbstractContextManager[bool]:
        """Keep gc from removing anything, for as long as a run may take up what earlier ones built.

        Waits for a sweep to end. Ends with the process, however it ends.
        """
        return locked(self._runs_lock)

    def alone(self) -> AbstractContextManager[bool]:
        """Keep runs from beginning; yields whether none is going on. For moments: they wait."""
        return locked(self._runs_lock, exclusive=True, wait=False)

    def collect(
        self,
        *,
        keep_days: float = 7,
        keep_last: int = 50,
        grace_seconds: float = 3600,
        dry_run: bool = False,
    ) -> Collected:
        """Remove old refs and the files that nothing needs any more.

        A file goes when two passes in a row found no use for it and it is older than the grace
        period, and never while a run holds the store.

        Args:
            keep_days: refs that are younger are kept.
            keep_last: so many of the newest refs of each environment are kept.
            grace_seconds: files that are younger are kept.
            dry_run: remove nothing.

        Raises:
            NotFound, CorruptObject: a snapshot that is kept cannot be read; nothing was removed.
        """
        with self.alone() as idle, locked(self._sweep_lock, exclusive=True):
            return self._collector.collect(
                Retention(keep_days, keep_last, grace_seconds), busy=not idle, dry_run=dry_run
            )

    @property
    def _objects(self) -> Objects:
        return Objects(self.root / "objects", self._writer, self.clock)

    @property
    def _refs(self) -> Refs:
        return Refs(self.root / "refs", self._writer)

    @property
    def _data(self) -> Data:
        return Data(self.data_root, self._writer)

    @property
    def _leases(self) -> Leases:
        return Leases(self.root / "leases", self._writer, self.clock)

    @property
    def _collector(self) -> Collector:
        return Collector(
            self.root,
            self._writer,
            self.clock,
            self._refs,
            self._objects,
            self._data,
            self._leases,
        )

    @property
    def _sweep_lock(self) -> Path:
        """Shared by whoever is about to need what is there; exclusive while gc removes."""
        return self.root / "sweep.lock"

    @property
    def _runs_lock(self) -> Path:
        """Shared by runs, for as long as they last; gc only tries to have it."""
        return self.root / "runs.lock"

    def _require_head(self, environment: str, parent: int | None) -> None:
        head = self.head(environment)
        number = head.number if head else None
        if number != parent:
            raise conflict(environment, number, parent)

    def _require_another(self, source: Ref, environment: str) -> None:
        """Make sure that publishing `source` in an environment changes what is seen there."""
        if source.environment == environment:
            raise UsageError(
                f"{environment}: promoted to itself; expected two environments, such as `dev prod`"
            )
        head = self.head(environment)
        if head and head.content == source.content:
            raise UsageError(
                f"{environment}: nothing to promote: snapshot {head.number} is the same as "
                f"{source.environment}:{source.number} already"
            )

    def _require_content(self, snapshot: Snapshot) -> None:
        """Make sure that a reader will find every file: nothing may dangle, whatever happened."""
        for version in snapshot.tables.values():
            for file in version.files:
                if not self._data.is_whole(file):
                    raise _missing(self.data_root / file.path, f"{file.size_bytes} bytes")
        for module in snapshot.manifest.modules:
            if not self._objects.has(module.object):
                raise _missing(self.root / "objects" / module.object, f"the text of {module.path}")

    def _older(self, head: Ref) -> Ref:
        for ref in self._refs.newest_first(head.environment):
            if ref.number < head.number and ref.content != head.content:
                return ref
        raise NotFound(
            f"{head.environment}: no older snapshot differs from {head.number}, which is "
            "published; expected one to go back to; run `headrace snapshots` to list them"
        )


def _missing(path: Path, expected: str) -> StoreError:
    return StoreError(
        f"{path}: missing, or of another size; expected {expected}; nothing was published: "
        "run again, and it is built again"
    )
