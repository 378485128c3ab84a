"""Versions side by side: takes a contract and its siblings, gives what its answers say of its end.

`Deprecation` is RFC 9745's, `Sunset` RFC 8594's, `successor-version` RFC 5829's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote

from headrace.serve.answering.answers import Headers
from headrace.store.snapshots import EndpointContract

_PARAMETER = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Notice:
    """What every answer of an endpoint says of its end.

    `fixed` is the same for every request; `successor` is the path of the next version, or "".
    """

    fixed: tuple[tuple[bytes, bytes], ...] = ()
    successor: str = ""

    @classmethod
    def of(cls, contract: EndpointContract, endpoints: Iterable[EndpointContract]) -> Notice:
        """The notice of an endpoint, which is one of `endpoints`; empty if nothing ends it."""
        fixed: list[tuple[bytes, bytes]] = []
        if contract.deprecated:
            seconds = int(_midnight(contract.deprecated).timestamp())
            fixed.append((b"deprecation", f"@{seconds}".encode()))
        if contract.sunset:
            text = format_datetime(_midnight(contract.sunset), usegmt=True)
            fixed.append((b"sunset", text.encode()))
        return cls(tuple(fixed), successor(contract, endpoints) if fixed else "")

    def headers(self, parameters: Mapping[str, str]) -> Headers:
        """The headers of an answer; `parameters` are those of its path, in the path's order."""
        if not self.successor:
            return list(self.fixed)
        values = iter(parameters.values())
        path = _PARAMETER.sub(lambda _: quote(next(values), safe=""), self.successor)
        return [*self.fixed, (b"link", f'<{path}>; rel="successor-version"'.encode())]


def successor(contract: EndpointContract, endpoints: Iterable[EndpointContract]) -> str:
    """The path of the next version of an endpoint; "" when it is the last."""
    own = _unversioned(contract)
    later = [
        each for each in endpoints if each.version > contract.version and _unversioned(each) == own
    ]
    return min(later, key=lambda each: each.version).path if later else ""


def _unversioned(contract: EndpointContract) -> str:
    prefix = f"/v{contract.version}" if contract.version > 1 else ""
    return _PARAMETER.sub("{}", contract.path.removeprefix(prefix))


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)
