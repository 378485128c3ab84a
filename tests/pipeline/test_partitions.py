"""A late day builds the partitions that need it, and they hold what a build at once would give."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from headrace.base.errors import ProjectError
from headrace.engines.duckdb import DuckDBEngine
from tests.projects import Shop, write_files

PROJECT = {
    "headrace.toml": 'name = "shop"\n',
    "data/sales/1.csv": """\
        day,shop,amount
        2024-01-30,a,1
        2024-01-31,b,2
        2024-02-01,a,4
        2024-02-03,b,8
        2024-02-05,a,16
        """,
    "data/shops.csv": "shop,city\na,Oslo\nb,Rome\n",
    "sources/sales.yaml": """\
        files: data/sales/*.csv
        partition: {column: day, by: day}
        columns: {day: date, shop: text, amount: int}
        """,
    "sources/shops.yaml": "files: data/shops.csv\ncolumns: {shop: text, city: text}\n",
}
ROLLING = """\
SELECT day, shop, sum(sum(amount)) OVER (
    PARTITION BY shop ORDER BY day RANGE BETWEEN INTERVAL 2 DAYS PRECEDING AND CURRENT ROW
)::INTEGER AS amount
FROM sales GROUP BY day, shop
"""
CITIES = "SELECT day, city, amount FROM sales JOIN shops USING (shop)\n"
MONTHS = """\
SELECT date_trunc('month', day)::DATE AS month, sum(amount)::INTEGER AS amount FROM sales GROUP BY 1
"""
DAYS = ["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-03", "2024-02-05"]
IMPORTS = """\
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
from headrace import model
"""
LATE = "day,shop,amount\n2024-02-02,a,32\n"
Cells = dict[str | None, str]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", PROJECT))


def add_model(shop: Shop, name: str, sql: str, *keys: str) -> None:
    """Write a SQL model with some keys in its header."""
    shop.write(f"models/{name}.sql", "/*\n" + "".join(f"{key}\n" for key in keys) + f"*/\n{sql}")


def add_function(shop: Shop, options: str, parameter: str, *body: str) -> None:
    """Write the Python model `p`, whose `def` is on line 7."""
    lines = [f"@model(partition={{'column': 'day', 'by': 'day'}}{options})", f"def p({parameter}):"]
    text = IMPORTS + "\n".join([*lines, *(f"    {line}" for line in body)]) + "\n"
    shop.write("models/p.py", text)


def built_cells(shop: Shop, table: str) -> Cells:
    """Run; the cells of a table by partition."""
    assert shop.run().failures == ()
    cells = shop.published().tables[table].cells
    found = {cell.partition: cell.address for cell in cells}
    assert len(found) == len(cells)
    return found


def changed(before: Cells, after: Cells) -> list[str]:
    """The partitions whose cell is new or another."""
    return sorted(str(label) for label in after if before.get(label) != after[label])


def rows(shop: Shop, table: str) -> list[tuple[object, ...]]:
    """The rows that are published, in order."""
    engine = DuckDBEngine(threads=1)
    engine.attach(shop.published().tables[table], shop.store.data_root)
    found = engine.cursor().execute(f"FROM {table} ORDER BY ALL").fetchall()
    engine.close()
    return found


def test_a_late_day_builds_itself_and_the_days_that_look_back_to_it(shop: Shop) -> None:
    add_model(shop, "rolling", ROLLING, "partition: {column: day, by: day}", "lookback: 2 days")
    add_model(shop, "at_once", ROLLING)
    before = built_cells(shop, "rolling")
    assert list(before) == DAYS
    assert rows(shop, "rolling") == rows(shop, "at_once")
    shop.write("data/sales/2.csv", LATE)
    after = built_cells(shop, "rolling")
    assert changed(before, after) == ["2024-02-02", "2024-02-03"]
    assert rows(shop, "rolling") == rows(shop, "at_once")
    shop.write("data/sales/3.csv", "day,shop,amount\n2024-02-04,b,64\n2024-02-07,b,1\n")
    last = built_cells(shop, "rolling")
    assert changed(after, last) == ["2024-02-04", "2024-02-05", "2024-02-07"]
    assert rows(shop, "rolling") == rows(shop, "at_once")


def test_a_corrected_file_builds_the_days_whose_rows_differ(shop: Shop) -> None:
    add_model(shop, "daily", CITIES, "partition: {column: day, by: day}")
    before = built_cells(shop, "daily")
    text = dedent(PROJECT["data/sales/1.csv"])
    shop.write("data/sales/1.csv", text.replace("03,b,8", "03,b,9"))
    assert changed(before, built_cells(shop, "daily")) == ["2024-02-03"]


