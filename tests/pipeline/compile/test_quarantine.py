"""A model whose checks set rows aside is three tables, with their columns, inputs and lineage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from headrace.base.declarations import CheckDeclaration, ColumnContract, Model, PythonFunction
from headrace.base.errors import Place
from headrace.base.tables import Column
from headrace.base.types import parse_type
from headrace.pipeline.compile.graph import Graph

from .projects import compiled, model, problems

AT = Place("models/m.sql", 9)
SQL = "SELECT qty, status FROM orders"
MIN = CheckDeclaration("min", ("QTY",), AT, "quarantine", bound=0)
STORES = CheckDeclaration(
    "references", ("qty",), AT, "quarantine", to_table="Stores", to_columns=("store_id",)
)


def divided(*checks: CheckDeclaration, sql: str = SQL, **rest: object) -> Model:
    return model("m", sql, checks=checks, **rest)


def recipes(graph: Graph) -> dict[str, str]:
    return {each.name: each.recipe for each in graph.relations if each.kind == "model"}


def test_a_model_with_a_rule_is_three_tables() -> None:
    graph = compiled(divided(MIN, STORES), model("n", "SELECT reason FROM m__quarantine"))
    tables = [each for each in graph.relations if each.kind == "model"]
    assert [(each.name, each.inputs) for each in tables] == [
        ("m__all", ("orders",)),
        ("m", ("m__all", "stores")),
        ("m__quarantine", ("m__all", "stores")),
        ("n", ("m__quarantine",)),
    ]
    everything, kept, aside, _ = tables
    assert (
        kept.schema == everything.schema == (Column("qty", "INTEGER"), Column("status", "VARCHAR"))
    )
    assert aside.schema == (*kept.schema, Column("reason", "VARCHAR"))
    assert kept.lineage == {"qty": ("m__all.qty",), "status": ("m__all.status",)}
    assert aside.lineage == {**kept.lineage, "reason": ("m__all.qty",)}


def test_a_changed_rule_changes_what_is_kept_and_not_the_query() -> None:
    before = recipes(compiled(divided(MIN)))
    after = recipes(compiled(divided(replace(MIN, bound=1))))
    changed = [name for name in before if before[name] != after[name]]
    assert changed == ["m", "m__quarantine"]


def test_what_is_kept_is_checked_and_what_is_set_aside_is_counted() -> None:
    """A column's own rule gates the rows that are kept, and is made once."""
    ruled = ColumnContract("qty", "", AT, not_null=True)
    graph = compiled(divided(MIN, columns=(ruled,), key=("qty",)))
    assert [(check.name, check.table) for check in graph.checks] == [
        ("m.qty: key", "m"),
        ("m.qty: not_null", "m"),
        ("m: tolerance 1 %", "m__quarantine"),
    ]


def test_a_rule_names_columns_and_tables_that_exist() -> None:
    unknown = CheckDeclaration("unique", ("qtty",), AT, "quarantine")
    shops = replace(STORES, to_table="shops")
    bad = CheckDeclaration("pattern", ("status",), AT, "quarantine", pattern="(?<=a)b")
    assert problems(divided(unknown, shops)) == [
        "models/m.sql:9: unique: `m` has no column `qtty`; did you mean `qty`?",
        (
            "models/m.sql:9: `shops` is not a table of this project;"
            " the tables are `orders`, `stores`, `m`"
        ),
    ]
    assert problems(divided(bad)) == [
        "models/m.sql:9: m.status: pattern (?<=a)b: invalid perl operator: (?<"
    ]


def test_the_quarantines_own_column_is_not_one_of_the_models() -> None:
    assert problems(divided(MIN, sql="SELECT qty, status AS Reason FROM orders")) == [
        (
            "models/m.sql:9: m has a column `reason`, as the quarantine's own;"
            " name it otherwise: AS m_reason"
        )
    ]


def test_a_rule_that_refers_to_what_reads_the_model_is_a_circle() -> None:
    rule = replace(STORES, to_table="n", to_columns=("qty",))
    assert problems(divided(rule), model("n", "SELECT qty FROM m")) == [
        (
            "models/m.sql:1: the models read each other in a circle: `m` -> `n` -> `m`;"
            " take one of these reads out"
        )
    ]


def test_a_broken_model_is_blamed_alone() -> None:
    found = problems(divided(MIN, sql="SELECT nothing FROM orders"), model("n", "FROM m"))
    assert len(found) == 1
    assert found[0].startswith("models/m.sql:1")


def test_rules_wait_for_the_columns_of_a_python_model(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/m.sql").write_text("def m(orders): ...\n")
    function = PythonFunction("m", (("orders", "arrow"),))
    graph = compiled(divided(MIN, sql="", function=function), root=tmp_path)
    assert graph.deferred == ("m__all", "m", "m__quarantine")
    declared = (ColumnContract("qty", parse_type("int"), AT),)
    graph = compiled(divided(MIN, sql="", function=function, columns=declared), root=tmp_path)
    assert graph.relation("m").schema == (Column("qty", "INTEGER"),)
    assert graph.deferred == ()
