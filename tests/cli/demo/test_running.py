"""The whole demo, run once: what goes in comes out, and every endpoint answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from headrace.benching.drawing import draw
from headrace.benching.sampling import sampling
from headrace.cli.demo.chain import days
from headrace.cli.demo.raw_data import (
    LATE_DAY,
    LATE_FILE,
    LATE_STORE,
    REPEAT_EVERY_DAYS,
    REPEATED_ORDERS,
)
from headrace.cli.demo.trade import CUSTOMERS, orders_of
from headrace.cli.demo.writing import write_demo
from headrace.pipeline.building import BuildReport, build
from headrace.pipeline.workspace import Workspace, open_workspace, plan_workspace
from headrace.serve import ServeSettings, Service, create_app
from tests.accounts import key_for

pytestmark = pytest.mark.slow

REPEATED = REPEATED_ORDERS * sum(
    day.toordinal() % REPEAT_EVERY_DAYS == 0 for day in days() if day != days()[0]
)


@dataclass(frozen=True)
class Ran:
    """The demo after one run; answers come without a socket."""

    workspace: Workspace
    report: BuildReport
    service: Service
    keys: Mapping[str, str]

    def get(self, path: str, who: str = "analyst") -> httpx.Response:
        """The answer to somebody with this role; "" has no credential."""
        headers = {"Authorization": f"Bearer {self.keys[who]}"} if who else {}
        return asyncio.run(self._get(path, headers))

    async def _get(self, path: str, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.service)
        async with httpx.AsyncClient(transport=transport, base_url="http://demo") as client:
            return await client.get(path, headers=headers)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    folder = tmp_path_factory.mktemp("demo") / "coffee"
    write_demo(folder)
    workspace = open_workspace(folder)
    report = build(workspace, plan_workspace(workspace, "prod"))
    store = workspace.store
    keys = {
        "analyst": key_for(store, "office", "analyst"),
        "franchisee": key_for(store, "nordic", "franchisee", tenant="nordic"),
        "store_manager": key_for(store, "haga", "store_manager", store_id=7),
    }
    service = create_app(store, "prod")
    service.refresh()
    yield Ran(workspace, report, service, keys)
    service.close()


def raw_rows(folder: Path) -> list[str]:
    """Every row of every order file."""
    return [
        line
        for path in sorted((folder / "data" / "orders").glob("*.csv"))
        for line in path.read_text().splitlines()[1:]
    ]


def is_bad(line: str) -> bool:
    return line.count(",") != 10 or any(text in line for text in (",two,", ",-", ",shipped,"))


# One test, because the demo takes seconds to run and a worker should run it once.
def test_the_demo_keeps_its_promises(ran: Ran) -> None:
    assert ran.report.failures == ()
    assert ran.report.outcome == "published"
    every_row_is_loaded_or_set_aside(ran)
    repeated_orders_count_once(ran)
    late_orders_land_on_their_day(ran)
    only_the_expected_checks_warn(ran)
    every_access_path_is_shown(ran)
    every_endpoint_answers(ran)
    what_a_key_finds_is_what_the_query_gives(ran)
    mistakes_of_a_client_are_named(ran)
    assert plan_workspace(ran.workspace, "prod").nothing_to_do
    a_late_file_builds_its_day(ran)


def rows_of(ran: Ran, table: str) -> int:
    return next(step.rows for step in ran.report.steps if step.table == table)


def every_row_is_loaded_or_set_aside(ran: Ran) -> None:
    rows = raw_rows(ran.workspace.project.root)
    bad = sum(map(is_bad, rows))
    [orders] = [step for step in ran.report.steps if step.table == "orders__landed"]
    assert (orders.rows_in, orders.rows, orders.quarantined) == (len(rows), len(rows) - bad, bad)
    assert 490_000 < len(rows) < 520_000
    assert bad > 50
    [customers] = [step for step in ran.report.steps if step.table == "customers"]
    assert (customers.rows, customers.quarantined) == (CUSTOMERS, 1)
    reported = ran.get("/quality/orders").json()
    assert sum(row["bad_rows"] for row in reported) == bad


def repeated_orders_count_once(ran: Ran) -> None:
    assert rows_of(ran, "orders__landed") - rows_of(ran, "orders") == REPEATED


def late_orders_land_on_their_day(ran: Ran) -> None:
    day = ran.get(f"/stores/{LATE_STORE}/revenue?since={LATE_DAY}&until={LATE_DAY}").json()
    completed = [
        order
        for order in orders_of(LATE_DAY)
        if order.store_id == LATE_STORE and order.status == "completed"
    ]
    assert [row["orders"] for row in day] == [len(completed)]
    assert [row["revenue"] for row in day] == [sum(each.amount_cents for each in completed) / 100]


def a_late_file_builds_its_day(ran: Ran) -> None:
    late = ran.workspace.project.root / LATE_FILE
    aside = late.rename(late.with_suffix(".aside"))
    steps = {step.table: step for step in plan_workspace(ran.workspace, "prod").steps}
    aside.rename(late)
    cells = {
        table: [cell.partition for cell in steps[table].cells]
        for table in ("orders", "sales", "daily_revenue", "store_months")
    }
    day, month = [LATE_DAY.isoformat()], [LATE_DAY.isoformat()[:7]]
    assert cells == {"orders": day, "sales": day, "daily_revenue": day, "store_months": month}


def only_the_expected_checks_warn(ran: Ran) -> None:
    found = {
        check.result.name: check.result.severity
        for check in ran.report.checks
        if check.result.failing
    }
    assert found == {"quiet_days": "warn"}


def every_access_path_is_shown(ran: Ran) -> None:
    ref = ran.workspace.store.head("prod")
    assert ref is not None
    endpoints = ran.workspace.store.snapshot(ref).manifest.endpoints
    found = {each.name: each.access_path for each in endpoints}
    assert [name for name, path in found.items() if path == "cache"] == ["leaderboard"]
    slow = [each for each in endpoints if each.access_path == "columnar"]
    assert [each.name for each in slow] == ["customer_contact", "product_ranking", "product_search"]
    assert all(each.reason and each.advice for each in slow)
    rolled_up = [each.name for each in endpoints if each.keyed and each.keyed.rollup]
    assert rolled_up == ["store_by_month"]


def what_a_key_finds_is_what_the_query_gives(ran: Ran) -> None:
    """Byte for byte, for requests drawn from the data, and for pages of their answers."""
    store = ran.workspace.store
    queried = create_app(store, "prod", ServeSettings(cache_bytes=0))
    queried.refresh()
    by_query = replace(ran, service=queried)
    asked = 0
    try:
        edition = queried._watcher.acquire()
        assert edition is not None
        for endpoint in edition.endpoints.values():
            endpoint.keyed = None
        snapshot = edition.reader.snapshot
        with sampling(snapshot, store.data_root, seed=1, count=12) as sampler:
            for contract in snapshot.manifest.endpoints:
                drawn = draw(contract, sampler, {}).targets if contract.keyed else ()
                for number, target in enumerate(drawn):
                    page = f"limit={number + 1}&offset={number % 3}"
                    for url in (target, f"{target}{'&' if '?' in target else '?'}{page}"):
                        for who in ran.keys:
                            found, given = ran.get(url, who), by_query.get(url, who)
                            assert found.status_code == given.status_code, (url, who)
                            assert without_instance(found) == without_instance(given), (url, who)
                            asked += 1
        queried._watcher.release(edition)
    finally:
        queried.close()
    assert asked > 300


def without_instance(answer: httpx.Response) -> bytes:
    """The body of an answer; that of a refusal names it, which no other does."""
    return re.sub(rb"urn:uuid:[0-9a-f-]+", b"", answer.content)


ANSWERS = {
    "/customers/5": 1,
    "/stores/7/orders": 20,
    "/stores/7/orders?limit=50": 50,
    "/stores/7/revenue?since=2025-12-24&until=2025-12-26": 3,
    "/stores/7/by-month?since=2025-11-15": 2,
    "/stores/12/targets": 11,
    "/stores/1/forecast": 14,
    "/stores/leaderboard": 5,
    "/products/ranking?category=tea": 3,
    "/products/ranking?month=2024-01-01": 10,
    "/products/search?q=latte": 3,
    "/cohorts?since=2025-12-01": 1,
}


def every_endpoint_answers(ran: Ran) -> None:
    for path, rows in ANSWERS.items():
        answer = ran.get(path)
        assert (path, answer.status_code, len(answer.json())) == (path, 200, rows)
    assert len(ran.get("/stores/7/hours").json()) == 7 * 14
    compared = ran.get("/compare?one=1&other=2").json()
    assert compared.items() >= {"snapshot": 1, "ahead": "Puerto", "behind": "Alameda"}.items()
    contracts = ran.get("/openapi.json").json()["paths"]
    assert {"/stores/{store_id}/revenue", "/compare", "/cohorts"} <= contracts.keys()


PUBLIC = ("/products/", "/stores/leaderboard")
MISTAKES = {
    "/stores/seven/revenue": 422,
    "/products/ranking?category=toys": 422,
    "/products/search?q=%25": 422,
    "/products/search": 422,
    "/stores/leaderboard?limit=13": 422,
    "/compare?one=1&other=1": 422,
    "/compare?one=1&other=99": 404,
    "/nothing": 404,
}


def mistakes_of_a_client_are_named(ran: Ran) -> None:
    for path, status in MISTAKES.items():
        assert (path, ran.get(path).status_code) == (path, status)
        # Who is not known is not told what there is, nor what is wrong.
        if not path.startswith(PUBLIC):
            assert (path, ran.get(path, "").status_code) == (path, 401)
