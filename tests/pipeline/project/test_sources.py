"""Sources: what a file of sources/ declares, and what each mistake in one is called."""

from __future__ import annotations

import pytest

from headrace.base.declarations import Partition, Tolerance

from .conftest import Load, ProblemsOf

SIMPLE = "files: data/*.csv\ncolumns:\n  id: int\n"
NOT_A_KEY = (
    "expected one of `files`, `columns`, `derive`, `format`, `compression`, `encoding`, "
    "`delimiter`, "
    "`quote`, `header`, `skip`, `nulls`, `sheet`, `tolerance`, `bad_rows`, `mode`, `key`, "
    "`cursor`, `deletes`, `history`, `checks`, `freshness`, `partition`, `access`, "
    "`rows`, `allow_empty`, `description`"
)


def test_a_source_is_read_whole(load: Load) -> None:
    text = (
        "files: data/orders/*.csv\n"
        "key: order_id\n"
        "partition: {column: ordered_at, by: day}\n"
        "columns:\n"
        "  order_id: bigint\n"
        "  store_id: {type: int, references: stores.store_id}\n"
        "  ordered_at: {type: timestamp, not_null: true}\n"
        '  amount: {type: "decimal(12,2)", min: 0}\n'
        "  status: {type: text, accepted: [new, 007, 1.10], pattern: '[a-z0-9.]+', unique: true}\n"
        "bad_rows: quarantine\n"
        "checks:\n"
        "- row_count: {min: 1}\n"
        "description: One row an order.\n"
    )
    [source] = load({"sources/orders.yaml": text}).sources
    assert (source.name, source.files, source.key) == (
        "orders",
        ("data/orders/*.csv",),
        ("order_id",),
    )
    assert source.partition == Partition("ordered_at", "day")
    assert source.tolerance == Tolerance(share=0.01)
    assert [(column.name, column.type) for column in source.columns] == [
        ("order_id", "BIGINT"),
        ("store_id", "INTEGER"),
        ("ordered_at", "TIMESTAMP"),
        ("amount", "DECIMAL(12,2)"),
        ("status", "VARCHAR"),
    ]
    assert source.columns[2].not_null
    assert source.columns[3].min == 0
    assert source.columns[4].accepted == ("new", "007", "1.10")
    assert source.columns[4].unique
    assert [(check.kind, check.columns, check.to_table) for check in source.checks] == [
        ("references", ("store_id",), "stores"),
        ("row_count", (), ""),
    ]
    assert str(source.columns[3].place) == "sources/orders.yaml:8:3"
    assert source.description == "One row an order."


@pytest.mark.parametrize(
    ("written", "tolerance"),
    [
        ("1 %", Tolerance(share=0.01)),
        ("0.5%", Tolerance(share=0.005)),
        ("20", Tolerance(rows=20)),
        ("20 rows", Tolerance(rows=20)),
        ("1 row", Tolerance(rows=1)),
        ("0", Tolerance(rows=0)),
    ],
)
def test_a_tolerance_is_rows_or_a_share(load: Load, written: str, tolerance: Tolerance) -> None:
    [source] = load({"sources/a.yaml": SIMPLE + f"tolerance: {written}\n"}).sources
    assert source.tolerance == tolerance


def test_bad_rows_fail_means_no_tolerance(load: Load) -> None:
    [source] = load({"sources/a.yaml": SIMPLE + "bad_rows: fail\n"}).sources
    assert source.tolerance == Tolerance(rows=0)


