"""An answer is held against what a test names of it; each place that differs is said."""

from __future__ import annotations

import pytest

from headrace.base.errors import Place
from headrace.pipeline.project.documents import parse_yaml
from headrace.testing.answers import Answered, compare_answer
from headrace.testing.declarations import Request


def lines(
    expected: str, body: str, media_type: str = "application/json", status: int = 200
) -> list[str]:
    request = Request("/x", Place("tests/t.yaml"), 200, parse_yaml(expected, "tests/t.yaml"))
    answer = Answered(status, media_type, body.encode(), ("it broke",))
    return list(compare_answer(request, answer).lines)


@pytest.mark.parametrize(
    ("expected", "body"),
    [
        ("[]", "[]"),
        ("[{day: 2024-03-01, revenue: 15.0}]", '[{"day":"2024-03-01","revenue":15.00,"n":1}]'),
        ("{a: {b: [1, ~, true, x]}}", '{"a":{"b":[1,null,true,"x"]},"c":2}'),
        ("[0.3]", "[0.30000000000000004]"),
        ("[12345678901234567890]", "[12345678901234567890]"),
    ],
)
def test_only_what_is_named_is_compared(expected: str, body: str) -> None:
    assert lines(expected, body) == []


def test_other_formats() -> None:
    assert lines("[{a: 1}, {a: 2}]", '{"a":1}\n{"a":2}\n', "application/x-ndjson") == []
    assert lines('"a\\n1\\n"', "a\r\n1\r\n", "text/csv") == []
    assert lines("a", "b", "text/csv") == ['body: expected "a", found "b"', "the log: it broke"]


def test_each_place_that_differs_is_said() -> None:
    found = lines(
        "[{a: 1, b: x, c: [1, 2]}, {a: '1'}, 1.50, true]",
        '[{"a":2.5,"c":[1]},{"a":1},1.51,1,{"z":0.10}]',
    )
    assert found == [
        "body: expected 4 items, found 5",
        "body[0].a: expected 1, found 2.5",
        'body[0].b: expected "x", found no such field',
        "body[0].c: expected 2 items, found 1",
        "body[0].c[1]: expected 2, found nothing",
        'body[1].a: expected "1", found 1',
        "body[2]: expected 1.50, found 1.51",
        "body[3]: expected true, found 1",
        'body[4]: expected nothing, found {"z": 0.10}',
        "the log: it broke",
    ]


def test_a_test_that_says_nobody_is_told_how_to_say_who_asks() -> None:
    hint = "nobody asks: `as:` says who does, as in `as: {roles: [analyst]}`"
    assert hint in lines("[]", "{}", "application/problem+json", 401)
    assert hint not in lines("[]", "{}", "application/problem+json", 404)


def test_another_status_shows_the_answer() -> None:
    assert lines("[]", '{"detail":"No."}', "application/problem+json", 422) == [
        "status: expected 200, found 422",
        'the answer: {"detail":"No."}',
        "the log: it broke",
    ]


def test_a_long_answer_is_cut() -> None:
    [line, _] = lines("~", '"' + "x" * 1000 + '"')
    assert len(line) < 600
    assert line.endswith("…")
