"""Garbage collection: takes what must be kept, removes the other files once they are surely unused.

Mark: everything that a kept ref or a live lease leads to. Sweep: what the pass before could not
reach either, and what is older than the grace period. An error while marking sweeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec

from headrace.base.clock import Clock, parse_time
from headrace.base.errors import CorruptObject
from headrace.store.data import DATA_ENDING, SIDECAR_ENDING, Data, Sidecar
from headrace.store.durable import Writer, status_of
from headrace.store.keyed_folder import COPY_ENDING, RECORD_ENDING, copy_addresses
from headrace.store.leases import Leases
from headrace.store.objects import Objects
from headrace.store.refs import Refs
from headrace.store.sealing import seal, unseal
from headrace.store.snapshots import Ref, Snapshot, decode_snapshot

# All that a pass may remove; whatever else lies in the store's folder is not ours to remove.
_SWEPT = (
    f"data/*/*{SIDECAR_ENDING}",
    f"data/*/*{DATA_ENDING}",
    "objects/*",
    "staging/*",
    f"keyed/*{COPY_ENDING}",
    f"keyed/*{RECORD_ENDING}",
)


# Keyed copies are kept for so many of the newest contents of each environment: what a rollback
# goes back to is answered as fast as before.
COPIES_KEPT = 3


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept although nobody reads it now.

    Attributes:
        keep_days: refs that are younger are kept.
        keep_last: so many of the newest refs of each environment are kept; the head always is.
        grace_seconds: files that are younger are kept.
    """

    keep_days: float
    keep_last: int
    grace_seconds: float


@dataclass(frozen=True, slots=True)
class Collected:
    """What a pass has removed, or would have.

    Attributes:
        snapshots: refs that were removed.
        files, size_bytes: files that were removed.
        waiting_files, waiting_bytes: files that are unused, but that a later pass removes.
        busy: a run was going on, so that nothing was removed.
    """

    snapshots: int
    files: int
    size_bytes: int
    waiting_files: int
    waiting_bytes: int
    busy: bool


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file below the store's root; `path` is relative to it."""

    path: str
    size_bytes: int
    modified_seconds: float


