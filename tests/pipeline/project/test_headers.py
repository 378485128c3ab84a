"""Headers: which comment is one, where the SQL starts, and that it is one statement."""

from __future__ import annotations

import pytest

from .conftest import Load, ProblemsOf

MODEL_KEYS = (
    "`key`, `columns`, `checks`, `tolerance`, `partition`, `volatile`, `lookback`, `inputs`, "
    "`retries`, `access`, `rows`, `allow_empty`, `description`"
)

SPLIT = [
    ("SELECT 1 /* open ; SELECT 2", (), "SELECT 1 /* open ; SELECT 2", 1),
    ("SELECT 1", (), "SELECT 1", 1),
    ("\ufeffSELECT 1\r\nFROM a\r\n", (), "SELECT 1\nFROM a", 1),
    ("\n\n  SELECT 1;\n", (), "  SELECT 1", 3),
    ("/* key: a */ SELECT 1", ("a",), "             SELECT 1", 1),
    ("/*\nkey: a\n*/\nSELECT 1 -- end", ("a",), "SELECT 1 -- end", 4),
    ("-- title\n/*\nkey: a\n*/\n-- more\nSELECT 1", ("a",), "-- more\nSELECT 1", 5),
    ("/* only words */ SELECT 1", (), "                 SELECT 1", 1),
    ("/* Words: with: colons */\nSELECT 1", (), "SELECT 1", 2),
    ("/** * stars **/\nSELECT 1", (), "SELECT 1", 2),
    ("/**/SELECT 1", (), "    SELECT 1", 1),
    ("/* a /* nested */ b */\nSELECT 1", (), "SELECT 1", 2),
    ("SELECT ';' AS \";\", $$;$$, $q$;$q$, E'\\';' -- ;\n/* ; */;\n", (), None, 1),
    ("SELECT 1; -- the end\n/* really */ ;", (), "SELECT 1", 1),
    ("SELECT $a, $b FROM t WHERE c = ';'", (), "SELECT $a, $b FROM t WHERE c = ';'", 1),
]


@pytest.mark.parametrize(("text", "key", "sql", "line"), SPLIT)
def test_a_file_is_split_where_duckdb_would_split_it(
    load: Load, text: str, key: tuple[str, ...], sql: str | None, line: int
) -> None:
    [model] = load({"models/m.sql": text}).models
    expected = text[: text.rindex(";")] if sql is None else sql
    assert (model.key, model.sql, model.sql_line) == (key, expected, line)


MISTAKES = [
    ("", "1: this file holds no SQL; expected one SELECT"),
    ("-- nothing\n;\n", "2: this file holds no SQL; expected one SELECT"),
    ("/* key: a */\n", "2: this file holds no SQL; expected one SELECT"),
    ("/* a */ /* b */ -- c", "1: this file holds no SQL; expected one SELECT"),
    (
        "SELECT 1;\nSELECT 2",
        "1:9: a second statement starts after this `;`; expected one SELECT a file",
    ),
    (
        "/* key: a\nSELECT 1",
        "1:1: the comment that starts here has no end; expected `*/` after the header",
    ),
    (
        "/*\npartitions: a\n*/ SELECT 1",
        (
            f"2:1: `partitions` is not a key here; expected one of {MODEL_KEYS}; did you mean "
            "`partition`?"
        ),
    ),
    (
        "-- who\n/* Copyright: us */ SELECT 1",
        (
            "2:4: this comment is read as a header, and `Copyright` is not a key here; expected "
            "one "
            f"of {MODEL_KEYS}; write a comment that is no header with `--`"
        ),
    ),
    (
        "/*\nkey: a: b\n*/ SELECT 1",
        "2:7: this is not YAML: mapping values are not allowed in this context",
    ),
    ("/* key:\n*/ SELECT 1", "1:8: `key` is empty; expected a text"),
]


@pytest.mark.parametrize(("text", "problem"), MISTAKES)
def test_a_mistake_in_a_sql_file_is_told(problems_of: ProblemsOf, text: str, problem: str) -> None:
    assert problems_of({"models/m.sql": text}) == f"models/m.sql:{problem}"
