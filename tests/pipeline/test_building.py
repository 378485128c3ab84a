"""A run builds what changed and only that, and publishes only what passes."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from headrace.base.clock import SetClock
from headrace.base.errors import BreakingChanges, ProjectError
from headrace.engines.duckdb import DuckDBEngine
from headrace.observe.events import (
    CheckFinished,
    CopyFinished,
    Event,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
)
from headrace.pipeline.building import BuildReport, build, make_copies
from headrace.pipeline.plan.plans import Plan
from headrace.pipeline.workspace import open_workspace, plan_workspace
from headrace.store.keyed_folder import Copy
from headrace.store.records import Records
from headrace.store.refs import conflict
from headrace.store.snapshots import Bound, KeyedQuery, KeyPart, Manifest, Ref, Snapshot
from tests.projects import SHOP, Shop, built, write_files


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", SHOP))


def test_the_first_run_builds_and_publishes_everything(shop: Shop) -> None:
    report = shop.run()
    assert report.failures == ()
    assert report.outcome == "published"
    assert built(report) == ["cities", "daily_revenue", "orders", "store_revenue", "stores"]
    assert report.snapshot is not None
    assert report.snapshot.number == 1
    tables = shop.published().tables
    assert {name: version.rows for name, version in tables.items()} == {
        "cities": 2,
        "daily_revenue": 4,
        "orders": 5,
        "orders__quarantine": 0,
        "store_revenue": 2,
        "stores": 2,
        "stores__quarantine": 0,
    }


def test_a_second_run_executes_nothing(shop: Shop) -> None:
    first = shop.run()
    plan = shop.plan()
    assert plan.nothing_to_do
    second = shop.run()
    assert second.outcome == "unchanged"
    assert second.steps == ()
    assert second.checks == ()
    assert second.snapshot == first.snapshot


def test_a_reformatted_model_executes_nothing(shop: Shop) -> None:
    shop.run()
    shop.write(
        "models/cities.sql",
        "-- the cities we are in\nselect distinct\n    city\nfrom stores -- all of them\n",
    )
    assert shop.run().outcome == "unchanged"


def test_a_changed_model_builds_it_and_its_descendants_only(shop: Shop) -> None:
    shop.run()
    path = "models/daily_revenue.sql"
    shop.write(path, SHOP[path].replace("count(*) AS orders", "count(*) + 0 AS orders"))
    [daily, stores] = shop.plan().steps
    assert (daily.table, daily.reasons) == ("daily_revenue", ("its SQL changed",))
    assert (stores.table, stores.reasons) == (
        "store_revenue",
        ("its input daily_revenue changed",),
    )
    assert built(shop.run()) == ["daily_revenue", "store_revenue"]


def test_a_new_file_is_read_alone_and_builds_what_depends_on_it(shop: Shop) -> None:
    shop.run()
    before = shop.published().tables["orders"]
    shop.write(
        "data/orders/2024-03.csv",
        "order_id,store_id,ordered_at,amount\n6,10,2024-03-01 08:00:00,1.00\n",
    )
    plan = shop.plan()
    assert plan.steps[0].reasons == ("source file data/orders/2024-03.csv is new",)
    assert [file.path for file in plan.steps[0].files] == ["data/orders/2024-03.csv"]
    assert built(shop.run()) == ["daily_revenue", "orders", "store_revenue"]
    after = shop.published().tables["orders"]
    assert after.cells[:2] == before.cells
    assert after.rows == 6


def test_a_corrected_file_replaces_its_rows(shop: Shop) -> None:
    shop.run()
    text = SHOP["data/orders/2024-01.csv"].replace("7.25", "8.25")
    shop.write("data/orders/2024-01.csv", text)
    assert shop.plan().steps[0].reasons == ("source file data/orders/2024-01.csv changed",)
    shop.run()
    assert shop.published().tables["orders"].rows == 5


def test_a_deleted_file_takes_its_rows_with_it(shop: Shop) -> None:
    shop.run()
    (shop.root / "data/orders/2024-02.csv").unlink()
    plan = shop.plan()
    assert "orders: source file data/orders/2024-02.csv is gone" in plan.reasons
    assert built(shop.run()) == ["daily_revenue", "store_revenue"]
    assert shop.published().tables["orders"].rows == 3


def test_a_changed_check_checks_again_and_builds_nothing(shop: Shop) -> None:
    shop.run()
    path = "models/daily_revenue.sql"
    shop.write(path, SHOP[path].replace("revenue: {min: 0}", "revenue: {min: 1}"))
    report = shop.run()
    assert built(report) == []
    assert [check.result.name for check in report.checks if "min" in check.result.name] == [
        "daily_revenue.revenue: min 1"
    ]
    assert report.outcome == "published"
    assert shop.run().outcome == "unchanged"


def test_a_changed_endpoint_publishes_and_builds_nothing(shop: Shop) -> None:
    shop.run()
    path = "endpoints/revenue.sql"
    shop.write(path, SHOP[path].replace("SELECT day, revenue, orders", "SELECT day, revenue"))
    plan = shop.plan()
    assert [(change.endpoint, change.detail) for change in plan.changes] == [
        ("revenue", "field orders (BIGINT) removed")
    ]
    report = shop.run(accepted=("revenue",))
    assert (built(report), report.outcome) == ([], "published")


def test_a_removed_model_leaves_the_snapshot(shop: Shop) -> None:
    shop.run()
    (shop.root / "models/cities.sql").unlink()
    assert shop.plan().reasons == ("cities is not in the project any more",)
    assert shop.run().outcome == "published"
    assert "cities" not in shop.published().tables


def test_a_failed_check_publishes_nothing_and_is_kept_with_its_rows(shop: Shop) -> None:
    shop.run()
    shop.write(
        "data/orders/2024-03.csv",
        "order_id,store_id,ordered_at,amount\n6,99,2024-03-01 08:00:00,1.00\n",
    )
    report = shop.run()
    assert report.outcome == "failed"
    assert report.failures == ("known_stores: 1 wrong row",)
    assert report.snapshot is not None
    assert report.snapshot.number == 1
    records = Records.open(shop.store.root / "operations.sqlite")
    [run, *_] = records.last_runs("prod", 1)
    failed = [check for check in records.checks(run.run) if check.failing]
    records.close()
    assert [(check.name, check.sample) for check in failed] == [
        ("known_stores", '[{"store_id": "99"}]')
    ]
    shop.write(
        "data/orders/2024-03.csv",
        "order_id,store_id,ordered_at,amount\n6,11,2024-03-01 08:00:00,1.00\n",
    )
    repaired = shop.run()
    assert repaired.outcome == "published"
    assert repaired.snapshot is not None
    assert repaired.snapshot.number == 2


def test_what_a_failed_run_has_built_is_not_built_again(shop: Shop) -> None:
    shop.write("checks/known_stores.sql", "SELECT store_id FROM store_revenue\n")
    assert shop.run().outcome == "failed"
    shop.write("checks/known_stores.sql", SHOP["checks/known_stores.sql"])
    report = shop.run()
    assert (built(report), report.outcome) == ([], "published")


def test_bad_rows_are_set_aside_within_the_tolerance(shop: Shop) -> None:
    shop.write(
        "data/orders/2024-03.csv",
        "order_id,store_id,ordered_at,amount\n"
        + "".join(f"{number},10,2024-03-01 08:00:00,1.00\n" for number in range(6, 26))
        + "26,10,2024-03-01 08:00:00,free\n",
    )
    events = shop.events()
    [orders] = [
        event for event in events if isinstance(event, StepFinished) and event.table == "orders"
    ]
    assert (orders.rows_in, orders.rows, orders.quarantined) == (26, 25, 1)
    assert shop.published().tables["orders__quarantine"].rows == 1


def test_past_the_tolerance_nothing_is_published(shop: Shop) -> None:
    shop.write(
        "data/orders/2024-03.csv",
        "order_id,store_id,ordered_at,amount\n6,10,2024-03-01 08:00:00,free\n",
    )
    report = shop.run()
    assert report.outcome == "failed"
    assert report.failures == ("orders: tolerance 10 %: 1 of 6 rows are in quarantine",)
    assert [step.outcome for step in report.steps if step.table == "daily_revenue"] == ["blocked"]
    assert report.snapshot is None


def test_a_table_that_became_empty_fails_unless_it_may(shop: Shop) -> None:
    shop.run()
    path = "models/cities.sql"
    shop.write(path, "SELECT DISTINCT city FROM stores WHERE store_id > 99\n")
    assert shop.run().failures == (
        "cities: not empty: had 2 rows and has none now; if that is right, say `allow_empty: true`",
    )
    shop.write(
        path,
        "/*\nallow_empty: true\n*/\nSELECT DISTINCT city FROM stores WHERE store_id > 99\n",
    )
    assert shop.run().outcome == "published"


def test_a_model_that_raises_fails_alone_and_blocks_what_reads_it(shop: Shop) -> None:
    path = "models/daily_revenue.sql"
    shop.write(path, SHOP[path].replace("count(*) AS orders", "error('no coffee') AS orders"))
    report = shop.run()
    outcomes = {step.table: step.outcome for step in report.steps}
    assert outcomes == {
        "orders": "built",
        "stores": "built",
        "cities": "built",
        "daily_revenue": "failed",
        "store_revenue": "blocked",
    }
    [failure] = report.failures
    assert failure.startswith("daily_revenue: models/daily_revenue.sql:")
    assert "no coffee" in failure


def test_events_tell_the_run_from_start_to_end(shop: Shop) -> None:
    events = shop.events()
    first, last = events[0], events[-1]
    assert isinstance(first, RunStarted)
    assert (first.steps, first.environment) == (5, "prod")
    assert isinstance(last, RunFinished)
    assert (last.outcome, last.snapshot) == ("published", 1)
    checks = {event.name for event in events if isinstance(event, CheckFinished)}
    assert {"known_stores", "daily_revenue: key store_id, day"} <= checks


def test_a_rolled_back_environment_takes_what_the_store_has(shop: Shop) -> None:
    shop.run()
    shop.write("models/cities.sql", "SELECT DISTINCT upper(city) AS city FROM stores\n")
    shop.run()
    shop.store.rollback("prod")
    plan = shop.plan()
    assert plan.steps == ()
    assert plan.reasons == ("cities: an earlier run has built it already",)
    report = shop.run()
    assert (built(report), report.outcome) == ([], "published")


def test_another_environment_shares_every_cell(shop: Shop) -> None:
    shop.run()
    dev = Shop(shop.root, "dev")
    report = dev.run()
    assert (built(report), report.outcome) == ([], "published")
    assert dev.published().tables == shop.published().tables


def test_of_two_runs_side_by_side_the_later_fails_and_then_publishes_what_it_built(
    shop: Shop,
) -> None:
    shop.run()
    shop.write("models/cities.sql", "SELECT DISTINCT upper(city) AS city FROM stores\n")
    slow = open_workspace(shop.root)
    plan = plan_workspace(slow, "prod")
    shop.write("models/cities.sql", "SELECT DISTINCT lower(city) AS city FROM stores\n")
    shop.run()
    report = build(slow, plan)
    assert (report.outcome, built(report)) == ("failed", ["cities"])
    assert report.failures == (str(conflict("prod", 2, 1)),)
    [run] = records_of(shop).last_runs("prod", 1)
    assert (run.outcome, run.message) == ("failed", report.failures[0])
    shop.write("models/cities.sql", "SELECT DISTINCT upper(city) AS city FROM stores\n")
    again = shop.run()
    assert (again.outcome, built(again)) == ("published", [])
    assert again.snapshot is not None
    assert again.snapshot.number == 3


def test_a_run_that_plans_twice_does_not_overwrite_who_published_in_between(shop: Shop) -> None:
    write_files(
        shop.root,
        {
            "models/wide.py": """\
                import pyarrow as pa
                from headrace import model
                @model
                def wide() -> pa.Table:
                    return pa.table({"a": [1]})
                """,
            "models/narrow.sql": "SELECT a FROM wide\n",
        },
    )
    others: list[Ref] = []

    def publish_first(event: Event) -> None:
        if isinstance(event, StepFinished) and event.table == "wide":
            other = Snapshot({}, Manifest("other"))
            others.append(shop.store.publish("prod", other, parent=None, reason="faster"))

    report = shop.run(publish_first)
    assert report.failures == (str(conflict("prod", 1, None)),)
    assert shop.store.head("prod") == others[0]


@pytest.mark.usefixtures("ctrl_c")
def test_a_run_that_is_interrupted_ends_at_once_and_is_recorded(shop: Shop) -> None:
    shop.write("models/cities.sql", "SELECT sum(hash(i)) AS s FROM range(1000000000000) AS t(i)\n")

    def interrupt(event: Event) -> None:
        if isinstance(event, StepStarted) and event.table == "cities":
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        shop.run(interrupt)
    [run] = records_of(shop).last_runs("prod", 1)
    assert (run.outcome, run.message) == ("failed", "interrupted")
    shop.write("models/cities.sql", SHOP["models/cities.sql"])
    assert shop.run().outcome == "published"


def test_a_run_that_raises_is_recorded(shop: Shop) -> None:
    """Here because the contract of an endpoint does not hold over what a Python model returned."""
    write_files(
        shop.root,
        {
            "models/wide.py": """\
                import pyarrow as pa
                from headrace import model
                @model
                def wide() -> pa.Table:
                    return pa.table({"a": [1]})
                """,
            "endpoints/wide.sql": "SELECT b FROM wide\n",
        },
    )
    seen: list[Event] = []
    with pytest.raises(ProjectError) as caught:
        shop.run(seen.append)
    [run] = records_of(shop).last_runs("prod", 1)
    assert (run.outcome, run.message) == ("failed", str(caught.value))
    [*_, last] = seen
    assert isinstance(last, RunFinished)
    assert (last.outcome, last.snapshot, last.message) == ("failed", 0, str(caught.value))


def test_gc_leaves_alone_what_a_run_is_taking_up(shop: Shop) -> None:
    busy: list[bool] = []

    def sweep(event: Event) -> None:
        if isinstance(event, StepFinished):
            busy.append(shop.store.collect(grace_seconds=0).busy)

    assert shop.run(sweep).outcome == "published"
    assert busy == [True] * 5


def records_of(shop: Shop) -> Records:
    """The record of its runs."""
    return Records.open(shop.store.root / "operations.sqlite")


class _Days:
    """A shop with a model and a check of the day, and a clock to move."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.clock = SetClock(datetime(2024, 3, 1, 23, 0, tzinfo=UTC))
        shop.write(
            "models/today.sql", "/* volatile: day */ SELECT city, current_date AS day FROM cities"
        )
        shop.write("models/after.sql", "SELECT max(day) AS day FROM today")
        shop.write(
            "checks/late.sql", "/* volatile: day */ SELECT day FROM today WHERE day > now()\n"
        )

    def plan(self) -> Plan:
        return plan_workspace(open_workspace(self.shop.root, clock=self.clock), "prod")

    def run(self) -> BuildReport:
        return build(open_workspace(self.shop.root, clock=self.clock), self.plan())


