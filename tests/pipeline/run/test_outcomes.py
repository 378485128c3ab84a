"""A run says in words why it may not publish."""

from __future__ import annotations

from headrace.base.declarations import Severity
from headrace.observe.events import StepFinished
from headrace.pipeline.run.outcomes import Built, CheckOutcome
from headrace.store.snapshots import CheckResult


def outcome(failing: int, severity: Severity = "error", message: str = "") -> CheckOutcome:
    name = f"t.a: {failing}"
    return CheckOutcome(CheckResult(name, name, "t", severity, failing, message))


def test_only_a_failing_error_stops_the_publish() -> None:
    assert outcome(1).stops_publish
    assert outcome(-1).stops_publish
    assert not outcome(0).stops_publish
    assert not outcome(5, "warn").stops_publish


def test_failures_name_steps_and_checks() -> None:
    steps = (StepFinished("m", "failed", message="boom"), StepFinished("n", "blocked"))
    checks = (outcome(1), outcome(1200), outcome(-1, message="it raised"), outcome(3, "warn"))
    assert Built({}, steps, checks).failures == (
        "m: boom",
        "t.a: 1: 1 wrong row",
        "t.a: 1200: 1,200 wrong rows",
        "t.a: -1: it raised",
    )


def test_a_later_plan_of_the_same_run_adds_to_the_first() -> None:
    first = Built({}, (StepFinished("m", "built"),), (outcome(0), outcome(1)))
    later = Built({}, (StepFinished("n", "built"),), (outcome(0),))
    both = first.then(later)
    assert [step.table for step in both.steps] == ["m", "n"]
    assert len(both.checks) == 2
