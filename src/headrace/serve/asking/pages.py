"""Pages of one endpoint's answers: takes a request whose answer has further rows, gives the link to
them; takes the cursor of such a link, gives the request that it continues.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlencode

from headrace.serve.answering.problems import unfit
from headrace.serve.asking.cursors import Cursor, Cursors, NotACursor, read_cursor, short_address
from headrace.serve.asking.listing import CURSOR
from headrace.serve.asking.parameters import OFFSET, Values
from headrace.store.snapshots import EndpointContract

# What a path may hold as it is; a client may have sent anything.
_IN_PATH = "/%:@!$&'()*+,;=~-._"
# What a cursor is expected to be.
_A_LINK = "the URL of a `Link` header, unchanged but for its limit"
_PLAIN = re.compile(rb"[A-Za-z0-9/_.-]*")


class Sent(Protocol):
    """A request as it was sent: its path, and the (parameter, text) pairs of its query."""

    @property
    def target(self) -> bytes:
        """The path."""
        ...

    @property
    def query(self) -> Sequence[tuple[str, str]]:
        """The pairs, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of an endpoint's answers, in one snapshot; make it by `of`."""

    path: str
    content: bytes
    snapshot: int
    cursors: Cursors

    @classmethod
    def of(cls, contract: EndpointContract, content: str, snapshot: int, cursors: Cursors) -> Pages:
        """The pages of an endpoint.

        Args:
            contract: of the endpoint.
            content: address of what its answers are made of.
            snapshot: the number of the snapshot.
            cursors: of the environment.
        """
        # A mark means something in copies with these keys alone.
        named = short_address(content, repr(contract.keyed))
        return cls(contract.path, named, snapshot, cursors)

    def link(self, sent: Sent, values: Values, mark: bytes = b"") -> str:
        """The Link header of an answer whose limit has left rows out.

        Args:
            sent: the request.
            values: what it asks for.
            mark: where the next page begins in a keyed copy; b"" without one.
        """
        given = values.listing.cursor
        continued = read_cursor(self.cursors, given) if given else None
        # All pages say that they are of the first one's snapshot: a later one of the same content
        # may answer.
        snapshot = continued.snapshot if continued else self.snapshot
        position = values.offset + values.limit
        cursor = Cursor(snapshot, self.content, self._request(values), position, mark)
        # A sealed cursor is made of what a URL may hold as it is.
        query = f"{CURSOR}={self.cursors.seal(cursor)}"
        if pairs := [pair for pair in sent.query if pair[0] not in (CURSOR, OFFSET)]:
            query = f"{urlencode(pairs)}&{query}"
        return f'<{_spelled(sent.target)}?{query}>; rel="next"'

    def continued(self, values: Values) -> Values:
        """A request with a cursor, as what it asks for.

        Raises:
            Refused: 422, the cursor is none, or one of another request.
        """
        try:
            cursor = self.cursors.read(values.listing.cursor)
        except NotACursor as exc:
            raise unfit(CURSOR, "it is no cursor of this API", _A_LINK) from exc
        if cursor.content != self.content or cursor.request != self._request(values):
            raise unfit(CURSOR, "it belongs to a request with other parameters", _A_LINK)
        return values.from_offset(cursor.position, cursor.mark)

    def _request(self, values: Values) -> bytes:
        return short_address(self.path, values.question)


def _spelled(path: bytes) -> str:
    """A path as it was sent, without what a header could not hold."""
    if _PLAIN.fullmatch(path):
        return path.decode()
    return quote(path, safe=_IN_PATH)
