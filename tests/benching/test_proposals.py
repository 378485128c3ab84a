"""What would help is said in whole sentences, and nothing is said when all is well."""

from __future__ import annotations

import doctest
from dataclasses import replace

import pytest

from headrace.benching import proposals as module
from headrace.benching.measuring import Figures, Measured
from headrace.benching.proposals import proposals
from headrace.store.snapshots import EndpointContract
from tests.cli.shops import REVENUE

KEYED = replace(REVENUE, access_path="keyed", reason="")
GOOD = Figures({200: 1000}, 1.0, 0.001, 0.002, "/slow", 0.003, 100.0)


def said(first: Figures, contract: EndpointContract = KEYED, again: Figures = GOOD) -> list[str]:
    """What is proposed for an endpoint with these figures."""
    return proposals(Measured(contract, first, again))


def test_when_all_is_well_nothing_is_said() -> None:
    assert said(GOOD) == []


@pytest.mark.parametrize(
    ("reason", "advice", "text"),
    [
        ("reads ranges", "sort by day", "columnar: reads ranges; to make it faster: sort by day"),
        ("reads ranges", "", "columnar: reads ranges"),
        ("", "sort by day", "columnar: to make it faster: sort by day"),
    ],
)
def test_the_compilers_reason_and_advice_are_told(reason: str, advice: str, text: str) -> None:
    contract = replace(KEYED, access_path="columnar", reason=reason, advice=advice)
    assert said(GOOD, contract) == [text]


def test_large_answers() -> None:
    assert said(replace(GOOD, answer_bytes=1_234_567.0)) == [
        (
            "answers of 1,235 kB on average: ask for fewer rows with `limit`, for fewer fields with"
            " `fields`, or for a format that is cheaper to read, such as Arrow"
        )
    ]


def test_empty_answers() -> None:
    assert said(replace(GOOD, empty=1000)) == [
        "every answer was empty, so these figures say little; `--param` names values that have rows"
    ]
    assert said(replace(GOOD, empty=999)) == []


def test_single_slow_requests() -> None:
    assert said(replace(GOOD, p99_seconds=0.05, slowest_seconds=0.123)) == [
        (
            "p99 is 50 times p50: some values have far more rows than others; the slowest, at"
            " 123 ms, was /slow"
        )
    ]
    # Of a few answers, the slowest is chance.
    assert said(replace(GOOD, statuses={200: 99}, p99_seconds=0.05)) == []


def test_answers_that_the_cache_does_not_hold() -> None:
    slow = replace(GOOD, statuses={200: 5000}, p50_seconds=0.01, p99_seconds=0.02)
    large = replace(slow, answer_bytes=20_000.0)
    contract = replace(KEYED, access_path="cache")
    assert said(large, contract, again=slow) == [
        (
            "asked again it is hardly faster: the cache does not hold the 5,000 answers, which take"
            " about 100 MB"
        )
    ]
    assert said(large, contract, again=GOOD) == []
    assert said(large, KEYED, again=slow) == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            503,
            (
                "503 Service Unavailable: more at once, or longer queries, than the server takes;"
                " its log says which"
            ),
        ),
        (
            422,
            (
                "422 Unprocessable Entity: the query cannot be computed with these values;"
                " `--param` gives others"
            ),
        ),
        (404, "404 Not Found: the server serves another snapshot, or another project"),
        (500, "500 Internal Server Error; the server's log says why"),
        (0, "nothing"),
    ],
)
def test_errors(status: int, words: str) -> None:
    first = replace(GOOD, statuses={200: 1000, status: 3})
    again = replace(GOOD, statuses={200: 1000, status: 1})
    assert said(first, again=again) == [f"4 of 2,004 requests were answered by {words}"]


def test_examples() -> None:
    assert doctest.testmod(module).failed == 0
