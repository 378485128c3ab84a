"""The data: takes a size, gives the same rows as Parquet, as CSV and as an indexed SQLite file."""

from __future__ import annotations

import csv
import sqlite3
from pathlib import Path

import duckdb

from benchmarks.serving.questions import DAYS, FIRST_DAY, Size

TABLES = ("orders", "customers", "daily_revenue")
_SEED = 17
_ORDERS = f"""\
SELECT i + 1 AS order_id,
  CAST(1 + hash(i, {_SEED}) % {{customers}} AS INTEGER) AS customer_id,
  CAST(1 + i % {{stores}} AS INTEGER) AS store_id,
  DATE '{FIRST_DAY}' + CAST(i * {DAYS} // {{orders}} AS INTEGER) AS ordered_on,
  CAST(1 + hash(i, {_SEED + 1}) % 5 AS INTEGER) AS items,
  CAST((100 + hash(i, {_SEED + 2}) % 9900) / 100 AS DECIMAL(10, 2)) AS amount,
  CASE WHEN hash(i, {_SEED + 3}) % 4 = 0 THEN 'returned' ELSE 'completed' END AS status
FROM range({{orders}}) AS t(i)"""
# As models: what headrace builds itself, and the peers are given.
CUSTOMERS = """\
SELECT customer_id, count(*) AS orders, CAST(sum(items) AS BIGINT) AS items,
  CAST(sum(amount) AS DECIMAL(18, 2)) AS revenue,
  min(ordered_on) AS first_order, max(ordered_on) AS last_order
FROM orders
GROUP BY customer_id"""
DAILY_REVENUE = """\
SELECT store_id, ordered_on AS day, count(*) AS orders,
  CAST(sum(amount) AS DECIMAL(18, 2)) AS revenue
FROM orders
GROUP BY store_id, ordered_on"""
_SORTED_BY = {"customers": "customer_id", "daily_revenue": "store_id, day", "orders": "order_id"}
# SQLite has no decimals.
_SQLITE = """\
CREATE TABLE orders (order_id INTEGER PRIMARY KEY, customer_id INTEGER, store_id INTEGER,
  ordered_on TEXT, items INTEGER, amount REAL, status TEXT);
CREATE TABLE customers (customer_id INTEGER PRIMARY KEY, orders INTEGER, items INTEGER,
  revenue REAL, first_order TEXT, last_order TEXT);
CREATE TABLE daily_revenue (store_id INTEGER, day TEXT, orders INTEGER, revenue REAL,
  PRIMARY KEY (store_id, day)) WITHOUT ROWID;
"""
_SQLITE_INDEX = "CREATE INDEX last_orders ON orders (store_id, ordered_on DESC, order_id DESC)"


def parquet(folder: Path, table: str) -> Path:
    """Where a table's rows are as Parquet."""
    return folder / f"{table}.parquet"


def generate(folder: Path, size: Size) -> None:
    """Each table as Parquet and as CSV, below `folder`; what is there is kept."""
    if parquet(folder, TABLES[-1]).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    sizes = {"orders": size.orders, "stores": size.stores, "customers": size.customers}
    connection.execute(f"CREATE TABLE orders AS {_ORDERS.format(**sizes)}")
    connection.execute(f"CREATE TABLE customers AS {CUSTOMERS}")
    connection.execute(f"CREATE TABLE daily_revenue AS {DAILY_REVENUE}")
    for table in TABLES:
        rows = f"COPY (FROM {table} ORDER BY {_SORTED_BY[table]}) TO '{{}}'"
        connection.execute(f"{rows.format(folder / f'{table}.csv')} (FORMAT csv, HEADER)")
        unfinished = folder / f"{table}.unfinished"
        connection.execute(f"{rows.format(unfinished)} (FORMAT parquet)")
        unfinished.rename(parquet(folder, table))


def sqlite_file(folder: Path) -> Path:
    """The same rows as a SQLite file, with the indexes that the questions want and statistics."""
    path = folder / "bench.db"
    if path.exists():
        return path
    unfinished = folder / "bench.unfinished"
    unfinished.unlink(missing_ok=True)
    connection = sqlite3.connect(unfinished)
    connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SQLITE}")
    for table in TABLES:
        with (folder / f"{table}.csv").open(newline="") as file:
            lines = csv.reader(file)
            places = ", ".join("?" * len(next(lines)))
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", lines)
    connection.execute(_SQLITE_INDEX)
    connection.execute("ANALYZE")
    connection.commit()
    connection.close()
    unfinished.rename(path)
    return path
