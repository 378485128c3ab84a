"""What a plan asks for is built and checked; what fails stops no more than it must."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.base.errors import ProjectError, SourceError, StoreError
from headrace.observe.events import CheckFinished, StepFinished
from headrace.pipeline.building import BuildReport
from headrace.store.snapshots import Snapshot
from tests.projects import SHOP, Shop, built, write_files

WIDE = """\
    import pyarrow as pa
    from headrace import model
    @model
    def wide(orders: pa.Table) -> pa.Table:
        days = sorted(set(str(at.date()) for at in orders["ordered_at"].to_pylist()))
        return pa.table({day: [1] for day in days})
    """


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", SHOP))


@pytest.fixture
def empty(tmp_path: Path) -> Shop:
    """A project with nothing in it."""
    return Shop(write_files(tmp_path / "empty", {"headrace.toml": 'name = "empty"\n'}))


def outcomes(report: BuildReport) -> dict[str, str]:
    """Table -> how its step ended."""
    return {step.table: step.outcome for step in report.steps}


def columns(snapshot: Snapshot, table: str) -> list[str]:
    """The names of a published table's columns."""
    return [column.name for column in snapshot.tables[table].schema]


# Python models whose columns nobody has declared


def deferred(shop: Shop) -> None:
    """A Python model without declared columns; a model, an endpoint and checks that read it."""
    shop.write("models/wide.py", WIDE)
    shop.write("models/narrow.sql", "SELECT count(*) AS n FROM wide\n")
    shop.write("endpoints/days.sql", "SELECT * FROM wide\n")
    shop.write("checks/narrow_enough.sql", "SELECT n FROM narrow WHERE n > 5\n")
    shop.write("checks/wide_enough.sql", 'SELECT * FROM wide WHERE "2024-01-01" IS NULL\n')


def test_what_waits_for_a_python_models_columns_is_planned_and_published_in_the_same_run(
    shop: Shop,
) -> None:
    deferred(shop)
    report = shop.run()
    assert report.failures == ()
    assert outcomes(report)["narrow"] == "built"
    snapshot = shop.published()
    days = ["2024-01-01", "2024-01-02", "2024-02-01", "2024-02-02"]
    assert columns(snapshot, "wide") == days
    [endpoint] = [each for each in snapshot.manifest.endpoints if each.name == "days"]
    assert [column.name for column in endpoint.columns] == days
    names = {check.result.name for check in report.checks}
    assert {"narrow_enough", "wide_enough"} <= names
    assert shop.run().outcome == "unchanged"


def test_so_it_is_after_a_run_that_failed(shop: Shop) -> None:
    deferred(shop)
    shop.write("models/broken.sql", "SELECT error('no coffee') AS x\n")
    assert outcomes(shop.run()) == {
        "orders": "built",
        "stores": "built",
        "broken": "failed",
        "cities": "built",
        "daily_revenue": "built",
        "store_revenue": "built",
        "wide": "built",
    }
    (shop.root / "models/broken.sql").unlink()
    report = shop.run()
    assert (report.outcome, built(report)) == ("published", ["narrow"])
    assert shop.run().outcome == "unchanged"


def test_columns_that_follow_the_data_are_published_as_they_are_now(shop: Shop) -> None:
    """The code is the same, so the columns of the last run are known; they are not these."""
    deferred(shop)
    shop.run()
    shop.write(
        "data/orders/2024-03.csv",
        "order_id,store_id,ordered_at,amount\n6,10,2024-03-01 08:00:00,1.00\n",
    )
    report = shop.run()
    assert report.failures == ()
    assert outcomes(report)["narrow"] == "built"
    assert "blocked" not in outcomes(report).values()
    assert columns(shop.published(), "wide")[-1] == "2024-03-01"
    [endpoint] = [each for each in shop.published().manifest.endpoints if each.name == "days"]
    assert endpoint.columns[-1].name == "2024-03-01"
    assert shop.run().outcome == "unchanged"


def test_columns_that_are_gone_stop_the_run_where_they_are_read(shop: Shop) -> None:
    deferred(shop)
    shop.run()
    for name in ("2024-01", "2024-02"):
        text = SHOP[f"data/orders/{name}.csv"]
        shop.write(f"data/orders/{name}.csv", text.replace("2024-01-01", "2024-01-03"))
    for _ in range(2):
        with pytest.raises(ProjectError) as caught:
            shop.run()
        assert str(caught.value) == (
            'checks/wide_enough.sql:1:26: Referenced column "2024-01-01" not found in FROM clause;'
            ' Candidate bindings: "2024-01-02", "2024-01-03", "2024-02-01", "2024-02-02"'
        )
    assert columns(shop.published(), "wide")[0] == "2024-01-01"


