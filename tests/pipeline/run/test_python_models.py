"""A Python model gets the frames that it asks for, and gives back every kind of frame there is."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from headrace.base.tables import Column
from tests.projects import Shop, write_files

TYPES = """\
SELECT 1::BIGINT AS i, 1.25::DECIMAL(12,2) AS d,
    12345678901234567890123456789012345678::DECIMAL(38,0) AS wide,
    DATE '2024-01-02' AS day, TIMESTAMP '2024-01-02 03:04:05.123456' AS at,
    TIMESTAMPTZ '2024-01-02 03:04:05+02' AS zoned, 'é' AS s, NULL::VARCHAR AS n, [1, 2] AS l,
    {'a': 1, 'b': 'x'} AS st, 'ab'::BLOB AS bl, TIME '01:02:03.000004' AS t, true AS b,
    1.5::FLOAT AS f, MAP {'k': 1} AS m, 200::UTINYINT AS ut,
    '00000000-0000-0000-0000-000000000001'::UUID AS u, '{"a":1}'::JSON AS j
"""
SCHEMA = {
    "i": "BIGINT",
    "d": "DECIMAL(12,2)",
    "wide": "DECIMAL(38,0)",
    "day": "DATE",
    "at": "TIMESTAMP",
    "zoned": "TIMESTAMP WITH TIME ZONE",
    "s": "VARCHAR",
    "n": "VARCHAR",
    "l": "INTEGER[]",
    "st": "STRUCT(a INTEGER, b VARCHAR)",
    "bl": "BLOB",
    "t": "TIME",
    "b": "BOOLEAN",
    "f": "FLOAT",
    "m": "MAP(VARCHAR, INTEGER)",
    "ut": "UTINYINT",
    "u": "UUID",
    "j": "JSON",
}
IMPORTS = """\
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
from headrace import model

