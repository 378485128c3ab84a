"""The line to a Redis that may be away: takes its address, gives a client while it answers.

The first failure ends its use, so that an outage costs at most one short wait; then a task of its
own asks it now and then whether it is back, and everybody goes without it until it is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from headrace.base.secrets import Secret

_LOG = logging.getLogger("headrace.serve")

FAILURES = (RedisError, OSError, EOFError, ValueError, LookupError, TimeoutError)
"""What redis-py raises when there is nobody, or somebody who speaks something else."""

_SAID_AGAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class LinePatience:
    """How long a Redis may take.

    Attributes:
        answer_seconds: for one command, connecting included, or to say that it is back.
        probe_seconds: after a failure, until it is asked for the first time whether it is back;
            each further wait is twice as long.
        longest_probe_seconds: the longest of these waits.
    """

    answer_seconds: float
    probe_seconds: float
    longest_probe_seconds: float


class RedisLine:
    """A Redis, or nothing; one event loop uses it."""

    def __init__(self, url: Secret, patience: LinePatience, without: str) -> None:
        """Connect to nothing yet.

        Args:
            url: a `redis://`, `rediss://` or `unix://` address; it may hold a password.
            patience: see there.
            without: what goes on while the Redis is away, for the log: "answers are cached".
        """
        self._patience = patience
        self._without = without
        self.client = Redis.from_url(
            url.reveal(),
            # The first try decides: a second one would be waited for.
            retry=Retry(NoBackoff(), 0),
            socket_timeout=patience.answer_seconds,
            socket_connect_timeout=patience.answer_seconds,
            # Fewer round trips until a new connection answers: no HELLO, no name of the library.
            protocol=2,
            driver_info=None,
        )
        self._prober: asyncio.Task[None] | None = None
        self._said_at = float("-inf")

    @property
    def is_away(self) -> bool:
        """Whether the Redis has failed, and is not back yet."""
        return self._prober is not None

    def leave(self, exc: Exception) -> None:
        """Go on without the Redis, and ask from time to time whether it is back."""
        if self._prober is not None:
            return
        self._prober = asyncio.get_running_loop().create_task(self._probe())
        reason = str(exc) or "it does not answer"
        self.say(f"{self._without} without Redis until it is back: %s", reason)

    def say(self, message: str, reason: object) -> None:
        """Log it, unless something was said a moment ago: an outage may come and go."""
        now = time.monotonic()
        if now - self._said_at >= _SAID_AGAIN_SECONDS:
            self._said_at = now
            _LOG.warning(message, reason)

    async def close(self) -> None:
        """Give the connections back."""
        if self._prober is not None:
            self._prober.cancel()
            await asyncio.gather(self._prober, return_exceptions=True)
        with suppress(*FAILURES):
            await self.client.aclose()

    async def _probe(self) -> None:
        # Idle connections may lead to one that is gone, and each would be waited for once.
        with suppress(*FAILURES):
            await self.client.connection_pool.disconnect(inuse_connections=False)
        seconds = self._patience.probe_seconds
        while not await self._is_back(seconds):
            seconds = min(2 * seconds, self._patience.longest_probe_seconds)
        self._prober = None
        _LOG.info("Redis is back")

    async def _is_back(self, after_seconds: float) -> bool:
        await asyncio.sleep(after_seconds)
        try:
            async with asyncio.timeout(self._patience.answer_seconds):
                await self.client.ping()
        except FAILURES:
            return False
        return True
