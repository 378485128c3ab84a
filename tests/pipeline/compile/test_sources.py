"""A source derives columns by expressions over its own; a condition says which keys are gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.base.errors import ProjectError
from headrace.base.tables import Column
from tests.projects import Shop, write_files

SOURCE = "files: data/*.csv\ncolumns: {id: int, seen: timestamp, op: text}\n"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    files = {"headrace.toml": 'name = "s"\n', "data/2024-01-05.csv": "id,seen,op\n1,2024-01-02,D\n"}
    return Shop(write_files(tmp_path / "s", files))


@pytest.fixture
def problem_of(shop: Shop) -> Callable[[str], str]:
    """What is wrong with the source when some lines are added."""

    def problem(lines: str) -> str:
        shop.write("sources/a.yaml", SOURCE + lines)
        with pytest.raises(ProjectError) as caught:
            shop.plan()
        return str(caught.value)

    return problem


def test_derived_columns_follow_those_of_the_files_with_the_types_of_their_expressions(
    shop: Shop,
) -> None:
    day, file = "day: CAST(seen AS DATE)", "name: '$file'"
    shop.write("sources/a.yaml", f"{SOURCE}derive: {{{day}, {file}, total: sum_of}}\n")
    shop.write("sources/a.yaml", f"{SOURCE}derive:\n  {day}\n  {file}\n  twice: id * 2\n")
    assert shop.plan().graph.relation("a").schema == (
        Column("id", "INTEGER"),
        Column("seen", "TIMESTAMP"),
        Column("op", "VARCHAR"),
        Column("day", "DATE"),
        Column("name", "VARCHAR"),
        Column("twice", "INTEGER"),
    )
    assert shop.run().failures == ()


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            "derive: {day: CAST(sen AS DATE)}\n",
            'sources/a.yaml:3:15: a.day: Referenced column "sen" not found in FROM clause',
        ),
        (
            "derive: {day: now()}\n",
            "sources/a.yaml:3:15: a.day: `now()` gives another value at every run",
        ),
        (
            "derive: {day: (SELECT max(x) FROM b)}\n",
            (
                "sources/a.yaml:3:15: a.day reads `b`; expected an expression over the source's"
                " own columns, and `$file`, the path of the raw file; make a model for what needs"
                " more than the row"
            ),
        ),
        (
            "derive: {day: $day}\n",
            (
                "sources/a.yaml:3:15: a.day reads `$day`; expected an expression over the source's"
                " own columns, and `$file`, the path of the raw file; make a model for what needs"
                " more than the row"
            ),
        ),
        (
            "derive: {span: seen - TIMESTAMP '2024-01-01'}\n",
            "sources/a.yaml:3:16: a.span is INTERVAL, which Parquet cannot hold as it is",
        ),
        ("derive: {all: count(*)}\n", "sources/a.yaml:3:15: a.all: "),
        (
            "partition: {column: op, by: day}\n",
            (
                "sources/a.yaml:1: the table is partitioned by a.op, by day, and that is VARCHAR;"
                " expected a date or a timestamp"
            ),
        ),
        (
            "mode: changes\nkey: id\ncursor: seen\ndeletes: op\n",
            "sources/a.yaml:1: `deletes` is VARCHAR; expected a condition such as `op = 'D'`",
        ),
        (
            "mode: changes\nkey: id\ncursor: seen\ndeletes: opp = 'D'\n",
            'sources/a.yaml:1: `deletes`: Referenced column "opp" not found in FROM clause',
        ),
    ],
)
def test_what_is_no_expression_over_the_source_is_told(
    problem_of: Callable[[str], str], lines: str, problem: str
) -> None:
    assert problem_of(lines).startswith(problem)


def test_valid_from_and_valid_to_are_taken_in_a_source_with_history(
    problem_of: Callable[[str], str],
) -> None:
    lines = "mode: changes\nkey: id\ncursor: seen\nhistory: true\nderive: {valid_to: seen}\n"
    assert problem_of(lines) == (
        "sources/a.yaml:1: `history` adds the column `valid_to`, which `a` has already; expected"
        " another name for it"
    )


def test_an_edited_expression_reads_the_files_again_and_a_reformatted_one_does_not(
    shop: Shop,
) -> None:
    shop.write("sources/a.yaml", SOURCE + "derive: {day: CAST(seen AS DATE)}\n")
    shop.run()
    shop.write("sources/a.yaml", SOURCE + "derive: {day: 'cast( seen  as date )'}\n")
    assert shop.plan().nothing_to_do
    shop.write("sources/a.yaml", SOURCE + "derive: {day: CAST(seen AS DATE) + 1}\n")
    assert [step.table for step in shop.plan().steps] == ["a"]
