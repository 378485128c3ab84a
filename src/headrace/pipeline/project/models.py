"""SQL models: takes a file of models/ that ends in .sql, gives what it declares."""

from __future__ import annotations

from typing import cast

from headrace.base.declarations import Model, PythonFunction, Tolerance
from headrace.base.errors import Place
from headrace.base.moments import Volatile
from headrace.pipeline.project.access_keys import ACCESS, ROWS
from headrace.pipeline.project.amounts import tolerance
from headrace.pipeline.project.cells import input_needs, lookback, read_needs
from headrace.pipeline.project.checks import check_entries
from headrace.pipeline.project.columns import ColumnRules, key_columns, model_columns, partition
from headrace.pipeline.project.headers import SqlFile, read_sql
from headrace.pipeline.project.keys import RETRIES, VOLATILE, Fields, Key, Problems, flag, text

KEY = Key("key", key_columns)
COLUMNS = Key("columns", model_columns)
CHECKS = Key("checks", check_entries)
PARTITION = Key("partition", partition)
LOOKBACK = Key("lookback", lookback)
INPUTS = Key("inputs", input_needs)
TOLERANCE = Key("tolerance", tolerance)
ALLOW_EMPTY = Key("allow_empty", flag)
DESCRIPTION = Key("description", text)

MODEL_KEYS = (
    KEY,
    COLUMNS,
    CHECKS,
    TOLERANCE,
    PARTITION,
    VOLATILE,
    LOOKBACK,
    INPUTS,
    RETRIES,
    ACCESS,
    ROWS,
    ALLOW_EMPTY,
    DESCRIPTION,
)


def read_model(name: str, file: str, text: str, problems: Problems) -> Model:
    """A SQL file of models/ as a declaration."""
    sql = read_sql(text, file, MODEL_KEYS, problems)
    return declared_model(name, Place(file, 1), sql.fields, sql, problems)


def declared_model(
    name: str,
    place: Place,
    fields: Fields,
    made_by: SqlFile | PythonFunction,
    problems: Problems,
) -> Model:
    """A model from its fields and from the SQL or the function that makes it."""
    rules = fields.get(COLUMNS, ColumnRules())
    needs = read_needs(fields, (PARTITION, LOOKBACK, INPUTS), problems)
    return Model(
        name=name,
        place=place,
        sql=made_by.text if isinstance(made_by, SqlFile) else "",
        sql_line=made_by.line if isinstance(made_by, SqlFile) else 1,
        function=made_by if isinstance(made_by, PythonFunction) else None,
        columns=rules.columns,
        key=fields.get(KEY, ()),
        checks=(*rules.references, *fields.get(CHECKS, ())),
        partition=fields.optional(PARTITION),
        volatile=cast("Volatile", fields.get(VOLATILE, "")),
        lookback=needs.lookback,
        inputs=needs.inputs,
        retries=fields.optional(RETRIES),
        allow_empty=fields.get(ALLOW_EMPTY, False),
        description=fields.get(DESCRIPTION, ""),
        tolerance=fields.get(TOLERANCE, Tolerance(share=0.01)),
        access=fields.optional(ACCESS),
        rows=fields.optional(ROWS),
    )
