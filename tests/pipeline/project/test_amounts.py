"""Amounts are read with their unit; anything else is told with the near miss."""

from __future__ import annotations

import pytest

from headrace.base.errors import Place
from headrace.pipeline.project.amounts import share, span
from headrace.pipeline.project.documents import Scalar
from headrace.pipeline.project.keys import Problems


def written(text: str) -> Scalar:
    return Scalar("`within`", Place("a.yaml", 4, 2), text, text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1 day", 86_400),
        ("1.5 hours", 5_400),
        ("90minutes", 5_400),
        (" 2 Weeks ", 1_209_600),
        ("30 seconds", 30),
    ],
)
def test_a_span_is_seconds(text: str, seconds: float) -> None:
    problems: Problems = []
    assert (span(written(text), problems), problems) == (seconds, [])


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("1 dya", "; did you mean `day`?"),
        ("3 hour s", ""),
        ("-1 day", ""),
        ("0 days", ""),
        ("1", ""),
        ("1 month", ""),
        ("2 mintues", "; did you mean `minutes`?"),
    ],
)
def test_what_is_no_span_is_told(text: str, fix: str) -> None:
    problems: Problems = []
    assert span(written(text), problems) is None
    assert [str(each) for each in problems] == [
        (
            f"a.yaml:4:2: `within` is {text!r}; expected a length of time above 0, such as"
            f" `90 minutes` or `1 day`{fix}"
        )
    ]


def test_a_share_has_a_percent_sign_and_an_upper_bound() -> None:
    problems: Problems = []
    assert share(100)(written("12.5%"), problems) == 0.125
    assert share(1e9)(written("250 %"), problems) == 2.5
    assert problems == []
    assert share(100)(written("101 %"), problems) is None
    assert share(1e9)(written("half"), problems) is None
    assert [str(each) for each in problems] == [
        "a.yaml:4:2: `within` is '101 %'; expected a percentage such as `10 %`, at most 100 %",
        "a.yaml:4:2: `within` is 'half'; expected a percentage such as `10 %`",
    ]