def test_within_the_day_nothing_runs_and_the_next_day_rebuilds_what_follows_it(shop: Shop) -> None:
    days = _Days(shop)
    assert days.run().outcome == "published"
    days.clock.advance(3599)
    assert days.plan().nothing_to_do
    days.clock.advance(1)
    plan = days.plan()
    assert [(step.table, step.reasons) for step in plan.steps] == [
        ("today", ("the day changed (2024-03-01 -> 2024-03-02)",)),
        ("after", ("its input today changed",)),
    ]
    assert built(days.run()) == ["after", "today"]
    assert days.plan().nothing_to_do


def test_a_check_of_the_day_is_made_again_the_next_day(shop: Shop) -> None:
    days = _Days(shop)
    shop.write("checks/late.sql", "/* volatile: day */ SELECT city FROM cities WHERE now() IS NULL")
    days.run()
    assert "late" not in [check.name for check in days.plan().checks]
    days.clock.advance(3600)
    assert "late" in [check.name for check in days.plan().checks]


def test_a_run_keeps_the_day_that_it_was_planned_for(shop: Shop) -> None:
    """Also over midnight, and when a Python model makes it plan again."""
    days = _Days(shop)
    shop.write(
        "models/seen.py",
        "import duckdb\nfrom headrace import model\n\n\n@model\n"
        "def seen(cities: duckdb.DuckDBPyRelation):\n    return cities\n",
    )
    shop.write("models/late.sql", "/* volatile: day */ SELECT *, current_date AS day FROM seen")
    plan = days.plan()
    assert "late" in plan.deferred
    days.clock.advance(7200)
    workspace = open_workspace(shop.root, clock=days.clock)
    assert build(workspace, plan).outcome == "published"
    engine = DuckDBEngine()
    for name in ("today", "late"):
        engine.attach(shop.published().tables[name], shop.store.data_root)
        assert engine.rows(f"SELECT DISTINCT day FROM {name}", 9) == [{"day": date(2024, 3, 1)}]


