"""What may pass is tried again, after waits that grow; what is as it is fails at once."""

from __future__ import annotations

import errno
import os
import signal
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from headrace.base.clock import NotedPauses
from headrace.base.errors import Conflict, ModelError, Retry, SourceError, StoreError
from headrace.observe.events import Event, StepFinished, StepRetried
from headrace.pipeline.run.pace import Pace
from headrace.pipeline.run.retrying import Patience, may_pass
from headrace.store.records import Records
from tests.projects import SHOP, Shop, write_files

# Reading its first bytes is an I/O error.
UNREADABLE = Path("/proc/self/mem")

# Fails as long as there is a file `down`; each call leaves a line in `calls`.
RATES = """\
    from pathlib import Path
    import pyarrow as pa
    from headrace import Retry, model
    HERE = Path(__file__).parents[1]
    @model({arguments})
    def rates() -> pa.Table:
        with (HERE / "calls").open("a") as calls:
            calls.write("x")
        if (HERE / "down").exists():
            raise {error}
        return pa.table({{"rate": [1]}})
    """


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", SHOP))


def rates(shop: Shop, error: str, arguments: str = "") -> None:
    """A Python model that calls what is down."""
    shop.write("models/rates.py", RATES.format(error=error, arguments=arguments))
    shop.write("down", "")


def calls(shop: Shop) -> int:
    return len((shop.root / "calls").read_text())


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


# What may pass


@pytest.mark.parametrize("number", ["EAGAIN", "EINTR", "EIO", "ESTALE", "ETIMEDOUT"])
def test_an_error_of_the_system_that_may_pass(number: str) -> None:
    code = getattr(errno, number)
    error = OSError(code, os.strerror(code), "orders.csv")
    assert may_pass(error)
    assert may_pass(caused(SourceError("orders.csv: it cannot be read"), error))
    assert may_pass(duckdb.IOException(f'IO Error: Could not read "a": {os.strerror(code)}'))


@pytest.mark.parametrize("number", ["ENOENT", "EACCES", "ENOSPC", "EROFS", "EDQUOT"])
def test_an_error_of_the_system_that_stays(number: str) -> None:
    code = getattr(errno, number)
    error = OSError(code, os.strerror(code), "orders.csv")
    assert not may_pass(error)
    assert not may_pass(caused(SourceError("orders.csv: it cannot be read"), error))
    assert not may_pass(duckdb.IOException(f'IO Error: Could not write "a": {os.strerror(code)}'))


@pytest.mark.parametrize(
    "error", [Retry("rate limit"), ConnectionResetError("reset"), TimeoutError("late")]
)
def test_what_a_model_raises_for_want_of_another_service(error: Exception) -> None:
    assert may_pass(caused(ModelError("models/rates.py:3: no"), error))