# Checks


def test_a_check_of_two_tables_waits_for_both_and_is_not_made_when_one_fails(shop: Shop) -> None:
    shop.write(
        "checks/both.sql", "SELECT city FROM cities WHERE city IN (SELECT city FROM broken)\n"
    )
    shop.write("models/broken.sql", "SELECT CAST(error('no coffee') AS TEXT) AS city\n")
    events = shop.events()
    assert "both" not in {event.name for event in events if isinstance(event, CheckFinished)}
    assert shop.store.head("prod") is None


def test_a_check_of_severity_warn_stops_nothing(shop: Shop) -> None:
    shop.write("checks/any.sql", "/* {severity: warn} */\nSELECT * FROM cities\n")
    shop.write("checks/raises.sql", "/* {severity: warn} */\nSELECT error(city) FROM cities\n")
    report = shop.run()
    assert report.outcome == "published"
    failing = {c.result.name: c.result.failing for c in report.checks if not c.result.passed}
    assert failing == {"any": 2, "raises": -1}
    assert shop.run().outcome == "unchanged"


def test_a_failed_check_of_one_table_blocks_what_reads_it_and_nothing_else(shop: Shop) -> None:
    path = "models/daily_revenue.sql"
    shop.write(path, SHOP[path].replace("revenue: {min: 0}", "revenue: {min: 100}"))
    report = shop.run()
    assert report.failures == ("daily_revenue.revenue: min 100: 4 wrong rows",)
    assert outcomes(report) == {
        "orders": "built",
        "stores": "built",
        "cities": "built",
        "daily_revenue": "built",
        "store_revenue": "blocked",
    }
    blocked = [step.message for step in report.steps if step.outcome == "blocked"]
    assert blocked == ["waits for daily_revenue"]


# Volume


def test_a_tolerance_of_rows_counts_rows(shop: Shop) -> None:
    source = SHOP["sources/orders.yaml"]
    shop.write("sources/orders.yaml", source.replace("10 %", "1 row"))
    path = "data/orders/2024-01.csv"
    shop.write(path, SHOP[path].replace("4.50", "free"))
    assert shop.run().outcome == "published"
    shop.write(path, SHOP[path].replace("4.50", "free").replace("3.00", "free"))
    assert shop.run().failures == ("orders: tolerance 1 rows: 2 of 5 rows are in quarantine",)


def test_a_file_none_of_whose_rows_fits_is_no_matter_of_tolerance(shop: Shop) -> None:
    shop.write("sources/orders.yaml", SHOP["sources/orders.yaml"].replace("10 %", "90 %"))
    path = "data/orders/2024-02.csv"
    shop.write(path, SHOP[path].replace("5.00", "free").replace("6.10", "free"))
    report = shop.run()
    assert report.failures == (
        "orders: tolerance 90 %: none of the 2 rows of data/orders/2024-02.csv fits the contract",
    )
    [sample] = [check.sample for check in report.checks if check.result.failing]
    assert [row["line"] for row in sample] == ["2", "3"]


def test_a_glob_without_files_is_an_error_unless_the_source_may_be_empty(shop: Shop) -> None:
    for path in (shop.root / "data/orders").iterdir():
        path.unlink()
    with pytest.raises(SourceError, match=r"^sources/orders\.yaml:1: no file matches "):
        shop.run()
    shop.write("sources/orders.yaml", SHOP["sources/orders.yaml"] + "allow_empty: true\n")
    assert shop.run().outcome == "published"
    assert shop.published().tables["orders"].rows == 0
    assert shop.published().tables["daily_revenue"].rows == 0
    assert shop.run().outcome == "unchanged"


# Names and settings


def test_tables_may_be_named_like_keywords_and_read_in_any_case(empty: Shop) -> None:
    empty.write("models/select.sql", 'SELECT 1 AS "order", 2 AS "Group by", \'"\' AS "a""b"\n')
    empty.write("models/Order.sql", 'SELECT "order" AS n, "Group by" FROM "SELECT"\n')
    empty.write("models/table.sql", 'SELECT N FROM "order"\n')
    empty.write(
        "models/python.py",
        """\
        import duckdb
        from headrace import model
        @model(key="n")
        def python(order: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            return order
        """,
    )
    report = empty.run()
    assert report.failures == ()
    assert built(report) == ["Order", "python", "select", "table"]
    assert columns(empty.published(), "select") == ["order", "Group by", 'a"b']
    assert empty.run().outcome == "unchanged"


