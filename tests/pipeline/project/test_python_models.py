"""Python models: read from their syntax, never imported."""

from __future__ import annotations

import pytest

from headrace.base.declarations import ColumnOrigins, Frame, Partition, PythonFunction
from headrace.base.errors import Place

from .conftest import Load, ProblemsOf

FRAMES = (
    "expected one of `duckdb.DuckDBPyRelation`, `pyarrow.Table`, `pyarrow.RecordBatchReader`, "
    "`polars.DataFrame`, `polars.LazyFrame`, `pandas.DataFrame`"
)
HEAD = "import polars as pl\nfrom headrace import model\n"


@pytest.mark.parametrize(
    ("imports", "annotation", "frame"),
    [
        ("import polars as pl", "pl.LazyFrame", "polars_lazy"),
        ("import polars", "polars.DataFrame", "polars"),
        ("from polars import LazyFrame as Lazy", "Lazy", "polars_lazy"),
        ("import pandas as pd", "'pd.DataFrame'", "pandas"),
        ("import pyarrow as pa", "pa.Table", "arrow"),
        ("from pyarrow import RecordBatchReader", "RecordBatchReader", "arrow_stream"),
        ("import duckdb", "duckdb.DuckDBPyRelation", "relation"),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import polars as p",
            "'p.DataFrame'",
            "polars",
        ),
    ],
)
def test_an_annotation_says_which_frame_is_wanted(
    load: Load, imports: str, annotation: str, frame: Frame
) -> None:
    text = f"from headrace import model\n{imports}\n@model\ndef m(a: {annotation}): ...\n"
    [model] = load({"models/m.py": text}).models
    assert model.function == PythonFunction("m", (("a", frame),))


@pytest.mark.parametrize(
    ("imports", "decorator"),
    [
        ("from headrace import model", "@model"),
        ("from headrace import model", "@model()"),
        ("from headrace import model as table", "@table"),
        ("import headrace", "@headrace.model()"),
        ("import headrace as hr", "@hr.model"),
    ],
)
def test_the_decorator_is_found_under_any_name(load: Load, imports: str, decorator: str) -> None:
    [model] = load({"models/m.py": f"{imports}\n{decorator}\ndef m(): ...\n"}).models
    assert model.function == PythonFunction("m", ())


def test_a_python_model_is_read_whole_and_never_runs(load: Load) -> None:
    text = (
        HEAD + "raise SystemExit('never')\n"
        "@model(\n"
        "    key=('a', 'b'),\n"
        "    columns={'a': 'int', 'b': {'min': -1.5, 'not_null': True}},\n"
        "    checks=[{'row_count': {'min': 1}}],\n"
        "    partition={'column': 'a', 'by': 'value'},\n"
        "    allow_empty=True,\n"
        "    description='Some.',\n"
        ")\n"
        "def m(x: pl.LazyFrame, *, y: pl.DataFrame) -> pl.LazyFrame:\n"
        "    return x\n"
    )
    [model] = load({"models/deep/m.py": text}).models
    assert (model.name, model.key, str(model.place)) == ("m", ("a", "b"), "models/deep/m.py:12:1")
    assert model.function == PythonFunction("m", (("x", "polars_lazy"), ("y", "polars")))
    assert (model.columns[1].min, model.columns[1].not_null) == (-1.5, True)
    assert [check.kind for check in model.checks] == ["row_count"]
    assert model.partition == Partition("a", "value")
    assert (model.allow_empty, model.description, model.sql) == (True, "Some.", "")


