"""A field is called never null only where that is certain."""

from __future__ import annotations

import pytest

from headrace.base.declarations import CheckDeclaration, ColumnContract
from headrace.base.errors import Place
from headrace.base.tables import Column
from headrace.pipeline.compile.copies import copied_columns
from headrace.pipeline.compile.duckdb_analyst import DuckDBAnalyst
from headrace.pipeline.compile.queries import Bound
from tests.pipeline.compile.projects import compiled, endpoint, model

AT = Place("models/m.sql", 1)
A = (Column("x", "INTEGER"), Column("y", "INTEGER"))
B = (Column("y", "INTEGER"), Column("z", "INTEGER"))


@pytest.mark.parametrize(
    ("sql", "copies"),
    [
        ("SELECT x, y AS w FROM a", {"x": "a.x", "w": "a.y"}),
        ("SELECT X FROM A", {"x": "a.x"}),
        ("FROM a", {"x": "a.x", "y": "a.y"}),
        ("SELECT x, count(*) AS n FROM a GROUP BY x", {"x": "a.x"}),
        ("SELECT t.x, b.z FROM a AS t JOIN b USING (y)", {"x": "a.x", "z": "b.z"}),
        ("SELECT x, z FROM a, b WHERE a.y = b.y", {"x": "a.x", "z": "b.z"}),
        ("SELECT x FROM a WHERE y > 1 ORDER BY y LIMIT 3", {"x": "a.x"}),
        ("SELECT x FROM (SELECT x, y + 1 AS z FROM a)", {"x": "a.x"}),
        ("SELECT s.w, z FROM (SELECT x AS w, y + 1 AS z FROM a) AS s", {"w": "a.x"}),
        ("WITH c AS (SELECT x AS w FROM a), d AS (FROM c) SELECT w FROM d", {"w": "a.x"}),
        # What is computed, or padded, or hidden in a query of its own, is not certain.
        ("SELECT x + 1 AS x FROM a", {}),
        ("SELECT 1 AS w, w FROM a", {}),
        ("SELECT a.x, z FROM a LEFT JOIN b USING (y)", {}),
        ("SELECT a.x FROM a RIGHT JOIN b USING (y)", {}),
        ("SELECT x FROM a POSITIONAL JOIN b", {}),
        ("SELECT x, count(*) AS n FROM a GROUP BY ROLLUP (x)", {}),
        ("SELECT x FROM (SELECT x FROM a LEFT JOIN b ON a.y = b.y)", {}),
        ("SELECT v FROM (SELECT x FROM a) AS s(v)", {}),
        ("WITH c(v) AS (SELECT x FROM a) SELECT v FROM c", {}),
        ("WITH a AS (SELECT NULL AS x) SELECT x FROM a", {}),
        ("SELECT x FROM a UNION ALL SELECT y FROM a", {}),
        ("SELECT * FROM a JOIN b USING (y)", {}),
        ("SELECT * REPLACE (NULL AS x) FROM a", {}),
        ("SELECT COLUMNS(*) FROM a", {}),
        ("SELECT y FROM a JOIN b USING (y)", {}),
        ("SELECT w FROM a AS t(w, v)", {}),
        ("SELECT i FROM range(3) AS r(i)", {}),
        ("SELECT s.f FROM (SELECT {'f': x} AS s FROM a)", {}),
        ("SELECT t.s.f FROM (SELECT {'f': x} AS s FROM a) AS t", {}),
    ],
)
def test_what_a_query_hands_on_is_found_where_it_is_certain(
    sql: str, copies: dict[str, str], analyst: DuckDBAnalyst
) -> None:
    tables = {"a": A, "b": B}
    used = {use.name.lower() for use in analyst.parse(sql).tables}
    found = analyst.bind(sql, {name: tables[name] for name in used})
    assert isinstance(found, Bound), found
    assert found.copies == copies


def test_without_a_table_nothing_is_copied(analyst: DuckDBAnalyst) -> None:
    found = analyst.bind("SELECT 1 AS x", {})
    assert isinstance(found, Bound)
    assert found.copies == {}


KEYED = model("keyed", "SELECT store_id, day, sum(amount) AS s FROM orders GROUP BY ALL",
              key=("store_id",))  # fmt: skip
RULED = model("ruled", "SELECT store_id, day FROM keyed",
              columns=(ColumnContract("day", "", AT, not_null=True),))  # fmt: skip
WARNED = model("warned", "SELECT day FROM orders",
               checks=(CheckDeclaration("not_null", ("day",), AT, severity="warn"),))  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "nullable"),
    [
        ("SELECT store_id, day, s FROM keyed", [False, True, True]),
        ("SELECT store_id, day FROM ruled", [False, False]),
        ("SELECT day FROM warned", [True]),
        ("SELECT file, line FROM orders__quarantine", [False, True]),
    ],
)
def test_a_field_without_nulls_is_one_whose_rule_stops_the_publish(
    sql: str, nullable: list[bool]
) -> None:
    [contract] = compiled(KEYED, RULED, WARNED, endpoint("e", sql, "/e")).endpoints
    assert [column.nullable for column in contract.columns] == nullable


def test_copied_columns_needs_as_many_items_as_columns() -> None:
    tree = {
        "type": "SELECT_NODE",
        "cte_map": {"map": []},
        "group_sets": [],
        "select_list": [],
        "from_table": {"type": "BASE_TABLE", "table_name": "a", "alias": "",
                       "column_name_alias": []},
    }  # fmt: skip
    assert copied_columns(tree, {"a": A}, A) == {}
