"""`headrace run` says what it built, what it set aside, and what stays published when it fails."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.base.clock import SetClock
from headrace.cli.new import write_skeleton
from headrace.pipeline.building import build
from headrace.pipeline.workspace import open_workspace, plan_workspace
from tests.cli.shops import call

ORDERS = Path("data", "orders")
HEADER = "order_id,store_id,ordered_at,product,amount\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project that has never run."""
    write_skeleton(tmp_path / "shop")
    return tmp_path / "shop"


def plain(text: str) -> str:
    """`text` without what differs from run to run: lengths of time."""
    return re.sub(r" *\d+(\.\d)? m?s\b", " TIME", text)


def add(project: Path, *rows: str) -> None:
    """Add a file of orders."""
    (project / ORDERS / "2024-03.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))


def test_the_first_run_publishes_and_the_second_has_nothing_to_do(project: Path) -> None:
    first, second = call("run", "-C", str(project)), call("run", "-C", str(project))
    assert (first.exit_code, first.stderr) == (0, "")
    lines = plain(first.stdout).splitlines()
    assert lines[0] == "✓ orders                    42 rows TIME"
    assert re.fullmatch(r"published snapshot 1 to prod in TIME, \d+ checks? passed", lines[-1]), (
        lines[-1]
    )
    assert second.exit_code == 0
    assert second.stdout == "Nothing to do: everything is built and published (snapshot 1)\n"


def test_rows_that_were_set_aside_are_counted_and_can_be_read(project: Path) -> None:
    add(project, "9001,7,2024-03-01 10:00:00,latte,abc", "9002,7,2024-03-01 10:00:00,latte,3.90")
    result = call("run", "-C", str(project))
    assert result.exit_code == 0
    assert "  1 row quarantined\n" in result.stdout
    look = "headrace query 'SELECT * FROM orders__quarantine'"
    assert f"  what was set aside of orders:  {look}\n" in result.stdout
    rows = json.loads(call("query", "-C", str(project), "--json", "FROM orders__quarantine").stdout)
    assert [(row["file"], row["line"], row["column_name"]) for row in rows] == [
        ("data/orders/2024-03.csv", 2, "amount")
    ]


def test_a_failed_check_publishes_nothing_and_shows_the_rows(project: Path) -> None:
    call("run", "-C", str(project))
    add(project, "9001,7,2031-03-01 10:00:00,latte,3.90")
    result = call("run", "-C", str(project))
    assert result.exit_code == 1
    assert "✗ no_order_in_the_future: 1 row wrong\n" in result.stdout
    assert "    9001      2031-03-01 10:00:00\n" in result.stdout
    assert result.stdout.splitlines()[-1] == (
        "failed: no_order_in_the_future: 1 wrong row; snapshot 1 stays published"
    )
    status = call("status", "-C", str(project))
    assert "      9001      2031-03-01 10:00:00\n" in status.stdout


def test_a_first_run_that_fails_leaves_nothing_published(project: Path) -> None:
    add(project, "9001,7,2031-03-01 10:00:00,latte,3.90")
    result = call("run", "-C", str(project))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].endswith("; nothing is published yet")


def test_json_is_one_event_a_line(project: Path) -> None:
    result = call("run", "-C", str(project), "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events[0]["event"] == "run_started"
    assert {event["table"] for event in events if event["event"] == "step_finished"} == {
        "orders",
        "daily_revenue",
    }
    assert (events[-1]["event"], events[-1]["outcome"], events[-1]["snapshot"]) == (
        "run_finished",
        "published",
        1,
    )


def test_json_of_nothing_to_do_is_one_event(project: Path) -> None:
    call("run", "-C", str(project))
    [event] = map(json.loads, call("run", "-C", str(project), "--json").stdout.splitlines())
    assert (event["event"], event["outcome"], event["snapshot"]) == (
        "run_finished",
        "unchanged",
        1,
    )


def test_a_mistake_in_a_file_is_the_users_and_nothing_runs(project: Path) -> None:
    (project / "models" / "broken.sql").write_text("SELECT nothing FROM nowhere")
    result = call("run", "-C", str(project))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: models/broken.sql:1")
    assert result.stderr.endswith("1 problem in the project's files; nothing ran\n")


def test_too_many_bad_rows_publish_nothing(project: Path) -> None:
    add(project, "9001,7,2024-03-01 10:00:00,latte,abc")
    result = call("run", "-C", str(project))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == (
        "failed: orders: tolerance 5 %: not one row of data/orders/2024-03.csv fits the"
        " contract; nothing is published yet"
    )


def test_environments_are_apart(project: Path) -> None:
    call("run", "-C", str(project))
    result = call("run", "-C", str(project), "-e", "dev")
    assert result.exit_code == 0
    assert "published snapshot 1 to dev in " in result.stdout


def make_stale(project: Path, severity: str) -> None:
    """Publish it on a day on which its orders were fresh: today they are not."""
    source = project / "sources/orders.yaml"
    freshness = f"freshness: {{column: ordered_at, within: 52 weeks, severity: {severity}}}\n"
    source.write_text(source.read_text() + freshness)
    workspace = open_workspace(project, clock=SetClock(datetime(2024, 3, 1, tzinfo=UTC)))
    assert build(workspace, plan_workspace(workspace, "prod")).outcome == "published"


def test_a_run_with_nothing_to_build_says_what_is_stale(project: Path) -> None:
    make_stale(project, "warn")
    result = call("run", "-C", str(project))
    assert result.exit_code == 0
    done, stale = result.stdout.splitlines()
    assert done == "Nothing to do: everything is built and published (snapshot 1)"
    assert stale.startswith(
        "! orders.ordered_at: freshness within 52 weeks: the newest is 2024-02-"
    )


def test_a_stale_source_of_severity_error_fails_a_run_with_nothing_to_build(project: Path) -> None:
    make_stale(project, "error")
    result = call("run", "-C", str(project))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1].startswith(
        "✗ orders.ordered_at: freshness within 52 weeks"
    )
    result = call("run", "-C", str(project), "--json")
    check, end = map(json.loads, result.stdout.splitlines())
    assert (check["event"], check["severity"], check["failing"]) == ("check_finished", "error", 1)
    assert (end["event"], end["outcome"], end["snapshot"]) == ("run_finished", "failed", 1)
    assert end["message"] == f"{check['name']}: {check['message']}"


