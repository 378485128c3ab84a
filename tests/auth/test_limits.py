"""Never more than the burst and the rate times the time, however the requests come."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from headrace.auth.limits import Limiter, Pace, Verdict, address_key, shared_out
from headrace.base.auth_settings import Rate

SECOND = 1_000_000_000


def test_a_burst_then_one_for_each_interval() -> None:
    limiter = Limiter(Rate(10, 1.0, 3))
    assert [limiter.take("k", 0) for _ in range(4)] == [
        Verdict(True, 2, 0.0, 0.1),
        Verdict(True, 1, 0.0, 0.2),
        Verdict(True, 0, 0.0, 0.3),
        Verdict(False, 0, 0.1, 0.3),
    ]
    assert limiter.take("k", SECOND // 10 - 1) == Verdict(False, 0, 1e-9, 0.200000001)
    assert limiter.take("k", SECOND // 10) == Verdict(True, 0, 0.0, 0.3)
    assert limiter.take("k", 10 * SECOND) == Verdict(True, 2, 0.0, 0.1)


def test_each_key_has_its_own() -> None:
    limiter = Limiter(Rate(1, 60.0, 1))
    assert [limiter.take(key, 0).allowed for key in ("a", "b", "a")] == [True, True, False]


def test_what_is_refused_costs_nothing() -> None:
    limiter = Limiter(Rate(1, 1.0, 1))
    limiter.take("k", 0)
    assert not any(limiter.take("k", now).allowed for now in range(0, SECOND, SECOND // 100))
    assert limiter.take("k", SECOND).allowed


def test_a_look_says_what_a_take_would_and_takes_nothing() -> None:
    limiter = Limiter(Rate(2, 1.0, 2))
    for now in (0, 0, 0, SECOND // 2, SECOND // 2, 2 * SECOND):
        looked = limiter.look("k", now)
        assert limiter.look("k", now) == looked
        assert limiter.take("k", now) == looked


@pytest.mark.parametrize("seed", range(60))
def test_no_stretch_of_time_has_more_than_the_burst_and_the_rate(seed: int) -> None:
    """Exactly, for every stretch that begins and ends with a request that was let through."""
    dice = random.Random(seed)
    rate = Rate(dice.choice([1, 3, 7, 100, 999]), dice.choice([1.0, 60.0, 0.5]), dice.randint(1, 9))
    limiter, now, let_through = Limiter(rate), 0, list[int]()
    mean = rate.seconds * SECOND / rate.count
    for _ in range(120):
        now += int(dice.choice([0, 0, dice.random(), 1, 3]) * mean)
        if limiter.take("k", now).allowed:
            let_through.append(now)
    per_nanosecond = Fraction(rate.count) / (Fraction(rate.seconds) * SECOND)
    for first, begin in enumerate(let_through):
        for last in range(first, len(let_through)):
            most = rate.burst + per_nanosecond * (let_through[last] - begin)
            assert last - first + 1 <= most


def test_whoever_asks_at_the_rate_is_never_refused() -> None:
    limiter = Limiter(Rate(7, 1.0, 1))
    interval = Pace.of(Rate(7, 1.0, 1)).interval
    assert all(limiter.take("k", now * interval).allowed for now in range(1000))


def test_no_boundary_has_two_bursts() -> None:
    """A window that begins anew each minute would let 120 through in two seconds."""
    limiter = Limiter(Rate(60, 60.0, 60))
    times = [59 * SECOND] * 60 + [61 * SECOND] * 60
    assert sum(limiter.take("k", now).allowed for now in times) == 62


def test_keys_that_have_their_burst_again_are_forgotten() -> None:
    limiter = Limiter(Rate(10, 1.0, 1))
    for number in range(10_000):
        limiter.take(f"key {number}", number * SECOND)
    assert len(limiter) <= 2


def test_a_key_that_is_always_busy_does_not_keep_the_others_there() -> None:
    limiter = Limiter(Rate(10, 1.0, 20))
    for number in range(1000):
        limiter.take("busy", number * SECOND)
        limiter.take("busy", number * SECOND)
        limiter.take(f"key {number}", number * SECOND)
    assert len(limiter) <= 3


def test_there_are_never_more_keys_than_may_be() -> None:
    limiter = Limiter(Rate(1, 86_400.0, 1), most_keys=100)
    for number in range(1000):
        assert limiter.take(f"key {number}", number).allowed
    assert len(limiter) == 100
    assert not limiter.take("key 999", 1000).allowed


def test_processes_share_a_rate() -> None:
    assert shared_out(Rate(100, 1.0, 100), 4) == Rate(100, 4.0, 25)
    assert shared_out(Rate(10, 60.0, 3), 4) == Rate(10, 240.0, 1)
    assert shared_out(Rate(10, 60.0, 10), 1) == Rate(10, 60.0, 10)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no address: at all", "no address: at all"),
        ("", ""),
    ],
)
def test_an_address_of_ipv6_stands_for_its_network(address: str, key: str) -> None:
    """Whoever has one has 2^64 of them."""
    assert address_key(address) == key