def test_a_volatile_run_is_built_in_every_run(shop: Shop) -> None:
    shop.write("models/dice.sql", "/* volatile: run */ SELECT uuid() AS id FROM cities\n")
    shop.run()
    [step] = shop.plan().steps
    assert (step.table, step.reasons) == ("dice", ("it is built anew in every run",))
    assert built(shop.run()) == ["dice"]


def test_a_python_model_may_be_of_its_day(shop: Shop) -> None:
    days = _Days(shop)
    shop.write(
        "models/seen.py",
        "import duckdb\nfrom headrace import model\n\n\n@model(volatile='month')\n"
        "def seen(cities: duckdb.DuckDBPyRelation):\n    return cities\n",
    )
    days.run()
    assert days.plan().nothing_to_do
    days.clock.advance(31 * 86400)
    reasons = {step.table: step.reasons for step in days.plan().steps}
    assert reasons["seen"] == ("the month changed (2024-03 -> 2024-04)",)


def test_volatile_taken_out_of_a_python_model_is_a_reason(shop: Shop) -> None:
    text = (
        "import duckdb\nfrom headrace import model\n\n\n@model(volatile='year')\n"
        "def seen(cities: duckdb.DuckDBPyRelation):\n    return cities\n"
    )
    shop.write("models/seen.py", text)
    shop.run()
    shop.write("models/seen.py", text.replace("(volatile='year')", ""))
    [step] = shop.plan().steps
    assert step.reasons == ("what `volatile` says changed",)


