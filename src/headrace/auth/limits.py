"""How often somebody may ask: takes a rate, a key and the time, says whether one more fits.

It is the generic cell rate algorithm (ITU-T I.371), in the form that Brandur Leach describes in
"Rate Limiting, Cells, and GCRA": of each key one number is kept, the time at which it would have
its whole burst again. There are no windows, so that there is no boundary at which two bursts meet.
All times are whole nanoseconds, so that nothing is rounded in anybody's favour.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from headrace.base.auth_settings import Rate

_NANOSECONDS = 1_000_000_000
# Of an IPv6 address, one customer has at least this much.
_NETWORK_BITS = 64
_MOST_KEYS = 100_000
# Of the oldest keys, so many are looked at for each new one: more leave than come.
_LOOKED_AT = 2


class Verdict(NamedTuple):
    """Whether a request fits, and how much there is left.

    Attributes:
        remaining: requests that fit right after this one.
        retry_after_seconds: until the next one fits; 0 when this one does.
        reset_seconds: until there is the whole burst again.
    """

    allowed: bool
    remaining: int
    retry_after_seconds: float
    reset_seconds: float


@dataclass(frozen=True, slots=True)
class Pace:
    """A rate as the algorithm wants it, in nanoseconds: `interval` is what one request costs,
    `room` what a burst may cost.
    """

    interval: int
    room: int

    @classmethod
    def of(cls, rate: Rate) -> Pace:
        """The pace of a rate: rounded so that it is never faster."""
        interval = -(-round(rate.seconds * _NANOSECONDS) // rate.count)
        return cls(interval, interval * rate.burst)

    def verdict(self, *, allowed: bool, level: int) -> Verdict:
        """What to say of a key that is `level` nanoseconds from having its whole burst again."""
        left = self.room - level
        if allowed:
            return Verdict(True, left // self.interval, 0.0, level / _NANOSECONDS)
        wait = max(0, self.interval - left) / _NANOSECONDS
        return Verdict(False, 0, wait, level / _NANOSECONDS)


class Limiter:
    """One rate, for many keys; from one thread.

    Of a key that has its whole burst again, nothing is kept. Beyond `most_keys`, the one that came
    first is forgotten, and may ask as if it were new.
    """

    def __init__(self, rate: Rate, most_keys: int = _MOST_KEYS) -> None:
        """Nobody has asked yet."""
        self.pace = Pace.of(rate)
        self._most_keys = most_keys
        self._whole_at: dict[str, int] = {}

    def __len__(self) -> int:
        """How many keys are kept."""
        return len(self._whole_at)

    def take(self, key: str, now: int) -> Verdict:
        """Take one request of a key, if it fits; one that does not costs nothing.

        Args:
            key: whose.
            now: nanoseconds of a clock that never goes back.
        """
        pace = self.pace
        known = self._whole_at.get(key)
        whole_at = now if known is None or known < now else known
        level = whole_at - now + pace.interval
        if level > pace.room:
            return pace.verdict(allowed=False, level=whole_at - now)
        if known is None:
            self._make_room(now)
        self._whole_at[key] = whole_at + pace.interval
        return Verdict(True, (pace.room - level) // pace.interval, 0.0, level / _NANOSECONDS)

    def look(self, key: str, now: int) -> Verdict:
        """What `take` would say; it takes nothing."""
        whole_at = max(self._whole_at.get(key, now), now)
        level = whole_at - now + self.pace.interval
        if level > self.pace.room:
            return self.pace.verdict(allowed=False, level=whole_at - now)
        return self.pace.verdict(allowed=True, level=level)

    def _make_room(self, now: int) -> None:
        """Forget the oldest keys that have their burst again; those that have not become young."""
        kept = self._whole_at
        for _ in range(min(_LOOKED_AT, len(kept))):
            oldest = next(iter(kept))
            whole_at = kept.pop(oldest)
            if whole_at > now:
                kept[oldest] = whole_at
        if len(kept) >= self._most_keys:
            del kept[next(iter(kept))]


def shared_out(rate: Rate, processes: int) -> Rate:
    """What each of several processes may let through, so that all of them keep to a rate.

    The burst is at least 1 in each: with more processes than `burst`, as many at once as there are
    processes.
    """
    return replace(rate, seconds=rate.seconds * processes, burst=max(1, rate.burst // processes))


@lru_cache(maxsize=10_000)
def address_key(address: str) -> str:
    """What stands for a client's address: of IPv6, its network of 64 bits, which is one customer's.

    >>> address_key("203.0.113.9"), address_key("2001:db8::1:2"), address_key("::ffff:203.0.113.9")
    ('203.0.113.9', '2001:db8::/64', '203.0.113.9')
    """
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, _NETWORK_BITS), strict=False))
