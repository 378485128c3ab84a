"""Refusals say what is wrong, and nothing of ours."""

from __future__ import annotations

import json

from headrace.serve.answering.problems import ParameterError, parameter_problem, shown, unavailable


def test_a_parameter_problem_counts() -> None:
    one, two = ParameterError("a", "'x'", "a date"), ParameterError("b", "'y'", "a time")
    assert json.loads(parameter_problem([one]).body)["detail"] == "One parameter does not fit."
    body = json.loads(parameter_problem([one, two]).body)
    assert body["detail"] == "2 parameters do not fit."
    assert body["errors"][0] == {"parameter": "a", "found": "'x'", "expected": "a date"}


def test_unavailable_says_when_to_come_back() -> None:
    answer = unavailable("Not now.", "busy", retry_seconds=3)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "3")
    assert answer.headers["Cache-Control"] == "no-store"


def test_shown_text_is_quoted_and_short() -> None:
    assert shown("it's") == '"it\'s"'
    assert shown("x" * 81) == f"'{'x' * 80}'… (81 characters)"
    assert shown("\ud800\n") == "'\\ud800\\n'"
