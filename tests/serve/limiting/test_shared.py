"""Servers that share their limits by a Redis let no more through together; nor without it."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TypeAlias

import pytest
from redis import Redis

from headrace.auth.limits import Limiter, Pace, Verdict
from headrace.base.access import Principal
from headrace.base.auth_settings import LimitSettings, Rate
from headrace.base.clock import SystemClock
from headrace.base.secrets import Secret
from headrace.serve import ServeSettings
from headrace.serve.answering.problems import Refused
from headrace.serve.limiting.limits import Limits
from headrace.serve.limiting.shared import SharedLimits
from headrace.serve.redis_line import LinePatience
from tests.serve.redis_server import RedisServer, redis_program

ANNA = Principal("user:anna", credential="key:1", claims={"tenant": "north"})
# Of a machine that may be busy with ten other things.
PATIENT = LinePatience(answer_seconds=10.0, probe_seconds=0.01, longest_probe_seconds=0.05)
RATE = Rate(400, 1.0, 200)
PROCESSES = 8
SECONDS = 2.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis, empty."""
    started = RedisServer(redis_program(), tmp_path)
    yield started
    started.kill()


def sharing(server: RedisServer, limits: LimitSettings, processes: int = 1) -> Limits:
    settings = ServeSettings(limits=limits, processes=processes)
    return Limits(settings, None, SharedLimits(Secret(server.url), "shop", PATIENT))


async def let_through(limits: Limits) -> bool:
    try:
        await limits.check(ANNA, "192.0.2.1", "data")
    except Refused:
        return False
    return True


def limits_alone(limits: Limits) -> bool:
    return limits.is_quick


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


Times: TypeAlias = list[tuple[float, float]]


def ask_for_a_while(url: str, begin: Barrier, found: multiprocessing.Queue[Times]) -> None:
    """One of several processes: when each request that was let through was asked and answered."""

    async def main() -> Times:
        shared, pace, times = (
            SharedLimits(Secret(url), "shop", PATIENT),
            Pace.of(RATE),
            list[tuple[float, float]](),
        )
        begin.wait(60)
        end = time.monotonic() + SECONDS
        while (asked_at := time.monotonic()) < end:
            verdicts = await shared.take([("credential 1", pace)])
            assert verdicts is not None
            if verdicts[0].allowed:
                times.append((asked_at, time.monotonic()))
        await shared.close()
        return times

    found.put(asyncio.run(main()))


def test_eight_processes_never_get_more_than_the_burst_and_the_rate(server: RedisServer) -> None:
    """And not much less either: what there is, is given out."""
    forking = multiprocessing.get_context("forkserver")
    # Imported once, not once a process.
    forking.set_forkserver_preload([__name__])
    begin, found = forking.Barrier(PROCESSES), forking.Queue()
    processes = [
        forking.Process(target=ask_for_a_while, args=(server.url, begin, found))
        for _ in range(PROCESSES)
    ]
    for each in processes:
        each.start()
    times = [when for _ in processes for when in found.get(timeout=60)]
    for each in processes:
        each.join(60)
        assert each.exitcode == 0
    # A machine that is busy may answer late: what counts is between the two.
    first, last = min(asked for asked, _ in times), max(answered for _, answered in times)
    assert len(times) <= RATE.burst + RATE.count * (last - first)
    first, last = min(answered for _, answered in times), max(asked for asked, _ in times)
    assert len(times) >= 0.95 * (RATE.burst + RATE.count * (last - first))


def test_what_redis_says_is_what_a_process_says_by_itself(server: RedisServer) -> None:
    async def main() -> list[Verdict]:
        shared, pace = (
            SharedLimits(Secret(server.url), "shop", PATIENT),
            Pace.of(Rate(3, 3600.0, 3)),
        )
        found = [await shared.take([("key", pace)]) for _ in range(4)]
        await shared.close()
        return [verdict for each in found if each is not None for verdict in each]

    own = Limiter(Rate(3, 3600.0, 3))
    shared, alone = asyncio.run(main()), [own.take("key", 0) for _ in range(4)]
    assert [each[:2] for each in shared] == [each[:2] for each in alone]
    for one, other in zip(shared, alone, strict=True):
        assert one.reset_seconds == pytest.approx(other.reset_seconds, abs=60)
        assert one.retry_after_seconds == pytest.approx(other.retry_after_seconds, abs=60)


def test_it_is_taken_from_all_keys_or_from_none(server: RedisServer) -> None:
    async def main() -> None:
        shared = SharedLimits(Secret(server.url), "shop", PATIENT)
        two, one = Pace.of(Rate(2, 3600.0, 2)), Pace.of(Rate(1, 3600.0, 1))
        asked = [("credential", two), ("tenant", one)]
        found = [await shared.take(asked) for _ in range(3)]
        assert [[each.allowed for each in verdicts or []] for verdicts in found] == [
            [True, True],
            [True, False],
            [True, False],
        ]
        [left] = await shared.take([("credential", two)]) or []
        assert (left.allowed, left.remaining) == (True, 0)
        await shared.close()

    asyncio.run(main())


