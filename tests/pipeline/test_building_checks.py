"""What checks find decides whether a run publishes: each kind, from its declaration to the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.base.clock import SetClock
from headrace.pipeline.building import BuildReport, build
from headrace.pipeline.plan.plans import Plan
from headrace.pipeline.workspace import open_workspace, plan_workspace
from headrace.store.snapshots import CheckResult, Snapshot
from tests.projects import write_files

HEADER = "id,status,amount,at\n"
ROWS = [f"{i},{'paid' if i % 2 else 'open'},{i},2024-03-01 0{i}:00:00\n" for i in range(1, 9)]
SOURCE = """\
files: orders.csv
columns: {id: bigint, status: text, amount: double, at: timestamp}
"""


@dataclass
class Project:
    """One source `orders` and what a test adds, at a time that it sets."""

    root: Path
    clock: SetClock = field(default_factory=lambda: SetClock(datetime(2024, 3, 1, 9, tzinfo=UTC)))

    def write(self, name: str, text: str) -> None:
        write_files(self.root, {name: text})

    def rows(self, *rows: str) -> None:
        (self.root / "orders.csv").write_text(HEADER + "".join(rows))

    def plan(self) -> Plan:
        return plan_workspace(open_workspace(self.root, clock=self.clock), "prod")

    def run(self) -> BuildReport:
        workspace = open_workspace(self.root, clock=self.clock)
        return build(workspace, plan_workspace(workspace, "prod"))

    def published(self) -> Snapshot:
        store = open_workspace(self.root).store
        head = store.head("prod")
        assert head is not None
        return store.snapshot(head)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("headrace.toml", 'name = "shop"\n')
    project.write("sources/orders.yaml", SOURCE)
    project.rows(*ROWS)
    return project


def declare(project: Project, checks: str) -> None:
    project.write("sources/orders.yaml", f"{SOURCE}checks:\n{checks}\n")


def failing(report: BuildReport) -> list[str]:
    """Every check that did not pass, with its message."""
    results = [check.result for check in report.checks]
    return [f"{each.name}: {each.message}" for each in results if not each.passed]


STALE = (
    "orders.at: freshness within 1 hour: the newest is 2024-03-01 08:00:00 UTC, 2 hours ago;"
    " expected within 1 hour"
)


def test_a_fresh_source_is_published_and_goes_stale_by_waiting_without_a_query(
    project: Project,
) -> None:
    declare(project, "- freshness: {column: at, within: 1 hour}")
    report = project.run()
    assert (report.outcome, failing(report)) == ("published", [])
    assert project.plan().stale == ()
    project.clock.advance(3600)
    plan = project.plan()
    [stale] = plan.stale
    assert f"{stale.name}: {stale.message}" == STALE
    assert (plan.nothing_to_do, plan.is_held_up) == (True, False)


def test_a_stale_source_of_severity_error_holds_up_what_else_is_new(project: Project) -> None:
    declare(project, "- freshness: {column: at, within: 1 hour}\n  severity: error")
    assert project.run().outcome == "published"
    project.clock.advance(3600)
    assert project.plan().is_held_up
    project.write("models/totals.sql", "SELECT sum(amount) AS total FROM orders\n")
    report = project.run()
    assert (report.outcome, report.failures) == ("failed", (STALE,))
    project.rows(*ROWS, "9,paid,9,2024-03-01 09:30:00\n")
    assert project.run().outcome == "published"
    assert "totals" in project.published().tables


def test_a_stale_source_of_severity_warn_is_published_all_the_same(project: Project) -> None:
    project.write(
        "sources/orders.yaml", SOURCE + "freshness: {column: at, within: 1 hour, severity: warn}\n"
    )
    project.clock.advance(3600)
    report = project.run()
    assert (report.outcome, failing(report)) == ("published", [STALE])
    project.write("models/totals.sql", "SELECT sum(amount) AS total FROM orders\n")
    report = project.run()
    assert (report.outcome, failing(report)) == ("published", [STALE])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("9,paid,9,\n", "it holds no time at all"),
        ("9,paid,9,2024-03-01 09:00:01\n", "2024-03-01 09:00:01 UTC, which is in the future"),
    ],
)
def test_no_time_and_a_time_to_come_are_not_fresh(project: Project, row: str, message: str) -> None:
    declare(project, "- freshness: {column: at, within: 1 hour}")
    project.rows(row)
    [found] = failing(project.run())
    assert found.endswith(message)


CHANGES = [
    ("- change: {rows: 25 %}", 6, ""),
    ("- change: {rows: 25 %}", 5, "orders: change of rows by 25 %: rows before 8, rows now 5"),
    ("- change: {rows: {grow: 10 %}}", 1, ""),
    (
        "- change: {rows: {shrink: 10 %}}",
        7,
        "orders: change of rows shrink 10 %: rows before 8, rows now 7",
    ),
    ("- change: {sum: amount, by: 30 %}", 7, ""),
    (
        "- change: {sum: amount, by: 20 %}",
        7,
        "orders.amount: change of sum by 20 %: sum before 36.0, sum now 28.0",
    ),
    ("- distribution: {column: status, within: 10 %}", 6, ""),
    (
        "- distribution: {column: status, within: 10 %}",
        1,
        "orders.status: distribution within 10 %: distance 0.5, most by ",
    ),
    ("- distribution: {column: amount, within: 25 %}", 6, ""),
    (
        "- distribution: {column: amount, within: 20 %}",
        6,
        (
            "orders.amount: distribution within 20 %: distance 0.25, at value 6.0,"
            " share before 0.75, share now 1.0"
        ),
    ),
]


@pytest.mark.parametrize(("check", "kept", "problem"), CHANGES)
def test_a_table_is_compared_with_what_is_published(
    project: Project, check: str, kept: int, problem: str
) -> None:
    """The first publish has nothing to compare with; an unchanged table is not looked at again."""
    declare(project, check)
    assert project.run().outcome == "published"
    assert project.plan().nothing_to_do
    project.rows(*ROWS[:kept])
    report = project.run()
    assert report.outcome == ("failed" if problem else "published")
    assert [found[: len(problem)] for found in failing(report)] == ([problem] if problem else [])
    assert project.plan().nothing_to_do is not bool(problem)


def test_a_change_is_compared_with_the_last_snapshot_and_not_the_last_run(
    project: Project,
) -> None:
    declare(project, "- change: {rows: 30 %}")
    project.run()
    project.rows(*ROWS[:4])
    assert project.run().outcome == "failed"
    assert project.run().outcome == "failed"
    project.rows(*ROWS[:6])
    assert project.run().outcome == "published"
    results = names(project.published().checks.values())
    assert "orders: change of rows by 30 %" in results
    project.write("models/n.sql", "SELECT count(*) AS n FROM orders\n")
    project.run()
    assert "orders: change of rows by 30 %" in names(project.published().checks.values())
    project.rows(*ROWS[:5])
    assert project.run().outcome == "published"


def names(results: Iterable[CheckResult]) -> list[str]:
    return [each.name for each in results]


def test_a_column_that_is_new_or_of_another_type_is_compared_with_nothing(
    project: Project,
) -> None:
    project.run()
    project.write(
        "sources/orders.yaml",
        SOURCE.replace("amount: double", "amount: bigint")
        + "checks: [{change: {sum: amount, by: 1 %}}]\n",
    )
    project.rows(*ROWS[:2])
    assert project.run().outcome == "published"


def test_what_is_wrong_with_a_table_as_a_whole_is_told_in_figures(project: Project) -> None:
    declare(
        project,
        "- row_count: {min: 9}\n- mean: {column: amount, max: 4}\n"
        "- nulls: {column: status, max: 10 %}",
    )
    project.rows(*ROWS)
    assert failing(project.run()) == [
        "orders: row_count min 9: rows 8",
        "orders.amount: mean max 4: mean 4.5",
    ]
    project.rows(*ROWS, "9,,,2024-03-01 09:00:00\n")
    assert failing(project.run()) == [
        "orders.amount: mean max 4: mean 4.5",
        "orders.status: nulls max 10 %: nulls 1, rows 9",
    ]


QUARANTINE = """\
/*
key: id
tolerance: 90 %
checks:
- min: {column: amount, value: 3}
  severity: quarantine
- accepted: {column: status, values: [paid]}
  severity: quarantine
- row_count: {max: 3}
*/
SELECT id, status, amount FROM orders
"""


def test_rows_that_break_a_rule_are_set_aside_before_they_count(project: Project) -> None:
    project.write("models/good.sql", QUARANTINE)
    project.write("models/total.sql", "SELECT sum(amount) AS total FROM good\n")
    report = project.run()
    assert (report.outcome, report.failures) == ("published", ())
    rows = {name: version.rows for name, version in project.published().tables.items()}
    assert rows == {
        "good": 3,
        "good__all": 8,
        "good__quarantine": 5,
        "orders": 8,
        "orders__quarantine": 0,
        "total": 1,
    }
    assert project.plan().nothing_to_do


def test_a_changed_rule_builds_the_model_and_not_its_query(project: Project) -> None:
    project.write("models/good.sql", QUARANTINE)
    project.run()
    project.write("models/good.sql", QUARANTINE.replace("value: 3", "value: 4"))
    assert [step.table for step in project.plan().steps] == ["good", "good__quarantine"]


def test_more_than_is_tolerated_stops_the_publish(project: Project) -> None:
    project.write("models/good.sql", QUARANTINE.replace("90 %", "4 rows"))
    report = project.run()
    assert report.failures == ("good: tolerance 4 rows: set aside 5, of rows 8",)
    project.write("models/good.sql", QUARANTINE.replace("90 %", "5 rows"))
    assert project.run().outcome == "published"


def test_a_python_model_sets_rows_aside_too(project: Project) -> None:
    project.write(
        "models/good.py",
        """\
        import pyarrow as pa
        from headrace import model

        @model(
            tolerance="90 %",
            checks=[{"min": {"column": "amount", "value": 3}, "severity": "quarantine"}],
        )
        def good(orders: pa.Table) -> pa.Table:
            return orders.select(["id", "amount"])
        """,
    )
    report = project.run()
    assert (report.outcome, report.failures) == ("published", ())
    tables = project.published().tables
    assert (tables["good"].rows, tables["good__quarantine"].rows) == (6, 2)
    assert project.plan().nothing_to_do


def test_a_reference_looks_at_all_of_the_other_table(project: Project) -> None:
    """The parent's rows come from several raw files, so from several cells."""
    project.write("parts/a.csv", "id\n1\n2\n3\n4\n")
    project.write("parts/b.csv", "id\n5\n6\n7\n8\n")
    project.write("sources/parts.yaml", "files: parts/*.csv\ncolumns: {id: bigint}\n")
    declare(project, "- references: {column: id, to: parts.id}")
    assert project.run().outcome == "published"
    (project.root / "parts/b.csv").unlink()
    assert project.run().failures == ("orders.id: references parts.id: 4 wrong rows",)


def test_the_rows_kept_begin_with_what_tells_them_apart(project: Project) -> None:
    project.write(
        "models/m.sql",
        "/*\nkey: id\nchecks: [{max: {column: amount, value: 7}, severity: warn}]\n*/\n"
        'SELECT status, "at", amount, id FROM orders\n',
    )
    [check] = [check for check in project.run().checks if not check.result.passed]
    assert check.sample == (
        {"id": "8", "amount": "8.0", "status": "open", "at": "2024-03-01 08:00:00"},
    )
