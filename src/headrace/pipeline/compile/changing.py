"""Sources whose rows change: takes a declaration, gives the SQL of its table and of its history.

What was read stays as it came in the table `<source>__landed`; the two are made from it, and so
are built, shared and checked as every model is.
"""

from __future__ import annotations

from collections.abc import Iterator

from headrace.base.declarations import Source
from headrace.base.errors import Problem
from headrace.base.hashing import address
from headrace.base.names import listed, quote
from headrace.base.tables import HISTORY_SUFFIX, LANDED_SUFFIX, Column, Schema
from headrace.pipeline.compile.cache import engine_version
from headrace.pipeline.compile.graph import CompiledCheck, Locality, Relation

VALID_FROM, VALID_TO = "valid_from", "valid_to"


def changing_relations(source: Source, landed: Relation) -> Iterator[Relation]:
    """The tables that are made from the rows of a source as they were read."""
    assert landed.schema is not None
    latest = _latest_snapshot if source.mode == "snapshot" else _latest_rows
    yield _made(source, landed, source.name, latest(source, landed.schema), landed.schema)
    if source.history:
        [kind] = (each.type for each in landed.schema if _is_cursor(source, each))
        schema = (*landed.schema, Column(VALID_FROM, kind), Column(VALID_TO, kind))
        history = _history_of_snapshots if source.mode == "snapshot" else _history_of_changes
        yield _made(
            source, landed, source.name + HISTORY_SUFFIX, history(source, landed.schema), schema
        )


def _made(source: Source, landed: Relation, name: str, sql: str, schema: Schema) -> Relation:
    # A snapshot is the whole table: which rows are gone, only all of the rows can say.
    is_local = source.mode != "snapshot" and landed.split is not None
    typed = [[each.name, each.type] for each in schema]
    return Relation(
        name=name,
        kind="model",
        place=source.place,
        recipe=address("changing", sql, typed, engine_version()),
        inputs=(landed.name,),
        schema=schema,
        declaration=source,
        sql=sql,
        lineage={each.name: _origin(source, landed, each.name) for each in schema},
        split=landed.split if is_local else None,
        locality=Locality({landed.name: "same"}) if is_local else None,
    )


def _origin(source: Source, landed: Relation, column: str) -> tuple[str, ...]:
    names = {each.name for each in landed.schema or ()}
    return (f"{landed.name}.{column if column in names else source.cursor}",)


def ambiguity_check(source: Source, landed: Relation) -> CompiledCheck:
    """Two different rows of one key at the same cursor: nobody can say which of them holds."""
    assert landed.schema is not None
    by = ", ".join(map(quote, [*source.key, source.cursor]))
    name = f"{source.name}: one row for each {', '.join(source.key)} and {source.cursor}"
    sql = (
        f"SELECT {by}, count(*) AS rows FROM {quote(landed.name)} GROUP BY {by}"
        f" HAVING count(DISTINCT hash({_names(landed.schema)})) > 1"
    )
    return CompiledCheck(
        name=name,
        table=landed.name,
        tables=(landed.name,),
        severity="error",
        sql=sql,
        condition="",
        recipe=address("check", name, sql),
        place=source.place,
    )


def changing_problems(source: Source, schema: Schema) -> Iterator[Problem]:
    """What the columns of a changing source lack."""
    names = {each.name.lower() for each in schema}
    taken = [name for name in (VALID_FROM, VALID_TO) if source.history and name in names]
    if taken:
        yield Problem(
            source.place,
            f"`history` adds the column {listed(taken)}, which `{source.name}` has already",
            "another name for it",
        )


def _names(schema: Schema) -> str:
    return ", ".join(quote(each.name) for each in schema)


def _latest_rows(source: Source, schema: Schema) -> str:
    """Of each key the row with the greatest cursor, unless it says that the key is gone."""
    newest = (
        f"SELECT {_names(schema)} FROM {_landed(source)}"
        f" QUALIFY row_number() OVER (PARTITION BY {_key(source)}"
        f" ORDER BY {quote(source.cursor)} DESC) = 1"
    )
    if not source.deletes:
        return newest
    return f"SELECT * FROM ({newest}) WHERE NOT coalesce(({source.deletes}\n), false)"


def _latest_snapshot(source: Source, schema: Schema) -> str:
    """The rows of the newest snapshot."""
    cursor, landed = quote(source.cursor), _landed(source)
    newest = f"(SELECT max({cursor}) FROM {landed})"
    return f"SELECT {_names(schema)} FROM {landed} WHERE {cursor} = {newest}"


def _history_of_changes(source: Source, schema: Schema) -> str:
    """Each state of each key, from the change that brought it to the next that changed it."""
    cursor, window = (
        quote(source.cursor),
        f"(PARTITION BY {_key(source)} ORDER BY {quote(source.cursor)})",
    )
    content = _content(source, schema)
    told = (
        f"SELECT *, lag({content}) OVER {window} AS __before, row_number() OVER {window} AS __n"
        f" FROM (SELECT DISTINCT {_names(schema)} FROM {_landed(source)})"
    )
    changed = (
        f"SELECT *, {cursor} AS {VALID_FROM}, lead({cursor}) OVER {window} AS {VALID_TO}"
        f" FROM ({told}) WHERE __n = 1 OR __before IS DISTINCT FROM {content}"
    )
    gone = f"coalesce(({source.deletes}\n), false)" if source.deletes else "false"
    return f"SELECT {_names(schema)}, {VALID_FROM}, {VALID_TO} FROM ({changed}) WHERE NOT {gone}"


def _history_of_snapshots(source: Source, schema: Schema) -> str:
    """Each state of each key, from the first snapshot that has it to the first that has not."""
    cursor, content = quote(source.cursor), _content(source, schema)
    times = (
        f"SELECT {cursor} AS __at, lead({cursor}) OVER (ORDER BY {cursor}) AS __next,"
        f" row_number() OVER (ORDER BY {cursor}) AS __n"
        f" FROM (SELECT DISTINCT {cursor} FROM {_landed(source)})"
    )
    window = f"(PARTITION BY {_key(source)} ORDER BY __n)"
    seen = (
        f"SELECT DISTINCT {_names(schema)}, __next, __n"
        f" FROM {_landed(source)} JOIN ({times}) ON {cursor} = __at"
    )
    starts = (
        f"SELECT *, coalesce(lag(__n) OVER {window} <> __n - 1, true)"
        f" OR lag({content}) OVER {window} IS DISTINCT FROM {content} AS __starts FROM ({seen})"
    )
    states = f"SELECT *, count(*) FILTER (WHERE __starts) OVER {window} AS __state FROM ({starts})"
    whole = f"(PARTITION BY {_key(source)}, __state)"
    return (
        f"SELECT {_names(schema)}, {cursor} AS {VALID_FROM}, {VALID_TO} FROM (SELECT *,"
        f" arg_max_null(__next, __n) OVER {whole} AS {VALID_TO} FROM ({states})) WHERE __starts"
    )


def _content(source: Source, schema: Schema) -> str:
    """What makes a state another: all columns but the one that says when."""
    return f"row({_names(tuple(each for each in schema if not _is_cursor(source, each)))})"


def _is_cursor(source: Source, column: Column) -> bool:
    return column.name.lower() == source.cursor.lower()


def _key(source: Source) -> str:
    return ", ".join(map(quote, source.key))


def _landed(source: Source) -> str:
    return quote(source.name + LANDED_SUFFIX)


def is_changing(source: Source) -> bool:
    """Whether a source's table is made from more rows than it has."""
    return bool(source.cursor) and (source.mode != "snapshot" or source.history)
