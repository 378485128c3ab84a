"""What a server and its query processes tell each other: requests and replies, as frames.

A frame is one byte for its kind, eight for its length, and so many bytes. Requests are msgpack;
values that it has no type for are extensions of it, one for each type that a parameter can have.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

import msgspec

from headrace.base.tables import Schema
from headrace.serve.columnar.queries import FailureKind
from headrace.serve.formats.forms import Form

# Kinds of frames: a request; a piece that others follow, the last one; columns or nothing; why not;
# the last one, where the limit has left rows out.
REQUEST, MORE, LAST, DONE, FAILED, LAST_OF_MORE = range(6)
LARGEST_REPLY_BYTES = 1024 * 1024

_HEAD = struct.Struct("<BQ")
_NAME = struct.Struct("<Q")


class Start(msgspec.Struct, frozen=True, tag=True):
    """Before everything else: the limits of the process.

    `memory_limit` is of all processes together, as DuckDB writes it, "" for 80 % of the machine.
    """

    memory_limit: str
    processes: int
    query_threads: int
    copy_bytes: int


class Open(msgspec.Struct, frozen=True, tag=True):
    """Open a snapshot under the number `snapshot`: its tables are made by `definitions`."""

    snapshot: int
    definitions: tuple[str, ...]
    data_root: str


class Drop(msgspec.Struct, frozen=True, tag=True):
    """Close a snapshot, and every query on it. Has no reply."""

    snapshot: int


class Bind(msgspec.Struct, frozen=True, tag=True):
    """Bind a SELECT; the reply is the names of its columns."""

    snapshot: int
    sql: str
    parameters: tuple[str, ...]


class Query(msgspec.Struct, frozen=True, tag=True):
    """Run a SELECT under the number `query`; the reply is its first piece."""

    query: int
    snapshot: int
    sql: str
    parameters: dict[str, object]
    columns: Schema
    form: Form
    limit: int = 0


class More(msgspec.Struct, frozen=True, tag=True):
    """Go on with a query; the reply is its next piece."""

    query: int


class Close(msgspec.Struct, frozen=True, tag=True):
    """Give back what a query holds. Has no reply."""

    query: int


class Failure(msgspec.Struct, frozen=True):
    """Why there is no answer; `is_worn` says that the process should be replaced."""

    kind: FailureKind
    text: str
    is_worn: bool = False


Request: TypeAlias = Start | Open | Drop | Bind | Query | More | Close


class Ended(Exception):
    """The other side has closed the connection."""


def send_frame(connection: socket.socket, kind: int, payload: bytes) -> None:
    """Send one frame, however slowly it is taken. Raises OSError when nobody takes it."""
    head = _HEAD.pack(kind, len(payload))
    # One call, so that the other side wakes up once.
    sent = connection.sendmsg((head, payload))
    for part in (head, payload):
        if sent < len(part):
            connection.sendall(memoryview(part)[sent:])
        sent = max(0, sent - len(part))


def receive_frame(connection: socket.socket, largest_bytes: int | None = None) -> tuple[int, bytes]:
    """The next frame: its kind and its bytes.

    Raises:
        Ended: there is none, or it is larger than `largest_bytes`.
        TimeoutError: it has not come within the connection's time.
    """
    kind, size = _HEAD.unpack(_receive(connection, _HEAD.size))
    if largest_bytes is not None and size > largest_bytes:
        raise Ended(f"a frame of {size} bytes")
    return kind, _receive(connection, size)


def send_interrupt(connection: socket.socket, query: int) -> None:
    """Ask for the end of a query; an interrupt for which there is no room is lost."""
    connection.send(_NAME.pack(query), socket.MSG_DONTWAIT)


def receive_interrupt(connection: socket.socket) -> int:
    """The next query to end. Raises Ended."""
    (query,) = _NAME.unpack(_receive(connection, _NAME.size))
    return int(query)


def _receive(connection: socket.socket, size: int) -> bytes:
    try:
        data = connection.recv(size, socket.MSG_WAITALL) if size else b""
        while len(data) < size:
            more = connection.recv(size - len(data), socket.MSG_WAITALL)
            if not more:
                raise Ended("the connection is closed")
            data += more
    except TimeoutError:
        raise
    except OSError as exc:
        raise Ended(str(exc)) from exc
    return data


# Values

_EXTENSIONS: tuple[tuple[type, Callable[[str], object]], ...] = (
    (int, int),
    (Decimal, Decimal),
    (datetime, datetime.fromisoformat),
    (date, date.fromisoformat),
    (time, time.fromisoformat),
    (UUID, UUID),
)
_PLAIN_INTEGERS = range(-(2**63), 2**63)


def packed(parameters: Mapping[str, object]) -> dict[str, object]:
    """Parameters as msgpack has them.

    Raises:
        TypeError: a value has a type that no parameter has.
    """
    return {name: _packed(value) for name, value in parameters.items()}


def _packed(value: object) -> object:
    if isinstance(value, list):
        return [_packed(each) for each in value]
    if isinstance(value, int) and value in _PLAIN_INTEGERS:
        return value
    if value is None or isinstance(value, (str, float, bytes)):
        return value
    for code, (kind, _) in enumerate(_EXTENSIONS):
        if isinstance(value, kind):
            text = value.isoformat() if isinstance(value, (date, time)) else str(value)
            return msgspec.msgpack.Ext(code, text.encode())
    raise TypeError(f"a parameter cannot be {type(value).__name__}")


def _unpacked(code: int, data: memoryview) -> object:
    return _EXTENSIONS[code][1](bytes(data).decode())


encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request, ext_hook=_unpacked).decode
decode_failure = msgspec.msgpack.Decoder(Failure).decode
decode_names = msgspec.msgpack.Decoder(list[str]).decode
