"""Limits that several servers share by a Redis: takes keys with their paces, says what fits.

One script looks at all keys of a request and takes from all or none of them, by the clock of the
Redis, so that no two servers can take the same. While the Redis is away there is no verdict, and
each server limits by itself.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

from redis.exceptions import ResponseError

from headrace.auth.limits import Pace, Verdict
from headrace.base.secrets import Secret
from headrace.serve.redis_line import FAILURES, LinePatience, RedisLine

PATIENCE = LinePatience(answer_seconds=0.1, probe_seconds=0.5, longest_probe_seconds=8.0)
_AT_ONCE = 32
_DIGEST_BYTES = 16
_MICROSECOND = 1000

# Of each key: the time at which it has its whole burst again, in microseconds since 2026, which a
# double holds to a hundredth. A clock that was set back leaves nobody waiting for longer than the
# burst takes.
_SCRIPT = """
local time = redis.call('TIME')
local now = (time[1] - 1767225600) * 1000000 + time[2]
local levels, full = {}, {}
local fits = true
for each = 1, #KEYS do
  local interval, room = tonumber(ARGV[2 * each - 1]), tonumber(ARGV[2 * each])
  local level = (tonumber(redis.call('GET', KEYS[each])) or now) - now
  level = math.min(math.max(level, 0), room)
  levels[each] = level
  full[each] = 0
  if level + interval > room then full[each], fits = 1, false end
end
local answer = {}
for each = 1, #KEYS do
  local level = levels[each]
  if fits then
    level = level + tonumber(ARGV[2 * each - 1])
    local whole_at = string.format('%.17g', now + level)
    redis.call('SET', KEYS[each], whole_at, 'PX', math.ceil(level / 1000))
  end
  answer[2 * each - 1], answer[2 * each] = full[each], math.ceil(level)
end
return answer
"""


class SharedLimits:
    """Limits in a Redis; one event loop uses it."""

    def __init__(self, url: Secret, project: str, patience: LinePatience = PATIENCE) -> None:
        """Connect to nothing yet.

        Args:
            url: a `redis://`, `rediss://` or `unix://` address.
            project: its servers count together, whatever environment they serve.
            patience: how long the Redis may take.
        """
        self._patience = patience
        self._project = project
        self._line = RedisLine(url, patience, "each server limits by itself,")
        self._script = self._line.client.register_script(_SCRIPT)
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    @property
    def is_away(self) -> bool:
        """Whether the Redis has failed, and is not back yet."""
        return self._line.is_away

    async def take(self, asked: Sequence[tuple[str, Pace]]) -> list[Verdict] | None:
        """Take one request of every key, if it fits all of them; None when that cannot be had.

        Args:
            asked: keys with their paces; a key's pace is always the same.
        """
        keys = [self._name(key) for key, _ in asked]
        paces = [x / _MICROSECOND for _, pace in asked for x in (pace.interval, pace.room)]
        if self.is_away:
            return None
        try:
            async with asyncio.timeout(self._patience.answer_seconds), self._at_once:
                found = await self._script(keys=keys, args=paces)
        except ResponseError as exc:
            self._line.say("each server limits by itself, a Redis refuses to: %s", exc)
            return None
        except FAILURES as exc:
            self._line.leave(exc)
            return None
        return [
            pace.verdict(allowed=not full, level=level * _MICROSECOND)
            for (_, pace), full, level in zip(asked, found[::2], found[1::2], strict=True)
        ]

    async def close(self) -> None:
        """Give the connections back."""
        await self._line.close()

    def _name(self, key: str) -> bytes:
        """The name of a key: of one length, and no list of who has asked."""
        digest = hashlib.blake2b(f"{self._project}\0{key}".encode(), digest_size=_DIGEST_BYTES)
        return b"headrace:limit:" + digest.hexdigest().encode()
