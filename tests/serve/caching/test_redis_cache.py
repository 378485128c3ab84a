"""A Redis saves work and never costs any: whatever happens to it, requests go by without it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis

from headrace.base.secrets import Secret
from headrace.serve.caching.kept_answers import seal
from headrace.serve.caching.redis_cache import DEFAULT_LIMITS, RedisCache, RedisLimits, key_prefix
from tests.serve.redis_server import RedisServer, redis_program

# Of a machine that may be busy with ten other things; a test of speed sets its own.
PATIENT = replace(DEFAULT_LIMITS, get_seconds=5.0, put_seconds=5.0, probe_seconds=0.01)
# What a timeout may be late by on such a machine.
LATE_SECONDS = 1.0
NAME = key_prefix("shop", "prod") + b"k"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis, empty."""
    started = RedisServer(redis_program(), tmp_path)
    yield started
    started.kill()


@asynccontextmanager
async def caching(url: str, limits: RedisLimits = PATIENT) -> AsyncIterator[RedisCache]:
    """A cache, closed in the end."""
    cache = RedisCache(Secret(url), "shop", "prod", limits)
    try:
        yield cache
    finally:
        await cache.close()


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Let the loop run until a condition holds."""
    async with asyncio.timeout(20):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0)


async def put(cache: RedisCache, key: bytes, value: bytes, seconds: float = 60.0) -> None:
    """Put a value, and wait until it can be got."""

    async def is_there() -> bool:
        return await cache.get(key) == value

    cache.put(key, value, seconds)
    await until(is_there)


async def raw(server: RedisServer, *command: str | bytes | int) -> object:
    """What a Redis answers to a command."""
    async with Redis.from_url(server.url) as client:
        answer: object = await client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py's own
        return answer


def test_what_was_put_is_got(server: RedisServer) -> None:
    async def main() -> None:
        async with caching(server.url) as cache:
            assert await cache.get(b"k") is None
            await put(cache, b"k", b"\x00 any bytes \xff")
            assert await cache.get(b"other") is None

    asyncio.run(main())


def test_two_processes_share_what_one_of_them_has_put(server: RedisServer) -> None:
    async def main() -> None:
        async with caching(server.url) as one, caching(server.url) as other:
            await put(one, b"k", b"value")
            assert await other.get(b"k") == b"value"

    asyncio.run(main())


def test_projects_and_environments_are_told_apart(server: RedisServer) -> None:
    async def main() -> None:
        async with caching(server.url) as prod:
            await put(prod, b"k", b"value")
            for project, environment in (("shop", "dev"), ("coffee", "prod")):
                other = RedisCache(Secret(server.url), project, environment, PATIENT)
                assert await other.get(b"k") is None
                await other.close()
            assert await raw(server, "KEYS", "*") == [b"headrace:1:shop:prod:k"]

    asyncio.run(main())


def test_a_value_expires(server: RedisServer) -> None:
    async def main() -> None:
        async with caching(server.url) as cache:
            await put(cache, b"k", b"value", 12.5)
            left = await raw(server, "PTTL", NAME)
            assert isinstance(left, int)
            assert 0 < left <= 12_500
            cache.put(b"gone", b"value", 0.0)
            await put(cache, b"last", b"value")
            assert await cache.get(b"gone") is None

    asyncio.run(main())


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"value",
        seal(b"k", b"value")[:-1],
        seal(b"k", b"value") + b"s",
        seal(b"k", b"value").replace(b"value", b"valve"),
        seal(b"another", b"value"),
        b"headrace\x02" + seal(b"k", b"value")[9:],
    ],
    ids=["empty", "foreign", "cut off", "longer", "changed", "of another key", "of another format"],
)
def test_a_damaged_value_is_a_miss(server: RedisServer, kept: bytes) -> None:
    async def main() -> None:
        async with caching(server.url) as cache:
            await raw(server, "SET", NAME, kept)
            assert await cache.get(b"k") is None
            assert not cache.is_away
            await put(cache, b"k", b"value")

    asyncio.run(main())


def test_a_key_of_another_kind_is_a_miss(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with caching(server.url) as cache:
            await raw(server, "LPUSH", NAME, "item")
            assert await cache.get(b"k") is None
            assert await cache.get(b"k") is None
            assert not cache.is_away

    asyncio.run(main())
    [record] = caplog.records
    assert record.getMessage() == (
        "a Redis refuses to be read: WRONGTYPE Operation against a key holding the wrong kind of"
        " value"
    )


def test_a_frozen_redis_is_waited_for_once_and_no_longer_than_the_timeout(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with caching(server.url) as patient:
            await put(patient, b"k", b"value")
        limits = replace(PATIENT, get_seconds=0.02, probe_seconds=60.0)
        async with caching(server.url, limits) as cache:
            server.freeze()
            started = time.perf_counter()
            # Those that are under way wait together; those that come later, not at all.
            assert await asyncio.gather(*(cache.get(b"k") for _ in range(20))) == [None] * 20
            assert 0.02 <= time.perf_counter() - started < 0.02 + LATE_SECONDS
            assert cache.is_away
            started = time.perf_counter()
            for _ in range(1000):
                assert await cache.get(b"k") is None
                cache.put(b"k", b"other", 60.0)
            assert time.perf_counter() - started < LATE_SECONDS
            server.thaw()

    asyncio.run(main())
    assert [record.getMessage() for record in caplog.records] == [
        "answers are cached without Redis until it is back: it does not answer"
    ]


def test_a_redis_that_thaws_is_used_again(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "headrace.serve")

    async def main() -> None:
        async with caching(server.url, replace(PATIENT, get_seconds=0.02)) as cache:
            server.freeze()
            assert await cache.get(b"k") is None
            assert cache.is_away
            server.thaw()
            await until(lambda: not cache.is_away)

    asyncio.run(main())
    assert [record.getMessage() for record in caplog.records][-1] == "Redis is back"


def test_a_redis_that_is_killed_and_started_again_is_used_again(server: RedisServer) -> None:
    async def main() -> None:
        async with caching(server.url) as cache:
            await put(cache, b"k", b"value")
            server.kill()
            assert await cache.get(b"k") is None
            assert cache.is_away
            server.start()
            await until(lambda: not cache.is_away)
            assert await cache.get(b"k") is None
            await put(cache, b"k", b"value")

    asyncio.run(main())


def test_a_redis_that_dies_while_it_is_written_to_loses_what_waits(server: RedisServer) -> None:
    async def main() -> None:
        async with caching(server.url, replace(PATIENT, probe_seconds=60.0)) as cache:
            await put(cache, b"k", b"value")
            server.kill()
            cache.put(b"k", b"other", 60.0)
            await until(lambda: cache.is_away)
            assert await cache.get(b"k") is None
            server.start()

    asyncio.run(main())


def test_what_does_not_fit_into_the_queue_is_dropped(server: RedisServer) -> None:
    async def main() -> None:
        limits = replace(PATIENT, most_waiting=2, most_value_bytes=5, most_waiting_bytes=1000)
        async with caching(server.url, limits) as cache:
            cache.put(b"large", b"123456", 60.0)
            for key in (b"a", b"b", b"c"):
                cache.put(key, b"12345", 60.0)

            async def is_there() -> bool:
                return await cache.get(b"b") is not None

            await until(is_there)
            assert [await cache.get(key) for key in (b"large", b"a", b"c")] == [
                None,
                b"12345",
                None,
            ]

    asyncio.run(main())


def test_a_full_redis_is_read_all_the_same(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with caching(server.url) as cache:
            await put(cache, b"k", b"value")
            await raw(server, "CONFIG", "SET", "maxmemory", 1)
            cache.put(b"other", b"value", 60.0)
            await until(lambda: bool(caplog.records))
            assert await cache.get(b"k") == b"value"
            assert await cache.get(b"other") is None

    asyncio.run(main())
    [record] = caplog.records
    assert record.getMessage().startswith("a Redis refuses to be written to: ")


def test_a_password_opens_it_and_is_never_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = RedisServer(redis_program(), tmp_path, password="s3cret")

    async def main() -> None:
        async with caching(server.url) as cache:
            await put(cache, b"k", b"value")
        async with caching(server.url.replace("s3cret", "wr0ng")) as cache:
            assert await cache.get(b"k") is None
            assert cache.is_away
            assert "wr0ng" not in repr(cache)

    try:
        asyncio.run(main())
    finally:
        server.kill()
    assert caplog.records
    assert "s3cret" not in caplog.text
    assert "wr0ng" not in caplog.text


@pytest.mark.parametrize(
    "said", [b"garbage\r\n", b":12x\r\n", b"$5\r\nab", b"*2\r\n", b"\xff\xff\r\n", b"$-5\r\n"]
)
def test_somebody_who_is_no_redis_fails_nothing(said: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(said)
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            async with caching(f"redis://127.0.0.1:{port}/0") as cache:
                assert await cache.get(b"k") is None
                assert cache.is_away

    asyncio.run(main())