def test_a_removed_day_is_gone(shop: Shop) -> None:
    add_model(shop, "daily", CITIES, "partition: {column: day, by: day}")
    before = built_cells(shop, "daily")
    text = dedent(PROJECT["data/sales/1.csv"])
    shop.write("data/sales/1.csv", text.replace("2024-02-03,b,8\n", ""))
    after = built_cells(shop, "daily")
    assert list(after) == [day for day in DAYS if day != "2024-02-03"]
    assert changed(before, after) == []


@pytest.mark.parametrize(
    ("need", "expected"),
    [
        ("inputs: {shops: latest}", []),
        ("inputs: {shops: whole}", DAYS),
        ("description: by day", DAYS),
    ],
)
def test_a_change_of_what_is_read_whole_builds_all_and_of_the_latest_nothing(
    shop: Shop, need: str, expected: list[str]
) -> None:
    add_model(shop, "daily", CITIES, "partition: {column: day, by: day}", need)
    before = built_cells(shop, "daily")
    shop.write("data/shops.csv", "shop,city\na,Lyon\nb,Rome\n")
    after = built_cells(shop, "daily")
    assert changed(before, after) == expected
    cities = {row[1] for row in rows(shop, "daily")}
    assert cities == ({"Lyon", "Rome"} if expected else {"Oslo", "Rome"})


def test_a_partition_that_is_built_anew_reads_the_latest(shop: Shop) -> None:
    keys = ("partition: {column: day, by: day}", "inputs: {shops: latest}")
    add_model(shop, "daily", CITIES, *keys)
    shop.run()
    shop.write("data/shops.csv", "shop,city\na,Lyon\nb,Rome\n")
    shop.write("data/sales/2.csv", LATE)
    assert shop.run().failures == ()
    assert {row[1] for row in rows(shop, "daily") if str(row[0]) == "2024-02-02"} == {"Lyon"}
    assert {row[1] for row in rows(shop, "daily") if str(row[0]) == "2024-02-01"} == {"Oslo"}


def test_a_month_is_built_when_one_of_its_days_is(shop: Shop) -> None:
    add_model(shop, "months", MONTHS, "partition: {column: month, by: month}")
    before = built_cells(shop, "months")
    assert list(before) == ["2024-01", "2024-02"]
    shop.write("data/sales/2.csv", LATE)
    assert changed(before, built_cells(shop, "months")) == ["2024-02"]
    assert [row[1] for row in rows(shop, "months")] == [3, 60]


def test_a_partition_by_value_is_built_when_its_rows_change(shop: Shop) -> None:
    source = PROJECT["sources/sales.yaml"].replace(
        "column: day, by: day", "column: shop, by: value"
    )
    shop.write("sources/sales.yaml", source)
    sql = "SELECT shop, sum(amount)::INTEGER AS amount FROM sales GROUP BY ALL\n"
    add_model(shop, "shops_total", sql, "partition: {column: shop, by: value}")
    before = built_cells(shop, "shops_total")
    assert list(before) == ["a", "b"]
    shop.write("data/sales/2.csv", LATE + '2024-02-02,"",1\n2024-02-02,A,1\n')
    after = built_cells(shop, "shops_total")
    assert changed(before, after) == ["", "A", "a"]
    assert rows(shop, "shops_total") == [("", 1), ("A", 1), ("a", 53), ("b", 10)]


FRAMES = {
    "sales: duckdb.DuckDBPyRelation": "sales.aggregate('day, count(*) AS n')",
    "sales: pa.Table": "sales.group_by('day').aggregate([([], 'count_all')])",
    "sales: pl.DataFrame": "sales.group_by('day').len('n')",
    "sales: pd.DataFrame": "sales.groupby('day', as_index=False).size()",
}


@pytest.mark.parametrize(("parameter", "expression"), FRAMES.items())
def test_a_function_gets_one_partition(shop: Shop, parameter: str, expression: str) -> None:
    """Rows of others would give more days than one."""
    add_function(shop, "", parameter, f"return {expression}")
    before = built_cells(shop, "p")
    assert list(before) == DAYS
    assert [row[1] for row in rows(shop, "p")] == [1] * 5
    shop.write("data/sales/2.csv", LATE)
    assert changed(before, built_cells(shop, "p")) == ["2024-02-02"]


