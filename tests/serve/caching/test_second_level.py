"""A reference in headrace.toml leads to a cache, or says why not, and never what it found."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from redis import Redis

from headrace.base.errors import UsageError
from headrace.serve.caching.kept_answers import seal
from headrace.serve.caching.redis_cache import RedisCache, key_prefix
from headrace.serve.caching.second_level import open_second_level, redis_url
from tests.cli.test_serve import serving
from tests.projects import SHOP, Shop, write_files
from tests.serve.redis_server import RedisServer, redis_program

WHERE = "headrace.toml: `redis` under [serve]: "
VARIABLES = {"REDIS_URL": "redis://:s3cret@db:6379/0\n", "WRONG": "db:s3cret@6379", "EMPTY": ""}


def test_no_reference_is_no_cache() -> None:
    assert open_second_level("", "shop", "prod") is None


def test_a_reference_is_a_cache_that_connects_to_nothing_yet() -> None:
    cache = open_second_level("redis://localhost:1/0", "shop", "prod")
    assert isinstance(cache, RedisCache)
    asyncio.run(cache.close())


def test_an_address_is_found_in_a_variable_in_a_file_or_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("rediss://:s3cret@db/0\n")
    assert redis_url("env:REDIS_URL", VARIABLES).reveal() == "redis://:s3cret@db:6379/0"
    assert redis_url(f"file:{tmp_path}/url", {}).reveal() == "rediss://:s3cret@db/0"
    assert redis_url("unix:///run/redis.sock", {}).reveal() == "unix:///run/redis.sock"


@pytest.mark.parametrize(
    ("reference", "missing"),
    [
        ("env:NOWHERE", "the environment variable `NOWHERE`"),
        ("env:EMPTY", "the environment variable `EMPTY`"),
        ("file:/no/such/file", "the file /no/such/file"),
    ],
)
def test_a_reference_that_leads_nowhere_says_so(reference: str, missing: str) -> None:
    with pytest.raises(UsageError) as caught:
        redis_url(reference, VARIABLES)
    assert str(caught.value) == (
        f"{WHERE}{missing} is missing or empty; expected an address such as"
        " redis://localhost:6379/0 there; set it, or take `redis` out of headrace.toml"
    )


@pytest.mark.parametrize("url", ["db:s3cret@6379", "http://s3cret", "redis://:s3/cret@db:6379"])
def test_what_is_no_address_is_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        redis_url("env:WRONG", {"WRONG": url})
    assert str(caught.value) == (
        f"{WHERE}the environment variable `WRONG` holds no address of a Redis; expected"
        " redis://HOST:PORT/NUMBER, rediss:// of the same form, or unix://PATH; `%` and `/` in a"
        " password are written `%25` and `%2F`"
    )
    assert caught.value.__cause__ is None


def test_serving_without_redis_does_not_load_its_client() -> None:
    code = (
        "import sys, headrace.serve.app, headrace.serve.caching.second_level as second;"
        "second.open_second_level('', 'shop', 'prod'); print('redis' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# No key finds what is computed from a parameter: such answers are kept.
COMPUTED = {
    "headrace.toml": """\
        name = "shop"
        [serve]
        redis = "env:REDIS_URL"
        default_access = "public"
        """,
    "endpoints/revenue.sql": """\
        /*
        path: /stores/{store_id}/revenue
        */
        SELECT day, revenue FROM daily_revenue
        WHERE store_id = CAST($store_id AS INTEGER) + 0
        ORDER BY day
        """,
}


def test_a_second_server_answers_what_the_first_one_has_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And goes on answering when the Redis is gone."""
    redis = RedisServer(redis_program(), tmp_path)
    monkeypatch.setenv("REDIS_URL", redis.url)
    project = write_files(tmp_path / "shop", SHOP | COMPUTED)
    Shop(project).run()
    try:
        with (
            serving(project) as (_, one),
            serving(project) as (_, other),
            Redis.from_url(redis.url) as client,
        ):
            # A machine that is busy may be too slow for the short time that a Redis is waited for.
            ends = time.monotonic() + 30
            store = 10
            while not answers_from_redis(client, one, other, store):
                assert time.monotonic() < ends
                store += 1
        redis.freeze()
        with serving(project) as (_, lines):
            assert ask(lines, 10)[1].startswith(b'[{"day":"2024-01-01",')
    finally:
        redis.kill()


def answers_from_redis(client: Redis, one: list[str], other: list[str], store: int) -> bool:
    """Whether the other server gives what stands under the key of what one has computed."""
    tag, computed = ask(one, store)
    key = key_prefix("shop", "prod") + tag
    if (kept := client.get(key)) is None:
        return False
    # `=`: there are no further rows.
    assert kept == seal(tag, b"=" + computed)
    # What nobody computes: whoever gives it has read it there.
    client.set(key, seal(tag, b'=["shared"]\n'))
    found = ask(other, store)
    assert found in {(tag, computed), (tag, b'["shared"]\n')}
    return found[1] != computed


def ask(lines: list[str], store: int) -> tuple[bytes, bytes]:
    """The ETag and the body of one answer of a server that has printed `lines`."""
    url = f"{lines[0].split()[-1]}/stores/{store}/revenue"
    with urllib.request.urlopen(url) as answer:
        return answer.headers["ETag"].encode(), answer.read()


def test_an_address_never_prints_itself() -> None:
    found = redis_url("env:REDIS_URL", VARIABLES)
    assert f"{found} {found!r} {found:>9}" == "*** Secret(***) ***"
