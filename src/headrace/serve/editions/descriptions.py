"""What an edition says of itself: takes a manifest and the user's code, gives each principal the
index and the OpenAPI document of what it may ask, and of nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec

from headrace.base.access import Access, Principal
from headrace.serve.describing.index import Index
from headrace.serve.describing.openapi import guarded, openapi
from headrace.serve.editions.user_routers import UserCode
from headrace.serve.kit import Kit
from headrace.store.snapshots import Manifest, Ref

# So many different answers are kept: one for all who may ask the same.
_MOST = 100


@dataclass(frozen=True, slots=True)
class Description:
    """What one kind of principal is told; `openapi` is JSON."""

    openapi: bytes
    index: Index


@dataclass(slots=True)
class Descriptions:
    """The descriptions of one edition, each made when it is asked for first."""

    _kit: Kit
    _ref: Ref
    _manifest: Manifest
    _code: UserCode
    _made: dict[tuple[bool, ...], Description] = field(default_factory=dict)

    def of(self, principal: Principal) -> Description:
        """What somebody is told."""
        allowed = tuple(access.allows(principal) for access in self._accesses())
        known = self._made.get(allowed)
        if known is None:
            if len(self._made) >= _MOST:
                self._made.clear()
            known = self._made[allowed] = self._make(principal)
        return known

    @property
    def is_guarded(self) -> bool:
        """Whether there is anything that not everybody may ask."""
        return any(access.kind != "public" for access in self._accesses())

    def _accesses(self) -> list[Access]:
        endpoints = [each.access for each in self._manifest.endpoints]
        return endpoints + [access for _, access in self._code.routes]

    def _make(self, principal: Principal) -> Description:
        endpoints = tuple(
            each for each in self._manifest.endpoints if each.access.allows(principal)
        )
        manifest = replace(self._manifest, endpoints=endpoints)
        document = openapi(
            manifest,
            str(self._ref.number),
            self._kit.formats,
            self._code.described(principal, guarded),
            self._kit.settings,
        )
        return Description(msgspec.json.encode(document), Index(self._ref, manifest))