@dataclass(slots=True)
class Reachable:
    """What is in use: paths relative to the store's root, and addresses of cells and batches."""

    paths: set[str] = field(default_factory=set)
    cells: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Collector:
    """One pass over a store. The caller holds the locks that keep publishers and readers out."""

    root: Path
    writer: Writer
    clock: Clock
    refs: Refs
    objects: Objects
    data: Data
    leases: Leases

    def collect(self, retention: Retention, *, busy: bool, dry_run: bool) -> Collected:
        """Mark and sweep; with `busy` or `dry_run` only mark, and with `dry_run` note nothing."""
        kept, expired = self._split_refs(retention)
        unused = self._unused(kept + expired if busy else kept)
        sweepable = self._sweepable(unused, retention.grace_seconds)
        swept = [file for file in unused if file.path in sweepable and not busy]
        waiting = [file for file in unused if file.path not in sweepable or busy]
        if not dry_run:
            if not busy:
                self._forget(expired)
                self._sweep(swept)
            self._note(waiting)
        return Collected(
            snapshots=0 if busy else len(expired),
            files=len(swept),
            size_bytes=sum(file.size_bytes for file in swept),
            waiting_files=len(waiting),
            waiting_bytes=sum(file.size_bytes for file in waiting),
            busy=busy,
        )

    # Mark

    def _split_refs(self, retention: Retention) -> tuple[list[Ref], list[Ref]]:
        kept: list[Ref] = []
        expired: list[Ref] = []
        oldest = self.clock.now() - timedelta(days=retention.keep_days)
        for environment in self.refs.environments():
            for position, ref in enumerate(self.refs.newest_first(environment)):
                is_kept = position < max(1, retention.keep_last) or parse_time(ref.at) >= oldest
                (kept if is_kept else expired).append(ref)
        return kept, expired

    def _unused(self, refs: Iterable[Ref]) -> list[FoundFile]:
        every = list(refs)
        leased = [held.ref for held in self.leases.live()]
        reachable = self._reachable({ref.snapshot for ref in [*every, *leased]})
        # Others are answered without: of 50 snapshots, 50 copies would be many times their data.
        for address in {ref.snapshot for ref in [*_newest_contents(every), *leased]}:
            for name in copy_addresses(decode_snapshot(self.objects.get(address))):
                reachable.paths |= {f"keyed/{name}{COPY_ENDING}", f"keyed/{name}{RECORD_ENDING}"}
        return [file for file in self._files() if file.path not in reachable.paths]

    def _reachable(self, snapshots: Iterable[str]) -> Reachable:
        reachable = Reachable()
        for address in snapshots:
            reachable.paths.add(f"objects/{address}")
            _mark(decode_snapshot(self.objects.get(address)), reachable)
        for table in self.data.tables():
            self._mark_sidecars(self.data.sidecars(table), reachable)
        return reachable

    def _mark_sidecars(self, sidecars: Mapping[Path, Sidecar | None], reachable: Reachable) -> None:
        for path, sidecar in sidecars.items():
            if sidecar is not None and _is_used(sidecar, reachable):
                reachable.paths.add(path.relative_to(self.root).as_posix())

    def _files(self) -> Iterator[FoundFile]:
        for pattern in _SWEPT:
            for path in sorted(self.root.glob(pattern)):
                if status := status_of(path):
                    name = path.relative_to(self.root).as_posix()
                    yield FoundFile(name, status.st_size, status.st_mtime)

    # Sweep

    def _sweepable(self, unused: Iterable[FoundFile], grace_seconds: float) -> set[str]:
        newest = self.clock.now().timestamp() - grace_seconds
        old = {file.path for file in unused if file.modified_seconds <= newest}
        return old & self._unused_before()

    def _forget(self, expired: Iterable[Ref]) -> None:
        """Remove refs, on disk too: none may come back after its data is gone."""
        for ref in expired:
            self.refs.remove(ref)
        for environment in {ref.environment for ref in expired}:
            self.writer.sync(self.refs.folder / environment)

    def _sweep(self, files: Iterable[FoundFile]) -> None:
        self.leases.remove_expired()
        for file in files:
            self.writer.remove(self.root / file.path)

    # From pass to pass

    @property
    def _note_path(self) -> Path:
        return self.root / "unused.json"

    def _note(self, waiting: Iterable[FoundFile]) -> None:
        paths = [file.path for file in waiting]
        self.writer.put(self._note_path, seal(msgspec.json.encode(paths)))

    def _unused_before(self) -> set[str]:
        """What the pass before could not reach; nothing when its note is damaged."""
        try:
            body = unseal(self._note_path.read_bytes(), self._note_path)
            return msgspec.json.decode(body, type=set[str])
        except (CorruptObject, FileNotFoundError, msgspec.MsgspecError):
            return set()


def _newest_contents(refs: Iterable[Ref]) -> Iterator[Ref]:
    """Of each environment's refs, newest first, those that show one of the newest contents."""
    seen: dict[str, set[str]] = {}
    for ref in refs:
        contents = seen.setdefault(ref.environment, set())
        if len(contents) < COPIES_KEPT or ref.content in contents:
            contents.add(ref.content)
            yield ref


def _mark(snapshot: Snapshot, reachable: Reachable) -> None:
    for version in snapshot.tables.values():
        reachable.paths.update(f"data/{file.path}" for file in version.files)
        reachable.cells.update(cell.address for cell in version.cells)
        reachable.cells.update(batch.address for batch in version.batches)
    reachable.paths.update(f"objects/{module.object}" for module in snapshot.manifest.modules)


def _is_used(sidecar: Sidecar, reachable: Reachable) -> bool:
    """Whether a later build could take a cell from it: one in use, or one in a file in use.

    Or learn from it that a raw file in use was read.
    """
    return (
        any(f"data/{file.path}" in reachable.paths for file in sidecar.files)
        or any(not cell.file and cell.address in reachable.cells for cell in sidecar.cells)
        or any(batch.address in reachable.cells for batch in sidecar.batches)
    )