WIDE = """\
    import pyarrow as pa
    from headrace import model
    @model
    def wide() -> pa.Table:
        return pa.table({"a": [1], "b": [2]})
    """


def test_a_breaking_change_is_refused_before_anything_is_built(shop: Shop) -> None:
    shop.run()
    path = "models/daily_revenue.sql"
    shop.write(path, SHOP[path].replace("count(*) AS orders", "count(*) AS number"))
    shop.write("endpoints/revenue.sql", SHOP["endpoints/revenue.sql"].replace("orders", "number"))
    seen: list[Event] = []
    with pytest.raises(BreakingChanges) as caught:
        shop.run(seen.append)
    assert str(caught.value.changes[0]) == (
        "revenue: field orders (BIGINT) removed - breaking, no calls in the last 30 days"
    )
    assert seen == []
    assert len(records_of(shop).last_runs("prod", 9)) == 1
    report = shop.run(accepted=("revenue",))
    assert report.snapshot is not None
    assert report.snapshot.reason == (
        "built daily_revenue, store_revenue; accepted breaking changes of revenue"
    )


def test_what_only_a_python_model_can_show_is_refused_before_the_publish(shop: Shop) -> None:
    """The model must run to tell its columns; what it has lost does not reach anybody."""
    write_files(shop.root, {"models/wide.py": WIDE, "endpoints/wide.sql": "SELECT * FROM wide\n"})
    shop.run()
    shop.write("models/wide.py", WIDE.replace(', "b": [2]', ""))
    plan = shop.plan()
    assert plan.deferred == ("wide", "wide")
    assert plan.changes == ()
    with pytest.raises(BreakingChanges) as caught:
        shop.run()
    [change] = caught.value.changes
    assert str(change) == (
        "wide: field b (BIGINT) removed - breaking, no calls in the last 30 days"
    )
    [run, _] = records_of(shop).last_runs("prod", 9)
    assert (run.outcome, run.message) == ("failed", str(caught.value))
    assert "b" in {column.name for column in shop.published().tables["wide"].schema}
    assert shop.run(accepted=("wide",)).outcome == "published"


