"""The audit log of a service: takes events from any thread at once, writes them in batches.

Whoever notes an event never waits: a thread writes. Equal refusals and exports within a minute are
one entry with a count, and of many different ones only so many are told apart, so that a flood of
them costs neither time nor room.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from headrace.base.access import ANONYMOUS, Principal
from headrace.base.clock import Clock, SystemClock, format_time
from headrace.base.errors import StoreError
from headrace.store.audit.entries import ACTIONS, Action, AuditEvent, Detail
from headrace.store.audit.log import Audit

_LOG = logging.getLogger("headrace.audit")

_SYSTEM_CLOCK = SystemClock()
_MERGED: frozenset[Action] = frozenset(("denied", "limited", "exported"))
_ACTIONS: dict[str, Action] = {each: each for each in ACTIONS}
_OTHERS = "(others)"


@dataclass(frozen=True, slots=True)
class TrailLimits:
    """How much a trail holds, and how long.

    Attributes:
        waiting: events that may wait to be written; more are counted and dropped.
        told_apart: different events of one kind that are told apart within that time; all others
            are one more entry.
        merge_seconds: within which equal refusals and exports are one entry.
        write_seconds: how often the thread writes.
    """

    waiting: int = 10_000
    told_apart: int = 1_000
    merge_seconds: float = 60.0
    write_seconds: float = 1.0


_DEFAULT_LIMITS = TrailLimits()


# Actor, target and address: what equal events have in common.
_Same: TypeAlias = tuple[str, str, str]


@dataclass(slots=True)
class _Merged:
    event: AuditEvent
    began_at: datetime
    count: int = 1

    def counted(self) -> AuditEvent:
        """The event with how often it happened."""
        detail = {**self.event.detail, "count": self.count}
        return replace(self.event, detail=detail, at=format_time(self.began_at))


@dataclass(slots=True, eq=False)
class AuditTrail:
    """Events on their way to the audit log of a store; `start` it, and `close` it at last."""

    root: Path
    clock: Clock = _SYSTEM_CLOCK
    limits: TrailLimits = _DEFAULT_LIMITS
    _waiting: list[AuditEvent] = field(default_factory=list, repr=False)
    _merged: dict[Action, dict[_Same, _Merged]] = field(default_factory=dict, repr=False)
    _dropped: int = 0
    _failing: bool = False
    _adding: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _writing: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _stopping: threading.Event = field(default_factory=threading.Event, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    def note(
        self,
        action: Action,
        principal: Principal = ANONYMOUS,
        target: str = "",
        *,
        address: str = "",
        request: str = "",
        detail: Mapping[str, Detail] | None = None,
    ) -> None:
        """Note an event; returns at once, and never raises.

        Args:
            action: what happened.
            principal: who did it.
            target: what it was done to; of a request, its path without the query string.
            address: of the client.
            request: what the request is called in the log and in its answer.
            detail: what else is to be known; never a secret.
        """
        at = self.clock.now()
        event = AuditEvent(
            action=action,
            actor=principal.id,
            credential=principal.credential,
            target=target,
            request=request,
            address=address,
            detail=detail or {},
        )
        with self._adding:
            if action in _MERGED:
                self._merge(event, at)
            else:
                self._wait(event, at)

    def __call__(
        self,
        actor: Principal,
        action: str,
        target: str,
        detail: Mapping[str, str],
        *,
        address: str = "",
        request: str = "",
    ) -> None:
        """The same, for what changes accounts and keys: see `recording.Audit`."""
        self.note(
            audited(action), actor, target, address=address, request=request, detail=dict(detail)
        )

    def start(self) -> None:
        """Write every `write_seconds` from a thread."""
        self._thread = threading.Thread(target=self._run, name="headrace-audit", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread, and write everything that is left."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self.flush(everything=True)

    def flush(self, *, everything: bool = False) -> None:
        """Write what waits; never raises: what cannot be written now is kept.

        Args:
            everything: refusals, too, whose time is not over yet.
        """
        with self._writing:
            with self._adding:
                events, dropped = self._taken(everything=everything)
            if not events:
                return
            try:
                with closing(Audit.open(self.root, clock=self.clock)) as audit:
                    audit.append(*events)
            except (StoreError, OSError) as exc:
                self._fail(exc, events, dropped)
            else:
                self._failing = False

    def _wait(self, event: AuditEvent, at: datetime) -> None:
        if len(self._waiting) >= self.limits.waiting:
            self._dropped += 1
        else:
            self._waiting.append(replace(event, at=format_time(at)))

    def _merge(self, event: AuditEvent, at: datetime) -> None:
        key = (event.actor, event.target, event.address)
        known = self._merged.setdefault(event.action, {})
        if key not in known and len(known) >= self.limits.told_apart:
            event, key = AuditEvent(event.action, "", target=_OTHERS), ("", _OTHERS, "")
        if key in known:
            known[key].count += 1
        else:
            known[key] = _Merged(event, at)

    def _taken(self, *, everything: bool) -> tuple[list[AuditEvent], int]:
        """What is to be written now, and how many events had no room; they are forgotten here."""
        now = self.clock.now()
        over = timedelta(seconds=self.limits.merge_seconds)
        for known in self._merged.values():
            for key, merged in list(known.items()):
                if everything or now - merged.began_at >= over:
                    del known[key]
                    self._waiting.append(merged.counted())
        events, dropped = self._waiting, self._dropped
        self._waiting, self._dropped = [], 0
        if dropped:
            lost = AuditEvent("dropped", "", detail={"count": dropped}, at=format_time(now))
            return [*events, lost], dropped
        return events, dropped

    def _fail(self, exc: Exception, events: list[AuditEvent], dropped: int) -> None:
        """Keep what could not be written, as far as there is room; say so once."""
        if not self._failing:
            _LOG.error("the audit log cannot be written now: %s", exc)
        self._failing = True
        kept = [event for event in events if event.action != "dropped"]
        with self._adding:
            room = max(0, self.limits.waiting - len(self._waiting))
            self._dropped += dropped + len(kept[room:])
            self._waiting = [*kept[:room], *self._waiting]

    def _run(self) -> None:
        while not self._stopping.wait(self.limits.write_seconds):
            self.flush()


@dataclass(frozen=True, slots=True)
class Recorder:
    """The audit log of a command: each event is on disk before the call returns."""

    audit: Audit

    def __call__(
        self,
        actor: Principal,
        action: str,
        target: str,
        detail: Mapping[str, str],
        *,
        address: str = "",
        request: str = "",
    ) -> None:
        """Put one event on record, see `recording.Audit`.

        Raises:
            StoreError: it cannot be; what it is about must not be done then.
        """
        self.audit.append(
            AuditEvent(
                action=audited(action),
                actor=actor.id,
                credential=actor.credential,
                target=target,
                request=request,
                address=address,
                detail=dict(detail),
            )
        )


def audited(action: str) -> Action:
    """The same word, if it is one of the log's.

    Raises:
        ValueError: it is not.
    """
    if (known := _ACTIONS.get(action)) is None:
        raise ValueError(f"{action!r} is no action of the audit log")
    return known
