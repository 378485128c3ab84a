"""Leases: takes a snapshot that a reader uses, keeps gc from sweeping it while it is renewed.

A lease is a file; renewing it sets the file's time, so that nothing is ever half renewed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from headrace.base.clock import Clock
from headrace.base.errors import CorruptObject, NotFound
from headrace.store.durable import Writer, status_of, unique_name
from headrace.store.sealing import seal, unseal
from headrace.store.snapshots import Ref

LEASE_SECONDS = 60.0
_ENDING = ".json"


@dataclass(frozen=True, slots=True)
class Held:
    """What a lease says: `holder` reads the snapshot of `ref`."""

    holder: str
    ref: Ref
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class Lease:
    """A reader's claim on a snapshot; lasts `lease_seconds` after it was last renewed."""

    ref: Ref
    lease_seconds: float
    _path: Path
    _writer: Writer
    _clock: Clock

    def renew(self) -> None:
        """Make the lease last `lease_seconds` from now.

        Raises:
            NotFound: it has expired, and gc may have swept what it held: pin a snapshot again.
        """
        now = self._clock.now()
        if now >= _expiry(self._path, self.lease_seconds):
            raise NotFound(
                f"{self._path}: the lease on snapshot {self.ref.number} of "
                f"{self.ref.environment} has expired; expected a renewal every "
                f"{self.lease_seconds:g} seconds; pin a snapshot again"
            )
        self._writer.set_time(self._path, now)

    def release(self) -> None:
        """Give the claim up; releasing twice does nothing."""
        self._writer.remove(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


@dataclass(frozen=True, slots=True)
class Leases:
    """The folder of leases."""

    folder: Path
    writer: Writer
    clock: Clock

    def take(self, ref: Ref, *, holder: str) -> Lease:
        """A new lease on the snapshot of `ref`; the caller makes sure that gc does not sweep."""
        path = self.folder / f"{unique_name()}{_ENDING}"
        self.writer.put(path, seal(msgspec.json.encode(Held(holder, ref, LEASE_SECONDS))))
        self.writer.set_time(path, self.clock.now())
        return Lease(ref, LEASE_SECONDS, path, self.writer, self.clock)

    def live(self) -> list[Held]:
        """The leases that have not expired."""
        return [held for _, held, is_live in self._all() if is_live and held is not None]

    def remove_expired(self) -> None:
        """Remove the files of leases that have expired, and of damaged ones after as long."""
        for path, _, is_live in self._all():
            if not is_live:
                self.writer.remove(path)

    def _all(self) -> Iterator[tuple[Path, Held | None, bool]]:
        for path in sorted(self.folder.glob(f"*{_ENDING}")):
            held = _read(path)
            seconds = held.lease_seconds if held else LEASE_SECONDS
            yield path, held, self.clock.now() < _expiry(path, seconds)


def _read(path: Path) -> Held | None:
    try:
        return msgspec.json.decode(unseal(path.read_bytes(), path), type=Held)
    except (CorruptObject, FileNotFoundError, msgspec.MsgspecError):
        return None


def _expiry(path: Path, lease_seconds: float) -> datetime:
    """When a lease ends; one that was released a moment ago has ended."""
    status = status_of(path)
    renewed_at = status.st_mtime if status else 0.0
    return datetime.fromtimestamp(renewed_at + lease_seconds, UTC)
