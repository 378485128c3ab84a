"""Entries of the audit log: takes what happened, gives chained entries and their lines of JSON."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeAlias, get_args

import msgspec

Action: TypeAlias = Literal[
    "setup",
    "sign_in",
    "sign_in_failed",
    "sign_out",
    "session_ended",
    "token_issued",
    "token_refreshed",
    "token_reused",
    "token_revoked",
    "denied",
    "limited",
    "key_created",
    "key_rotated",
    "key_revoked",
    "account_added",
    "account_changed",
    "account_removed",
    "password_changed",
    "roles_changed",
    "policy_changed",
    "published",
    "rolled_back",
    "promoted",
    "breaking_accepted",
    "exported",
    "queried",
    "dropped",
]
ACTIONS: tuple[Action, ...] = get_args(Action)

Detail: TypeAlias = "str | int | float | bool | None"

GENESIS = "0" * 64
# A line stays below 64 KiB whatever anybody sends, and so can be found from the end of its file.
LINE_BYTES = 64 * 1024
_TEXT_CHARACTERS = 500
_NAME_CHARACTERS = 60
_DETAILS = 20
_LARGEST_INTEGER = 2**53
_CUT = "…"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that happened and is to be put on record.

    Attributes:
        action: what.
        actor: who: the id of a principal, "os:<login name>" for a command, "" for nobody known.
        credential: what proved it, see `Principal.credential`; never a secret.
        target: what it was done to: an account, a key's id, an endpoint's path, an environment.
        request: what the request is called in the log and in its answer; "" for a command.
        address: of the client; "" for a command.
        detail: what else is worth knowing; texts are cut at 500 characters.
        at: when, ISO 8601 UTC; "" is when it is put on record.
    """

    action: Action
    actor: str
    credential: str = ""
    target: str = ""
    request: str = ""
    address: str = ""
    detail: Mapping[str, Detail] = field(default_factory=dict)
    at: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An event on record.

    Attributes:
        seq: counts from 1, without a gap.
        detail: a JSON object, its keys sorted.
        prev: the hash of the entry before; 64 zeros for the first.
        hash: the SHA-256 of the entry's line without the hash, see `line`.
    """

    seq: int
    at: str
    actor: str
    credential: str
    action: str
    target: str
    request: str
    address: str
    detail: str
    prev: str
    hash: str = ""

    @property
    def line(self) -> bytes:
        """The entry as one line of JSON, with its line end."""
        return self.body[:-1] + b',"hash":"' + self.hash.encode() + b'"}\n'

    @property
    def body(self) -> bytes:
        """What is hashed: the line up to the hash, as an object of its own."""
        values: dict[str, object] = {name: getattr(self, name) for name in _HASHED}
        values["detail"] = msgspec.Raw(self.detail.encode())
        return msgspec.json.encode(values)

    def as_json(self) -> dict[str, Any]:
        """The entry as an object, `detail` as one too."""
        found: dict[str, Any] = msgspec.json.decode(self.line)
        return found


_HASHED = tuple(each.name for each in fields(AuditEntry) if each.name != "hash")


def hash_body(body: bytes) -> str:
    """The hash of an entry's body."""
    return hashlib.sha256(body).hexdigest()


def chained(
    events: Iterable[AuditEvent], count: int, last_hash: str, now: str
) -> Iterator[AuditEntry]:
    """Events as entries that follow those on record.

    Args:
        events: in order.
        count: entries on record.
        last_hash: of the last of them.
        now: ISO 8601 UTC.
    """
    for seq, event in enumerate(events, count + 1):
        assert event.action in ACTIONS, event.action
        open_entry = AuditEntry(
            seq=seq,
            at=event.at or now,
            actor=clean(event.actor),
            credential=clean(event.credential),
            action=event.action,
            target=clean(event.target),
            request=clean(event.request),
            address=clean(event.address),
            detail=_encode_detail(event.detail),
            prev=last_hash,
        )
        last_hash = hash_body(open_entry.body)
        yield replace(open_entry, hash=last_hash)


def clean(text: str) -> str:
    """A text for the log: what is not printable is written as its number, and the end is cut off.

    >>> clean("anna\\r\\n\\x1b[31mroot")
    'anna\\\\u000d\\\\u000a\\\\u001b[31mroot'
    """
    shown = text[: _TEXT_CHARACTERS + 1]
    if not shown.isprintable():
        shown = "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in shown)
    return shown if len(shown) <= _TEXT_CHARACTERS else shown[: _TEXT_CHARACTERS - 1] + _CUT


def _encode_detail(detail: Mapping[str, Detail]) -> str:
    kept = {
        clean(name[:_NAME_CHARACTERS]): _plain(value)
        for name, value in list(detail.items())[:_DETAILS]
    }
    return msgspec.json.encode(dict(sorted(kept.items()))).decode()


def _plain(value: Detail) -> Detail:
    """A value that JSON holds, and every reader of JSON reads alike."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        return clean(hex(value))
    return value
