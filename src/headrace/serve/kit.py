"""What every edition and every endpoint of one service shares, over all of its snapshots."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from headrace.base.clock import Clock
from headrace.serve.asking.cursors import Cursors
from headrace.serve.caching.cache import AnswerCache, Flights, SecondLevel
from headrace.serve.columnar.in_process import InProcess
from headrace.serve.columnar.queries import Readers
from headrace.serve.columnar.query_processes import QueryProcesses
from headrace.serve.columnar.workers import Workers
from headrace.serve.counting import AccessCounts
from headrace.serve.formats.forms import Formats, formats
from headrace.serve.settings import ServeSettings


@dataclass(frozen=True, slots=True)
class Kit:
    """The shared parts; make it by `make`. `salt` is what masked values are hashed with."""

    clock: Clock
    settings: ServeSettings
    workers: Workers
    readers: Readers
    formats: Formats
    counts: AccessCounts
    cache: AnswerCache
    cursors: Cursors
    salt: str
    flights: Flights = field(default_factory=Flights)

    @classmethod
    def make(
        cls,
        clock: Clock,
        settings: ServeSettings,
        counts: AccessCounts | None = None,
        second: SecondLevel | None = None,
        cursors: Cursors | None = None,
        salt: str = "",
    ) -> Kit:
        """The kit of a service with these settings.

        Without `counts` no call goes on record; without `cursors`, those of another process are
        refused; without `salt`, another process hashes otherwise.
        """
        workers = Workers(
            threads=settings.workers,
            queue=settings.queue,
            deadline_seconds=settings.deadline_seconds,
            wait_seconds=settings.wait_seconds,
            exports=settings.exports,
        )
        return cls(
            clock,
            settings,
            workers,
            QueryProcesses(settings) if settings.query_processes else InProcess(settings),
            formats(csv_formula_guard=settings.csv_formula_guard),
            counts or AccessCounts(None, "", settings.count_seconds),
            AnswerCache(settings.cache_bytes, second),
            cursors or Cursors.of(os.urandom(32), ""),
            salt or os.urandom(32).hex(),
        )