def test_the_settings_reach_the_engine(empty: Shop) -> None:
    empty.write("headrace.toml", 'name = "x"\n[run]\nthreads = 3\nmemory_limit = "123MB"\n')
    empty.write(
        "models/seen.py",
        """\
        import duckdb
        from headrace import model
        @model
        def seen(one: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            return one.project(
                "current_setting('threads') AS t, current_setting('memory_limit') AS m"
            )
        """,
    )
    empty.write("models/one.sql", "SELECT 1 AS one\n")
    empty.write("checks/settings.sql", "SELECT t, m FROM seen\n")
    [check] = [each for each in empty.run().checks if each.result.name == "settings"]
    assert check.sample == ({"t": "3", "m": "117.3 MiB"},)


def test_one_worker_builds_everything(shop: Shop) -> None:
    shop.write("headrace.toml", 'name = "shop"\n[run]\nworkers = 1\nthreads = 1\n')
    assert shop.run().outcome == "published"


# A store that somebody has touched


def data_file(shop: Shop, table: str) -> Path:
    """The one data file of a published table, which may be written to now."""
    [file] = shop.published().tables[table].files
    path = shop.store.data_root / file.path
    path.chmod(0o600)
    return path


def test_a_data_file_that_is_gone_is_built_again(shop: Shop) -> None:
    shop.run()
    data_file(shop, "daily_revenue").unlink()
    [step] = shop.plan().steps
    assert (step.table, step.reasons) == (
        "daily_revenue",
        ("what the store holds of it is damaged or gone",),
    )
    assert built(shop.run()) == ["daily_revenue"]
    assert data_file(shop, "daily_revenue").exists()
    assert shop.run().outcome == "unchanged"


def test_a_data_file_of_a_source_that_was_cut_is_read_again(shop: Shop) -> None:
    shop.run()
    path = data_file(shop, "orders")
    path.write_bytes(path.read_bytes()[:-10])
    [step] = shop.plan().steps
    assert (step.table, step.reasons) == (
        "orders",
        ("what the store holds of it is damaged or gone",),
    )
    assert (built(shop.run()), shop.run().outcome) == (["orders"], "unchanged")


def test_what_a_failed_run_has_built_again_is_published(shop: Shop) -> None:
    shop.run()
    data_file(shop, "daily_revenue").unlink()
    shop.write("checks/never.sql", "SELECT * FROM stores\n")
    assert shop.run().outcome == "failed"
    (shop.root / "checks/never.sql").unlink()
    [reason] = shop.plan().reasons
    assert reason == (
        "daily_revenue: what the store holds of it is damaged or gone,"
        " and an earlier run has built it again"
    )
    assert (built(shop.run()), shop.run().outcome) == ([], "unchanged")


def test_a_data_file_that_is_damaged_within_says_what_to_do(shop: Shop) -> None:
    shop.run()
    path = data_file(shop, "daily_revenue")
    path.write_bytes(b"x" * path.stat().st_size)
    shop.write("models/store_revenue.sql", "SELECT 1 AS x FROM daily_revenue\n")
    with pytest.raises(StoreError) as caught:
        shop.run()
    assert str(caught.value).startswith(
        "daily_revenue: what the store holds of it cannot be read (Invalid Input Error: "
    )
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith(
        "; expected the file as it was built; remove that file, and the next run builds it again"
    )
    path.unlink()
    assert built(shop.run()) == ["daily_revenue", "store_revenue"]


def test_a_damaged_file_that_nothing_reads_stops_nothing(shop: Shop) -> None:
    shop.run()
    path = data_file(shop, "cities")
    path.write_bytes(b"x" * path.stat().st_size)
    shop.write("models/store_revenue.sql", "SELECT 1 AS x FROM daily_revenue\n")
    assert shop.run().outcome == "published"


def test_a_step_that_fails_says_where(shop: Shop) -> None:
    shop.write("models/cities.sql", "SELECT DISTINCT\n  error('no coffee') AS x FROM stores\n")
    [failed] = [
        event
        for event in shop.events()
        if isinstance(event, StepFinished) and event.outcome == "failed"
    ]
    assert failed.message == "models/cities.sql:1: Invalid Input Error: no coffee"