def test_copies_that_are_missing_are_made_without_a_publish(shop: Shop) -> None:
    """One that was removed, or refused under a lower limit, is not a reason for a new snapshot."""
    shop.run()
    published = shop.published()
    [endpoint] = published.manifest.endpoints
    keyed = KeyedQuery(
        sql="SELECT store_id, day, day, revenue, orders FROM daily_revenue",
        key=(KeyPart("INTEGER"), KeyPart("DATE")),
        equal=("store_id",),
        low=Bound("since", inclusive=True),
        by_cell="daily_revenue",
    )
    contract = replace(endpoint, keyed=keyed)
    snapshot = replace(published, manifest=replace(published.manifest, endpoints=(contract,)))
    workspace = open_workspace(shop.root)
    seen: list[Event] = []
    make_copies(workspace, snapshot, snapshot, seen.append)
    [event] = seen
    assert isinstance(event, CopyFinished)
    assert (event.endpoint, event.outcome, event.rows) == ("revenue", "built", 4)
    copy = workspace.store.keyed_copy(contract, snapshot)
    assert isinstance(copy, Copy)
    assert (copy.rows, copy.size_bytes) == (4, event.size_bytes)
    make_copies(workspace, snapshot, snapshot, seen.append)
    assert len(seen) == 1
    assert [path.suffix for path in (workspace.store.root / "staging").iterdir()] == []


def test_a_limit_of_0_makes_no_copies(shop: Shop) -> None:
    shop.write(
        "headrace.toml", 'name = "shop"\n[serve]\ncopy_limit = "0B"\ndefault_access = "public"\n'
    )
    shop.run()
    assert not (shop.root / ".headrace/store/keyed").exists()
