"""A Redis as the second level of the exact cache: takes bytes, gives them to every process.

Nothing that happens to the Redis fails a request or holds it up: while it is away, requests go by
without it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from urllib.parse import quote

from redis.exceptions import ResponseError

from headrace.base.secrets import Secret
from headrace.serve.caching.kept_answers import FORMAT, seal, unseal
from headrace.serve.redis_line import FAILURES, LinePatience, RedisLine

_BATCH = 64


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
        self, url: Secret, project: str, environment: str, limits: RedisLimits = DEFAULT_LIMITS
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: a `redis://`, `rediss://` or `unix://` address.
            project, environment: part of the name of every key, so that several share one Redis.
            limits: see there.
        """
        self._limits = limits
        self._prefix = key_prefix(project, environment)
        patience = LinePatience(
            limits.put_seconds, limits.probe_seconds, limits.longest_probe_seconds
        )
        self._line = RedisLine(url, patience, "answers are cached")
        self._gets = 0
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._writer: asyncio.Task[None] | None = None

    @property
    def is_away(self) -> bool:
        """Whether the Redis has failed, and is not back yet."""
        return self._line.is_away

    async def get(self, key: bytes) -> bytes | None:
        """What was put under `key`; None when it is not there, damaged, or cannot be had."""
        if self.is_away or self._gets >= self._limits.most_gets:
            return None
        self._gets += 1
        try:
            async with asyncio.timeout(self._limits.get_seconds):
                sealed = await self._line.client.get(self._prefix + key)
        except ResponseError as exc:
            self._line.say("a Redis refuses to be read: %s", exc)
            return None
        except FAILURES as exc:
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
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        self._drop()
        await self._line.close()

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
            pipeline = self._line.client.pipeline(transaction=False)
            for each in batch:
                pipeline.set(each.name, each.sealed, px=each.milliseconds)
            try:
                async with asyncio.timeout(self._limits.put_seconds):
                    await pipeline.execute()
            except ResponseError as exc:
                self._line.say("a Redis refuses to be written to: %s", exc)
            except FAILURES as exc:
                self._leave(exc)

    def _leave(self, exc: Exception) -> None:
        """Go on without the Redis."""
        if not self.is_away:
            self._drop()
            self._line.leave(exc)


def key_prefix(project: str, environment: str) -> bytes:
    """What the key of every value begins with; no two of (project, environment) share one.

    >>> key_prefix("coffee:shop", "prod")
    b'headrace:1:coffee%3Ashop:prod:'
    """
    names = (quote(name, safe="") for name in (project, environment))
    return f"headrace:{FORMAT}:{':'.join(names)}:".encode()
