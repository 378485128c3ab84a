"""An edition: takes a published ref, gives everything that is needed to answer from it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from fastapi import FastAPI

from headrace.base.access import ANONYMOUS, Principal
from headrace.base.errors import StoreError
from headrace.serve.answering.answers import Headers
from headrace.serve.answering.problems import Refused
from headrace.serve.answering.versions import Notice
from headrace.serve.asking.asked import Asked, Request
from headrace.serve.asking.parameters import every_request
from headrace.serve.asking.routes import Routes
from headrace.serve.columnar.queries import QueryFailed, Reader
from headrace.serve.counting import Calls
from headrace.serve.editions.dependencies import Snapshots
from headrace.serve.editions.descriptions import Descriptions
from headrace.serve.editions.user_routers import CodeStore, UserCode, load_user_code
from headrace.serve.endpoints import CompiledEndpoint
from headrace.serve.keyed.reader import KeyedReader
from headrace.serve.kit import Kit
from headrace.store.keyed_folder import Copy, Refusal
from headrace.store.snapshots import Ref, Snapshot, TablePolicy
from headrace.store.store import Store

_LOG = logging.getLogger("headrace.serve")


class Target(NamedTuple):
    """What a request's line and Accept header lead to in an edition."""

    served: Served
    asked: Asked
    notice: Headers


@dataclass(frozen=True, slots=True)
class Served:
    """An endpoint at its path: what answers, how often it did, and what it says of its end."""

    endpoint: CompiledEndpoint
    calls: Calls
    notice: Notice


class Pin(Protocol):
    """What keeps an edition's data where it is: a lease of the store."""

    def renew(self) -> None:
        """Keep it for longer. Raises NotFound when it was too late for that."""
        ...

    def release(self) -> None:
        """Keep it no longer."""
        ...


@dataclass(slots=True)
class Edition:
    """One snapshot, opened and warm.

    `holds` counts the requests that are being answered from it; see `watching`. A target is there
    for those alone who may ask.
    """

    ref: Ref
    reader: Reader
    view: Snapshots | None
    endpoints: Mapping[str, CompiledEndpoint]
    routes: Routes[Served]
    descriptions: Descriptions
    lease: Pin
    keyed: Mapping[str, KeyedReader]
    code: UserCode
    holds: int = 0
    targets: dict[tuple[bytes, bytes, bytes, Principal], Target] = field(default_factory=dict)

    @classmethod
    def open(cls, kit: Kit, store: Store, ref: Ref, *, older: bool = False) -> Edition:
        """Pin a snapshot, open it, bind every query of its contract, import the user's code.

        Args:
            kit: what all editions share.
            store: where the snapshot is.
            ref: which one.
            older: it is for those who follow a cursor: without routers, and nothing is made before
                it is asked for.

        Raises:
            StoreError: the snapshot, or a file of it, is missing or damaged.
            Exception: what the user's code raises when it is imported.
        """
        lease = store.pin(ref, holder="serve")
        try:
            with ExitStack() as opened:
                # A process has room for the copies of two snapshots, not for those of older ones.
                reader = kit.readers.open(store, ref, copies=not older)
                opened.callback(reader.close)
                keyed = _keyed_readers(store, reader.snapshot)
                for each in keyed.values():
                    opened.callback(each.close)
                edition = cls.prepare(kit, store, reader, lease, keyed, older=older)
                opened.pop_all()
            if not older:
                edition.fill(kit)
            return edition
        except BaseException:
            lease.release()
            raise

    def fill(self, kit: Kit) -> None:
        """Make the answers that will be asked for first, until the time for it is up; blocks.

        Those of endpoints that have only a few, then those that were asked for most before.
        """
        asked = kit.cache.hottest(kit.settings.warm_answers)
        hottest = [(each.path, each.request, each.principal) for each in asked]
        until = time.monotonic() + kit.settings.warm_seconds
        for path, request, principal in [*self._few(kit), *hottest]:
            if time.monotonic() >= until:
                break
            # What cannot be answered now is answered, or refused, when somebody asks.
            with suppress(Refused, QueryFailed):
                if (endpoint := self.endpoints.get(path)) is not None:
                    endpoint.fill(endpoint.asked(request, principal))

    def _few(self, kit: Kit) -> Iterator[tuple[str, Request, Principal]]:
        form = kit.formats.offered[0]
        for path, endpoint in self.endpoints.items():
            contract = endpoint.contract
            if contract.access_path == "cache" and contract.scope is None:
                for parameters, query in every_request(contract):
                    yield path, Request(parameters, query, form), ANONYMOUS

    def policy(self, table: str) -> TablePolicy:
        """Who may see what of a table."""
        return self.reader.snapshot.manifest.tables.get(table, TablePolicy())

    @property
    def application(self) -> FastAPI | None:
        """The user's routers."""
        return self.code.application

    def close(self) -> None:
        """Give everything back; nothing may use the edition any more."""
        self.code.close()
        for each in self.keyed.values():
            each.close()
        self.reader.close()
        self.lease.release()

    @classmethod
    def prepare(
        cls,
        kit: Kit,
        code: CodeStore,
        reader: Reader,
        lease: Pin,
        keyed: Mapping[str, KeyedReader],
        *,
        older: bool = False,
    ) -> Edition:
        """Bind every query of an open snapshot's contract, import the user's code.

        Args:
            kit: what the service's editions share.
            code: has the texts of the user's code.
            reader: of the snapshot; closed with the edition.
            lease: keeps the snapshot's files where they are; released with the edition.
            keyed: the keyed copies that are there, by the endpoint's path; closed likewise.

        Raises:
            Exception: what the user's code raises when it is imported.
        """
        manifest = reader.snapshot.manifest
        endpoints = [
            CompiledEndpoint(each, reader, kit, keyed.get(each.path)) for each in manifest.endpoints
        ]
        for each in endpoints:
            each.warm()
        routes = Routes(
            (
                each.contract.path,
                Served(
                    each,
                    kit.counts.of(each.contract.path),
                    Notice.of(each.contract, manifest.endpoints),
                ),
            )
            for each in endpoints
        )
        view = None
        if not older and any(module.router for module in manifest.modules):
            view = Snapshots(reader.local(), kit.settings.deadline_seconds, kit.salt)
        user_code = UserCode(None) if older else load_user_code(code, manifest)
        return cls(
            ref=reader.ref,
            reader=reader,
            view=view,
            endpoints={each.contract.path: each for each in endpoints},
            routes=routes,
            descriptions=Descriptions(kit, reader.ref, manifest, user_code),
            lease=lease,
            keyed=keyed,
            code=user_code,
        )


def _keyed_readers(store: Store, snapshot: Snapshot) -> dict[str, KeyedReader]:
    """The keyed copies that are there, open and whole; what has none is answered without."""
    readers: dict[str, KeyedReader] = {}
    for contract in snapshot.manifest.endpoints:
        found = store.keyed_copy(contract, snapshot)
        try:
            if isinstance(found, Copy):
                found.require_whole()
                readers[contract.path] = KeyedReader.open(found.path, contract)
            elif contract.keyed is not None:
                why = found.reason if isinstance(found, Refusal) else "its keyed copy is missing"
                _LOG.warning("endpoint %s is answered by queries: %s", contract.name, why)
        except (StoreError, OSError) as exc:
            _LOG.warning("endpoint %s is answered by queries: %s", contract.name, exc)
    return readers