def test_a_function_with_a_lookback_gets_the_window(shop: Shop) -> None:
    """What it returns of the days before is left out: these are built of their own window."""
    add_function(
        shop,
        ", lookback=2",
        "sales: pl.DataFrame",
        "return sales.select('day', pl.col('amount').sum().alias('amount'))",
    )
    before = built_cells(shop, "p")
    assert [row[1] for row in rows(shop, "p")] == [1, 3, 7, 12, 24]
    shop.write("data/sales/2.csv", LATE)
    assert changed(before, built_cells(shop, "p")) == ["2024-02-02", "2024-02-03"]
    assert [row[1] for row in rows(shop, "p")] == [1, 3, 7, 38, 44, 24]


def test_a_function_that_returns_rows_of_another_partition_is_refused(shop: Shop) -> None:
    later = "return sales.with_columns(pl.col('day') + pl.duration(days=1))"
    add_function(shop, "", "sales: pl.DataFrame", later)
    assert shop.run().failures == (
        (
            "p: models/p.py:7:1: p returned rows of 2024-01-31 for the partition 2024-01-30;"
            " expected rows of the partition that it was asked for; filter the others out"
        ),
    )


@pytest.mark.parametrize("options", ["", ", lookback=1"])
def test_a_function_that_returns_a_row_without_partition_is_refused(
    shop: Shop, options: str
) -> None:
    nothing = "return sales[:1].with_columns(pl.lit(None).cast(pl.Date).alias('day'))"
    add_function(shop, options, "sales: pl.DataFrame", nothing)
    assert shop.run().failures == (
        (
            "p: models/p.py:7:1: p.day is NULL, or no time that a partition can hold, in 5 rows;"
            " expected a value, because the table is partitioned by it; filter such rows out, or"
            " give them a value with COALESCE"
        ),
    )


def test_a_function_that_returns_other_columns_for_one_partition_is_refused(shop: Shop) -> None:
    other = "return sales if sales['amount'][0] != 8 else sales.drop('shop')"
    add_function(shop, "", "sales: pl.DataFrame", other)
    assert shop.run().failures == (
        (
            "p: models/p.py:7:1: p returned for 2024-02-03 the columns day DATE, amount INTEGER;"
            " expected day DATE, shop VARCHAR, amount INTEGER, as for the partition before; declare"
            " `columns`"
        ),
    )


def test_a_query_that_gives_rows_without_partition_is_refused(shop: Shop) -> None:
    """A lookback takes a query at its word as far as joins go."""
    sql = "SELECT r.day, l.amount FROM sales l LEFT JOIN sales r ON l.day = r.day + 1\n"
    add_model(shop, "m", sql, "partition: {column: day, by: day}", "lookback: 1 day")
    with pytest.raises(ProjectError) as caught:
        shop.run()
    assert [str(problem) for problem in caught.value.problems] == [
        (
            "models/m.sql:5:8: `m` cannot be built partition by partition: its column `day` is not"
            " certain to lie in the partition that it is built of (`sales.day`); change it, or take"
            " `partition:` out of the header"
        )
    ]


def test_a_function_reads_no_table_that_only_its_inputs_name(shop: Shop) -> None:
    add_function(shop, ", inputs={'shop': 'latest'}", "sales: pl.DataFrame", "return sales")
    with pytest.raises(ProjectError) as caught:
        shop.run()
    assert [str(problem) for problem in caught.value.problems] == [
        "models/p.py:6:58: `p` does not read `shop`; expected one of `sales`"
    ]


def test_a_function_reads_the_latest_and_the_whole_of_what_it_says(shop: Shop) -> None:
    add_model(shop, "daily", CITIES, "partition: {column: day, by: day}")
    add_function(
        shop,
        ", inputs={'shops': 'latest', 'daily': 'whole'}",
        "sales: pl.DataFrame, shops: pl.DataFrame, daily: pl.DataFrame",
        "return sales.select('day', pl.lit(len(shops)).alias('n'), pl.lit(len(daily)).alias('m'))",
    )
    before = built_cells(shop, "p")
    assert {row[1:] for row in rows(shop, "p")} == {(2, 5)}
    shop.write("data/shops.csv", "shop,city\na,Oslo\nb,Rome\nc,Lyon\n")
    assert changed(before, built_cells(shop, "p")) == DAYS


def test_planning_an_unchanged_project_with_a_proof_does_not_import_the_engine(shop: Shop) -> None:
    add_model(shop, "daily", CITIES, "partition: {column: day, by: day}")
    assert shop.run().failures == ()
    code = (
        "import sys; from pathlib import Path;"
        "from headrace.pipeline.workspace import open_workspace, plan_workspace;"
        f"workspace = open_workspace(Path({str(shop.root)!r}));"
        "plan = plan_workspace(workspace, 'prod');"
        "print(len(plan.steps), 'duckdb' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0 False\n"
