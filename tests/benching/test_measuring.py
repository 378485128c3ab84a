"""Each request is asked for once, then all of them again; what is no success is counted apart."""

from __future__ import annotations

import doctest
from dataclasses import replace
from itertools import count

import pytest

from headrace.benching import measuring
from headrace.benching.drawing import Drawn
from headrace.benching.measuring import Load, measure, percentile
from tests.benching.answering import answer, answering
from tests.cli.shops import REVENUE

LOAD = Load(connections=1, seconds=10.0, most_requests=50)


def drawn(*targets: str) -> Drawn:
    """Requests to an endpoint."""
    return Drawn(REVENUE, targets)


def test_new_requests_come_first_then_the_same_as_often_as_the_data_says() -> None:
    with answering(lambda _: answer(200, b"[1,2]\n")) as server:
        measured = measure(server.address, drawn("/a", "/b", "/a", "/c", "/a"), LOAD)
        # One of three warms up: it is no part of the figures, and one of those that are known then.
        assert server.targets[:3] == ["/a", "/b", "/c"]
        assert server.targets[3:8] == ["/a", "/b", "/a", "/c", "/a"]
        assert len(server.targets) == 3 + 50
    assert measured.first.statuses == {200: 2}
    assert measured.again.statuses == {200: 50}
    assert (measured.again.answer_bytes, measured.again.empty) == (6, 0)
    assert 0 < measured.again.p50_seconds <= measured.again.p99_seconds
    assert measured.again.p99_seconds <= measured.again.slowest_seconds <= measured.again.seconds
    assert measured.again.slowest in {"/a", "/b", "/c"}
    assert measured.again.per_second == 50 / measured.again.seconds
    assert 0 < measured.again.client_busy <= 1
    assert measured.is_good


def test_the_only_request_there_is_is_measured_when_it_is_new() -> None:
    with answering(lambda _: answer(200, b"[]\n")) as server:
        measured = measure(server.address, drawn("/a"), LOAD)
    assert measured.first.statuses == {200: 1}
    assert (measured.first.empty, measured.again.empty) == (1, 50)


def test_time_ends_it() -> None:
    with answering(lambda _: answer(200)) as server:
        load = Load(connections=3, seconds=0.05)
        measured = measure(server.address, drawn("/a", "/b"), load)
        assert server.connections >= 3
    assert 0 < measured.again.answered < load.most_requests
    assert measured.again.seconds < 5


def test_errors_are_counted_by_status_and_are_no_part_of_the_figures() -> None:
    numbers = count()

    def say(_: str) -> bytes | None:
        return [answer(200, b"1234"), answer(503, b"busy" * 100), None][next(numbers) % 3]

    with answering(say) as server:
        measured = measure(server.address, drawn("/a"), replace(LOAD, most_requests=31))
    assert measured.again.errors == {0: 10, 503: 11}
    assert measured.again.answered == 10
    assert measured.again.answer_bytes == 4
    assert not measured.is_good


def test_nobody_there_is_given_up_soon() -> None:
    with answering(lambda _: None) as server:
        pass
    measured = measure(server.address, drawn("/a"), replace(LOAD, most_requests=1000))
    assert measured.again.statuses == {0: 3}
    assert (measured.again.per_second, measured.again.p99_seconds) == (0.0, 0.0)


def test_an_answer_that_never_comes_is_not_waited_for() -> None:
    load = Load(connections=2, seconds=0.05, patience_seconds=0.05)
    with answering(lambda _: b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n") as server:
        measured = measure(server.address, drawn("/a"), load)
    assert measured.again.statuses == {0: 2}


@pytest.mark.parametrize(("percent", "value"), [(1, 1), (50, 50), (99, 99), (100, 100)])
def test_a_percentile_is_one_of_the_values(percent: int, value: float) -> None:
    assert percentile(range(1, 101), percent) == value


def test_examples() -> None:
    assert doctest.testmod(measuring).failed == 0
