"""An edition: takes a published ref, gives everything that is needed to answer from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from fastapi import FastAPI

from headrace.serve.columnar import SnapshotReader
from headrace.serve.dependencies import SnapshotView
from headrace.serve.endpoints import CompiledEndpoint
from headrace.serve.formats import Formats
from headrace.serve.index import Index
from headrace.serve.openapi import openapi
from headrace.serve.routes import Routes
from headrace.serve.settings import ServeSettings
from headrace.serve.user_routers import UserCode, load_user_code
from headrace.serve.workers import Workers
from headrace.store.leases import Lease
from headrace.store.snapshots import Ref
from headrace.store.store import Store


@dataclass(frozen=True, slots=True)
class Kit:
    """What every edition of one service shares."""

    store: Store
    settings: ServeSettings
    workers: Workers
    formats: Formats


@dataclass(slots=True)
class Edition:
    """One snapshot, opened and warm.

    `holds` counts the requests that are being answered from it; see `watching`.
    """

    ref: Ref
    reader: SnapshotReader
    view: SnapshotView
    routes: Routes[CompiledEndpoint]
    openapi: bytes
    index: Index
    lease: Lease
    _code: UserCode
    holds: int = 0

    @classmethod
    def open(cls, kit: Kit, ref: Ref) -> Edition:
        """Pin a snapshot, open it, bind every query of its contract, import the user's code.

        Raises:
            StoreError: the snapshot, or a file of it, is missing or damaged.
            Exception: what the user's code raises when it is imported.
        """
        lease = kit.store.pin(ref, holder="serve")
        try:
            reader = SnapshotReader.open(kit.store, ref, kit.settings)
            try:
                return cls._prepare(kit, reader, lease)
            except BaseException:
                reader.close()
                raise
        except BaseException:
            lease.release()
            raise

    @property
    def application(self) -> FastAPI | None:
        """The user's routers."""
        return self._code.application

    def close(self) -> None:
        """Give everything back; nothing may use the edition any more."""
        self._code.close()
        self.reader.close()
        self.lease.release()

    @classmethod
    def _prepare(cls, kit: Kit, reader: SnapshotReader, lease: Lease) -> Edition:
        manifest = reader.snapshot.manifest
        endpoints = [
            CompiledEndpoint(each, reader, kit.workers, kit.store.clock)
            for each in manifest.endpoints
        ]
        for each in endpoints:
            each.warm()
        routes = Routes((each.contract.path, each) for each in endpoints)
        code = load_user_code(kit.store, manifest)
        document: Mapping[str, object] = openapi(
            manifest, str(reader.ref.number), kit.formats, code.application
        )
        return cls(
            ref=reader.ref,
            reader=reader,
            view=SnapshotView(reader, kit.settings.deadline_seconds),
            routes=routes,
            openapi=msgspec.json.encode(document),
            index=Index(reader.ref, manifest),
            lease=lease,
            _code=code,
        )