MISTAKES = [
    ("def x(:\n", "1:7: this is not Python: invalid syntax"),
    ("a = '\0'\n", "1: this is not Python: it holds a null byte"),
    (
        "def m(): ...\n",
        (
            ": no function here is a model; expected exactly one function with `@model`; write "
            "`from headrace import model`, and `@model` above `def m`"
        ),
    ),
    (
        HEAD + "@model\ndef m(): ...\n@model\ndef n(): ...\n",
        "6:1: the functions `m`, `n` are models; expected exactly one function with `@model`",
    ),
    (
        HEAD + "@model\ndef other(): ...\n",
        (
            "4:1: the model's function is called `other`; expected `m`, the name of the file; "
            "rename "
            "one of them"
        ),
    ),
    (
        HEAD + "@model\nasync def m(): ...\n",
        "4:1: `m` is an async function; expected a plain `def`",
    ),
    (HEAD + "@model\ndef m(a): ...\n", f"4:7: the parameter `a` has no annotation; {FRAMES}"),
    (
        HEAD + "@model\ndef m(a: pl.Lazyframe): ...\n",
        (
            f"4:7: the parameter `a` is annotated with `pl.Lazyframe`; {FRAMES}; did you mean "
            "`polars.LazyFrame`?"
        ),
    ),
    (
        HEAD + "@model\ndef m(a: 'no type'): ...\n",
        f"4:7: the parameter `a` is annotated with `'no type'`; {FRAMES}",
    ),
    (
        HEAD + "@model\ndef m(a: pl.LazyFrame = 5): ...\n",
        "4:25: a parameter has a default; expected parameters that are tables only",
    ),
    (
        HEAD + "@model\ndef m(*a): ...\n",
        "4:8: the parameter `*a` names no table; expected one parameter for each table",
    ),
    (
        HEAD + "@model\ndef m(**a): ...\n",
        "4:9: the parameter `**a` names no table; expected one parameter for each table",
    ),
    (
        HEAD + "@model\ndef m(a: pl.LazyFrame, /): ...\n",
        (
            "4:7: the parameter `a` cannot be given by name; expected parameters without a `/` "
            "after "
            "them"
        ),
    ),
    (
        HEAD + "@model(key=KEY)\ndef m(): ...\n",
        (
            "3:12: `key` is `KEY`, which is known only when the code runs; expected a literal: a "
            "text, "
            "a number, a list or a dict of them"
        ),
    ),
    (
        HEAD + "@model('id')\ndef m(): ...\n",
        "3:8: an argument of `@model` has no name; expected `name=value`",
    ),
    (
        HEAD + "@model(**a)\ndef m(): ...\n",
        "3:8: `@model` is given `**`; expected literal arguments",
    ),
    (
        HEAD + "@model(columns={**a})\ndef m(): ...\n",
        "3:19: a mapping is given `**`; expected literal entries",
    ),
    (
        HEAD + "@model(partitions={})\ndef m(): ...\n",
        (
            "3:8: `partitions` is not a key here; expected one of `key`, `columns`, `checks`, "
            "`tolerance`, `partition`, `volatile`, `lookback`, `inputs`, `retries`, `access`, "
            "`rows`, `allow_empty`, `description`, `lineage`; did you mean `partition`?"
        ),
    ),
    (
        HEAD + "@model(allow_empty=-True)\ndef m(): ...\n",
        (
            "3:20: `allow_empty` is `-True`, which is known only when the code runs; expected a "
            "literal: a text, a number, a list or a dict of them"
        ),
    ),
]


@pytest.mark.parametrize(("text", "problem"), MISTAKES)
def test_a_mistake_in_a_python_model_is_told(
    problems_of: ProblemsOf, text: str, problem: str
) -> None:
    expected = "models/m.py" + (problem if problem[0] == ":" else f":{problem}")
    assert problems_of({"models/m.py": text}) == expected


def test_a_doubtful_escape_is_not_ours_to_warn_about(load: Load) -> None:
    [model] = load({"models/m.py": HEAD + "@model\ndef m():\n    return '\\d'\n"}).models
    assert model.name == "m"


@pytest.mark.parametrize("text", ["-" * 100_000 + "1\n", "(" * 1000, "a." * 10_000 + "b\n"])
def test_no_depth_ends_the_process(problems_of: ProblemsOf, text: str) -> None:
    assert problems_of({"models/m.py": text}).startswith("models/m.py")


def test_lineage_is_read_as_declared(load: Load) -> None:
    text = (
        "from headrace import model\nimport polars as pl\n"
        "@model(\n"
        "    lineage={\n"
        '        "segment": ["orders.amount", "customers.city"],\n'
        '        "name": "customers.name",\n'
        '        "flat": [],\n'
        "    }\n"
        ")\n"
        "def m(orders: pl.DataFrame, customers: pl.DataFrame): ...\n"
    )
    [model] = load({"models/m.py": text}).models
    assert model.function is not None

    def place(line: int, column: int) -> Place:
        return Place("models/m.py", line, column)

    assert model.function.lineage == (
        ColumnOrigins(
            "segment",
            place(5, 9),
            (("orders.amount", place(5, 21)), ("customers.city", place(5, 38))),
        ),
        ColumnOrigins("name", place(6, 9), (("customers.name", place(6, 17)),)),
        ColumnOrigins("flat", place(7, 9), ()),
    )


def test_lineage_names_columns_with_their_tables(problems_of: ProblemsOf) -> None:
    text = (
        'from headrace import model\n@model(lineage={"a": ["amount", 3], "b": {}})\ndef m(): ...\n'
    )
    expected = "expected a column of an input, as in `orders.amount`"
    assert problems_of({"models/m.py": text}).splitlines() == [
        f"models/m.py:2:23: an entry of `a` is 'amount'; {expected}",
        f"models/m.py:2:33: an entry of `a` is 3; {expected}",
        f"models/m.py:2:42: `b` is a mapping; {expected}",
    ]


def test_a_sql_model_declares_no_lineage(problems_of: ProblemsOf) -> None:
    text = "/*\nlineage: {a: orders.a}\n*/\nSELECT 1 AS a\n"
    assert "`lineage` is not a key here; expected one of `key`" in problems_of(
        {"models/m.sql": text}
    )
