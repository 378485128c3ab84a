"""Small projects that tests write, change and run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from headrace.observe.events import Event, Observer, ignore
from headrace.pipeline.building import BuildReport, build
from headrace.pipeline.plan.plans import Plan
from headrace.pipeline.run.pace import Pace
from headrace.pipeline.workspace import open_workspace, plan_workspace
from headrace.serve import create_app
from headrace.store.snapshots import Snapshot
from headrace.store.store import Store
from tests.serve.shop import Client

SHOP = {
    "headrace.toml": 'name = "shop"\n[serve]\ndefault_access = "public"\n',
    "data/orders/2024-01.csv": """\
        order_id,store_id,ordered_at,amount
        1,10,2024-01-01 08:00:00,4.50
        2,10,2024-01-01 09:30:00,3.00
        3,11,2024-01-02 10:00:00,7.25
        """,
    "data/orders/2024-02.csv": """\
        order_id,store_id,ordered_at,amount
        4,11,2024-02-01 08:00:00,5.00
        5,10,2024-02-02 08:15:00,6.10
        """,
    "data/stores.csv": """\
        store_id,city
        10,Lyon
        11,Oslo
        """,
    "sources/orders.yaml": """\
        files: data/orders/*.csv
        tolerance: 10 %
        columns:
          order_id: {type: bigint, not_null: true}
          store_id: int
          ordered_at: timestamp
          amount: {type: "decimal(12,2)", min: 0}
        """,
    "sources/stores.yaml": """\
        files: data/stores.csv
        key: store_id
        columns: {store_id: int, city: text}
        """,
    "models/daily_revenue.sql": """\
        /*
        key: [store_id, day]
        columns: {revenue: {min: 0}}
        */
        SELECT store_id, CAST(ordered_at AS DATE) AS day, sum(amount) AS revenue, count(*) AS orders
        FROM orders
        GROUP BY ALL
        """,
    "models/store_revenue.sql": """\
        SELECT stores.store_id, city, sum(revenue) AS revenue
        FROM stores JOIN daily_revenue USING (store_id)
        GROUP BY ALL
        """,
    "models/cities.sql": "SELECT DISTINCT city FROM stores\n",
    "endpoints/revenue.sql": """\
        /*
        path: /stores/{store_id}/revenue
        defaults: {since: 2024-01-01}
        */
        SELECT day, revenue, orders FROM daily_revenue
        WHERE store_id = $store_id AND day >= $since
        ORDER BY day
        """,
    "checks/known_stores.sql": """\
        SELECT store_id FROM daily_revenue WHERE store_id NOT IN (SELECT store_id FROM stores)
        """,
}


def write_files(root: Path, files: dict[str, str]) -> Path:
    """Write the files below `root`, their text dedented, and return `root`."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return root


@dataclass
class Shop:
    """A project in a folder, to change and run."""

    root: Path
    environment: str = "prod"

    def write(self, name: str, text: str) -> None:
        """Replace one file."""
        write_files(self.root, {name: text})

    def plan(self) -> Plan:
        """What a run would do now."""
        return plan_workspace(open_workspace(self.root), self.environment)

    def run(
        self,
        observe: Observer = ignore,
        *,
        accepted: tuple[str, ...] = (),
        pace: Pace | None = None,
    ) -> BuildReport:
        """Plan and execute; `accepted` names the endpoints that may break their users."""
        workspace = open_workspace(self.root)
        plan = plan_workspace(workspace, self.environment)
        return build(workspace, plan, observe, accepted=accepted, pace=pace)

    def execute(
        self, plan: Plan, observe: Observer = ignore, pace: Pace | None = None
    ) -> BuildReport:
        """Execute a plan that was made before."""
        return build(open_workspace(self.root), plan, observe, pace=pace)

    def events(self) -> list[Event]:
        """Plan and execute; everything that was observed."""
        seen: list[Event] = []
        self.run(seen.append)
        return seen

    @property
    def store(self) -> Store:
        """Its store."""
        return open_workspace(self.root).store

    def published(self) -> Snapshot:
        """What it has published."""
        head = self.store.head(self.environment)
        assert head is not None
        return self.store.snapshot(head)


@contextmanager
def served(shop: Shop) -> Iterator[Client]:
    """A client of what a project has published."""
    service = create_app(shop.store, shop.environment)
    service.refresh()
    try:
        yield Client(service)
    finally:
        service.close()


def built(report: BuildReport) -> list[str]:
    """The tables that a run has built, sorted."""
    return sorted(step.table for step in report.steps if step.outcome == "built")
