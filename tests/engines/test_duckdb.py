"""The engine reads exactly the rows of a version, writes what it reads back, and shares nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.base.names import quote, quote_text
from headrace.base.tables import Cell, Column, DataFile, Schema, Version
from headrace.base.types import SCALAR_TYPES, STORED_AS, parse_type
from headrace.engines.duckdb import DuckDBEngine, described, empty_sql, literal_path, version_sql
from headrace.engines.protocol import Engine

SCHEMA: Schema = (Column("id", "INTEGER"), Column("store", "VARCHAR"))
WITH_CELLS = "SELECT id, store, part AS __cell FROM (VALUES {rows}) AS t(id, store, part)"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(threads=2, spill=tmp_path / "spill")
    yield engine
    engine.close()


def write(engine: DuckDBEngine, root: Path, name: str, sql: str) -> DataFile:
    root.mkdir(parents=True, exist_ok=True)
    written = engine.write(sql, root / name)
    return DataFile(name, written.rows, written.size_bytes, "0" * 64)


def write_shared(engine: DuckDBEngine, root: Path, name: str) -> DataFile:
    """A file of three cells: parts 0, 1 and 2 with one, two and three rows."""
    rows = "(1,'a',0), (2,'b',1), (3,'c',1), (4,'d',2), (5,'e',2), (6,'f',2)"
    return write(engine, root, name, WITH_CELLS.format(rows=rows))


def cell(file: str, rows: int, part: int | None = None) -> Cell:
    return Cell(f"{file}#{part}", "", file, part, rows, rows, "2024-01-01T00:00:00.000000Z")


def version(*cells: Cell, files: tuple[DataFile, ...], schema: Schema = SCHEMA) -> Version:
    return Version("orders", "source", "recipe", schema, cells, files)


def ids(engine: DuckDBEngine, table: str = "orders") -> list[object]:
    return [row["id"] for row in engine.rows(f"SELECT id FROM {quote(table)} ORDER BY id", 100)]


def test_the_engine_keeps_the_protocol(engine: DuckDBEngine) -> None:
    kept: Engine = engine
    assert kept.dialect == "duckdb"
    assert kept.version == f"duckdb-{duckdb.__version__.split('.')[0]}"


def stored_ids(engine: DuckDBEngine, path: Path) -> list[object]:
    sql = f"SELECT id FROM read_parquet({quote_text(str(path))})"
    return [row["id"] for row in engine.rows(sql, 1_000_000)]


class TestDescribe:
    def test_a_query_is_typed_over_empty_tables(self, engine: DuckDBEngine) -> None:
        stores: Schema = (Column("store", "VARCHAR"), Column("x y", "DECIMAL(12,2)[]"))
        sql = 'SELECT id, "x y"[1] AS first, sum(id) AS n FROM orders JOIN stores USING (store)'
        columns = engine.describe(sql + " GROUP BY ALL", {"orders": SCHEMA, "stores": stores})
        assert columns == (
            Column("id", "INTEGER"),
            Column("first", "DECIMAL(12,2)"),
            Column("n", "HUGEINT"),
        )

    @pytest.mark.parametrize("name", ["order", 'a "b" c', "a.b", "é", "x; DROP TABLE y --"])
    def test_any_name_of_a_table_or_column_is_taken_as_it_is(
        self, engine: DuckDBEngine, name: str
    ) -> None:
        schema = (Column(name, "INTEGER"),)
        sql = f"WITH t AS (SELECT * FROM {quote(name)}) SELECT * FROM t -- all of it"
        assert engine.describe(sql, {name: schema}) == schema

    def test_a_mistake_in_the_query_has_duckdbs_line_and_caret(self, engine: DuckDBEngine) -> None:
        with pytest.raises(duckdb.BinderException) as caught:
            engine.describe("SELECT id,\n  stroe FROM orders", {"orders": SCHEMA})
        assert "LINE 2:   stroe FROM orders\n          ^" in str(caught.value)

    def test_a_mistake_leaves_the_engine_usable(self, engine: DuckDBEngine) -> None:
        for sql, table in [("SELECT nothing", "orders"), ("SELECT 1", "")]:
            with pytest.raises(duckdb.Error):
                engine.describe(sql, {table: SCHEMA})
        assert engine.describe("SELECT id FROM orders", {"orders": SCHEMA}) == SCHEMA[:1]

    @pytest.mark.parametrize(
        ("sql", "names"),
        [
            ('SELECT store AS "Store" FROM sales', ["Store"]),
            ("SELECT STORE, sales.ID FROM sales", ["store", "id"]),
            ('SELECT * FROM (SELECT store AS "STORE" FROM sales)', ["STORE"]),
            ('SELECT id + 1 AS "Id" FROM sales GROUP BY ID', ["Id"]),
            ("SELECT id AS Id, store FROM sales WHERE ID = $Id", ["Id", "store"]),
        ],
    )
    def test_names_are_spelled_as_the_rows_have_them(
        self, engine: DuckDBEngine, sql: str, names: list[str]
    ) -> None:
        """So a contract says what is answered."""
        cursor = engine.cursor()
        cursor.execute("CREATE TEMP TABLE sales (id INTEGER, store VARCHAR)")
        values = {"Id": 1} if "$Id" in sql else None
        assert [column.name for column in described(cursor, sql, values)] == names
        rows = cursor.execute(sql, values) if values else cursor.execute(sql)
        assert [column[0] for column in rows.description] == names

    def test_nothing_runs(self, engine: DuckDBEngine) -> None:
        assert engine.describe("SELECT error('it ran') AS x", {}) == (Column("x", '"NULL"'),)

    def test_tables_are_gone_afterwards_and_what_is_attached_stays(
        self, engine: DuckDBEngine, tmp_path: Path
    ) -> None:
        file = write(engine, tmp_path, "a.parquet", "SELECT 1 AS id, 'a' AS store")
        engine.attach(version(cell("a.parquet", 1), files=(file,)), tmp_path)
        other = (Column("id", "DATE"),)
        assert engine.describe("SELECT id FROM orders", {"orders": other}) == other
        assert ids(engine) == [1]
        assert engine.describe("SELECT id FROM orders", {}) == SCHEMA[:1]

    def test_threads_describe_tables_of_one_name_without_noticing_each_other(
        self, engine: DuckDBEngine
    ) -> None:
        together = threading.Barrier(4)

        def describe(number: int) -> Schema:
            together.wait(timeout=30)
            tables = {"orders": (Column(f"c{number}", "INTEGER"),)}
            for _ in range(5):
                columns = engine.describe("SELECT * FROM orders", tables)
            return columns

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(describe, range(4)))
        assert [columns[0].name for columns in found] == ["c0", "c1", "c2", "c3"]


class TestVersions:
    def test_files_of_one_cell_are_read_whole(self, engine: DuckDBEngine, tmp_path: Path) -> None:
        files = tuple(
            write(engine, tmp_path, f"{n}.parquet", f"SELECT {n} AS id, 'x' AS store")
            for n in (1, 2)
        )
        both = version(cell("1.parquet", 1), cell("2.parquet", 1), files=files)
        engine.attach(both, tmp_path)
        assert ids(engine) == [1, 2]
        assert "WHERE" not in version_sql(both, tmp_path)

    def test_a_file_of_several_cells_is_read_whole_when_it_is_all_wanted(
        self, engine: DuckDBEngine, tmp_path: Path
    ) -> None:
        file = write_shared(engine, tmp_path, "s.parquet")
        cells = [cell("s.parquet", rows, part) for part, rows in enumerate((1, 2, 3))]
        everything = version(*cells, files=(file,))
        engine.attach(everything, tmp_path)
        assert ids(engine) == [1, 2, 3, 4, 5, 6]
        assert "WHERE" not in version_sql(everything, tmp_path)

    def test_a_superseded_cell_is_not_read(self, engine: DuckDBEngine, tmp_path: Path) -> None:
        shared = write_shared(engine, tmp_path, "s.parquet")
        late = write(engine, tmp_path, "late.parquet", "SELECT 20 AS id, 'new b' AS store")
        cells = (
            cell("s.parquet", 1, 0),
            cell("late.parquet", 1),
            cell("s.parquet", 3, 2),
        )
        engine.attach(version(*cells, files=(shared, late)), tmp_path)
        assert ids(engine) == [1, 4, 5, 6, 20]

    def test_a_cell_without_rows_needs_no_file(self, engine: DuckDBEngine, tmp_path: Path) -> None:
        file = write(engine, tmp_path, "a.parquet", "SELECT 1 AS id, 'a' AS store")
        engine.attach(version(cell("", 0), cell("a.parquet", 1), files=(file,)), tmp_path)
        assert ids(engine) == [1]

    def test_the_marker_of_cells_is_no_column_of_the_table(
        self, engine: DuckDBEngine, tmp_path: Path
    ) -> None:
        shared = write_shared(engine, tmp_path, "s.parquet")
        engine.attach(version(cell("s.parquet", 2, 1), files=(shared,)), tmp_path)
        assert engine.describe("SELECT * FROM orders", {}) == SCHEMA

    @pytest.mark.parametrize("names", [("s.parquet", "a.parquet"), ("a.parquet", "s.parquet")])
    def test_files_with_and_without_the_marker_are_read_side_by_side(
        self, engine: DuckDBEngine, tmp_path: Path, names: tuple[str, str]
    ) -> None:
        made = {
            "s.parquet": write_shared(engine, tmp_path, "s.parquet"),
            "a.parquet": write(engine, tmp_path, "a.parquet", "SELECT 7 AS id, 'g' AS store"),
        }
        cells = [cell("s.parquet", 6, 0), cell("a.parquet", 1)]
        files = tuple(made[name] for name in names)
        engine.attach(version(*cells, files=files), tmp_path)
        assert ids(engine) == [1, 2, 3, 4, 5, 6, 7]

    def test_columns_are_found_by_name_whatever_their_place_in_a_file(
        self, engine: DuckDBEngine, tmp_path: Path
    ) -> None:
        files = (
            write(engine, tmp_path, "a.parquet", "SELECT 'a' AS store, 1 AS id"),
            write(engine, tmp_path, "b.parquet", "SELECT 2 AS id, 'b' AS store"),
        )
        engine.attach(version(cell("a.parquet", 1), cell("b.parquet", 1), files=files), tmp_path)
        rows = engine.rows("SELECT * FROM orders ORDER BY id", 9)
        assert rows == [{"id": 1, "store": "a"}, {"id": 2, "store": "b"}]

    def test_a_version_without_files_is_an_empty_table_of_its_columns(
        self, engine: DuckDBEngine, tmp_path: Path
    ) -> None:
        schema = (Column("x y", 'STRUCT("a" INTEGER)[]'), Column("a", "TIMESTAMP WITH TIME ZONE"))
        engine.attach(version(files=(), schema=schema), tmp_path)
        assert engine.rows("SELECT * FROM orders", 9) == []
        assert engine.describe("SELECT a FROM orders", {}) == schema[1:]
        types = [parse_type(each.type) for each in engine.describe("SELECT * FROM orders", {})]
        assert types == [each.type for each in schema]
        assert len(engine.describe(empty_sql(iter(schema)), {})) == 2

    def test_attaching_again_replaces_what_had_the_name(
        self, engine: DuckDBEngine, tmp_path: Path
    ) -> None:
        files = [
            write(engine, tmp_path, f"{n}.parquet", f"SELECT {n} AS id, 'x' AS store")
            for n in (1, 2)
        ]
        engine.attach(version(cell("1.parquet", 1), files=(files[0],)), tmp_path)
        engine.attach(version(cell("2.parquet", 1), files=(files[1],)), tmp_path)
        assert ids(engine) == [2]

    @pytest.mark.parametrize(
        "folder",
        ["it's here", "a[b]c", "what?", "all*", "store=7/id=9", 'say "hi"', "naïve é", "{a,b}"],
    )
    def test_the_folder_of_the_data_may_have_any_name(
        self, engine: DuckDBEngine, tmp_path: Path, folder: str
    ) -> None:
        """`store=7` above a file is how Hive spells a column, `*`, `?` and `[b]` are globs."""
        root = tmp_path / folder
        shared = write_shared(engine, root, "s.parquet")
        whole = write(engine, root, "a.parquet", "SELECT 8 AS id, 'h' AS store")
        wanted = version(cell("s.parquet", 1, 0), cell("a.parquet", 1), files=(shared, whole))
        engine.attach(wanted, root)
        rows = engine.rows("SELECT * FROM orders ORDER BY id", 9)
        assert rows == [{"id": 1, "store": "a"}, {"id": 8, "store": "h"}]

    @pytest.mark.parametrize(("folder", "sibling"), [("a*", "ab"), ("a?", "ab"), ("a[bc]", "ab")])
    def test_a_folder_that_looks_like_a_glob_stands_for_itself_alone(
        self, engine: DuckDBEngine, tmp_path: Path, folder: str, sibling: str
    ) -> None:
        write(engine, tmp_path / sibling, "a.parquet", "SELECT 666 AS id, 'x' AS store")
        file = write(engine, tmp_path / folder, "a.parquet", "SELECT 1 AS id, 'x' AS store")
        engine.attach(version(cell("a.parquet", 1), files=(file,)), tmp_path / folder)
        assert ids(engine) == [1]

    def test_a_locked_instance_reads_such_a_folder_when_both_its_spellings_are_allowed(
        self, engine: DuckDBEngine, tmp_path: Path
    ) -> None:
        root = tmp_path / "a[b]*"
        file = write(engine, root, "a.parquet", "SELECT 1 AS id, 'x' AS store")
        engine.attach(version(cell("a.parquet", 1), files=(file,)), root)
        folders = [f"{root}/", f"{literal_path(root)}/"]
        engine.cursor().execute("SET allowed_directories = $folders", {"folders": folders})
        engine.cursor().execute("SET enable_external_access = false")
        assert ids(engine) == [1]

    @pytest.mark.parametrize("name", ["select", "order items", 'a"b', "x'y", "é", "a;b--"])
    def test_any_name_of_a_column_is_written_and_read_back(
        self, engine: DuckDBEngine, tmp_path: Path, name: str
    ) -> None:
        schema = (Column(name, "INTEGER"),)
        file = write(engine, tmp_path, "a.parquet", f"SELECT 1 AS {quote(name)}")
        engine.attach(version(cell("a.parquet", 1), files=(file,), schema=schema), tmp_path)
        assert engine.rows("SELECT * FROM orders", 9) == [{name: 1}]

    def test_a_file_that_is_not_there_is_an_error_and_not_an_empty_table(
        self, engine: DuckDBEngine, tmp_path: Path
    ) -> None:
        missing = DataFile("gone.parquet", 1, 1, "0" * 64)
        with pytest.raises(duckdb.IOException, match=r"gone\.parquet"):
            engine.attach(version(cell("gone.parquet", 1), files=(missing,)), tmp_path)

    def test_threads_attach_at_the_same_time(self, engine: DuckDBEngine, tmp_path: Path) -> None:
        file = write(engine, tmp_path, "a.parquet", "SELECT 1 AS id, 'a' AS store")
        together = threading.Barrier(4)

        def attach(number: int) -> list[object]:
            together.wait(timeout=30)
            for turn in range(5):
                name = "same" if turn % 2 else f"own_{number}"
                each = Version(name, "model", "r", SCHEMA, (cell("a.parquet", 1),), (file,))
                engine.attach(each, tmp_path)
            return ids(engine, f"own_{number}") + ids(engine, "same")

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(attach, range(4))) == [[1, 1]] * 4


class TestWrite:
    def test_rows_and_bytes_are_those_of_the_file(
        self, engine: DuckDBEngine, tmp_path: Path
    ) -> None:
        path = tmp_path / "it's.parquet"
        written = engine.write("SELECT range AS id FROM range(1000) -- a thousand", path)
        assert (written.path, written.rows) == (path, 1000)
        assert written.size_bytes == path.stat().st_size
        assert stored_ids(engine, path) == list(range(1000))

    def test_a_file_is_compressed_with_zstd(self, engine: DuckDBEngine, tmp_path: Path) -> None:
        path = tmp_path / "a.parquet"
        engine.write("SELECT range AS id, 'text ' || range AS name FROM range(1000)", path)
        rows = engine.rows(f"SELECT compression FROM parquet_metadata('{path}')", 9)
        assert rows == [{"compression": "ZSTD"}] * 2

    def test_no_rows_are_written_as_a_file_of_no_rows(
        self, engine: DuckDBEngine, tmp_path: Path
    ) -> None:
        written = engine.write("SELECT 1 AS id WHERE false", tmp_path / "a.parquet")
        assert written.rows == 0
        assert stored_ids(engine, written.path) == []

    def test_the_order_of_the_query_is_the_order_of_the_file(
        self, engine: DuckDBEngine, tmp_path: Path
    ) -> None:
        sql = "SELECT range AS id FROM range(300000) ORDER BY hash(range)"
        engine.write(sql, tmp_path / "a.parquet")
        in_order = [row["id"] for row in engine.rows(sql, 300_000)]
        assert stored_ids(engine, tmp_path / "a.parquet") == in_order

    def test_a_query_that_fails_on_the_way_is_an_error(
        self, engine: DuckDBEngine, tmp_path: Path
    ) -> None:
        with pytest.raises(duckdb.ConversionException, match="Could not convert string 'x'"):
            engine.write("SELECT CAST('x' AS INTEGER) AS id", tmp_path / "a.parquet")
        assert engine.rows("SELECT 1 AS id", 1) == [{"id": 1}]


# For every DuckDB type that a user can ask for: its ends and what is easily lost on the way.
EDGES: dict[str, list[str]] = {
    "BOOLEAN": ["true", "false"],
    "TINYINT": ["-128", "127"],
    "SMALLINT": ["-32768", "32767"],
    "INTEGER": ["-2147483648", "2147483647"],
    "BIGINT": ["-9223372036854775808", "9223372036854775807"],
    "UTINYINT": ["0", "255"],
    "USMALLINT": ["0", "65535"],
    "UINTEGER": ["0", "4294967295"],
    "UBIGINT": ["0", "18446744073709551615"],
    "FLOAT": ["0.1", "'nan'", "'-infinity'", "'-0.0'"],
    "DOUBLE": ["0.1", "1e308", "'nan'", "'infinity'", "'-0.0'"],
    "VARCHAR": ["''", "'NULL'", "'é\U0001f600'", "'a' || chr(10) || chr(0) || 'b'"],
    "DATE": ["'0001-01-01'", "'9999-12-31'", "'5877642-06-25 (BC)'", "'infinity'", "'-infinity'"],
    "TIME": ["'00:00:00'", "'23:59:59.999999'", "'24:00:00'"],
    "TIMESTAMP": [
        "'2024-02-29 12:00:00.000001'",
        "'1600-01-01 00:00:00'",
        "'infinity'",
        "'-infinity'",
        "'294247-01-10 04:00:54.775806'",
    ],
    "TIMESTAMP WITH TIME ZONE": ["'2024-03-31 02:30:00.000001+02'", "'infinity'"],
    "UUID": ["'6f9619ff-8b86-d011-b42d-00cf4fc964ff'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
    "JSON": ["""'{"b": 1, "a": [null, 1.50]}'""", "'null'", """'"text"'"""],
    "BLOB": ["''", r"'\x00\xFF'"],
    "DECIMAL(4,1)": ["-999.9", "0.1"],
    "DECIMAL(18,3)": ["999999999999999.999"],
    "DECIMAL(38,0)": ["99999999999999999999999999999999999999", "-1"],
    "DECIMAL(38,38)": ["0.00000000000000000000000000000000000001"],
    "INTEGER[]": ["[]", "[1, NULL]", "[NULL]"],
    "VARCHAR[][]": ["[['a'], [], NULL, [NULL]]"],
    "JSON[]": ["""['{"a": 1}', NULL]"""],
    "STRUCT(a INTEGER, b VARCHAR)": ["{'a': 1, 'b': NULL}", "{'a': NULL, 'b': NULL}"],
    "STRUCT(a STRUCT(b DECIMAL(5,2)[]))": ["{'a': {'b': [1.25, NULL]}}", "{'a': NULL}"],
    "STRUCT(a TIMESTAMP WITH TIME ZONE)[]": ["[{'a': '2024-01-01 00:00:00+00'}, NULL]"],
    'STRUCT("a, b" UUID, "x""y" BLOB)': ["row('6f9619ff-8b86-d011-b42d-00cf4fc964ff', 'a')"],
    "MAP(VARCHAR, INTEGER)": ["MAP {}", "MAP {'a': 1, 'b': NULL}"],
    "MAP(INTEGER, STRUCT(a DATE)[])": ["MAP {1: [{'a': DATE '2024-01-01'}]}"],
}


def stored(engine: DuckDBEngine, sql: str, path: Path) -> tuple[str, list[tuple[object, ...]]]:
    """The type and values of the one column of `sql` after a way through Parquet."""
    engine.write(sql, path)
    return shown(engine, f"SELECT * FROM read_parquet('{path}')")


def shown(engine: DuckDBEngine, sql: str) -> tuple[str, list[tuple[object, ...]]]:
    """As text beside the value: as text NaN equals itself, -0.0 is not 0.0, nothing is cut."""
    [column] = engine.describe(sql, {})
    cursor = engine.cursor()
    # Whole seconds and years beyond 9999 have no Python value: text is all that tells them apart.
    rows = cursor.execute(f"SELECT CAST(x AS VARCHAR), typeof(x) FROM ({sql}) AS t(x)").fetchall()
    return column.type, rows


class TestTypes:
    @pytest.mark.parametrize("type_name", EDGES)
    def test_every_type_comes_back_with_equal_values(
        self, engine: DuckDBEngine, tmp_path: Path, type_name: str
    ) -> None:
        values = ", ".join(
            f"({n}, CAST({value} AS {type_name}))"
            for n, value in enumerate([*EDGES[type_name], "NULL"])
        )
        sql = f"SELECT x FROM (VALUES {values}) AS t(n, x) ORDER BY n"
        assert stored(engine, sql, tmp_path / "a.parquet") == shown(engine, sql)

    def test_no_type_that_a_user_can_ask_for_is_left_out(self) -> None:
        assert set(SCALAR_TYPES.values()) <= EDGES.keys()
        assert all(parse_type(type_name) for type_name in EDGES)

    @pytest.mark.parametrize(
        ("type_name", "value", "comes_back_as"),
        [
            ("HUGEINT", "9007199254740993", ("DOUBLE", "9007199254740992.0")),
            ("UHUGEINT", "9007199254740993", ("DOUBLE", "9007199254740992.0")),
            ("TIMESTAMP_S", "'2024-01-01 00:00:00'", ("TIMESTAMP", "2024-01-01 00:00:00")),
            ("TIMESTAMP_MS", "'2024-01-01 00:00:00.5'", ("TIMESTAMP", "2024-01-01 00:00:00.5")),
            ("TIME WITH TIME ZONE", "'01:00:00+02'", ("TIME WITH TIME ZONE", "23:00:00+00")),
            ("INTERVAL", "'1.000001 seconds'", ("INTERVAL", "00:00:01")),
            ("INTEGER[2]", "[1, 2]", ("INTEGER[]", "[1, 2]")),
            ("ENUM('a', 'b')", "'a'", ("VARCHAR", "a")),
            ("BIT", "'0101'", ("VARCHAR", "0101")),
        ],
    )
    def test_what_parquet_changes_without_a_word_is_known(
        self,
        engine: DuckDBEngine,
        tmp_path: Path,
        type_name: str,
        value: str,
        comes_back_as: tuple[str, str],
    ) -> None:
        """Should one of these begin to come back as it was, a user may be given the type."""
        sql = f"SELECT CAST({value} AS {type_name}) AS x"
        back, rows = stored(engine, sql, tmp_path / "a.parquet")
        assert (back, rows[0][0]) == comes_back_as
        with pytest.raises(ValueError, match=r"^'.*' is not "):
            parse_type(type_name)

    @pytest.mark.parametrize("type_name", STORED_AS)
    def test_what_is_stored_as_another_type_keeps_its_value(
        self, engine: DuckDBEngine, tmp_path: Path, type_name: str
    ) -> None:
        value = "'2024-01-01 00:00:01'" if "TIMESTAMP" in type_name else "'9007199254740993'"
        value = "NULL" if "NULL" in type_name else value
        cast = f"CAST(CAST({value} AS {type_name}) AS {STORED_AS[type_name]})"
        back, rows = stored(engine, f"SELECT {cast} AS x", tmp_path / "a.parquet")
        assert back == STORED_AS[type_name]
        assert rows[0][0] == (None if value == "NULL" else value.strip("'"))

    def test_a_sum_that_does_not_fit_is_an_error_and_not_a_rounded_number(
        self, engine: DuckDBEngine, tmp_path: Path
    ) -> None:
        sql = "SELECT CAST(sum(x) AS BIGINT) AS total FROM (VALUES (9223372036854775807), (1)) t(x)"
        with pytest.raises(duckdb.ConversionException, match="out of range"):
            engine.write(sql, tmp_path / "a.parquet")


class TestRows:
    def test_rows_are_limited_and_keep_their_order(self, engine: DuckDBEngine) -> None:
        sql = "SELECT range AS id FROM range(10) ORDER BY id DESC -- the last first"
        assert engine.rows(sql, 2) == [{"id": 9}, {"id": 8}]
        assert engine.rows(sql, 0) == []

    def test_columns_of_one_name_are_all_there(self, engine: DuckDBEngine) -> None:
        assert engine.rows("SELECT 1 AS a, 2 AS a", 1) == [{"a": 1, "a_1": 2}]

    @given(limit=st.integers(0, 40), count=st.integers(0, 40))
    def test_a_limit_is_the_most_and_not_the_least(self, limit: int, count: int) -> None:
        rows = ENGINE.rows(f"SELECT range AS id FROM range({count})", limit)
        assert len(rows) == min(limit, count)


ENGINE = DuckDBEngine(threads=1)


class TestCursors:
    def test_a_thread_keeps_its_cursor_and_shares_it_with_no_other(
        self, engine: DuckDBEngine
    ) -> None:
        assert engine.cursor() is engine.cursor()
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(engine.cursor).result()
        assert other is not engine.cursor()

    def test_what_is_created_is_seen_by_all_and_what_is_temporary_is_not(
        self, engine: DuckDBEngine
    ) -> None:
        engine.cursor().execute("CREATE TABLE everyones AS SELECT 1 AS id")
        engine.cursor().execute("CREATE TEMP TABLE mine AS SELECT 2 AS id")
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(ids, engine, "everyones").result() == [1]
            with pytest.raises(duckdb.CatalogException, match="Table with name mine does not"):
                pool.submit(ids, engine, "mine").result()
        assert ids(engine, "mine") == [2]

    def test_threads_query_at_the_same_time(self, engine: DuckDBEngine) -> None:
        together = threading.Barrier(4)

        def query(number: int) -> object:
            together.wait(timeout=30)
            return engine.rows(f"SELECT {number} + count(*) AS n FROM range(1000)", 1)[0]["n"]

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(query, range(4))) == [1000, 1001, 1002, 1003]

    def test_closing_ends_the_cursors_of_every_thread(self) -> None:
        engine = DuckDBEngine()
        mine = engine.cursor()
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(engine.cursor).result()
        engine.close()
        for use in (mine, other):
            with pytest.raises(duckdb.ConnectionException, match="Connection already closed"):
                use.execute("SELECT 1")
        with pytest.raises(duckdb.ConnectionException, match="Connection already closed"):
            engine.rows("SELECT 1", 1)

    def test_two_engines_share_nothing(self, engine: DuckDBEngine) -> None:
        engine.cursor().execute("CREATE TABLE mine AS SELECT 1 AS id")
        with pytest.raises(duckdb.CatalogException):
            ENGINE.rows("SELECT * FROM mine", 1)


class TestSettings:
    @pytest.mark.parametrize(
        "run",
        [
            lambda engine: engine.rows("SELECT * FROM secret", 1),
            lambda engine: engine.describe("SELECT * FROM secret", {}),
            lambda engine: engine.cursor().execute("SELECT * FROM secret"),
        ],
    )
    def test_no_query_reads_a_variable_of_python(
        self, engine: DuckDBEngine, run: Callable[[DuckDBEngine], object]
    ) -> None:
        secret = engine.cursor().sql("SELECT 1 AS id").to_arrow_table()
        with pytest.raises(duckdb.CatalogException, match="Table with name secret does not exist"):
            run(engine)
        engine.cursor().register("secret", secret)
        assert run(engine)

    def test_no_extension_is_fetched_behind_the_users_back(self, engine: DuckDBEngine) -> None:
        names = ("autoinstall_known_extensions", "autoload_known_extensions")
        for name in names:
            assert engine.rows(f"SELECT current_setting('{name}') AS on", 1) == [{"on": False}]

    def test_times_are_in_utc_in_every_thread_whatever_the_machine(
        self, engine: DuckDBEngine
    ) -> None:
        sql = "SELECT CAST(TIMESTAMPTZ '2024-07-01 12:00:00+02' AS VARCHAR) AS at"
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(engine.rows, sql, 1).result()
        assert engine.rows(sql, 1) == found == [{"at": "2024-07-01 10:00:00+00"}]

    def test_threads_and_memory_are_what_is_asked_for(self) -> None:
        engine = DuckDBEngine(threads=3, memory_limit="512MiB")
        sql = "SELECT current_setting('threads') AS t, current_setting('memory_limit') AS m"
        assert engine.rows(sql, 1) == [{"t": 3, "m": "512.0 MiB"}]
        engine.close()

    def test_what_does_not_fit_in_memory_goes_to_the_spill_folder_and_is_removed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        spill = tmp_path / "it's" / "spill"
        engine = DuckDBEngine(threads=1, memory_limit="50MB", spill=spill)
        cursor = engine.cursor()
        cursor.execute("CREATE TEMP TABLE big AS SELECT hash(range) AS x FROM range(10000000)")
        assert list(spill.iterdir())
        assert cursor.execute("SELECT count(*) FROM big").fetchall() == [(10_000_000,)]
        engine.close()
        assert not spill.exists() or not list(spill.iterdir())
        assert [path.name for path in tmp_path.iterdir()] == ["it's"]

    def test_without_a_spill_folder_nothing_is_written_beside_the_user(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        engine = DuckDBEngine(threads=1, memory_limit="50MB")
        with pytest.raises(duckdb.OutOfMemoryException):
            engine.cursor().execute(
                "CREATE TEMP TABLE big AS SELECT hash(range) AS x FROM range(10000000)"
            )
        engine.close()
        assert list(tmp_path.iterdir()) == []


def test_described_names_and_types_the_columns_of_an_open_connection() -> None:
    with duckdb.connect() as connection:
        columns = described(connection, "SELECT 1 AS a, [2.5] AS b")
    assert columns == (Column("a", "INTEGER"), Column("b", "DECIMAL(2,1)[]"))


FAILING_WRITES = """
import sys
from pathlib import Path
import duckdb
from headrace.engines.duckdb import DuckDBEngine

engine = DuckDBEngine(threads=4)
for _ in range(200):
    try:
        engine.write(
            "SELECT CASE WHEN i > 900000 THEN error('no coffee') ELSE i END AS i"
            " FROM range(1000000) AS t(i)",
            Path(sys.argv[1]),
        )
    except duckdb.Error:
        print("raised")
"""


def test_no_instance_has_threads_of_its_own_for_io(engine: DuckDBEngine) -> None:
    """What the test below shows by chance depends on this alone."""
    assert engine.rows("SELECT current_setting('async_threads') AS n", 1) == [{"n": 0}]


def test_a_query_that_raises_while_it_is_written_never_hangs(tmp_path: Path) -> None:
    """In a process of its own: a hang in DuckDB can be ended in no other way."""
    finished = subprocess.run(
        [sys.executable, "-c", FAILING_WRITES, str(tmp_path / "t.parquet")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.stdout.split() == ["raised"] * 200, finished.stderr
