"""`headrace bench` measures what is published, says what would help, and fails when answers do."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.base.access import Access
from headrace.cli.bench import latency
from tests.accounts import key_for
from tests.benching.answering import answer, answering
from tests.cli.shops import REVENUE, Shop, call
from tests.cli.test_serve import serving
from tests.projects import SHOP, write_files
from tests.projects import Shop as Project

ORDERS = "SELECT i % 3 AS store_id, DATE '2024-01-01' AS day, 1.50 AS revenue FROM range(9) AS t(i)"
ROW = '{"day":"2024-01-01","revenue":1.50}'
DRAWN = replace(
    REVENUE,
    parameters=(replace(REVENUE.parameters[0], column="orders.store_id", min=None),),
    advice="add `ORDER BY day`",
)
SEARCH = replace(
    DRAWN,
    name="search",
    path="/search/{store_id}",
    parameters=(replace(DRAWN.parameters[0], column=""),),
)
MISSING = (
    "`store_id` is compared with no column, and has neither a default, nor `enum`, nor both `min`"
    " and `max`; `--param store_id=…` gives it a value"
)
QUICK = ("--seconds", "0.1", "--connections", "2")
READY = b'{"status":"ready","environment":"prod","snapshot":1}'


def test_a_real_project_is_measured_with_a_server_of_its_own(tmp_path: Path) -> None:
    project = Project(write_files(tmp_path / "shop", SHOP))
    project.run()
    result = call("bench", "-C", str(project.root), *QUICK, "--param", "store_id=10")
    assert (result.exit_code, result.stderr) == (0, "")
    title, header, first, again, *_ = result.stdout.splitlines()
    assert title == "snapshot 1 of prod; 2 connections, 0.1 s a line at most"
    assert re.split("  +", header) == [
        "endpoint",
        "access path",
        "asked",
        "requests",
        "requests/s",
        "p50",
        "p99",
        "answer",
        "errors",
    ]
    figures = r" +first +[\d,]+ +[\d,]+ +[\d.]+ ms +[\d.]+ ms +\d+ B  –"
    assert re.fullmatch(r"revenue +(cache|keyed|columnar)" + figures, first)
    assert re.fullmatch(figures.replace("first", "again"), again)


def test_its_own_calls_are_not_those_of_users(shop: Shop) -> None:
    shop.publish({"orders": ORDERS}, endpoints=(DRAWN,))
    assert shop.call("bench", *QUICK).exit_code == 0
    status = json.loads(shop.call("status", "--json").stdout)
    assert [each["calls"] for each in status["endpoints"]] == [None]


def test_json_has_every_figure(shop: Shop) -> None:
    shop.publish({"orders": ORDERS}, endpoints=(DRAWN, SEARCH))
    result = shop.call("bench", *QUICK, "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    [measured] = report.pop("endpoints")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", report.pop("server"))
    assert report == {
        "environment": "prod",
        "snapshot": 1,
        "connections": 2,
        "seconds": 0.1,
        "seed": 1,
        "skipped": [{"endpoint": "search", "reason": MISSING}],
    }
    first, again = measured.pop("first"), measured.pop("again")
    assert measured == {
        "endpoint": "store_revenue",
        "path": "/stores/{store_id}/revenue",
        "access_path": "columnar",
        "reason": "reads a range of rows",
        "advice": "add `ORDER BY day`",
        "proposals": ["columnar: reads a range of rows; to make it faster: add `ORDER BY day`"],
    }
    # Of three stores one warms up.
    assert (first["requests"], first["statuses"]) == (2, {"200": 2})
    assert list(again) == [
        "requests",
        "statuses",
        "seconds",
        "per_second",
        "p50_ms",
        "p99_ms",
        "slowest_ms",
        "slowest",
        "answer_bytes",
        "empty",
        "client_busy",
    ]
    assert again["statuses"] == {"200": again["requests"]}
    assert again["slowest"] in {f"/stores/{store}/revenue" for store in range(3)}
    assert again["answer_bytes"] == len("[" + ",".join(3 * [ROW]) + "]\n")
    assert 0 < again["p50_ms"] <= again["p99_ms"] <= again["slowest_ms"]


def test_what_cannot_be_asked_and_what_would_help_is_told(shop: Shop) -> None:
    shop.publish({"orders": ORDERS}, endpoints=(DRAWN, SEARCH))
    result = shop.call("bench", *QUICK)
    assert result.stdout.partition("\n\nSkipped\n")[2] == (
        f"  search: {MISSING}\n"
        "\n"
        "What would help\n"
        "  store_revenue: columnar: reads a range of rows; to make it faster: add `ORDER BY day`\n"
    )


def test_endpoints_are_chosen_by_name_or_path(shop: Shop) -> None:
    shop.publish({"orders": ORDERS}, endpoints=(DRAWN, SEARCH))
    given = ("--param", "store_id=1", "--json")
    result = shop.call("bench", "/search/{store_id}", "search", *QUICK, *given)
    assert [each["endpoint"] for each in json.loads(result.stdout)["endpoints"]] == ["search"]
    result = shop.call("bench", "serch", *QUICK)
    assert result.exit_code == 2
    assert "did you mean `search`?" in result.stderr


def test_a_running_server_is_measured_by_its_url(shop: Shop) -> None:
    shop.publish({"orders": ORDERS}, endpoints=(DRAWN,))
    with serving(shop.root) as (_, lines):
        result = shop.call("bench", *QUICK, "--url", lines[0].split()[-1])
    assert (result.exit_code, result.stderr) == (0, "")
    assert "store_revenue" in result.stdout


def test_another_snapshot_than_the_projects_is_told(shop: Shop) -> None:
    shop.publish({"orders": ORDERS}, endpoints=(DRAWN,))
    ready = READY.replace(b"1", b"7")
    with answering(lambda target: answer(200, ready if target == "/readyz" else b"[1]")) as server:
        result = shop.call("bench", *QUICK, "--url", str(server.address))
    assert result.exit_code == 0
    assert result.stderr == (
        f"{server.address} serves snapshot 7 of prod; the values are those of snapshot 1 of prod\n"
    )


def test_errors_are_shown_and_fail_the_command(shop: Shop) -> None:
    shop.publish({"orders": ORDERS}, endpoints=(DRAWN,))

    def say(target: str) -> bytes:
        return answer(200, READY) if target == "/readyz" else answer(503, b"busy")

    with answering(say) as server:
        result = shop.call("bench", *QUICK, "--url", str(server.address))
    assert result.exit_code == 1
    assert "store_revenue  columnar     first" in result.stdout
    assert "2 × 503 Service Unavailable" in result.stdout
    assert (
        "503 Service Unavailable: more at once, or longer queries, than the server takes; its log"
        " says which" in result.stdout
    )


def test_another_machine_must_be_meant(shop: Shop) -> None:
    shop.publish({"orders": ORDERS}, endpoints=(DRAWN,))
    result = shop.call("bench", "--url", "http://192.0.2.1:80")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: http://192.0.2.1:80: it is not on this machine, ")


def test_it_asks_with_a_key(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = replace(DRAWN, access=Access("granted", roles=("analyst",)))
    shop.publish({"orders": ORDERS}, endpoints=(closed,))
    nobody = shop.call("bench", *QUICK)
    assert nobody.exit_code == 1
    assert "401 Unauthorized" in nobody.stdout
    key = key_for(shop.store, "office", "analyst")
    monkeypatch.setenv("SHOP_KEY", key)
    result = shop.call("bench", *QUICK, "--key", "env:SHOP_KEY")
    assert (result.exit_code, result.stderr) == (0, "")
    assert key not in result.output


def test_a_key_is_sent_to_no_other_machine(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would go there in the clear."""
    shop.publish({"orders": ORDERS}, endpoints=(DRAWN,))
    monkeypatch.setenv("SHOP_KEY", "hr_prod_secret")
    url = ("--url", "http://192.0.2.1:80", "--allow-remote")
    result = shop.call("bench", *url, "--key", "env:SHOP_KEY")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: --key: http://192.0.2.1:80 is not on this machine, and a key would go there in the"
        " clear; expected a loopback address such as http://127.0.0.1:8000\n"
    )


