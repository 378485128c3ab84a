"""Daily limits: a restart resets nothing, several processes add up, and a failed record limits."""

from __future__ import annotations

import logging
from contextlib import closing
from datetime import UTC, datetime

import pytest

from headrace.base.clock import SetClock
from headrace.serve.limiting.quotas import DailyQuotas
from headrace.store.records import Records
from tests.serve.shop import Shop

TEN_TO_MIDNIGHT = datetime(2024, 3, 1, 23, 50, tzinfo=UTC)


def quotas(shop: Shop, clock: SetClock, most: int = 5) -> DailyQuotas:
    made = DailyQuotas(shop.store, clock, most, flush_seconds=60)
    made.flush()
    return made


def spend(of: DailyQuotas, credential: str, count: int) -> None:
    for _ in range(count):
        of.left(credential)
        of.take(credential)


def test_each_credential_has_its_own_day(shop: Shop, clock: SetClock) -> None:
    clock.at = TEN_TO_MIDNIGHT
    own = quotas(shop, clock)
    spend(own, "a", 3)
    assert (own.left("a"), own.left("b")) == ((2, 600.0), (5, 600.0))
    spend(own, "a", 4)
    assert own.left("a") == (0, 600.0)
    clock.advance(600)
    assert own.left("a") == (5, 86_400.0)


def test_a_restart_resets_nothing(shop: Shop, clock: SetClock) -> None:
    before = quotas(shop, clock)
    before.start()
    spend(before, "a", 3)
    before.close()
    assert quotas(shop, clock).left("a")[0] == 2


def test_several_processes_learn_of_each_other_when_they_record(
    shop: Shop, clock: SetClock
) -> None:
    one, other = quotas(shop, clock), quotas(shop, clock)
    spend(one, "a", 2)
    spend(other, "a", 1)
    assert (one.left("a")[0], other.left("a")[0]) == (3, 4)
    for each in (one, other, one):
        each.flush()
    assert (one.left("a")[0], other.left("a")[0]) == (2, 2)


def test_what_was_counted_before_midnight_is_recorded_after_it_for_its_day(
    shop: Shop, clock: SetClock
) -> None:
    clock.at = TEN_TO_MIDNIGHT
    own = quotas(shop, clock)
    spend(own, "a", 3)
    clock.advance(600)
    spend(own, "a", 1)
    own.flush()
    with closing(Records.open(shop.store.records_path)) as records:
        assert records.requests_of("2024-03-02") == {"a": 1}
        assert records.requests_of("2024-03-01") == {}


def test_a_clock_that_goes_back_gives_no_day_twice(shop: Shop, clock: SetClock) -> None:
    own = quotas(shop, clock)
    spend(own, "a", 5)
    clock.advance(-86_400)
    assert own.left("a")[0] == 0


def test_without_a_record_each_process_goes_on_limiting_and_says_so_once(
    shop: Shop, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    own = quotas(shop, clock)
    shop.store.records_path.write_bytes(b"no database, and longer than the header of one" * 9)
    with caplog.at_level(logging.WARNING, "headrace.serve"):
        spend(own, "a", 5)
        own.flush()
        own.flush()
    assert own.left("a")[0] == 0
    [said] = caplog.messages
    assert said.startswith("daily limits are kept by each process, and not recorded now: ")
    shop.store.records_path.unlink()
    own.flush()
    assert quotas(shop, clock).left("a")[0] == 0
