"""How a snapshot is served: limits, deadlines and habits, each with its default."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from headrace.base.auth_settings import AuthSettings, LimitSettings


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Everything that serving lets itself be told.

    Attributes:
        deadline_seconds: the longest that one piece of work of a query may take.
        workers: queries that run at the same time; 0 is one a core, and at least 2.
        queue: queries that may wait for a worker; one more is refused with 503.
        wait_seconds: how long a query may be expected to wait for a worker while the queue does not
            empty; one that would wait longer is refused with 503.
        exports: answers that are streamed at the same time; one more is refused with 503.
        query_processes: whether queries run in processes of their own, `workers` of them, which can
            be limited and killed; else in threads of the server.
        query_threads: threads of one query. 1 gives the most answers a second and the same order
            of rows every time.
        memory_limit: of the queries together, as DuckDB writes it ("2GB"); "" is 80 % of the
            machine.
        copy_bytes: of data files whose tables are copied into memory when a snapshot is opened, the
            smallest first; a query of a few rows is twice as fast there.
        cache_bytes: of answers that are kept; 0 keeps none. One answer takes at most a sixteenth.
        warm_answers, warm_seconds: how many of the answers that are asked for most are made again
            before a new snapshot is switched in, and how long that may take.
        poll_seconds: how often the environment's head is read.
        refresh_seconds: how often accounts and keys are looked at: how long a revoked credential
            is believed at most.
        retry_seconds: how long to wait before a snapshot that could not be opened is tried again.
        count_seconds: how often the calls that were counted are added to the operations record.
        count_calls: whether they are; a load test's are not.
        csv_formula_guard: put `'` before a CSV text that a spreadsheet would run as a formula.
        protocol: "direct" answers what needs no waiting in uvicorn's protocol, before there is an
            ASGI request; "asgi" answers the same as an ASGI application.
        receive_seconds: how long a client may take to send a request, once it has connected.
        send_seconds: how long it may take nothing of an answer.
        connections: of one server process at a time; beyond them, those are closed that have been
            idle or incomplete longest.
        address_connections: of one client address; beyond them likewise. Those of trusted proxies
            are not counted: everybody comes from there.
        answer_seconds: from a whole request to the end of its answer, but for an event stream.
        max_url_bytes, max_header_bytes, max_headers: a longer request is refused with 414 or 431.
        max_body_bytes: of a request to a user's router, or of a batch; a longer one is refused with
            413.
        cors: origins whose pages may read answers.
        snapshots: whether a request may name an older snapshot.
        open_snapshots: older snapshots that are kept open for cursors at the same time.
        streams: event streams at the same time; one more is refused with 503.
        keep_alive_seconds: how often a stream that has no news says that it is there.
        batch_calls: the most calls of one batch.
        batch_bytes: the most that the answers of one batch may hold together.
        redis: where the address of a Redis is that several processes share their answers by; see
            `second_level`.
        project: its name, part of the key of every answer in a Redis.
        root: the project's folder, where the path of a secret's file begins; None is the current
            one.
        auth: who is believed to be whom.
        limits: how much anybody may ask.
        processes: how many server processes share what is meant for all of them; see `shared`.
    """

    deadline_seconds: float = 10.0
    workers: int = 0
    queue: int = 64
    wait_seconds: float = 0.1
    exports: int = 16
    query_processes: bool = True
    query_threads: int = 1
    memory_limit: str = ""
    copy_bytes: int = 16 * 1024 * 1024
    cache_bytes: int = 64 * 1024 * 1024
    warm_answers: int = 200
    warm_seconds: float = 2.0
    poll_seconds: float = 0.25
    refresh_seconds: float = 1.0
    retry_seconds: float = 5.0
    count_seconds: float = 5.0
    count_calls: bool = True
    csv_formula_guard: bool = True
    protocol: Literal["direct", "asgi"] = "direct"
    receive_seconds: float = 15.0
    send_seconds: float = 30.0
    connections: int = 10_000
    address_connections: int = 1_000
    answer_seconds: float = 900.0
    max_url_bytes: int = 8 * 1024
    max_header_bytes: int = 16 * 1024
    max_headers: int = 100
    max_body_bytes: int = 1024 * 1024
    redis: str = ""
    project: str = ""
    cors: tuple[str, ...] = ()
    snapshots: bool = False
    open_snapshots: int = 4
    streams: int = 100
    keep_alive_seconds: float = 15.0
    batch_calls: int = 100
    batch_bytes: int = 16 * 1024 * 1024
    root: Path | None = None
    auth: AuthSettings = field(default_factory=AuthSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    processes: int = 1

    @property
    def is_https(self) -> bool:
        """Whether browsers know the server by an address of https."""
        return self.auth.public_url.startswith("https://")


DEFAULT_SETTINGS = ServeSettings()


def shared(settings: ServeSettings, processes: int) -> ServeSettings:
    """What one of several server processes may take of what is meant for all of them together.

    Args:
        settings: of the whole server. Without a `memory_limit`, it has nothing to share.
        processes: how many share, 1 or more.
    """
    if processes == 1:
        return settings
    workers = settings.workers or os.cpu_count() or 1
    return replace(
        settings,
        processes=processes,
        # With one, a slow query would keep waiting whoever is connected to the same process.
        workers=max(2, workers // processes),
        memory_limit=re.sub(
            r"[\d.]+", lambda found: f"{float(found[0]) / processes:.3f}", settings.memory_limit
        ),
    )