"""
FUNCTION_LINE = 7


def shop_with(tmp_path: Path, function: str, **files: str) -> Shop:
    """A project of the table `t` and the Python model `p`, whose `def` is on line 7."""
    shop = Shop(write_files(tmp_path / "shop", {"headrace.toml": 'name = "shop"\n'}))
    shop.write("models/t.sql", TYPES)
    shop.write("models/p.py", f"{IMPORTS}@model\n{dedent(function)}")
    for name, text in files.items():
        shop.write(f"models/{name}.sql", text)
    return shop


def schema_of(shop: Shop, table: str = "p") -> dict[str, str]:
    """What a run publishes: the columns of a table with their types."""
    report = shop.run()
    assert report.failures == ()
    return {column.name: column.type for column in shop.published().tables[table].schema}


def failure_of(shop: Shop) -> str:
    """Why the model fails, without the name of the table; nothing else may."""
    report = shop.run()
    [failure] = report.failures
    assert report.outcome == "failed"
    return failure.removeprefix("p: ")


@pytest.mark.parametrize(
    "frame", ["pa.Table", "pa.RecordBatchReader", "pl.DataFrame", "pl.LazyFrame"]
)
def test_a_frame_comes_back_with_its_types(tmp_path: Path, frame: str) -> None:
    shop = shop_with(tmp_path, f"def p(t: {frame}):\n    return t\n")
    # Arrow has no UUID and no JSON that all of them know: both are text there.
    assert schema_of(shop) == SCHEMA | {"u": "VARCHAR", "j": "VARCHAR"}


def test_a_relation_keeps_every_type(tmp_path: Path) -> None:
    shop = shop_with(tmp_path, "def p(t: duckdb.DuckDBPyRelation):\n    return t\n")
    assert schema_of(shop) == SCHEMA
    [cell] = shop.published().tables["p"].cells
    assert cell.rows == 1


# DuckDB calls pandas so; nobody but us sees it.
@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop is deprecated")
def test_pandas_has_no_decimals_and_no_dates(tmp_path: Path) -> None:
    shop = shop_with(
        tmp_path, "def p(t: pd.DataFrame):\n    return t[['i', 'd', 'day', 'at', 'zoned', 's']]\n"
    )
    assert schema_of(shop) == {
        "i": "BIGINT",
        "d": "DOUBLE",
        "day": "TIMESTAMP",
        "at": "TIMESTAMP",
        "zoned": "TIMESTAMP WITH TIME ZONE",
        "s": "VARCHAR",
    }


@pytest.mark.parametrize(
    ("returned", "types"),
    [
        ("t.aggregate('sum(i) AS total, count(*) AS n')", {"total": "BIGINT", "n": "BIGINT"}),
        ("t.project(\"'a'::ENUM('a', 'b') AS e\")", {"e": "VARCHAR"}),
        ("t.project('[1, 2]::INTEGER[2] AS l')", {"l": "INTEGER[]"}),
        ("t.filter('i > 5').project('i')", {"i": "BIGINT"}),
        ("pa.table({'a': pa.array([1], pa.time64('ns'))})", {"a": "TIME"}),
        (
            "pa.table({'a': pa.array([1], pa.timestamp('ns', 'Europe/Oslo'))})",
            {"a": "TIMESTAMP WITH TIME ZONE"},
        ),
        ("pa.table({'a': pa.nulls(2)})", {"a": "INTEGER"}),
        ("pa.table([[1], [2]], names=['a \"b', 'sélect'])", {'a "b': "BIGINT", "sélect": "BIGINT"}),
        ("pl.DataFrame({'a': pl.Series(['x'], dtype=pl.Categorical)})", {"a": "VARCHAR"}),
        ("pd.DataFrame({'a': pd.Categorical(['x', 'y'])})", {"a": "VARCHAR"}),
        ("pl.LazyFrame({'a': [1.5]}).filter(pl.col('a') > 2)", {"a": "DOUBLE"}),
    ],
)
def test_a_returned_column_has_a_type_that_parquet_holds(
    tmp_path: Path, returned: str, types: dict[str, str]
) -> None:
    shop = shop_with(tmp_path, f"def p(t: duckdb.DuckDBPyRelation):\n    return {returned}\n")
    assert schema_of(shop) == types


def test_an_index_with_a_name_is_a_column_and_one_without_is_none(tmp_path: Path) -> None:
    shop = shop_with(
        tmp_path,
        """\
        def p(n: pd.DataFrame):
            odd = n[n.i.isin([1, 2, 5])]
            return odd.assign(half=odd.i % 2).set_index("half")
        """,
        n="SELECT i FROM range(6) AS n(i)",
    )
    assert schema_of(shop) == {"i": "BIGINT", "half": "BIGINT"}
    shop.write("models/p.py", f"{IMPORTS}@model\ndef p(n: pd.DataFrame):\n    return n[n.i != 3]\n")
    assert schema_of(shop) == {"i": "BIGINT"}


def test_two_streams_are_read_side_by_side_and_into_a_third(tmp_path: Path) -> None:
    shop = shop_with(
        tmp_path,
        """\
        def p(a: pa.RecordBatchReader, b: pa.RecordBatchReader):
            def batches():
                for first, second in zip(a, b):
                    yield first
                    yield second
            return pa.RecordBatchReader.from_batches(a.schema, batches())
        """,
        a="SELECT i FROM range(300000) AS a(i)",
        b="SELECT i FROM range(300000) AS b(i)",
    )
    assert schema_of(shop) == {"i": "BIGINT"}
    assert shop.published().tables["p"].rows == 600_000


def test_relations_can_be_joined(tmp_path: Path) -> None:
    shop = shop_with(
        tmp_path,
        """\
        def p(a: duckdb.DuckDBPyRelation, b: duckdb.DuckDBPyRelation):
            return a.join(b, "i").aggregate("count(*) AS n")
        """,
        a="SELECT i FROM range(10) AS a(i)",
        b="SELECT i FROM range(5, 20) AS b(i)",
    )
    assert schema_of(shop) == {"n": "BIGINT"}


def test_anything_with_the_stream_interface_is_asked_for_it_once(tmp_path: Path) -> None:
    shop = shop_with(
        tmp_path,
        """\
        def p(t: pa.Table):
            class Once:
                asked = 0
                def __arrow_c_stream__(self, requested_schema=None):
                    self.asked += 1
                    assert self.asked == 1
                    return t.select(["i"]).__arrow_c_stream__()
            return Once()
        """,
    )
    assert schema_of(shop) == {"i": "BIGINT"}


FRAME = (
    "; expected a frame: a DuckDB relation, or anything with the Arrow stream interface (pyarrow"
    " Table or RecordBatchReader, polars or pandas DataFrame)"
)
NO_TABLE = ", which cannot be read as a table (Cannot import schema: ArrowSchema describes"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return [1]", f"p returned list{FRAME}"),
        ("pass", f"p returned NoneType{FRAME}"),
        ("yield t", f"p returned generator{FRAME}"),
        ("return t['i']", f"p returned ChunkedArray{NO_TABLE} non-struct type int64){FRAME}"),
        ("return pl.Series([1])", f"p returned Series{NO_TABLE} non-struct type int64){FRAME}"),
        ("return pl.DataFrame()", "p returned a frame without columns; expected one or more"),
        (
            "return pa.table([[1], [2]], names=['a', 'A'])",
            (
                "p returned a frame with two columns named `A`;"
                " expected names that differ in more than case"
            ),
        ),
        (
            "return pa.table([[1]], names=[''])",
            "p returned a frame with a column without a name; expected a name for each",
        ),
        (
            "return pa.table({'a': pa.array([1], pa.duration('us'))})",
            (
                "p.a is INTERVAL, which Parquet cannot hold as it is;"
                " return it as BIGINT, as in epoch_us(x)"
            ),
        ),
        (
            "return pa.table({'a': pa.array([1], pa.decimal256(50, 2))})",
            (
                "p returned a column of a type that DuckDB does not know (Not implemented Error:"
                " Unsupported Internal Arrow Type for Decimal d:50,2,256); its columns are:"
                " a decimal256(50, 2); convert it before it is returned"
            ),
        ),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, body: str, message: str) -> None:
    shop = shop_with(tmp_path, f"def p(t: pa.Table):\n    {body}\n")
    assert failure_of(shop) == f"models/p.py:{FUNCTION_LINE + 1}:1: {message}"


@pytest.mark.parametrize(
    ("body", "line", "message"),
    [
        ("raise ValueError('no beans')", 9, "ValueError: no beans"),
        ("raise SystemExit(3)", 9, "SystemExit: 3"),
        ("import nosuch", 9, "ModuleNotFoundError: No module named 'nosuch'"),
        (
            (
                "def rows():\n        yield t.to_batches()[0]\n        raise ValueError('late')\n"
                "    return pa.RecordBatchReader.from_batches(t.schema, rows())"
            ),
            11,
            "ValueError: late",
        ),
    ],
)
def test_what_the_users_code_raises_names_its_line(
    tmp_path: Path, body: str, line: int, message: str
) -> None:
    shop = shop_with(tmp_path, f"def p(t: pa.Table):\n    {body}\n")
    assert failure_of(shop) == f"models/p.py:{line}: {message}"


def test_what_a_lazy_frame_raises_when_it_is_computed_fails_the_model_alone(tmp_path: Path) -> None:
    shop = shop_with(tmp_path, "def p(t: pl.LazyFrame):\n    return t.select('nope')\n")
    message = 'models/p.py:8: ColumnNotFoundError: unable to find column "nope"'
    assert failure_of(shop).startswith(message)


def test_a_module_that_raises_on_import_fails_the_model_alone(tmp_path: Path) -> None:
    shop = shop_with(tmp_path, "def p(t: pa.Table):\n    return t\n")
    shop.write("models/p.py", f"{IMPORTS}1 / 0\n\n@model\ndef p(t: pa.Table):\n    return t\n")
    assert failure_of(shop) == "models/p.py:7: ZeroDivisionError: division by zero"


def test_declared_columns_are_what_must_come_back(tmp_path: Path) -> None:
    shop = shop_with(tmp_path, "def p(t: pa.Table):\n    return t.select(['d', 'i'])\n")
    declared = "@model(columns={'i': 'int', 'd': {}})"
    text = (shop.root / "models/p.py").read_text()
    shop.write("models/p.py", text.replace("@model", declared))
    assert schema_of(shop) == {"i": "INTEGER", "d": "DECIMAL(12,2)"}
    shop.write("models/p.py", text.replace("@model", "@model(columns={'i': 'int', 'e': 'int'})"))
    assert failure_of(shop) == (
        "models/p.py:8:1: p returned the columns `d`, `i`; expected `i`, `e`, as declared"
    )


def test_a_value_that_a_declared_type_cannot_hold_fails(tmp_path: Path) -> None:
    shop = shop_with(tmp_path, "def p(t: pa.Table):\n    return pa.table({'i': [300]})\n")
    text = (shop.root / "models/p.py").read_text()
    shop.write("models/p.py", text.replace("@model", "@model(columns={'i': 'tinyint'})"))
    assert failure_of(shop).startswith("models/p.py:8:1: Conversion Error: ")


def test_a_struct_that_is_declared_is_planned_once(tmp_path: Path) -> None:
    """DuckDB spells a struct's type otherwise than we do: that is no other column."""
    shop = shop_with(tmp_path, "def p(t: pa.Table):\n    return t.select(['st'])\n")
    text = (shop.root / "models/p.py").read_text()
    declared = "@model(columns={'st': 'struct(a int, b text)'})"
    shop.write("models/p.py", text.replace("@model", declared))
    shop.write("models/q.sql", "SELECT st.a AS a FROM p")
    report = shop.run()
    assert (report.outcome, [step.table for step in report.steps]) == ("published", ["t", "p", "q"])
    assert shop.published().tables["p"].schema == (
        Column("st", 'STRUCT("a" INTEGER, "b" VARCHAR)'),
    )
    assert shop.run().outcome == "unchanged"


def test_code_that_is_edited_during_the_run_is_not_stored_as_what_was_planned(
    tmp_path: Path,
) -> None:
    shop = shop_with(
        tmp_path,
        """\
        def p(t: pa.Table):
            with open(__file__, "a") as file:
                file.write("1 + 1\\n")
            return t
        """,
    )
    assert failure_of(shop) == (
        "models/p.py: it, or a file that it imports, was edited during the run;"
        " expected the code that was planned with; run again"
    )
