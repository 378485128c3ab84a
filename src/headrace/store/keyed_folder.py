"""The folder of keyed copies: takes a contract and the versions it reads, gives the copy of them.

A copy is named by what it was made from, so that it is never modified and never out of date. Beside
it lies a record of how large it is; a record without a copy says why there is none. Nothing here
opens a copy.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from headrace.base.errors import CorruptObject
from headrace.base.hashing import address
from headrace.store.durable import Writer, status_of
from headrace.store.sealing import seal, unseal
from headrace.store.snapshots import EndpointContract, Snapshot

FORMAT = 3
_PIECE_BYTES = 1 << 20
COPY_ENDING = ".lmdb"
RECORD_ENDING = ".json"


@dataclass(frozen=True, slots=True)
class Copy:
    """A keyed copy that is there, and as large as it was; `checksum` is that of its bytes."""

    path: Path
    rows: int
    size_bytes: int
    checksum: int

    def require_whole(self) -> None:
        """Read all of it; blocks. LMDB trusts a file: damage ends the process that opens it.

        The system holds it in memory afterwards, so that no request waits for the disk.

        Raises:
            CorruptObject: it is not as it was written.
            OSError: it cannot be read.
        """
        if _checksum(self.path) != self.checksum:
            raise CorruptObject(
                f"{self.path}: this keyed copy is damaged; expected the bytes that were written; "
                "remove it, and the next run builds it again"
            )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no keyed copy; it is not tried again.

    `limit_bytes` is the limit that it exceeded; 0 when no limit would have helped.
    """

    reason: str
    limit_bytes: int = 0


@dataclass(frozen=True, slots=True)
class MissingCopy:
    """A copy that is to be made, and the contracts that share it."""

    address: str
    contracts: tuple[EndpointContract, ...]

    @property
    def contract(self) -> EndpointContract:
        """One of them."""
        return self.contracts[0]

    @property
    def endpoint(self) -> str:
        """Their names."""
        return ", ".join(dict.fromkeys(each.name for each in self.contracts))


@dataclass(frozen=True, slots=True)
class Record:
    """What lies beside a copy: its figures, or why there is none."""

    rows: int = 0
    size_bytes: int = 0
    checksum: int = 0
    refusal: Refusal | None = None


def copy_recipe(contract: EndpointContract) -> str:
    """What a copy is made by: equal for endpoints that share one. The contract has `keyed`."""
    assert contract.keyed is not None, f"{contract.name} has no keyed query"
    columns = [[column.name, column.type] for column in contract.columns]
    # What an answer has without any row is the whole query's to say.
    whole = contract.sql if contract.keyed.lone else ""
    # Whom it answers changes nothing of what it holds.
    held = replace(contract.keyed, cases=())
    return address("keyed", FORMAT, msgspec.to_builtins(held), columns, whole)


def copy_address(contract: EndpointContract, versions: Mapping[str, str]) -> str:
    """The name of a copy: of its recipe and the versions of the tables that it reads.

    Args:
        contract: with a keyed query.
        versions: table -> address of its version.
    """
    read = {table: versions.get(table, "") for table in contract.tables}
    return address("keyed copy", copy_recipe(contract), read)


def version_addresses(snapshot: Snapshot) -> dict[str, str]:
    """Table -> the address of its version."""
    return {name: version.address for name, version in snapshot.tables.items()}


def copy_addresses(snapshot: Snapshot) -> set[str]:
    """The names of all copies that a snapshot's endpoints are answered from."""
    versions = version_addresses(snapshot)
    return {
        copy_address(contract, versions)
        for contract in snapshot.manifest.endpoints
        if contract.keyed is not None
    }


@dataclass(frozen=True, slots=True)
class KeyedFolder:
    """The folder `keyed` of a store."""

    folder: Path
    writer: Writer

    def find(self, address: str) -> Copy | Refusal | None:
        """The copy of that name, or why there is none; None when nobody has tried."""
        record = _read(self.folder / f"{address}{RECORD_ENDING}")
        if record is None:
            return None
        if record.refusal is not None:
            return record.refusal
        path = self.folder / f"{address}{COPY_ENDING}"
        status = status_of(path)
        if status is None or status.st_size != record.size_bytes:
            return None
        return Copy(path, record.rows, record.size_bytes, record.checksum)

    def missing(self, snapshot: Snapshot, limit_bytes: int) -> list[MissingCopy]:
        """The copies that a snapshot's endpoints ask for, and that nobody has tried to make.

        One that was larger than another limit is tried again. With a limit of 0 there are none.
        """
        if not limit_bytes:
            return []
        versions = version_addresses(snapshot)
        sharing: dict[str, list[EndpointContract]] = {}
        for contract in snapshot.manifest.endpoints:
            if contract.keyed is not None:
                sharing.setdefault(copy_address(contract, versions), []).append(contract)
        return [
            MissingCopy(address, tuple(contracts))
            for address, contracts in sharing.items()
            if self._is_missing(address, limit_bytes)
        ]

    def staged(self) -> Path:
        """A new name in the staging folder, to write a copy to."""
        return self.writer.temporary(COPY_ENDING)

    def keep(self, address: str, staged: Path, rows: int) -> Copy:
        """Move a finished copy to its place, durably and read-only, and then record it."""
        path = self.folder / f"{address}{COPY_ENDING}"
        size_bytes, checksum = staged.stat().st_size, _checksum(staged)
        self.writer.adopt(staged, path)
        self._record(address, Record(rows, size_bytes, checksum))
        return Copy(path, rows, size_bytes, checksum)

    def refuse(self, address: str, refusal: Refusal) -> None:
        """Record durably why there is no copy of that name."""
        self._record(address, Record(refusal=refusal))

    def _is_missing(self, address: str, limit_bytes: int) -> bool:
        found = self.find(address)
        if isinstance(found, Refusal):
            return 0 < found.limit_bytes < limit_bytes
        return found is None

    def _record(self, address: str, record: Record) -> None:
        self.writer.put(
            self.folder / f"{address}{RECORD_ENDING}", seal(msgspec.json.encode(record))
        )


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb", buffering=0) as file:
        piece = memoryview(bytearray(_PIECE_BYTES))
        while size_bytes := file.readinto(piece):
            checksum = zlib.crc32(piece[:size_bytes], checksum)
    return checksum


def _read(path: Path) -> Record | None:
    try:
        return msgspec.json.decode(unseal(path.read_bytes(), path), type=Record)
    except (CorruptObject, FileNotFoundError, msgspec.MsgspecError):
        return None
