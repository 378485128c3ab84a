"""What a run has made adds up, and says in words why nothing may be published."""

from __future__ import annotations

from headrace.base.declarations import Severity
from headrace.base.tables import Version
from headrace.observe.events import StepFinished
from headrace.pipeline.run.outcomes import Built, CheckOutcome
from headrace.store.snapshots import CheckResult

VERSION = Version("t", "model", "recipe", (), ())


def outcome(
    failing: int, severity: Severity = "error", message: str = "", address: str = "a"
) -> CheckOutcome:
    return CheckOutcome(CheckResult(address, "t.x: min 0", "t", severity, failing, message))


def test_only_a_failed_check_of_severity_error_stops_the_publish() -> None:
    assert outcome(1).stops_publish
    assert outcome(-1).stops_publish
    assert not outcome(0).stops_publish
    assert not outcome(1, "warn").stops_publish
    assert not outcome(-1, "warn").stops_publish


def test_failures_name_what_failed_and_not_what_was_blocked_by_it() -> None:
    steps = (
        StepFinished("a", "built"),
        StepFinished("b", "failed", message="models/b.sql:1: no coffee"),
        StepFinished("c", "blocked", message="waits for b"),
    )
    checks = (
        outcome(0),
        outcome(1),
        outcome(1234),
        outcome(-1, message="Conversion Error"),
        outcome(7, "warn"),
    )
    assert Built({}, steps, checks).failures == (
        "b: models/b.sql:1: no coffee",
        "t.x: min 0: 1 wrong row",
        "t.x: min 0: 1,234 wrong rows",
        "t.x: min 0: Conversion Error",
    )
    assert Built({}, (steps[0],), (checks[0],)).failures == ()


def test_a_later_plan_of_a_run_adds_steps_and_replaces_versions_and_results() -> None:
    first = Built({"a": VERSION}, (StepFinished("a", "built"),), (outcome(0),), frozenset({"a"}))
    later = Built(
        {"a": VERSION, "b": VERSION},
        (StepFinished("b", "built"),),
        (outcome(2), outcome(0, address="b")),
    )
    both = first.then(later)
    assert both.versions == later.versions
    assert [step.table for step in both.steps] == ["a", "b"]
    assert both.checks == later.checks
    assert both.reshaped == frozenset()
