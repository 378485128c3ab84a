"""overview.py: everybody is told of what they may call, and of nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from headrace.base.access import PUBLIC, Access, Principal
from headrace.base.clock import SetClock
from headrace.console.overview import Line, overview_of
from headrace.serve.editions.watching import Watcher
from headrace.serve.kit import Kit
from headrace.serve.settings import ServeSettings
from headrace.store.store import Store
from tests.serve.shop import ALL_SALES, BY_STORE, SALES, Shop

ROUTER = """
from fastapi import APIRouter

router = APIRouter()


@router.get("/twice/{number}", description="Twice a number.")
def twice(number: int) -> int:
    return 2 * number
"""
ANALYSTS = Access("granted", ("analyst",))


def test_somebody_is_told_of_what_is_open_to_them_and_how_old_it_is(tmp_path: Path) -> None:
    clock = SetClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    shop = Shop(Store.open(tmp_path, clock=clock))
    sales = shop.table("sales", SALES.format(rows=10), loaded_at="2026-03-01T09:00:00.000000Z")
    ref = shop.publish(
        replace(ALL_SALES, access=ANALYSTS, deprecated="2026-06-01"),
        BY_STORE,
        tables=(sales,),
        modules={"endpoints/twice.py": ROUTER},
    )
    watcher = Watcher(Kit.make(clock, ServeSettings(query_processes=False)), shop.store, "prod")
    watcher.refresh()
    edition = watcher.acquire()
    assert edition is not None
    by_store = Line(
        "GET", "/stores/{store_id}/sales", "What a store sold, day by day.", ("store_id",), "3 h"
    )
    twice = Line("GET", "/twice/{number}", "Twice a number.", ("number",), "")
    told = overview_of(edition, Principal("user:anna", frozenset({"viewer"})), "prod")
    assert told.lines == (by_store, twice)
    assert (told.project, told.environment, told.snapshot, told.published_at) == (
        "shop",
        "prod",
        1,
        ref.at,
    )
    told = overview_of(edition, Principal("user:bert", frozenset({"analyst"})), "prod")
    sold = Line("GET", "/sales", "", (), "3 h", "2026-06-01")
    assert told.lines == (sold, by_store, twice)
    assert [line.link for line in told.lines] == ["/sales", "", ""]
    assert PUBLIC.allows(Principal())
    watcher.release(edition)
    watcher.close()
    shop.engine.close()
