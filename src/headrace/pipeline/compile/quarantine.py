"""Divides a model whose checks set rows aside: takes its relation, gives those of three tables.

`NAME__all` has the rows that the query or function gave, `NAME` those that keep the rules, and
`NAME__quarantine` the others, with the reason. Both read the stored rows of the first, so that no
row is lost or doubled when a query gives other rows each time that it runs.
"""

from __future__ import annotations

from dataclasses import replace

from headrace.base.declarations import CheckDeclaration, ColumnContract, Model
from headrace.base.errors import Problem
from headrace.base.hashing import address
from headrace.base.names import quote
from headrace.base.tables import ALL_SUFFIX, QUARANTINE_SUFFIX, Column, Schema
from headrace.checks.figures import figures_sql, set_aside_figures
from headrace.checks.setting_aside import REASON, Divided, divide
from headrace.pipeline.compile.analysis import Analysis
from headrace.pipeline.compile.cache import engine_version
from headrace.pipeline.compile.checks import Compiled, placed_rules
from headrace.pipeline.compile.graph import CompiledCheck, Locality, Need, Relation


def all_rows(model: Model) -> Model:
    """The declaration of the table of all rows: what makes them, and nothing that judges them."""
    columns = tuple(
        ColumnContract(
            each.name,
            each.type,
            each.place,
            description=each.description,
            access=each.access,
            hide=each.hide,
        )
        for each in model.columns
    )
    name = model.name + ALL_SUFFIX
    return replace(model, name=name, columns=columns, key=(), checks=(), allow_empty=True)


def divided_inputs(model: Model) -> tuple[str, ...]:
    """What the two tables read that a model is divided into, as the rules spell it."""
    others = {check.to_table for check in model.rules if check.to_table}
    return (model.name + ALL_SUFFIX, *sorted(others))


def divide_model(
    model: Model, base: Relation, compiled: Compiled, analysis: Analysis
) -> tuple[Relation, Relation] | list[Problem]:
    """The relations of a model and of its quarantine.

    Args:
        model: the model as it is declared.
        base: the relation of all its rows.
        compiled: what can be read: `base`, and the tables that the rules refer to.
        analysis: takes the SQL of the rules.
    """
    kept, aside = _declarations(model)
    # The user knows it by its own name.
    named = replace(base, name=model.name)
    readable = Compiled({**compiled.relations, model.name: named}, compiled.names)
    rules = placed_rules(model.rules, named, readable, analysis)
    if rules is None or base.schema is None:
        return _waiting(kept, base), _waiting(aside, base)
    if rules and isinstance(rules[0], Problem):
        return [each for each in rules if isinstance(each, Problem)]
    declared = tuple(each for each in rules if isinstance(each, CheckDeclaration))
    if any(column.name.lower() == REASON for column in base.schema):
        found = f"{model.name} has a column `{REASON}`, as the quarantine's own"
        return [Problem(declared[0].place, found, fix=f"name it otherwise: AS {model.name}_reason")]
    divided = divide(base.name, base.schema, declared, in_order=base.split is None)
    relations = _relations((kept, aside), base, divided, declared)
    return _in_cells(relations[0], base, readable, analysis), _in_cells(
        relations[1], base, readable, analysis
    )


def _in_cells(
    relation: Relation, base: Relation, compiled: Compiled, analysis: Analysis
) -> Relation:
    """The relation, cell by cell as all rows are, where no rule looks beyond a cell."""
    tables = compiled.schemas(relation.inputs)
    if base.split is None or tables is None:
        return relation
    query = analysis.query(relation.sql)
    if not analysis.prove(query, tables, {base.name: base.split}, base.split).is_local:
        return relation
    needs: dict[str, Need] = {
        name: "same" if name == base.name else "whole" for name in relation.inputs
    }
    return replace(relation, split=base.split, locality=Locality(needs))


def _relations(
    declarations: tuple[Model, Model],
    base: Relation,
    divided: Divided,
    rules: tuple[CheckDeclaration, ...],
) -> tuple[Relation, Relation]:
    assert base.schema is not None
    inputs = tuple(sorted({base.name, *(each.to_table for each in rules if each.to_table)}))
    kept, aside = declarations
    with_reason = (*base.schema, Column(REASON, "VARCHAR"))
    looked_at = {f"{base.name}.{column}" for each in rules for column in each.columns}
    set_aside = _relation(aside, base, inputs, divided.aside, with_reason)
    lineage = {**set_aside.lineage, REASON: tuple(sorted(looked_at))}
    return (
        _relation(kept, base, inputs, divided.kept, base.schema),
        replace(set_aside, lineage=lineage),
    )


def _relation(
    model: Model, base: Relation, inputs: tuple[str, ...], sql: str, schema: Schema
) -> Relation:
    columns = [[column.name, column.type] for column in schema]
    return Relation(
        name=model.name,
        kind="model",
        place=model.place,
        recipe=address("recipe", sql, columns, engine_version()),
        inputs=inputs,
        schema=schema,
        declaration=model,
        sql=sql,
        lineage={column.name: (f"{base.name}.{column.name}",) for column in schema},
    )


def _declarations(model: Model) -> tuple[Model, Model]:
    """The model without what makes its rows and what sets them aside; and the quarantine."""
    checks = tuple(check for check in model.checks if check.severity != "quarantine")
    kept = replace(model, sql="", function=None, checks=checks)
    name = model.name + QUARANTINE_SUFFIX
    seen = all_rows(model).columns
    aside = replace(kept, name=name, columns=seen, key=(), checks=(), allow_empty=True)
    return kept, aside


def _waiting(model: Model, base: Relation) -> Relation:
    """A table that waits for the columns of another."""
    return Relation(model.name, "model", model.place, "", (base.name,), None, model)


def tolerance_check(model: Model) -> CompiledCheck:
    """The check that no more rows of a model are set aside than it tolerates."""
    name, table = f"{model.name}: tolerance {model.tolerance}", model.name + QUARANTINE_SUFFIX
    everything = model.name + ALL_SUFFIX
    shown, wrong = set_aside_figures(model.tolerance, quote(everything))
    sql = figures_sql(table, shown, wrong)
    return CompiledCheck(
        name=name,
        table=table,
        tables=(everything, table),
        severity="error",
        sql=sql,
        condition="",
        recipe=address("check", name, sql),
        place=model.place,
        aggregate=wrong,
        form="figures",
    )
