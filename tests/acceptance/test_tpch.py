"""TPC-H: 22 queries as models over generated data, against answers that were computed elsewhere."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.engines.duckdb import DuckDBEngine, version_sql
from tests.acceptance.tpch_queries import QUERIES
from tests.projects import Shop, write_files

GENERATOR = Path(sys.executable).with_name("tpchgen-cli")
SCALES = ["0.01", "0.1"]
TOLERANCE = 0.01

SOURCES = {
    "region": """\
        key: r_regionkey
        columns: {r_regionkey: bigint, r_name: text, r_comment: text}
        """,
    "nation": """\
        key: n_nationkey
        columns:
          n_nationkey: bigint
          n_name: text
          n_regionkey: {type: bigint, references: region.r_regionkey}
          n_comment: text
        """,
    "supplier": """\
        key: s_suppkey
        columns:
          s_suppkey: bigint
          s_name: text
          s_address: text
          s_nationkey: {type: bigint, references: nation.n_nationkey}
          s_phone: text
          s_acctbal: "decimal(15,2)"
          s_comment: text
        """,
    "customer": """\
        key: c_custkey
        columns:
          c_custkey: bigint
          c_name: text
          c_address: text
          c_nationkey: {type: bigint, references: nation.n_nationkey}
          c_phone: text
          c_acctbal: "decimal(15,2)"
          c_mktsegment:
            type: text
            accepted: [AUTOMOBILE, BUILDING, FURNITURE, HOUSEHOLD, MACHINERY]
          c_comment: text
        """,
    "part": """\
        key: p_partkey
        columns:
          p_partkey: bigint
          p_name: text
          p_mfgr: text
          p_brand: {type: text, pattern: "Brand#[1-5][1-5]"}
          p_type: text
          p_size: {type: int, min: 1, max: 50}
          p_container: text
          p_retailprice: "decimal(15,2)"
          p_comment: text
        """,
    "partsupp": """\
        key: [ps_partkey, ps_suppkey]
        columns:
          ps_partkey: {type: bigint, references: part.p_partkey}
          ps_suppkey: {type: bigint, references: supplier.s_suppkey}
          ps_availqty: int
          ps_supplycost: "decimal(15,2)"
          ps_comment: text
        """,
    "orders": """\
        key: o_orderkey
        columns:
          o_orderkey: bigint
          o_custkey: {type: bigint, references: customer.c_custkey}
          o_orderstatus: {type: text, accepted: [F, O, P]}
          o_totalprice: "decimal(15,2)"
          o_orderdate: {type: date, min: 1992-01-01, max: 1998-08-02}
          o_orderpriority: text
          o_clerk: text
          o_shippriority: int
          o_comment: text
        """,
    "lineitem": """\
        key: [l_orderkey, l_linenumber]
        columns:
          l_orderkey: {type: bigint, references: orders.o_orderkey}
          l_partkey: bigint
          l_suppkey: bigint
          l_linenumber: {type: int, min: 1, max: 7}
          l_quantity: {type: "decimal(15,2)", min: 1, max: 50}
          l_extendedprice: "decimal(15,2)"
          l_discount: {type: "decimal(15,2)", min: 0, max: 0.1}
          l_tax: "decimal(15,2)"
          l_returnflag: {type: text, accepted: [A, N, R]}
          l_linestatus: {type: text, accepted: [F, O]}
          l_shipdate: {type: date, not_null: true}
          l_commitdate: date
          l_receiptdate: date
          l_shipinstruct: text
          l_shipmode: text
          l_comment: text
        """,
}


@pytest.fixture(params=[SCALES[0], pytest.param(SCALES[1], marks=pytest.mark.slow)])
def scale(request: pytest.FixtureRequest) -> str:
    """Of the generated data: 1 is 6,000,000 rows of `lineitem`."""
    return str(request.param)


@pytest.fixture
def answers(shared_data: Callable[[str], Path], scale: str) -> Path:
    if not GENERATOR.exists():
        pytest.skip("the generator of TPC-H's data, tpchgen-cli, is not installed")
    return shared_data("tpch_answers") / f"sf{scale}"


@pytest.fixture
def warehouse(answers: Path, scale: str, tmp_path: Path) -> Shop:
    files = {"headrace.toml": 'name = "tpch"\n'}
    for name, contract in SOURCES.items():
        files[f"sources/{name}.yaml"] = f"        files: data/{name}.parquet\n{contract}"
    for name, sql in QUERIES.items():
        files[f"models/{name}.sql"] = sql
    root = write_files(tmp_path / "tpch", files)
    command = [str(GENERATOR), "parquet", "--scale-factor", scale]
    subprocess.run([*command, "--output-dir", str(root / "data")], check=True)
    return Shop(root)


def test_the_22_queries_of_tpch_give_the_published_answers(
    warehouse: Shop, answers: Path, scale: str
) -> None:
    report = warehouse.run()
    assert report.failures == ()
    assert [check.result.name for check in report.checks if check.result.failing] == []
    expected: dict[str, Any] = json.loads((answers / f"expected_sf{scale}.json").read_text())
    tables = warehouse.published().tables
    assert {name: tables[name].rows for name in SOURCES} == expected["row_counts"]
    differ = expected["answers_that_differ_because_tpchgen_writes_other_random_text"]
    wrong = {
        name: difference
        for name in sorted(QUERIES.keys() - {"supplier_revenue"})
        if (difference := compared(warehouse, name, answers / variant(name, differ)))
    }
    assert wrong == {}


def variant(name: str, differ: list[str]) -> str:
    """Where the answer to a query stands."""
    return f"tpchgen_variant/{name}.csv" if name in differ else f"{name}.csv"


def compared(shop: Shop, name: str, answer: Path) -> list[str]:
    """The first difference between a model's rows and its answer, in the answer's order."""
    header, *expected = read_answer(answer)
    columns, found = read_rows(shop, name)
    if columns != header:
        return [f"columns {columns}, not {header}"]
    if len(found) != len(expected):
        return [f"{len(found)} rows, not {len(expected)}"]
    return [
        f"row {number} is {row}, not {answer_row}"
        for number, (row, answer_row) in enumerate(zip(found, expected, strict=True), start=1)
        if not all(same(*each) for each in zip(row, answer_row, strict=True))
    ][:1]


def read_answer(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file, delimiter="|"))


def read_rows(shop: Shop, name: str) -> tuple[list[str], list[tuple[object, ...]]]:
    """The columns and rows of a published table, in the order in which they are stored."""
    sql = version_sql(shop.published().tables[name], shop.store.data_root)
    answer = DuckDBEngine(threads=1).cursor().execute(sql)
    return [column[0] for column in answer.description or ()], answer.fetchall()


def same(found: object, text: str) -> bool:
    """Whether a value is what an answer says: numbers to a hundredth, all else to the letter."""
    if found is None or isinstance(found, str):
        return (found or "") == text
    try:
        return abs(float(str(found)) - float(text)) <= TOLERANCE
    except ValueError:
        return str(found) == text