@pytest.mark.parametrize(
    "error",
    [
        KeyError("rate"),
        ValueError("rate"),
        ModelError("models/rates.py: returned the columns `a`; expected `b`"),
        SourceError("orders.csv: it is not JSON"),
        Conflict("prod: somebody else has published"),
        caused(StoreError("data: not written"), OSError(errno.EIO, "Input/output error")),
        duckdb.ConversionException("Conversion Error: Could not convert string 'x' to INT32"),
        duckdb.InterruptException("INTERRUPT Error: Interrupted!"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_as_it_is(error: Exception) -> None:
    assert not may_pass(error)
    assert not may_pass(caused(ModelError("models/rates.py:3: no"), error))


def test_of_several_files_all_must_be_such_that_may_pass() -> None:
    passing = caused(SourceError("a.csv"), OSError(errno.EIO, "Input/output error"))
    lasting = SourceError("b.csv: it is not JSON")
    assert may_pass(caused(SourceError("a.csv"), ExceptionGroup("files", [passing])))
    assert not may_pass(caused(SourceError("a.csv"), ExceptionGroup("files", [passing, lasting])))


# How long


def test_each_wait_is_twice_the_one_before_up_to_a_minute() -> None:
    patience = Patience(retries=10, wait_seconds=1.0)
    waits = [patience.seconds_after(attempt, 0.0) for attempt in range(1, 9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert Patience(2, 300.0).seconds_after(2, 0.0) == 300
    assert patience.seconds_after(100_000, 0.0) == 60


def test_chance_takes_off_up_to_half() -> None:
    patience = Patience(retries=2, wait_seconds=1.0)
    assert (patience.seconds_after(2, 1.0), patience.seconds_after(2, 0.5)) == (1.0, 1.5)


# In a run


def test_a_model_that_has_failed_for_a_while_is_built_and_published(shop: Shop) -> None:
    rates(shop, 'ConnectionError("refused")')
    seen: list[Event] = []

    def observe(event: Event) -> None:
        seen.append(event)
        if isinstance(event, StepRetried) and event.attempt == 2:
            (shop.root / "down").unlink()

    pauses = NotedPauses()
    report = shop.run(observe, pace=Pace(pauses=pauses))
    assert report.outcome == "published"
    assert calls(shop) == 3
    retried = [event for event in seen if isinstance(event, StepRetried)]
    assert [(each.table, each.attempt, each.attempts) for each in retried] == [
        ("rates", 1, 3),
        ("rates", 2, 3),
    ]
    assert {each.message for each in retried} == {"models/rates.py:10: ConnectionError: refused"}
    assert [each.wait_seconds for each in retried] == [round(wait, 3) for wait in pauses.seconds]
    assert 0.5 <= pauses.seconds[0] <= 1 <= pauses.seconds[1] <= 2
    with closing(Records.open(shop.store.root / "operations.sqlite")) as records:
        steps = {step.table: step.attempts for step in records.steps(report.run)}
    assert (steps["rates"], steps["orders"]) == (3, 1)


def test_a_step_that_fails_to_the_last_says_how_often_it_was_tried(shop: Shop) -> None:
    rates(shop, 'Retry("ask again\\nlater")')
    shop.write("models/halves.sql", "SELECT rate / 2 AS half FROM rates\n")
    report = shop.run(pace=Pace(pauses=NotedPauses()))
    assert report.failures == (
        "rates: models/rates.py:10: Retry: ask again (tried 3 times)\nlater",
    )
    steps = {step.table: (step.outcome, step.attempts) for step in report.steps}
    assert (steps["rates"], steps["cities"]) == (("failed", 3), ("built", 1))


def test_what_is_blocked_was_not_tried(shop: Shop) -> None:
    shop.write("models/broken.sql", "SELECT error('no coffee') AS x\n")
    shop.write("models/more.sql", "SELECT x FROM broken\n")
    steps = {step.table: step for step in shop.run().steps}
    assert (steps["broken"].attempts, steps["more"].attempts) == (1, 0)


def test_what_fails_in_the_same_way_each_time_is_not_tried_again(shop: Shop) -> None:
    rates(shop, 'KeyError("rate")')
    report = shop.run(pace=Pace(pauses=NotedPauses()))
    assert report.failures == ("rates: models/rates.py:10: KeyError: 'rate'",)
    assert calls(shop) == 1


def test_the_settings_say_how_often_and_a_model_knows_better(shop: Shop) -> None:
    shop.write("headrace.toml", 'name = "shop"\n[run]\nretries = 1\nretry_wait_seconds = 8\n')
    rates(shop, 'TimeoutError("late")')
    pauses = NotedPauses()
    shop.run(pace=Pace(pauses=pauses))
    assert calls(shop) == 2
    assert 4 <= pauses.seconds[0] <= 8
    rates(shop, 'TimeoutError("late")', "retries=4")
    shop.run(pace=Pace(pauses=NotedPauses()))
    assert calls(shop) == 2 + 5
    rates(shop, 'TimeoutError("late")', "retries=0")
    report = shop.run(pace=Pace(pauses=NotedPauses()))
    assert calls(shop) == 2 + 5 + 1
    assert report.failures == ("rates: models/rates.py:10: TimeoutError: late",)


def test_another_number_of_retries_builds_nothing_again(shop: Shop) -> None:
    shop.write("models/rates.py", RATES.format(error="Retry()", arguments=""))
    shop.write("models/cities.sql", "/*\nretries: 1\n*/\nSELECT DISTINCT city FROM stores\n")
    shop.run()
    shop.write("models/rates.py", RATES.format(error="Retry()", arguments="retries=5"))
    shop.write("models/cities.sql", "/*\nretries: 9\n*/\nSELECT DISTINCT city FROM stores\n")
    assert shop.run().outcome == "unchanged"


@pytest.mark.skipif(not UNREADABLE.exists(), reason="needs a file whose reading is an I/O error")
@pytest.mark.parametrize("format_", ["csv", "ndjson"])
def test_a_raw_file_that_cannot_be_read_for_a_while_is_read_and_published(
    shop: Shop, format_: str
) -> None:
    rows = {"csv": "a\n1\n2\n", "ndjson": '{"a": 1}\n{"a": 2}\n'}[format_]
    raw = shop.root / f"data/small.{format_}"
    shop.write("sources/small.yaml", f"files: data/small.{format_}\ncolumns: {{a: int}}\n")
    shop.write(f"data/small.{format_}", rows)
    plan = shop.plan()
    retried: list[StepRetried] = []

    def observe(event: Event) -> None:
        if isinstance(event, StepRetried):
            retried.append(event)
            raw.unlink()
            shop.write(f"data/small.{format_}", rows)

    raw.unlink()
    raw.symlink_to(UNREADABLE)
    report = shop.execute(plan, observe, Pace(pauses=NotedPauses()))
    assert report.failures == ()
    [event] = retried
    assert (event.table, event.attempt) == ("small", 1)
    assert "Input/output error" in event.message
    assert shop.published().tables["small"].rows == 2


@pytest.mark.skipif(not UNREADABLE.exists(), reason="needs a file whose reading is an I/O error")
def test_a_raw_file_that_stays_unreadable_fails_its_step_and_no_other(shop: Shop) -> None:
    plan = shop.plan()
    (shop.root / "data/stores.csv").unlink()
    (shop.root / "data/stores.csv").symlink_to(UNREADABLE)
    report = shop.execute(plan, pace=Pace(pauses=NotedPauses()))
    steps = {step.table: (step.outcome, step.attempts) for step in report.steps}
    assert (steps["stores"], steps["orders"]) == (("failed", 3), ("built", 1))
    [failure] = report.failures
    assert failure.endswith("(tried 3 times)")


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupt_ends_a_wait_at_once(shop: Shop) -> None:
    """The pauses are real, and an hour long."""
    shop.write("headrace.toml", 'name = "shop"\n[run]\nretry_wait_seconds = 3600\n')
    rates(shop, 'ConnectionError("refused")')
    seen: list[Event] = []

    def observe(event: Event) -> None:
        seen.append(event)
        if isinstance(event, StepRetried):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        shop.run(observe)
    assert calls(shop) == 1
    [failed] = [each for each in seen if isinstance(each, StepFinished) and each.table == "rates"]
    assert (failed.outcome, failed.attempts) == ("failed", 1)
