"""Rename a served column: the plan names endpoint, field and calls, and refuses; then it is meant.

Through the command line, with a real server process that answers the calls that are counted.
"""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from headrace.cli.new import write_skeleton
from headrace.serve import create_app
from headrace.store.records import Records
from headrace.store.store import Store
from tests.cli.shops import call
from tests.cli.test_serve import serving
from tests.serve.shop import Client

MODEL, ENDPOINT = Path("models", "daily_revenue.sql"), Path("endpoints", "store_revenue.sql")
CALLS = 12
NOTE = f"breaking, {CALLS} calls in the last 30 days"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that is published, and whose endpoint was called `CALLS` times."""
    root = tmp_path / "shop"
    write_skeleton(root)
    assert call("run", "-C", str(root)).exit_code == 0
    with serving(root) as (server, lines):
        found = re.search(r"http://\S+", lines[0])
        assert found is not None
        for _ in range(CALLS):
            with urllib.request.urlopen(f"{found[0]}/stores/7/revenue") as answer:
                assert answer.status == 200
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    return root


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def rename(project: Path) -> None:
    """Rename the column in the model, and in the endpoint that serves it."""
    edit(project / MODEL, "AS revenue", "AS turnover")
    edit(project / ENDPOINT, "day, revenue", "day, turnover")


def head(project: Path) -> int:
    answer = json.loads(call("status", "-C", str(project), "--json").stdout)
    return int(answer["published"]["number"])


def fields(project: Path) -> set[str]:
    """The fields of an answer of what is published now."""
    service = create_app(Store.open(project / ".headrace" / "store"), "prod")
    service.refresh()
    try:
        row: dict[str, object] = Client(service).get("/stores/7/revenue").json()[0]
    finally:
        service.close()
    return set(row)


def test_show_4_plan_refuses_accept_publishes_rollback_restores(project: Path) -> None:
    files = sorted((project / ".headrace" / "store" / "data").rglob("*"))
    rename(project)

    plan = call("plan", "-C", str(project))
    assert plan.exit_code == 2
    lines = plan.stdout.splitlines()
    api = lines.index("API")
    removed = f"  changed  store_revenue  field revenue (DECIMAL(38,2)) removed  {NOTE}"
    assert lines[api + 1] == removed
    assert lines[-1] == (
        "Refused: 1 breaking change for users of the API; nothing is published; "
        "`--accept-breaking store_revenue` publishes, and a second file with another "
        "`version:` keeps the old contract beside the new one"
    )

    run = call("run", "-C", str(project))
    assert (run.exit_code, run.stdout) == (2, "")
    assert run.stderr.splitlines()[0] == (
        f"error: store_revenue: field revenue (DECIMAL(38,2)) removed - {NOTE}"
    )
    assert "`--accept-breaking store_revenue` publishes" in run.stderr
    assert sorted((project / ".headrace" / "store" / "data").rglob("*")) == files
    with closing(Records.open(project / ".headrace" / "store" / "operations.sqlite")) as records:
        assert len(records.last_runs("prod", 10)) == 1
    assert (head(project), fields(project)) == (1, {"day", "revenue", "orders"})

    accepted = call("run", "-C", str(project), "--accept-breaking", "store_revenue")
    assert accepted.exit_code == 0
    assert (head(project), fields(project)) == (2, {"day", "turnover", "orders"})
    [newest, _] = json.loads(call("snapshots", "-C", str(project), "--json").stdout)
    assert newest["reason"] == ("built daily_revenue; accepted breaking changes of store_revenue")

    assert call("rollback", "-C", str(project)).exit_code == 0
    assert (head(project), fields(project)) == (3, {"day", "revenue", "orders"})


def test_a_renamed_column_that_an_endpoint_still_asks_for_names_what_it_breaks(
    project: Path,
) -> None:
    edit(project / MODEL, "AS revenue", "AS turnover")
    for command in ("plan", "run"):
        result = call(command, "-C", str(project))
        assert (result.exit_code, result.stdout) == (2, "")
        first, *rest = result.stderr.splitlines()
        assert first.startswith(
            'error: endpoints/store_revenue.sql:8:13: Referenced column "revenue" not found'
        )
        assert rest == [
            "For users of the API that would mean:",
            f"  store_revenue: field revenue (DECIMAL(38,2)) removed - {NOTE}",
            "1 problem in the project's files; nothing ran",
        ]
    answer = json.loads(call("plan", "-C", str(project), "--json").stderr)["error"]
    assert [(each["endpoint"], each["name"], each["calls"]) for each in answer["breaks"]] == [
        ("store_revenue", "revenue", CALLS)
    ]


def test_an_endpoint_that_selects_everything_cannot_change_silently(project: Path) -> None:
    edit(project / ENDPOINT, "day, revenue, orders", "*")
    assert call("run", "-C", str(project)).exit_code == 0
    edit(project / MODEL, "AS revenue", "AS turnover")
    result = call("run", "-C", str(project), "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    error = json.loads(result.stderr)["error"]
    assert error["type"] == "BreakingChanges"
    assert error["changes"] == [
        {
            "endpoint": "store_revenue",
            "kind": "changed",
            "detail": "field revenue (DECIMAL(38,2)) removed",
            "what": "field",
            "name": "revenue",
            "before": "DECIMAL(38,2)",
            "after": "",
            "path": "/stores/{store_id}/revenue",
            "breaking": True,
            "calls": CALLS,
        }
    ]


def test_both_contracts_side_by_side_break_nobody(project: Path) -> None:
    old = (project / ENDPOINT).read_text()
    edit(project / MODEL, "AS revenue", "AS turnover")
    edit(project / ENDPOINT, "day, revenue", "day, turnover AS revenue")
    edit(
        project / ENDPOINT,
        "path:",
        "deprecated: 2026-12-01\nsunset: 2027-03-01\npath:",
    )
    new = old.replace("path:", "version: 2\npath:").replace("day, revenue", "day, turnover")
    (project / "endpoints" / "store_revenue_v2.sql").write_text(new)
    plan = call("plan", "-C", str(project))
    assert plan.exit_code == 0
    assert "breaking" not in plan.stdout
    assert call("run", "-C", str(project)).exit_code == 0
    service = create_app(Store.open(project / ".headrace" / "store"), "prod")
    service.refresh()
    client = Client(service)
    answer = client.get("/stores/7/revenue")
    assert set(answer.json()[0]) == {"day", "revenue", "orders"}
    assert answer.headers["deprecation"] == "@1796083200"
    assert answer.headers["link"] == '</v2/stores/7/revenue>; rel="successor-version"'
    assert set(client.get("/v2/stores/7/revenue").json()[0]) == {"day", "turnover", "orders"}
    service.close()
