"""`headrace status` says what is published, how runs went, and which rows broke which check."""

from __future__ import annotations

import json

from headrace.base.clock import format_time
from headrace.store.records import CheckRecord, Records, RunRecord, StepRecord
from tests.cli.shops import Shop

TABLES = {
    "orders": "SELECT range AS id FROM range(1200)",
    "orders__quarantine": "SELECT 'a.csv' AS file FROM range(3)",
}
AT = "2024-05-01T10:00:00.000000Z"
LATER = "2024-05-01T10:00:01.500000Z"


def record_failure(shop: Shop) -> None:
    """Note a run that was stopped by a check and by a step, after one that was killed."""
    sample = json.dumps([{"id": str(number), "note": None} for number in range(7)])
    records = Records.open(shop.store.root / "operations.sqlite")
    records.run_started(RunRecord("a", "prod", AT))
    records.run_started(RunRecord("b", "prod", LATER))
    records.add_step(StepRecord("b", "sales", "failed", message="models/sales.sql: no"))
    records.add_check(
        CheckRecord("b", "orders: key id", "orders", "error", 9, sample=sample),
        CheckRecord("b", "orders: row_count", "orders", "warn", 1, "too few rows"),
        CheckRecord("b", "orders: not_null id", "orders", "error", 0),
    )
    records.run_finished(
        "b",
        outcome="failed",
        finished_at="2024-05-01T10:00:03.000000Z",
        snapshot=1,
        message="orders: key id: 9 wrong rows",
    )
    records.close()


def test_nothing_published_is_said(shop: Shop) -> None:
    result = shop.call("status")
    assert result.exit_code == 0
    assert result.stdout == "shop, prod: nothing is published yet; `headrace run` publishes.\n"


def test_tables_with_what_was_set_aside(shop: Shop) -> None:
    shop.publish(TABLES)
    lines = shop.call("status").stdout.splitlines()
    assert lines[0].startswith("shop, prod: snapshot 1, published ")
    [orders] = [line for line in lines if line.startswith("  orders")]
    assert orders.startswith("  orders  source  1,200      1  ")
    assert orders.endswith("  3 rows quarantined")
    assert "  store_revenue  GET /stores/{store_id}/revenue" in lines


def test_a_failed_run_shows_the_rows_that_broke_a_check(shop: Shop) -> None:
    record_failure(shop)
    text = shop.call("status").stdout
    assert text.partition("What stopped the last run\n")[2].splitlines() == [
        "  ✗ sales: models/sales.sql: no",
        "  ✗ orders: key id: 9 rows wrong",
        "      id  note",
        *[f"      {number}   NULL" for number in range(5)],
        "      and 4 more rows",
        "  ! orders: row_count: too few rows (a warning)",
    ]


def test_the_last_runs_with_how_they_ended(shop: Shop) -> None:
    record_failure(shop)
    lines = shop.call("status").stdout.splitlines()
    start = lines.index("Last runs")
    assert lines[start + 1].endswith(
        "  failed                    1.5 s  orders: key id: 9 wrong rows"
    )
    assert lines[start + 2].endswith("  killed, or still running")


def test_json_has_the_same(shop: Shop) -> None:
    shop.publish(TABLES)
    record_failure(shop)
    answer = json.loads(shop.call("status", "--json").stdout)
    assert answer["published"]["number"] == 1
    assert [table["rows"] for table in answer["tables"]] == [1200, 3]
    assert [run["outcome"] for run in answer["runs"]] == ["failed", ""]
    assert [step["table"] for step in answer["failed_steps"]] == ["sales"]
    assert answer["failing_checks"][0]["sample"][0] == {"id": "0", "note": None}


def test_one_check_is_shown_with_every_row_that_is_kept(shop: Shop) -> None:
    record_failure(shop)
    lines = shop.call("status", "--check", "orders: key id").stdout.splitlines()
    assert lines[0] == "✗ orders: key id: 9 rows wrong"
    assert [line.split()[0] for line in lines[1:-1]] == ["id", "0", "1", "2", "3", "4", "5", "6"]
    assert lines[-1] == "    and 2 more rows"
    [shown] = [json.loads(shop.call("status", "--check", "orders: key id", "--json").stdout)]
    assert len(shown["sample"]) == 7


def test_a_check_that_found_nothing_cannot_be_shown(shop: Shop) -> None:
    record_failure(shop)
    result = shop.call("status", "--check", "orders: key di")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: 'orders: key di' found nothing in the last run that did something;"
        " did you mean `orders: key id`?\n"
    )


def test_endpoints_have_the_calls_that_were_counted(shop: Shop) -> None:
    shop.publish(TABLES)
    records = Records.open(shop.store.records_path)
    now = format_time(shop.store.clock.now())
    records.add_calls("prod", {"/stores/{store_id}/revenue": 1204}, now)
    records.close()
    lines = shop.call("status").stdout.splitlines()
    [line] = [each for each in lines if each.startswith("  store_revenue")]
    assert line == (
        "  store_revenue  GET /stores/{store_id}/revenue  1,204 calls in the last 30 days"
    )
    [endpoint] = json.loads(shop.call("status", "--json").stdout)["endpoints"]
    assert endpoint == {
        "endpoint": "store_revenue",
        "path": "/stores/{store_id}/revenue",
        "version": 1,
        "deprecated": None,
        "sunset": None,
        "calls": 1204,
    }


def test_calls_are_unknown_without_a_record(shop: Shop) -> None:
    shop.publish(TABLES)
    [endpoint] = json.loads(shop.call("status", "--json").stdout)["endpoints"]
    assert endpoint["calls"] is None