def test_plan_and_status_tell_what_is_stale(project: Path) -> None:
    make_stale(project, "warn")
    line = "! orders.ordered_at: freshness within 52 weeks: the newest is 2024-02-"
    plan = call("plan", "-C", str(project))
    assert (plan.exit_code, plan.stdout.splitlines()[1].startswith(line)) == (0, True)
    [stale] = json.loads(call("plan", "-C", str(project), "--json").stdout)["stale"]
    assert (stale["check"], stale["severity"]) == (
        "orders.ordered_at: freshness within 52 weeks", "warn",
    )  # fmt: skip
    status = call("status", "-C", str(project)).stdout
    assert f"Not fresh\n  {line}" in status
    assert json.loads(call("status", "-C", str(project), "--json").stdout)["stale"] == [stale]


def test_what_is_set_aside_of_a_model_is_told(project: Path) -> None:
    path = project / "models/big.sql"
    path.write_text(
        "/*\ntolerance: 100 %\nchecks:\n- {min: {column: amount, value: 4}, severity: quarantine}\n"
        "*/\nSELECT order_id, amount FROM orders\n"
    )
    result = call("run", "-C", str(project))
    assert result.exit_code == 0
    assert (
        "  what was set aside of big:  headrace query 'SELECT * FROM big__quarantine'"
    ) in result.stdout.splitlines()
    found = call("query", "-C", str(project), "SELECT DISTINCT reason FROM big__quarantine")
    assert "amount: min 4" in found.stdout
    assert "big__all" not in call("status", "-C", str(project)).stdout


def test_a_breaking_change_needs_every_endpoint_that_it_breaks(project: Path) -> None:
    (project / "endpoints" / "days.sql").write_text(
        "/* access: public */ SELECT day, orders FROM daily_revenue"
    )
    call("run", "-C", str(project))
    (project / "endpoints" / "days.sql").write_text(
        "/* access: public */ SELECT orders FROM daily_revenue"
    )
    endpoint = project / "endpoints" / "store_revenue.sql"
    endpoint.write_text(endpoint.read_text().replace("day, revenue, orders", "revenue, orders"))
    one = call("run", "-C", str(project), "--accept-breaking", "days")
    assert (one.exit_code, one.stdout) == (2, "")
    assert one.stderr.splitlines() == [
        "error: store_revenue: field day (DATE) removed - breaking, no calls in the last 30 days",
        (
            "1 breaking change for users of the API; nothing is published;"
            " `--accept-breaking store_revenue` publishes, and a second file with another"
            " `version:` keeps the old contract beside the new one"
        ),
    ]
    both = call(
        "run", "-C", str(project), "--accept-breaking", "days", "--accept-breaking", "store_revenue"
    )
    assert both.exit_code == 0
    assert "published snapshot 2 to prod" in both.stdout


def test_a_run_may_be_repeated_with_what_it_accepted(project: Path) -> None:
    call("run", "-C", str(project))
    again = call("run", "-C", str(project), "--accept-breaking", "store_revenue")
    assert (again.exit_code, again.stderr) == (
        0,
        "note: store_revenue breaks nobody: there is nothing to accept\n",
    )
