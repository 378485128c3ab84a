"""Objects: takes bytes, gives the address that names them; an object never changes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from headrace.base.clock import Clock
from headrace.base.errors import CorruptObject, NotFound
from headrace.base.hashing import hash_bytes
from headrace.store.durable import Writer, status_of

_ADDRESS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Objects:
    """The folder of objects: each file is named by the sha256 of its bytes."""

    folder: Path
    writer: Writer
    clock: Clock

    def put(self, data: bytes) -> str:
        """Store `data` durably, once however often it is put; returns its address."""
        address = hash_bytes(data)
        if self._is_intact(address):
            self._refresh(address)
        else:
            self.writer.put(self.folder / address, data)
        return address

    def get(self, address: str) -> bytes:
        """The bytes that `address` names.

        Raises:
            NotFound: there is no such object.
            CorruptObject: the bytes on disk are not the ones that were put.
        """
        path = self.folder / address
        try:
            data = path.read_bytes() if _ADDRESS.fullmatch(address) else None
        except FileNotFoundError:
            data = None
        if data is None:
            raise NotFound(
                f"{path}: no such object; expected a file in the store; restore the store from "
                "a backup, or run the project again to build it anew"
            )
        return _checked(path, data, address)

    def has(self, address: str) -> bool:
        """Whether there is an object of that address; its bytes are not read."""
        return status_of(self.folder / address) is not None

    def _is_intact(self, address: str) -> bool:
        try:
            return hash_bytes((self.folder / address).read_bytes()) == address
        except FileNotFoundError:
            return False

    def _refresh(self, address: str) -> None:
        """Make an object as safe as a new one: young, for gc, and its name on disk."""
        self.writer.set_time(self.folder / address, self.clock.now())
        self.writer.sync(self.folder)


def _checked(path: Path, data: bytes, address: str) -> bytes:
    found = hash_bytes(data)
    if found != address:
        raise CorruptObject(
            f"{path}: {len(data)} bytes with sha256 {found}; expected sha256 {address}; "
            "the disk has changed them: restore the file from a backup"
        )
    return data
