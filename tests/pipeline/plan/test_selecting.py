"""A run of a part of a project builds that part, keeps the rest, and says what it would miss."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headrace.base.errors import UsageError
from headrace.pipeline.building import BuildReport, build
from headrace.pipeline.plan.plans import Selection
from headrace.pipeline.workspace import open_workspace, plan_workspace
from tests.cli.shops import call
from tests.projects import Shop, write_files

PROJECT = {
    "headrace.toml": 'name = "shop"\n',
    "data/orders.csv": """\
        day,amount
        2024-01-05,1
        2024-01-06,2
        2024-02-01,4
        2024-03-01,8
        2024-03-02,16
        """,
    "sources/orders.yaml": """\
        files: data/*.csv
        partition: {column: day, by: day}
        columns: {day: date, amount: int}
        """,
    "models/daily.sql": """\
        /*
        partition: {column: day, by: day}
        */
        SELECT day, sum(amount)::INTEGER AS amount FROM orders GROUP BY ALL
        """,
    "models/monthly.sql": """\
        /*
        partition: {column: month, by: month}
        */
        SELECT date_trunc('month', day)::DATE AS month, sum(amount)::INTEGER AS amount
        FROM daily GROUP BY 1
        """,
    "models/total.sql": "SELECT sum(amount)::INTEGER AS amount FROM orders\n",
}
DAYS = ["2024-01-05", "2024-01-06", "2024-02-01", "2024-03-01", "2024-03-02"]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", PROJECT))


def run(shop: Shop, selection: Selection) -> BuildReport:
    """Plan and execute a part."""
    workspace = open_workspace(shop.root)
    return build(workspace, plan_workspace(workspace, shop.environment, selection))


def partitions(shop: Shop, table: str) -> list[str | None]:
    """The partitions that are published of a table."""
    return sorted((c.partition for c in shop.published().tables[table].cells), key=str)


def refusal(shop: Shop, selection: Selection) -> str:
    """Why a part cannot be built."""
    with pytest.raises(UsageError) as caught:
        run(shop, selection)
    return str(caught.value)


def test_the_newest_month_is_built_first_and_the_rest_later(shop: Shop) -> None:
    assert run(shop, Selection(start="2024-03")).failures == ()
    assert partitions(shop, "daily") == DAYS[3:]
    assert partitions(shop, "monthly") == ["2024-03"]
    newest = shop.published().tables["daily"].cells
    assert shop.run().failures == ()
    assert partitions(shop, "daily") == DAYS
    assert partitions(shop, "monthly") == ["2024-01", "2024-02", "2024-03"]
    assert set(newest) <= set(shop.published().tables["daily"].cells)
    assert shop.plan().steps == ()


def test_what_lies_outside_the_span_stays_as_published(shop: Shop) -> None:
    shop.run()
    before = {c.partition: c.address for c in shop.published().tables["daily"].cells}
    corrected = PROJECT["data/orders.csv"].replace("-06,2", "-06,3").replace("-01,8", "-01,9")
    shop.write("data/orders.csv", corrected)
    assert run(shop, Selection(start="2024-03-01", end="2024-03")).failures == ()
    after = {c.partition: c.address for c in shop.published().tables["daily"].cells}
    assert [day for day in DAYS if after[day] != before[day]] == ["2024-03-01"]
    assert shop.run().failures == ()
    after = {c.partition: c.address for c in shop.published().tables["daily"].cells}
    assert [day for day in DAYS if after[day] != before[day]] == ["2024-01-06", "2024-03-01"]


def test_tables_that_are_not_named_stay_as_published(shop: Shop) -> None:
    shop.run()
    before = shop.published().tables
    shop.write("data/more.csv", "day,amount\n2024-03-03,32\n")
    assert run(shop, Selection(only=("daily",))).failures == ()
    after = shop.published().tables
    assert partitions(shop, "daily") == [*DAYS, "2024-03-03"]
    assert after["monthly"] == before["monthly"]
    assert after["total"] == before["total"]


def test_an_unknown_name_is_refused_with_the_nearest(shop: Shop) -> None:
    assert refusal(shop, Selection(only=("dayly",))) == (
        "`--only dayly` names no table of the project; did you mean `daily`?"
    )


def test_a_table_that_is_left_out_must_have_been_built(shop: Shop) -> None:
    assert refusal(shop, Selection(only=("monthly",))) == (
        "`--only` leaves out `daily`, which monthly reads and which was never built;"
        " add `--only daily`, or run without `--only` once"
    )


def test_a_table_that_is_left_out_must_have_the_columns_that_are_read(shop: Shop) -> None:
    shop.run()
    shop.write("models/daily.sql", PROJECT["models/daily.sql"].replace("::INTEGER", "::BIGINT"))
    assert refusal(shop, Selection(only=("monthly",))) == (
        "`--only` leaves out `daily`, which monthly reads and whose columns have changed;"
        " add `--only daily`"
    )


def test_a_change_of_columns_is_not_mixed_with_what_lies_outside_the_span(shop: Shop) -> None:
    """Cells of other columns cannot stay: they are left out until they are built."""
    shop.run()
    shop.write("models/daily.sql", PROJECT["models/daily.sql"].replace("::INTEGER", "::BIGINT"))
    assert run(shop, Selection(start="2024-03")).failures == ()
    assert partitions(shop, "daily") == DAYS[3:]


@pytest.mark.parametrize("text", ["March", "2024-13", "2024-02-30", "2024-3-1", "2024-03-01T24"])
def test_what_is_no_time_is_refused(shop: Shop, text: str) -> None:
    assert refusal(shop, Selection(start=text)) == (
        f"`--from {text}` is not a time; expected 2024, 2024-03, 2024-03-01 or 2024-03-01T05"
    )


def test_a_span_that_holds_nothing_is_refused(shop: Shop) -> None:
    assert refusal(shop, Selection(start="2024-03-02", end="2024-02")) == (
        "`--from 2024-03-02 --to 2024-02` holds nothing; expected the earlier time first"
    )


def test_a_plan_of_a_part_is_told_as_json(shop: Shop) -> None:
    shop.run()
    shop.write("models/daily.sql", PROJECT["models/daily.sql"].replace("sum(", "max("))
    project = ("-C", str(shop.root), "--only", "daily", "--from", "2024-03")
    planned = json.loads(call("plan", *project, "--json").stdout)
    assert [(step["table"], step["cells"]) for step in planned["steps"]] == [
        ("daily", ["2024-03-01", "2024-03-02"])
    ]
    assert call("run", *project, "--json").exit_code == 0
    again = call("run", *project)
    assert again.stdout == "Nothing to do: everything is built and published (snapshot 2)\n"
    wrong = call("run", "-C", str(shop.root), "--only", "dayly")
    assert wrong.exit_code == 2
    assert "did you mean `daily`?" in wrong.stderr
