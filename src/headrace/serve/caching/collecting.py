"""Takes the pieces of an answer on their way to a client, gives the whole to be kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from headrace.serve.answering.answers import Piece


class Collected:
    """Pieces that go to a client, collected until they are a whole that is worth keeping."""

    def __init__(self, first: bytes, most_bytes: int, keep: Callable[[bytes], None]) -> None:
        """Collect from the first piece on.

        Args:
            first: the piece that is there.
            most_bytes: of a whole that is worth keeping.
            keep: gets it, once it is whole.
        """
        self._pieces = [first]
        self._left_bytes = most_bytes - len(first)
        self._keep = keep

    def over(self, more: Callable[[], Awaitable[Piece]]) -> Callable[[], Awaitable[Piece]]:
        """The same as `more`, looked at on the way."""

        async def next_piece() -> Piece:
            piece, last = await more()
            self._left_bytes -= len(piece)
            if self._left_bytes < 0:
                self._pieces.clear()
            else:
                self._pieces.append(piece)
                if last:
                    self._keep(b"".join(self._pieces))
            return piece, last

        return next_piece
