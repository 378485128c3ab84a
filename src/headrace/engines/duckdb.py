"""DuckDB as an engine: takes SQL and table versions, gives schemas, rows and Parquet files."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import duckdb

from headrace.base.names import quote, quote_text
from headrace.base.partitions import Split
from headrace.base.tables import PART_COLUMN, Cell, Column, Schema, Version
from headrace.engines.partition_sql import group_sql, label_sql, within_sql
from headrace.engines.protocol import WrittenFile

Config: TypeAlias = "dict[str, str | bool | int | float | list[str]]"

_CONFIG: Config = {
    # Without this off, a query can read the caller's Python variables.
    "python_enable_replacements": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    # With threads of their own for I/O, a query that raises or is interrupted while its Parquet is
    # on the way can wait for itself for ever (duckdb/duckdb#23885). In DuckDB 2.0.0 one of the
    # first 400 failing writes did, in each of nine trials; without these threads none of 8,000.
    "async_threads": 0,
    # An ORDER BY in a subquery is the order of the whole query's rows.
    "preserve_insertion_order": True,
}


def open_duckdb(config: Config) -> duckdb.DuckDBPyConnection:
    """A new in-memory instance that answers the same on every machine: its time zone is UTC.

    Args:
        config: settings beside those that every instance has.
    """
    connection = duckdb.connect(":memory:", config=_CONFIG | config)
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    return connection


class DuckDBEngine:
    """One in-memory DuckDB instance; every method may be called from any thread."""

    dialect = "duckdb"
    version = f"duckdb-{duckdb.__version__.split('.', maxsplit=1)[0]}"

    def __init__(
        self, *, threads: int = 0, memory_limit: str = "", spill: Path | None = None
    ) -> None:
        """Open the instance.

        Args:
            threads: threads of one query; 0 is DuckDB's own choice (one a core).
            memory_limit: as DuckDB writes it ("2GB"); "" is its default, 80 % of the machine.
            spill: folder for what does not fit in memory; None is none: such a query then fails.
        """
        config: Config = {}
        if threads:
            config["threads"] = threads
        if memory_limit:
            config["memory_limit"] = memory_limit
        # Unset, DuckDB would spill to `.tmp` in whatever folder the process was started in.
        config["temp_directory"] = "" if spill is None else str(spill)
        if spill is not None:
            spill.mkdir(parents=True, exist_ok=True)  # DuckDB makes the last folder only, and late
        self._connection = open_duckdb(config)
        self._local = threading.local()
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self._attaching = threading.Lock()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's own connection to the instance; temporary tables are its own, too."""
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._connection.cursor()
            self._cursors.append(cursor)
        return cursor

    def describe(self, sql: str, tables: Mapping[str, Schema]) -> Schema:
        """The columns of a SELECT over empty tables of the given schemas.

        Raises:
            duckdb.Error: the query does not bind; the message has DuckDB's "LINE n:" and caret.
        """
        cursor = self.cursor()
        # Temporary and rolled back: neither other threads nor what is attached notices them.
        cursor.execute("BEGIN")
        try:
            for name, schema in tables.items():
                columns = ", ".join(f"{quote(column.name)} {column.type}" for column in schema)
                cursor.execute(f"CREATE TEMP TABLE {quote(name)} ({columns})")
            return described(cursor, sql)
        finally:
            cursor.execute("ROLLBACK")

    def attach(self, version: Version, data_root: Path) -> None:
        """Make a table's rows readable under its name, as a view over its data files."""
        with self._attaching:
            select = version_sql(version, data_root)
            self.cursor().execute(f"CREATE OR REPLACE VIEW {quote(version.table)} AS {select}")

    @contextmanager
    def attached(self, versions: Iterable[Version], data_root: Path) -> Iterator[None]:
        """Let the rows of some versions stand under their tables' names, for this thread only."""
        cursor = self.cursor()
        own: dict[str, str] = {}
        self._local.selects = own
        try:
            for version in versions:
                select = version_sql(version, data_root)
                cursor.execute(f"CREATE OR REPLACE TEMP VIEW {quote(version.table)} AS {select}")
                own[version.table] = select
            yield
        finally:
            self._local.selects = {}
            for table in own:
                cursor.execute(f"DROP VIEW IF EXISTS temp.{quote(table)}")

    def read_sql(self, table: str) -> str:
        """A SELECT of the rows that stand under a table's name for this thread.

        It can be run on any connection of the instance, where `attached` is not seen.
        """
        selects: Mapping[str, str] = getattr(self._local, "selects", {})
        return selects.get(table, f"SELECT * FROM {quote(table)}")

    def partition_rows(self, path: Path, split: Split, schema: Schema) -> dict[str | None, int]:
        """Partition -> its rows in a Parquet file of a table; None for rows that have none."""
        group = PART_COLUMN if split.by == "bucket" else group_sql(split, schema)
        found = self.cursor().execute(
            f"SELECT {label_sql(split, 'g')}, n FROM (SELECT {group} AS g, count(*) AS n"
            f" FROM {files_sql([path])} GROUP BY 1)"
        )
        return dict(found.fetchall())

    def write(self, sql: str, path: Path) -> WrittenFile:
        """Write the rows of a SELECT to a new Parquet file (zstd level 1)."""
        [(_, rows, size_bytes, *_)] = (
            self.cursor()
            .execute(
                f"COPY ({sql}\n) TO {quote_text(str(path))}"
                " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, RETURN_STATS)"
            )
            .fetchall()
        )
        return WrittenFile(path=path, rows=int(rows), size_bytes=int(size_bytes))

    def rows(self, sql: str, limit: int) -> list[dict[str, object]]:
        """At most `limit` rows of a SELECT."""
        cursor = self.cursor().execute(f"SELECT * FROM ({sql}\n) LIMIT {limit}")
        names = [description[0] for description in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def interrupt(self) -> None:
        """Make the queries that run now, on any thread, raise duckdb.InterruptException."""
        for cursor in list(self._cursors):
            cursor.interrupt()

    def close(self) -> None:
        """Close the instance; cursors of other threads end with it."""
        self._connection.close()


def described(
    connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, object] | None = None
) -> Schema:
    """The columns of a SELECT on an open connection, with some parameters. Runs nothing."""
    rows = _executed(connection, f"DESCRIBE {sql}", values).fetchall()
    names = [str(row[0]) for row in rows]
    text = sql.lower()
    if any(text.count(name.lower()) != sql.count(name) for name in names):
        # DESCRIBE calls `city AS "City"` by the name of the column, and the rows do not.
        nothing = _executed(connection, f"SELECT * FROM ({sql}\n) LIMIT 0", values)
        pairs = zip(names, nothing.description, strict=True)
        # Of two columns of one name, a subquery calls the second otherwise.
        names = [own[0] if own[0].lower() == name.lower() else name for name, own in pairs]
    return tuple(Column(name, row[1]) for name, row in zip(names, rows, strict=True))


