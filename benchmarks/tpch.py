"""TPC-H as a project of eight models: gives its files, and the same SQL as a program of DuckDB."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.workloads import write_files, write_parquet

GENERATOR = Path(sys.executable).with_name("tpchgen-cli")
CACHE = "HEADRACE_BENCH_DATA"

SOURCES = {
    "region": "r_regionkey: bigint, r_name: text, r_comment: text",
    "nation": "n_nationkey: bigint, n_name: text, n_regionkey: bigint, n_comment: text",
    "customer": """\
        c_custkey: bigint, c_name: text, c_address: text, c_nationkey: bigint, c_phone: text,
        c_acctbal: "decimal(15,2)", c_mktsegment: text, c_comment: text""",
    "partsupp": """\
        ps_partkey: bigint, ps_suppkey: bigint, ps_availqty: int,
        ps_supplycost: "decimal(15,2)", ps_comment: text""",
    "orders": """\
        o_orderkey: bigint, o_custkey: {type: bigint, not_null: true},
        o_orderstatus: {type: text, accepted: [F, O, P]}, o_totalprice: "decimal(15,2)",
        o_orderdate: date, o_orderpriority: text, o_clerk: text, o_shippriority: int,
        o_comment: text""",
    "lineitem": """\
        l_orderkey: bigint, l_partkey: bigint, l_suppkey: bigint, l_linenumber: int,
        l_quantity: {type: "decimal(15,2)", min: 1, max: 50}, l_extendedprice: "decimal(15,2)",
        l_discount: "decimal(15,2)", l_tax: "decimal(15,2)",
        l_returnflag: {type: text, accepted: [A, N, R]}, l_linestatus: text,
        l_shipdate: {type: date, not_null: true}, l_commitdate: date, l_receiptdate: date,
        l_shipinstruct: text, l_shipmode: text, l_comment: text""",
}

MODELS = {
    "stg_lineitem": """\
SELECT l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount,
  l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipmode,
  l_extendedprice * (1 - l_discount) AS net_price,
  l_extendedprice * (1 - l_discount) * (1 + l_tax) AS charge
FROM lineitem""",
    "stg_orders": """\
SELECT o_orderkey, o_custkey, o_orderstatus, o_totalprice, o_orderdate, o_orderpriority,
  date_trunc('month', o_orderdate) AS order_month
FROM orders""",
    "dim_customer": """\
SELECT c.c_custkey, c.c_name, c.c_mktsegment, c.c_acctbal, n.n_name AS nation, r.r_name AS region
FROM customer AS c
JOIN nation AS n ON c.c_nationkey = n.n_nationkey
JOIN region AS r ON n.n_regionkey = r.r_regionkey""",
    "int_order_lines": """\
SELECT l.l_orderkey, l.l_linenumber, l.l_partkey, l.l_suppkey, l.l_quantity, l.net_price,
  l.charge, l.l_returnflag, l.l_shipdate, o.o_custkey, o.o_orderdate, o.order_month,
  o.o_orderpriority
FROM stg_lineitem AS l
JOIN stg_orders AS o ON l.l_orderkey = o.o_orderkey""",
    "fct_daily_revenue": """\
SELECT l_shipdate AS ship_day, l_returnflag, l_linestatus, l_shipmode, count(*) AS n_lines,
  sum(l_quantity) AS qty, sum(l_extendedprice * (1 - l_discount)) AS revenue,
  sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS charge, avg(l_discount) AS avg_disc
FROM lineitem
GROUP BY 1, 2, 3, 4""",
    "agg_customer_ltv": """\
SELECT c.c_custkey, c.region, c.c_mktsegment, count(DISTINCT l.l_orderkey) AS n_orders,
  sum(l.net_price) AS ltv, max(l.o_orderdate) AS last_order
FROM dim_customer AS c
LEFT JOIN int_order_lines AS l ON l.o_custkey = c.c_custkey
GROUP BY 1, 2, 3""",
    "agg_part_margin": """\
SELECT l.l_partkey, l.l_suppkey, sum(l.net_price) AS revenue,
  sum(l.net_price - ps.ps_supplycost * l.l_quantity) AS margin
FROM stg_lineitem AS l
JOIN partsupp AS ps ON l.l_partkey = ps.ps_partkey AND l.l_suppkey = ps.ps_suppkey
GROUP BY 1, 2""",
    "agg_monthly_segment": """\
SELECT l.order_month, c.c_mktsegment, c.region, sum(l.net_price) AS revenue, count(*) AS n_lines
FROM int_order_lines AS l
JOIN dim_customer AS c ON l.o_custkey = c.c_custkey
GROUP BY 1, 2, 3""",
}

_HEADERS = {"fct_daily_revenue": "/*\npartition: {column: ship_day, by: day}\n*/\n"}


@contextmanager
def generated() -> Iterator[Path]:
    """A folder with TPC-H at scale 1 as Parquet: that of $HEADRACE_BENCH_DATA, or a temporary one.

    What is in the folder is taken; what is not is generated.
    """
    if kept := os.environ.get(CACHE):
        yield _generate(Path(kept))
        return
    with tempfile.TemporaryDirectory(prefix="headrace-tpch-") as name:
        yield _generate(Path(name))


def _generate(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in SOURCES if not (folder / f"{name}.parquet").exists()]
    if missing:
        command = [str(GENERATOR), "parquet", "--scale-factor", "1", "--quiet", "--no-progress"]
        options = ["--tables", ",".join(missing), "--output-dir", str(folder)]
        subprocess.run([*command, *options], check=True)
    return folder


def write_tpch_project(project: Path, raw: Path) -> None:
    """A project over the files of `raw`; `lineitem` reads the files of its folder `days`, too."""
    files = {"headrace.toml": 'name = "tpch"\n'}
    for name, columns in SOURCES.items():
        globs = [str(raw / f"{name}.parquet")]
        partition = ""
        if name == "lineitem":
            globs.append("days/*.parquet")
            partition = "partition: {column: l_shipdate, by: day}\nallow_empty: true\n"
        listed = "".join(f"  - {glob}\n" for glob in globs)
        files[f"sources/{name}.yaml"] = f"files:\n{listed}{partition}columns: {{\n{columns}\n}}\n"
    for name, sql in MODELS.items():
        files[f"models/{name}.sql"] = f"{_HEADERS.get(name, '')}{sql}\n"
    write_files(project, files)


def write_one_day(project: Path, raw: Path, day: str) -> None:
    """One more raw file: rows of one new day, as many as a usual day has."""
    path = project / "days" / f"{day}.parquet"
    rows = f"SELECT * REPLACE (DATE '{day}' AS l_shipdate) FROM '{raw / 'lineitem.parquet'}'"
    write_parquet(path, f"{rows} WHERE l_shipdate = DATE '1995-06-01'")


def write_tpch_program(path: Path, raw: Path, out: Path) -> None:
    """A Python program that runs the same SQL in one DuckDB, each model to Parquet and from it."""
    reading = "CREATE VIEW {} AS FROM read_parquet('{}')"
    statements = [reading.format(name, raw / f"{name}.parquet") for name in SOURCES]
    for name, sql in MODELS.items():
        target = out / f"{name}.parquet"
        statements.append(
            f"COPY ({sql}) TO '{target}'"
            " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"  # as we write it
        )
        statements.append(reading.format(name, target))
    path.write_text(
        "import duckdb\n"
        "connection = duckdb.connect()\n"
        f"for statement in {statements!r}:\n"
        "    connection.execute(statement)\n"
    )
