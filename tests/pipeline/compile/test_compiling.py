"""The whole way from declarations to the graph, and every mistake on it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.base.declarations import (
    CheckDeclaration,
    ColumnContract,
    Model,
    Partition,
    PythonFunction,
)
from headrace.base.errors import Place, ProjectError
from headrace.base.tables import QUARANTINE_SCHEMA, Column
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.compile.cache import CompileCache, engine_version
from headrace.pipeline.compile.compiling import compile_project
from tests.pipeline.compile.projects import (
    compiled,
    endpoint,
    model,
    problems,
    project,
    schema,
    source,
    sql_check,
)

DAILY = "SELECT store_id, day, sum(amount) AS revenue, sum(qty) AS items FROM orders GROUP BY ALL"


def test_tables_come_after_their_inputs_with_columns_lineage_and_the_sql_to_run() -> None:
    graph = compiled(
        model("named", "FROM daily JOIN stores USING (store_id)"), model("daily", DAILY)
    )
    names = [relation.name for relation in graph.relations]
    assert names.index("daily") < names.index("named")
    daily = graph.relation("daily")
    assert daily.inputs == ("orders",)
    assert daily.schema == schema(
        {"store_id": "INTEGER", "day": "DATE", "revenue": "DECIMAL(38,2)", "items": "BIGINT"}
    )
    assert daily.lineage["revenue"] == ("orders.amount",)
    assert daily.sql == (
        'SELECT "store_id", "day", "revenue", CAST("items" AS BIGINT) AS "items" FROM (\n'
        f"{DAILY}\n)"
    )
    assert graph.relation("named").sql == "FROM daily JOIN stores USING (store_id)"
    assert graph.deferred == ()


def test_every_source_has_a_quarantine_that_queries_may_read() -> None:
    graph = compiled(model("bad", "SELECT reason FROM Orders__quarantine"))
    quarantine = graph.relation("orders__quarantine")
    assert (quarantine.kind, quarantine.inputs) == ("quarantine", ("orders",))
    assert quarantine.schema == QUARANTINE_SCHEMA
    assert graph.relation("bad").inputs == ("orders__quarantine",)


def test_a_recipe_follows_the_query_and_not_its_looks() -> None:
    def recipe(sql: str, **rest: object) -> str:
        return compiled(model("m", sql, **rest)).relation("m").recipe

    plain = recipe("SELECT qty FROM orders")
    assert recipe("select\n  QTY -- a comment\nfrom orders;") == recipe("select QTY from orders")
    assert recipe("select qty\nfrom Orders") == plain
    assert recipe("SELECT qty FROM orders", description="x", key=("qty",)) == plain
    assert recipe("SELECT qty FROM orders WHERE true") != plain
    assert recipe("SELECT qty::BIGINT AS qty FROM orders") != plain


def test_names_keep_the_case_that_the_query_gives_them_now(tmp_path: Path) -> None:
    """Whatever the cache has seen before."""
    cache = CompileCache()
    for name in ("Tag", "tag", "TAG"):
        sql = f"SELECT day AS {name} FROM orders"
        served = endpoint("e", f"SELECT day AS {name} FROM orders WHERE day = ${name}")
        graph = compile_project(project(tmp_path, model("m", sql), served), cache, {})
        assert [column.name for column in graph.relation("m").schema or ()] == [name]
        [contract] = graph.endpoints
        assert [parameter.name for parameter in contract.parameters] == [name]
        assert f"CAST(${name} AS DATE)" in contract.sql


def test_the_version_in_a_recipe_is_the_engines_own() -> None:
    assert engine_version() == DuckDBEngine.version


def test_unknown_tables_are_told_at_their_place_with_a_near_miss() -> None:
    broken = replace(model("m", "SELECT *\nFROM ordes JOIN zzz ON true"), sql_line=4)
    assert problems(broken) == [
        "models/m.sql:5:6: `ordes` is not a table of this project; did you mean `orders`?",
        (
            "models/m.sql:5:17: `zzz` is not a table of this project; "
            "the tables are `orders`, `stores`, `m`"
        ),
    ]


def test_a_circle_is_one_problem_that_names_it_whole() -> None:
    parts = [
        model("b", "SELECT * FROM c JOIN orders ON true"),
        model("c", "FROM a"),
        model("a", "FROM b"),
        model("own", "FROM own"),
        model("behind", "FROM a"),
    ]
    assert problems(*parts) == [
        (
            "models/a.sql:1: the models read each other in a circle: `a` -> `c` -> `b` -> `a`;"
            " take one of these reads out"
        ),
        (
            "models/own.sql:1: the models read each other in a circle: `own` -> `own`;"
            " take one of these reads out"
        ),
    ]


def test_a_binder_error_keeps_duckdbs_words_and_gets_the_files_place() -> None:
    wrong = replace(model("m", "SELECT qty,\n  'é', stor_id\nFROM orders"), sql_line=7)
    assert problems(wrong) == [
        (
            'models/m.sql:8:8: Referenced column "stor_id" not found in FROM clause;'
            ' Candidate bindings: "store_id", "order_id", "status"'
        )
    ]


def test_a_model_behind_a_broken_one_is_not_blamed() -> None:
    parts = [model("a", "SELECT nope FROM orders"), model("b", "SELECT nope FROM a")]
    assert len(problems(*parts)) == 1


def test_columns_that_a_table_cannot_have_are_refused() -> None:
    sql = "SELECT qty, order_id AS QTY, INTERVAL 1 DAY AS span FROM orders"
    assert problems(model("m", sql)) == [
        "models/m.sql:1: two columns are named `QTY`; name one of them with AS",
        (
            "models/m.sql:1: m.span is INTERVAL, which Parquet cannot hold as it is;"
            " cast it to BIGINT, as in epoch_us(x)"
        ),
    ]


def test_declared_columns_must_be_those_of_the_query() -> None:
    columns = (
        ColumnContract("store", "", Place("models/m.sql", 3)),
        ColumnContract("qty", "BIGINT", Place("models/m.sql", 4), min=0),
    )
    wrong = model("m", "SELECT store_id, qty FROM orders", columns=columns)
    assert problems(replace(wrong, partition=Partition("dya", "day"))) == [
        "models/m.sql:1: `m` has no column `dya`; its columns are `store_id`, `qty`",
        "models/m.sql:3: `m` has no column `store`; did you mean `store_id`?",
        (
            "models/m.sql:4: m.qty is INTEGER; expected BIGINT;"
            " cast it in the query: CAST(… AS BIGINT) AS qty"
        ),
    ]


def test_a_model_has_no_parameters() -> None:
    assert problems(model("m", "SELECT * FROM orders WHERE qty > $n")) == [
        (
            "models/m.sql:1:34: a model has no parameters, and `$n` is one;"
            " write the value, or select it from a table"
        )
    ]


def test_two_tables_of_one_name_are_told() -> None:
    assert problems(model("Orders", "FROM stores")) == [
        (
            "models/Orders.sql:1: the table `Orders` is declared in sources/orders.yaml:1, too;"
            " rename one"
        )
    ]


def test_a_mistake_in_every_file_gives_all_of_them_at_once() -> None:
    found = problems(
        model("a", "SELECT nope FROM orders"),
        model("b", "SELECT FROM"),
        sql_check("c", "SELECT 1 AS x"),
        endpoint("d", "FROM ordrs"),
    )
    assert [text.split(":")[0] for text in found] == [
        "checks/c.sql",
        "endpoints/d.sql",
        "models/a.sql",
        "models/b.sql",
    ]


def python_model(root: Path, text: str, **rest: object) -> Model:
    (root / "models").mkdir(exist_ok=True)
    (root / "models/seg.py").write_text(text)
    function = PythonFunction("seg", (("orders", "arrow"),))
    made = model("seg", "", function=function, **rest)
    return replace(made, place=Place("models/seg.py", 1))


def test_what_needs_the_columns_of_an_unseen_python_model_waits(tmp_path: Path) -> None:
    seg = python_model(tmp_path, "def seg(orders): return orders\n")
    shop = project(
        tmp_path,
        seg,
        model("after", "SELECT who FROM seg"),
        endpoint("all", "FROM after"),
        sql_check("none", "FROM seg WHERE who IS NULL"),
    )
    graph = compile_project(shop, CompileCache(), {})
    assert graph.deferred == ("seg", "after", "all")
    assert (graph.endpoints, graph.checks) == ((), ())
    assert graph.relation("after").recipe == ""
    recipe = graph.relation("seg").recipe
    seen = compile_project(shop, CompileCache(), {recipe: schema({"who": "VARCHAR"})})
    assert seen.deferred == ()
    assert seen.relation("after").schema == (Column("who", "VARCHAR"),)
    assert seen.endpoints[0].lineage == {"who": ("seg.who",)}


def test_declared_columns_of_a_python_model_are_its_columns(tmp_path: Path) -> None:
    columns = (ColumnContract("who", "VARCHAR", Place("models/seg.py", 3)),)
    seg = python_model(tmp_path, "def seg(orders): return orders\n", columns=columns)
    shop = project(tmp_path, seg)
    graph = compile_project(shop, CompileCache(), {})
    assert graph.relation("seg").schema == (Column("who", "VARCHAR"),)
    assert graph.deferred == ()


def test_a_python_model_that_is_no_python_is_told(tmp_path: Path) -> None:
    seg = python_model(tmp_path, "def seg(orders:\n")
    assert problems(seg, root=tmp_path) == [
        "models/seg.py:1:8: '(' was never closed; `seg` needs this file to run"
    ]


def test_what_a_python_model_returned_must_be_what_it_declares(tmp_path: Path) -> None:
    columns = (ColumnContract("who", "", Place("models/seg.py", 3)),)
    seg = python_model(tmp_path, "def seg(orders): return orders\n", columns=columns)
    shop = project(tmp_path, seg)
    recipe = compile_project(shop, CompileCache(), {}).relation("seg").recipe
    with pytest.raises(ProjectError) as caught:
        compile_project(shop, CompileCache(), {recipe: schema({"whom": "VARCHAR"})})
    assert str(caught.value) == ("models/seg.py:3: `seg` has no column `who`; did you mean `whom`?")


def test_a_python_model_reads_tables_that_exist(tmp_path: Path) -> None:
    function = PythonFunction("seg", (("order", "arrow"),))
    assert problems(model("seg", "", function=function), root=tmp_path) == [
        "models/seg.sql:1: `order` is not a table of this project; did you mean `orders`?"
    ]


def test_column_rules_of_a_source_gate_only_what_no_single_row_shows() -> None:
    orders = source("orders", {"order_id": "BIGINT", "store_id": "INTEGER"}, key=("ORDER_ID",))
    ruled = replace(orders.columns[1], not_null=True, min=0, unique=True)
    references = CheckDeclaration(
        "references", ("store_id",), orders.place, to_table="Stores", to_columns=("STORE_ID",)
    )
    orders = replace(orders, columns=(orders.columns[0], ruled), checks=(references,))
    assert [check.name for check in compiled(orders).checks] == [
        "orders.order_id: key",
        "orders.store_id: unique",
        "orders.store_id: references stores.store_id",
    ]


def test_checks_name_columns_and_tables_that_exist() -> None:
    at = Place("models/m.sql", 9)
    checks = (
        CheckDeclaration("unique", ("qtty",), at),
        CheckDeclaration("min", ("status",), at, bound=0),
        CheckDeclaration("accepted", ("qty",), at, accepted=(1, "a")),
        CheckDeclaration("references", ("qty",), at, to_table="shops", to_columns=("id",)),
        CheckDeclaration("references", ("qty",), at, to_table="stores", to_columns=("nam",)),
    )
    sql = "SELECT qty, status FROM orders"
    assert problems(model("m", sql, checks=checks)) == [
        "models/m.sql:9: unique: `m` has no column `qtty`; did you mean `qty`?",
        (
            "models/m.sql:9: min: m.status is VARCHAR, which has no order;"
            " expected a number, date or time"
        ),
        "models/m.sql:9: accepted: m.qty is INTEGER, and 'a' is none; expected a INTEGER",
        (
            "models/m.sql:9: `shops` is not a table of this project;"
            " the tables are `orders`, `stores`, `m`"
        ),
        "models/m.sql:9: references: `stores` has no column `nam`; did you mean `name`?",
    ]


def test_a_check_that_calculates_needs_values_to_do_so() -> None:
    at = Place("models/m.sql", 9)
    checks = (
        CheckDeclaration("freshness", ("status",), at, within_seconds=60),
        CheckDeclaration("freshness", ("dya",), at, within_seconds=60),
        CheckDeclaration("change", ("day",), at, grow=0.5),
        CheckDeclaration("mean", ("status",), at, low=1),
    )
    sql = "SELECT day, status FROM orders"
    assert problems(model("m", sql, checks=checks)) == [
        "models/m.sql:9: freshness: m.status is VARCHAR; expected a column of dates or timestamps",
        "models/m.sql:9: freshness: `m` has no column `dya`; did you mean `day`?",
        "models/m.sql:9: change: m.day is DATE; expected a column of numbers",
        "models/m.sql:9: mean: m.status is VARCHAR; expected a column of numbers",
    ]


def test_a_pattern_that_the_engine_does_not_take_is_told() -> None:
    """DuckDB's expressions know no look-behind, whatever Python's do."""
    pattern = CheckDeclaration("pattern", ("status",), Place("models/m.sql", 9), pattern="(?<=a)b")
    assert problems(model("m", "SELECT status FROM orders", checks=(pattern,))) == [
        "models/m.sql:9: m.status: pattern (?<=a)b: invalid perl operator: (?<"
    ]


def test_a_file_of_checks_gates_the_last_of_its_tables() -> None:
    graph = compiled(
        model("daily", DAILY),
        sql_check("sums", "SELECT * FROM daily JOIN orders USING (day) WHERE revenue < 0;"),
    )
    [check] = graph.checks
    assert (check.name, check.table, check.tables) == ("sums", "daily", ("daily", "orders"))
    assert check.sql == "SELECT * FROM daily JOIN orders USING (day) WHERE revenue < 0"


def test_a_file_of_checks_reads_a_table_and_has_no_parameters() -> None:
    assert problems(
        sql_check("c", "SELECT 1 AS x"), sql_check("d", "FROM orders WHERE qty > $n")
    ) == [
        "checks/c.sql:1: the check reads no table; expected at least one",
        "checks/d.sql:1:25: a check has no parameters: `$n`",
    ]


_WARM = """
import sys
from pathlib import Path
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.compiling import compile_project
from tests.pipeline.compile.projects import *
root = Path(sys.argv[1])
shop = project(root, model("m", "SELECT qty FROM orders;", key=("qty",)), sql_check("c", "FROM m"),
               model("d", "SELECT current_date AS x FROM stores", volatile="day"),
               endpoint("e", "FROM m WHERE qty = $n"))
cache = CompileCache.load(root / "compiled.json")
graph = compile_project(shop, cache, {})
cache.save()
print(sorted({"duckdb", "sqlglot", "pyarrow"} & sys.modules.keys()), graph.endpoints[0].recipe)
"""


def test_a_project_in_which_nothing_changed_is_compiled_without_any_engine(tmp_path: Path) -> None:
    def run() -> str:
        command = [sys.executable, "-c", _WARM, str(tmp_path)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    first, second = run(), run()
    assert first.startswith("['duckdb']")
    assert second == first.replace("['duckdb']", "[]")