def _executed(
    connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, object] | None
) -> duckdb.DuckDBPyConnection:
    return connection.execute(sql, dict(values)) if values else connection.execute(sql)


def version_sql(version: Version, data_root: Path) -> str:
    """A SELECT that reads exactly the rows of a version, in its column order.

    A file whose cells are all in the version is read whole; of one that also holds cells of
    other versions, only the version's own cells are.
    """
    columns = ", ".join(quote(column.name) for column in version.schema)
    held: dict[str, list[Cell]] = {file.path: [] for file in version.files}
    for cell in version.cells:
        if cell.file:
            held[cell.file].append(cell)
    whole: list[str] = []
    selects: list[str] = []
    for file in version.files:
        path = quote_text(literal_path(data_root / file.path))
        if sum(cell.rows for cell in held[file.path]) == file.rows:
            whole.append(path)
        else:
            condition = cells_sql(version.split, version.schema, held[file.path])
            selects.append(f"SELECT {columns} FROM {_parquet(path)} WHERE {condition}")
    if whole:
        selects.insert(0, f"SELECT {columns} FROM {_parquet(*whole)}")
    return "\nUNION ALL\n".join(selects) or empty_sql(version.schema)


def cells_sql(split: Split | None, schema: Schema, cells: Iterable[Cell]) -> str:
    """The condition that holds for the rows of some cells of one data file, and for no others."""
    labels: dict[int | None, list[str]] = {}
    for cell in cells:
        labels.setdefault(cell.part, []).append(cell.partition or "")
    if split is None or split.by == "bucket":
        return f"{PART_COLUMN} IN ({', '.join(map(str, labels))})"
    parts: dict[str, list[int | None]] = {}
    for part, own in labels.items():
        parts.setdefault(within_sql(split, schema, own), []).append(part)
    return " OR ".join(f"({_of_parts(own)}{within})" for within, own in parts.items())


def _of_parts(parts: Iterable[int | None]) -> str:
    numbers = ", ".join(str(part) for part in parts if part is not None)
    return f"{PART_COLUMN} IN ({numbers}) AND " if numbers else ""


def _parquet(*paths: str) -> str:
    # Otherwise a folder named `store=7` above the file would override a column `store` in it.
    return f"read_parquet([{', '.join(paths)}], hive_partitioning = false)"


def files_sql(paths: Iterable[Path]) -> str:
    """What stands behind FROM to read all columns of some data files, `__cell` too."""
    return _parquet(*(quote_text(literal_path(path)) for path in paths))


def literal_path(path: Path) -> str:
    """A path as DuckDB takes it literally: it would expand `*`, `?` and `[` otherwise.

    An instance with `allowed_directories` checks this spelling as well as the plain one.
    """
    return re.sub(r"[*?\[]", r"[\g<0>]", str(path))


def empty_sql(schema: Iterable[Column]) -> str:
    """A SELECT of no rows with the given columns."""
    columns = ", ".join(f"CAST(NULL AS {column.type}) AS {quote(column.name)}" for column in schema)
    return f"SELECT {columns} WHERE false"
