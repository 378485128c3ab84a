"""A Redis as the second level of the exact cache: takes bytes, gives them to every process.

Nothing that happens to the Redis fails a request or holds it up. The first failure ends its use, so
that an outage costs at most one short wait; then a task of its own asks it now and then whether it
is back, and requests go by without it until it is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from headrace.serve.caching.kept_answers import FORMAT, seal, unseal

_LOG = logging.getLogger("headrace.serve")

# What redis-py raises when there is nobody, or somebody who speaks something else.
_FAILURES = (RedisError, OSError, EOFError, ValueError, LookupError, TimeoutError)
_BATCH = 64
_SAID_AGAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RedisLimits:
    """How long a Redis may take, and how much may wait for it.

    Attributes:
        get_seconds: the most that a request waits for a value, connecting included.
        put_seconds: the most that one batch of values may take to be written; nobody waits for it.
        probe_seconds: after a failure, until it is asked for the first time whether it is back;
            each further wait is twice as long.
        longest_probe_seconds: the longest of these waits.
        most_gets: values that are waited for at the same time; one more is not asked for.
        most_value_bytes: larger values are not kept.
        most_waiting, most_waiting_bytes: values that wait to be written; more are dropped.
    """

    get_seconds: float = 0.02
    put_seconds: float = 0.5
    probe_seconds: float = 0.5
    longest_probe_seconds: float = 8.0
    most_gets: int = 64
    most_value_bytes: int = 1024 * 1024
    most_waiting: int = 1024
    most_waiting_bytes: int = 16 * 1024 * 1024


DEFAULT_LIMITS = RedisLimits()


@dataclass(frozen=True, slots=True)
class _Waiting:
    name: bytes
    sealed: bytes
    milliseconds: int


class RedisCache:
    """A second level of the exact cache, in a Redis; one event loop uses it."""

    def __init__(
        self, url: str, project: str, environment: str, limits: RedisLimits = DEFAULT_LIMITS
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: a `redis://`, `rediss://` or `unix://` address.
            project, environment: part of the name of every key, so that several share one Redis.
            limits: see there.
        """
        self._limits = limits
        self._prefix = key_prefix(project, environment)
        self._client = Redis.from_url(
            url,
            # The first try decides: a second one would be waited for.
            retry=Retry(NoBackoff(), 0),
            socket_timeout=limits.put_seconds,
            socket_connect_timeout=limits.put_seconds,
            # Fewer round trips until a new connection answers: no HELLO, no name of the library.
            protocol=2,
            driver_info=None,
        )
        self._gets = 0
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._writer: asyncio.Task[None] | None = None
        self._prober: asyncio.Task[None] | None = None
        self._said_at = float("-inf")

    @property
    def is_away(self) -> bool:
        """Whether the Redis has failed, and is not back yet."""
        return self._prober is not None

    async def get(self, key: bytes) -> bytes | None:
        """What was put under `key`; None when it is not there, damaged, or cannot be had."""
        if self.is_away or self._gets >= self._limits.most_gets:
            return None
        self._gets += 1
        try:
            async with asyncio.timeout(self._limits.get_seconds):
                sealed = await self._client.get(self._prefix + key)
        except ResponseError as exc:
            self._say("a Redis refuses to be read: %s", exc)
            return None
        except _FAILURES as exc:
            self._leave(exc)
            return None
        finally:
            self._gets -= 1
        return unseal(key, sealed) if isinstance(sealed, bytes) else None

    def put(self, key: bytes, value: bytes, seconds: float) -> None:
        """Keep `value` for so many seconds (at least a millisecond), soon and perhaps."""
        milliseconds = int(seconds * 1000)
        if milliseconds < 1 or not self._has_room(len(value)):
            return
        waiting = _Waiting(self._prefix + key, seal(key, value), milliseconds)
        self._waiting.append(waiting)
        self._waiting_bytes += len(waiting.sealed)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def close(self) -> None:
        """Drop what waits, and give the connections back."""
        tasks = [each for each in (self._writer, self._prober) if each is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._drop()
        with suppress(*_FAILURES):
            await self._client.aclose()

    def _has_room(self, size_bytes: int) -> bool:
        limits = self._limits
        return (
            not self.is_away
            and size_bytes <= limits.most_value_bytes
            and len(self._waiting) < limits.most_waiting
            and self._waiting_bytes + size_bytes <= limits.most_waiting_bytes
        )

    def _drop(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0

    async def _write(self) -> None:
        """Write what waits, many values at a time, until nothing does."""
        while self._waiting and not self.is_away:
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            self._waiting_bytes -= sum(len(each.sealed) for each in batch)
            pipeline = self._client.pipeline(transaction=False)
            for each in batch:
                pipeline.set(each.name, each.sealed, px=each.milliseconds)
            try:
                async with asyncio.timeout(self._limits.put_seconds):
                    await pipeline.execute()
            except ResponseError as exc:
                self._say("a Redis refuses to be written to: %s", exc)
            except _FAILURES as exc:
                self._leave(exc)

    def _leave(self, exc: Exception) -> None:
        """Go on without the Redis, and ask from time to time whether it is back."""
        if self._prober is not None:
            return
        self._drop()
        self._prober = asyncio.get_running_loop().create_task(self._probe())
        reason = str(exc) or "it does not answer"
        self._say("answers are cached without Redis until it is back: %s", reason)

    async def _probe(self) -> None:
        # Idle connections may lead to one that is gone, and each would be waited for once.
        with suppress(*_FAILURES):
            await self._client.connection_pool.disconnect(inuse_connections=False)
        seconds = self._limits.probe_seconds
        while not await self._is_back(seconds):
            seconds = min(2 * seconds, self._limits.longest_probe_seconds)
        self._prober = None
        _LOG.info("Redis is back")

    async def _is_back(self, after_seconds: float) -> bool:
        await asyncio.sleep(after_seconds)
        try:
            async with asyncio.timeout(self._limits.put_seconds):
                await self._client.ping()
        except _FAILURES:
            return False
        return True

    def _say(self, message: str, reason: object) -> None:
        """Log it, unless something was said a moment ago: an outage may come and go."""
        now = time.monotonic()
        if now - self._said_at >= _SAID_AGAIN_SECONDS:
            self._said_at = now
            _LOG.warning(message, reason)


def key_prefix(project: str, environment: str) -> bytes:
    """What the key of every value begins with; no two of (project, environment) share one.

    >>> key_prefix("coffee:shop", "prod")
    b'headrace:1:coffee%3Ashop:prod:'
    """
    names = (quote(name, safe="") for name in (project, environment))
    return f"headrace:{FORMAT}:{':'.join(names)}:".encode()