def test_projects_do_not_share_and_names_tell_nothing(server: RedisServer) -> None:
    async def main() -> None:
        pace = Pace.of(Rate(1, 3600.0, 1))
        for project in ("shop", "other"):
            shared = SharedLimits(Secret(server.url), project, PATIENT)
            [verdict] = await shared.take([("sign-in-account anna@shop.example", pace)]) or []
            assert verdict.allowed
            await shared.close()

    asyncio.run(main())
    with Redis.from_url(server.url) as client:
        names = client.keys("*")
        assert len(names) == 2
        for name in names:
            assert name.startswith(b"headrace:limit:")
            assert b"anna" not in name
            assert 0 < client.pttl(name) <= 3_600_000


def test_a_clock_of_redis_that_was_set_back_keeps_nobody_out(server: RedisServer) -> None:
    async def main() -> list[Verdict]:
        shared, pace = SharedLimits(Secret(server.url), "shop", PATIENT), Pace.of(Rate(10, 1.0, 1))
        await shared.take([("key", pace)])
        with Redis.from_url(server.url) as client:
            [name] = client.keys("*")
            client.set(name, float(client.get(name)) + 3600e6)
        found = await shared.take([("key", pace)])
        await shared.close()
        return found or []

    [verdict] = asyncio.run(main())
    assert not verdict.allowed
    assert verdict.retry_after_seconds == pytest.approx(0.1)


def test_without_redis_each_server_limits_by_itself_until_it_is_back(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody has a fresh burst because it went, and the log says so once."""

    async def main() -> None:
        limits = sharing(server, LimitSettings(credential=Rate(60, 3600.0, 20)))
        assert not limits_alone(limits)
        assert sum([await let_through(limits) for _ in range(15)]) == 15
        server.kill()
        assert sum([await let_through(limits) for _ in range(100)]) == 5
        assert limits_alone(limits)
        server.start()
        await until(lambda: not limits_alone(limits))
        assert sum([await let_through(limits) for _ in range(30)]) == 20
        await limits.close()

    with caplog.at_level(logging.INFO, "headrace.serve"):
        asyncio.run(main())
    warning, back = caplog.records
    assert warning.getMessage().startswith(
        "each server limits by itself, without Redis until it is back: "
    )
    assert (warning.levelname, back.getMessage()) == ("WARNING", "Redis is back")


def test_one_of_several_processes_has_its_part_without_redis(server: RedisServer) -> None:
    async def main() -> None:
        limits = sharing(server, LimitSettings(credential=Rate(60, 3600.0, 20)), processes=4)
        server.kill()
        assert sum([await let_through(limits) for _ in range(100)]) == 5
        await limits.close()
        server.start()

    asyncio.run(main())


def test_a_frozen_redis_is_waited_for_once(server: RedisServer) -> None:
    async def main() -> None:
        limits = LimitSettings(credential=Rate(60, 3600.0, 20))
        frozen = SharedLimits(Secret(server.url), "shop", LinePatience(0.2, 60.0, 60.0))
        own = Limits(ServeSettings(limits=limits), None, frozen)
        assert await let_through(own)
        server.freeze()
        began = time.monotonic()
        assert sum([await let_through(own) for _ in range(100)]) == 19
        assert time.monotonic() - began < 1.5
        server.thaw()
        await own.close()

    asyncio.run(main())


def test_a_redis_that_refuses_the_script_opens_nothing(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        limits = sharing(server, LimitSettings(credential=Rate(60, 3600.0, 20)))
        with Redis.from_url(server.url) as client:
            client.config_set("maxmemory", 1)
        assert sum([await let_through(limits) for _ in range(100)]) == 20
        await limits.close()

    asyncio.run(main())
    [said] = caplog.messages
    assert said.startswith("each server limits by itself, a Redis refuses to: ")


def test_attempts_to_sign_in_are_shared(server: RedisServer) -> None:
    async def main() -> list[bool]:
        own = [sharing(server, LimitSettings(sign_in=Rate(2, 3600.0, 2))) for _ in range(3)]
        found = []
        for number, limits in enumerate(own):
            try:
                await limits.sign_in(f"192.0.2.{number}", "anna")
                found.append(True)
            except Refused:
                found.append(False)
            await limits.close()
        return found

    assert asyncio.run(main()) == [True, True, False]


def test_the_settings_are_enough(server: RedisServer) -> None:
    settings = ServeSettings(
        limits=LimitSettings(credential=Rate(100, 1.0, 7), shared=True), redis=server.url
    )

    async def main() -> None:
        limits = Limits.of(settings, SystemClock())
        headers = dict(await limits.check(ANNA, "", "data"))
        assert headers[b"ratelimit-policy"] == b'"credential";q=100;w=1'
        assert headers[b"ratelimit"].startswith(b'"credential";r=6;t=')
        await limits.close()

    asyncio.run(main())