def test_without_an_endpoint_there_is_nothing_to_measure(shop: Shop) -> None:
    shop.publish({"orders": ORDERS}, endpoints=())
    result = shop.call("bench")
    assert (result.exit_code, result.stdout) == (
        0,
        "No endpoint is published: write one in endpoints/, and `headrace run`.\n",
    )
    assert json.loads(shop.call("bench", "--json").stdout) == {"endpoints": [], "skipped": []}


def test_without_a_snapshot_there_is_nothing_to_measure(shop: Shop) -> None:
    result = shop.call("bench")
    assert (result.exit_code, result.stdout) == (2, "")


def test_nothing_that_can_be_asked_is_a_mistake(shop: Shop) -> None:
    shop.publish({"orders": ORDERS}, endpoints=(SEARCH,))
    result = shop.call("bench")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: nothing can be asked for: search: {MISSING}\n"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("store_id", "--param: found 'store_id'; expected `NAME=VALUE`"),
        (
            "store=1",
            (
                "--param store=1: no endpoint that is measured has a parameter `store`; expected"
                " one of `limit`, `offset`, `store_id`; did you mean `store_id`?"
            ),
        ),
        (
            "store_id=x",
            ("--param store_id=x: found 'x'; expected an integer from -2147483648 to 2147483647"),
        ),
    ],
)
def test_a_wrong_parameter_is_told(shop: Shop, given: str, message: str) -> None:
    shop.publish({"orders": ORDERS}, endpoints=(DRAWN,))
    result = shop.call("bench", "--param", given)
    assert (result.exit_code, result.stderr) == (2, f"error: {message}\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.000_123, "0.12 ms"), (0.0123, "12.3 ms"), (0.25, "250 ms"), (2.5, "2.50 s")],
)
def test_a_latency_has_as_many_digits_as_it_is_worth(seconds: float, text: str) -> None:
    assert latency(seconds) == text
