"""The audit log as a route: takes a request of somebody who may, gives a page of its entries."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from headrace.base.access import Access
from headrace.serve.answering.answers import Answer
from headrace.serve.answering.problems import unfit
from headrace.serve.asking.parameters import parse_query
from headrace.serve.faces import FaceRequest, FaceRoute
from headrace.store.audit.entries import ACTIONS, Action, AuditEntry
from headrace.store.audit.log import Audit

_LIMIT = 100
_MOST = 1000
_PARAMETERS = ("action", "before", "limit")
_HEADERS = {"Content-Type": "application/json", "Cache-Control": "private, no-store"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """The audit log of the store in `root`, newest first, a page at a time."""

    root: Path

    def route(self, path: str, access: Access) -> FaceRoute:
        """The route at `path`, with `?limit=`, `?before=`, `?action=`; `access` is who may ask."""
        return FaceRoute("GET", path, access, self._answer)

    async def _answer(self, request: FaceRequest) -> Answer:
        asked = dict(parse_query(request.scope["query_string"]))
        if unknown := sorted(asked.keys() - set(_PARAMETERS)):
            raise unfit(unknown[0], asked[unknown[0]], f"one of {', '.join(_PARAMETERS)}")
        limit = _number(asked, "limit", _LIMIT, _MOST)
        before = _number(asked, "before", 0, 2**63 - 1) or None
        entries = await asyncio.to_thread(self._newest, limit, before, _action(asked))
        last = entries[-1].seq if len(entries) == limit else 0
        body = {"entries": [each.as_json() for each in entries], "before": last or None}
        return Answer(200, msgspec.json.encode(body), _HEADERS)

    def _newest(self, limit: int, before: int | None, action: Action | None) -> list[AuditEntry]:
        with closing(Audit.open(self.root)) as audit:
            return audit.newest(limit, before=before, action=action)


def _number(asked: dict[str, str], name: str, default: int, most: int) -> int:
    if name not in asked:
        return default
    text = asked[name]
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:20]) <= most):
        raise unfit(name, text, f"a whole number from 1 to {most}")
    return int(text)


def _action(asked: dict[str, str]) -> Action | None:
    if "action" not in asked:
        return None
    for known in ACTIONS:
        if known == asked["action"]:
            return known
    raise unfit("action", asked["action"], f"one of {', '.join(ACTIONS)}")