MISTAKES = [
    ("kee: id\n", f"4:1: `kee` is not a key here; {NOT_A_KEY}; did you mean `key`?"),
    ("colour: red\n", f"4:1: `colour` is not a key here; {NOT_A_KEY}; did you mean `columns`?"),
    (
        "freshness: 1 day\n",
        "4:12: `freshness` is '1 day'; expected a mapping `{column: …, within: …}`",
    ),
    ("freshness: {column: id}\n", "4:12: `freshness` has no `within`; expected `within: …`"),
    (
        "files: other.csv\n",
        "4:1: `files` is given twice; expected each key once; it is first given in line 1",
    ),
    ("skip: many\n", "4:7: `skip` is 'many'; expected a whole number of at least 0"),
    ("header: yes\n", "4:9: `header` is 'yes'; expected `true` or `false`"),
    ("allow_empty:\n", "4:13: `allow_empty` is empty; expected `true` or `false`"),
    ("description: [a]\n", "4:14: `description` is a list; expected a text"),
    (
        "tolerance: 5 percent\n",
        (
            "4:12: `tolerance` is '5 percent'; expected rows or a share of all rows, such as "
            "`20 rows` or `0.5 %`"
        ),
    ),
    (
        "tolerance: 101 %\n",
        (
            "4:12: `tolerance` is '101 %'; expected rows or a share of all rows, such as "
            "`20 rows` or `0.5 %`"
        ),
    ),
    (
        "bad_rows: fail\ntolerance: 5\n",
        (
            "5:12: `bad_rows` is 'fail' and `tolerance` is '5 rows'; expected one of them; leave "
            "one out"
        ),
    ),
    (
        "bad_rows: quarantaine\n",
        (
            "4:11: `bad_rows` is 'quarantaine'; expected one of `quarantine`, `fail`; did you mean "
            "`quarantine`?"
        ),
    ),
    (
        "key: idd\n",
        "4:6: `idd` is not a column here; expected one of `id`; did you mean `id`?",
    ),
    ("key: [id, ID]\n", "4:6: `key` names a column twice; expected each once"),
    (
        "partition: day\n",
        "4:12: `partition` is 'day'; expected a mapping such as `{column: ordered_at, by: day}`",
    ),
    ("partition: {column: id}\n", "4:12: `partition` has no `by`; expected `by: …`"),
    (
        "partition: {column: id, by: week}\n",
        "4:29: `by` is 'week'; expected one of `hour`, `day`, `month`, `year`, `value`",
    ),
    (
        "partition: {column: day, by: day}\n",
        "4:12: `day` is not a column here; expected one of `id`",
    ),
    (
        "delimiter: ;;\n",
        "4:12: `delimiter` is ';;'; expected one character, in quotes; a tab is \"\\t\"",
    ),
    (
        "quote: ','\n",
        "1:1: `delimiter` and `quote` are both ','; expected two different characters",
    ),
    (
        "encoding: utf-99\n",
        (
            "4:11: `encoding` is 'utf-99'; expected an encoding such as `utf-8`, `utf-16`, "
            "`latin-1` "
            "or `windows-1251`"
        ),
    ),
    (
        "encoding: base64\n",
        (
            "4:11: `encoding` is 'base64'; expected an encoding such as `utf-8`, `utf-16`, "
            "`latin-1` "
            "or `windows-1251`"
        ),
    ),
    (
        "nulls: [~]\n",
        "4:9: an entry of `nulls` is empty; expected a text; put an empty text into quotes",
    ),
    (
        "sheet: First\n",
        "4:8: `sheet` says nothing about files of csv; expected it with `excel` only; leave it out",
    ),
    (
        "mode: change\n",
        (
            "4:7: `mode` is 'change'; expected one of `append`, `snapshot`, `changes`; did you "
            "mean `changes`?"
        ),
    ),
    (
        "mode: changes\ncursor: id\n",
        "1:1: `mode: changes` tells rows apart by `key`, and there is none; expected `key: …`",
    ),
    (
        "mode: changes\nkey: id\n",
        (
            "1:1: `mode: changes` needs a `cursor`, and there is none; expected `cursor: …`, the "
            "column that says which of two rows of a key is newer"
        ),
    ),
    (
        "cursor: nr\nkey: id\n",
        "4:9: `nr` is not a column here; expected one of `id`",
    ),
    (
        "history: true\nkey: id\ncursor: id\n",
        (
            "4:10: `history` of rows that only become more; expected `mode: changes` "
            "or `mode: snapshot`"
        ),
    ),
    (
        "deletes: id < 0\n",
        "4:10: `deletes` without `mode: changes`; expected both, or none of them",
    ),
    (
        "derive: {id: 1 + 1}\n",
        "4:14: `derive` makes `id`, which is a column of the raw files; expected a name of its own",
    ),
    (
        "derive: 7\n",
        "4:9: `derive` is 7; expected a mapping such as `{day: CAST(ordered_at AS DATE)}`",
    ),
    ("a: b: c\n", "4:5: this is not YAML: mapping values are not allowed in this context"),
    (
        "nulls:\n\t- NA\n",
        (
            "5:1: this is not YAML: found character that cannot start any token; indent with "
            "spaces, "
            "not with tabs"
        ),
    ),
    (
        "skip: !!int 5\n",
        "4:7: the tag `tag:yaml.org,2002:int` is not known here; expected a value without a tag",
    ),
    ("key: &a [*a]\n", "4:6: this alias holds itself"),
    ("---\na: b\n", "4:1: this is not YAML: but found another document"),
    ("[a]: b\n", "4:1: this key is a list; expected a name"),
    ("skip: \0\n", "4: this is not YAML: control characters are not allowed"),
]


@pytest.mark.parametrize(("lines", "problem"), MISTAKES)
def test_a_mistake_is_told_with_place_and_remedy(
    problems_of: ProblemsOf, lines: str, problem: str
) -> None:
    assert problems_of({"sources/a.yaml": SIMPLE + lines}) == f"sources/a.yaml:{problem}"


def test_a_source_needs_files_and_columns(problems_of: ProblemsOf) -> None:
    assert problems_of({"sources/a.yaml": ""}) == (
        "sources/a.yaml:1: this source has no `files`; expected `files: data/*.csv`, relative to "
        "the project\n"
        "sources/a.yaml:1: this source has no `columns`; expected each column and its type; run "
        "`headrace sources infer a` to write them from the files"
    )


@pytest.mark.parametrize("text", ["just words\n", "- a\n- b\n"])
def test_a_source_that_is_no_mapping_says_so_first(problems_of: ProblemsOf, text: str) -> None:
    first = problems_of({"sources/a.yaml": text}).splitlines()
    assert any("expected a mapping (`key: value`)" in line for line in first)


def test_deep_nesting_is_refused_before_it_can_overflow_the_stack(problems_of: ProblemsOf) -> None:
    text = "files: " + "[" * 100_000
    assert problems_of({"sources/a.yaml": text}) == (
        "sources/a.yaml: this is nested too deeply; expected at most 100 levels"
    )


def test_aliases_may_repeat_rules(load: Load) -> None:
    text = "files: a.csv\ncolumns:\n  a: &money {type: double, min: 0}\n  b: *money\n"
    [source] = load({"sources/a.yaml": text}).sources
    assert [(column.name, column.min) for column in source.columns] == [("a", 0), ("b", 0)]


def test_aliases_of_aliases_cost_nothing(problems_of: ProblemsOf) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    found = problems_of({"sources/a.yaml": "\n".join(lines)})
    assert len(found.splitlines()) == 62
