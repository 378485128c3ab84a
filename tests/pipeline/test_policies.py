"""A project whose rows are not everybody's: what is published, and what a change of that costs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from headrace.base.errors import ProjectError
from headrace.store.snapshots import Case, Claim, Scope
from tests.cli.shops import call
from tests.projects import SHOP, Shop, built, served, write_files

ORDERS = dedent(SHOP["sources/orders.yaml"])
DAILY = dedent(SHOP["models/daily_revenue.sql"])
BY_STORE = "rows: store_id = $auth.store_id\n"
SCOPED = {
    "headrace.toml": 'name = "shop"\n[serve]\ndefault_access = "authenticated"\n',
    "sources/orders.yaml": f"{ORDERS}{BY_STORE}",
    "models/daily_revenue.sql": DAILY.replace("key:", f"{BY_STORE}key:", 1),
    "models/store_revenue.sql": (
        '/* rows: {public: "totals that are on the web site"} */\n'
        + dedent(SHOP["models/store_revenue.sql"])
    ),
}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", SHOP | SCOPED))


def test_an_endpoint_is_published_with_what_it_takes_from_who_asks(shop: Shop) -> None:
    shop.run()
    manifest = shop.published().manifest
    [contract] = manifest.endpoints
    assert contract.scope == Scope((Claim("store_id", "INTEGER"),), (Case("", ("store_id",)),))
    assert "(store_id = CAST($auth_store_id AS INTEGER))" in contract.sql
    assert [each.name for each in contract.parameters] == ["store_id", "since"]
    assert manifest.tables.keys() == shop.published().tables.keys()
    assert manifest.tables["store_revenue"].rows is None
    for table in ("orders", "daily_revenue"):
        assert [case.claims for case in manifest.tables[table].rows or ()] == [("store_id",)]


def key_of(shop: Shop, name: str, *options: str) -> dict[str, str]:
    """The header of a new account's key."""
    call("users", "add", name, "--service", *options, "--project", str(shop.root))
    key = call("keys", "create", name, "--project", str(shop.root)).stdout.strip()
    return {"authorization": f"Bearer {key}"}


def test_each_is_answered_with_the_rows_of_their_own_claim(shop: Shop) -> None:
    shop.run()
    ten, none = key_of(shop, "anna", "--claim", "store_id=10"), key_of(shop, "carl")
    wrong = key_of(shop, "ben", "--claim", "store_id=ten")
    with served(shop) as client:
        own = client.get("/stores/10/revenue", headers=ten)
        assert own.json() == [
            {"day": "2024-01-01", "revenue": 7.5, "orders": 2},
            {"day": "2024-02-02", "revenue": 6.1, "orders": 1},
        ]
        for headers, store in ((ten, 11), (none, 10), (wrong, 10), (none, 11)):
            answer = client.get(f"/stores/{store}/revenue", headers=headers)
            assert (answer.status_code, answer.json()) == (200, [])
            assert answer.headers["etag"] != own.headers["etag"]
        assert client.get("/stores/10/revenue").status_code == 401


CITIES = {
    "headrace.toml": SCOPED["headrace.toml"],
    "data/stores.csv": "store_id,city,owner,rent\n10,Lyon,Ann,1\n11,Oslo,Ann,2\n12,Rome,,3\n",
    "sources/stores.yaml": """\
        files: data/stores.csv
        columns:
          store_id: int
          city: {type: text, access: [crm]}
          owner: {type: text, access: [crm], hide: hashed}
          rent: {type: int, access: [crm], hide: absent}
        """,
    "endpoints/stores.sql": "SELECT * FROM stores ORDER BY store_id\n",
    "endpoints/lyon.sql": "SELECT count(*) AS n FROM stores WHERE city = 'Lyon'\n",
    "endpoints/rent.sql": "/* access: [crm] */\nSELECT owner, rent FROM stores ORDER BY rent\n",
}


def test_hidden_columns_are_seen_by_their_roles_alone(tmp_path: Path) -> None:
    shop = Shop(write_files(tmp_path / "shop", CITIES))
    shop.run()
    crm, clerk = key_of(shop, "crm", "--role", "crm"), key_of(shop, "clerk", "--role", "clerk")
    with served(shop) as client:
        seen = client.get("/stores", headers=crm).json()
        assert [list(row.values()) for row in seen] == [
            [10, "Lyon", "Ann"],
            [11, "Oslo", "Ann"],
            [12, "Rome", None],
        ]
        hidden = client.get("/stores", headers=clerk).json()
        assert [row["city"] for row in hidden] == [None, None, None]
        first, second, third = (row["owner"] for row in hidden)
        assert (first, third) == (second, None)
        assert len(first) == 64
        assert client.get("/lyon", headers=crm).json() == [{"n": 1}]
        assert client.get("/lyon", headers=clerk).json() == [{"n": 0}]
        assert client.get("/rent", headers=crm).json()[0] == {"owner": "Ann", "rent": 1}
        assert client.get("/rent", headers=clerk).status_code == 404


def test_a_change_of_a_policy_is_said_in_words_and_builds_nothing(tmp_path: Path) -> None:
    open_to_all = SHOP | {"headrace.toml": SCOPED["headrace.toml"]}
    shop = Shop(write_files(tmp_path / "shop", open_to_all))
    shop.run()
    before = shop.published()
    write_files(shop.root, SCOPED)
    plan = shop.plan()
    assert (plan.steps, plan.checks) == ((), ())
    assert plan.reasons == (
        "daily_revenue: rows were everybody's, now by store_id",
        "orders: rows were everybody's, now by store_id",
        "orders__quarantine: rows were everybody's, now nobody's",
        "the API's contract changed: revenue",
    )
    assert built(shop.run()) == []
    after = shop.published()
    assert after.tables == before.tables
    assert after.content != before.content
    assert shop.plan().nothing_to_do


def test_a_snapshot_that_does_not_say_who_sees_what_is_published_anew(shop: Shop) -> None:
    shop.run()
    published = shop.published()
    silent = replace(published, manifest=replace(published.manifest, tables={}))
    shop.store.publish("prod", silent, parent=1, reason="by an earlier version")
    plan = shop.plan()
    assert (plan.steps, plan.reasons) == ((), ("who sees what of a table is not published yet",))
    shop.run()
    assert shop.published() == published


def test_a_model_that_would_open_what_its_input_keeps_is_not_built(shop: Shop) -> None:
    shop.write("models/store_revenue.sql", SHOP["models/store_revenue.sql"])
    with pytest.raises(ProjectError) as caught:
        shop.plan()
    assert str(caught.value.problems[0]) == (
        "models/store_revenue.sql:1: `store_revenue` derives from `daily_revenue`, whose rows not"
        " everybody sees: they are told apart by `store_id`, which none of its columns derives"
        " from; it does not say who sees its own rows; expected `rows:` in its header; write"
        " `rows: <a condition over its columns and $auth.<claim>>`, or"
        " `rows: {public: <why everybody may see all of it>}`"
    )


def test_planning_what_has_not_changed_imports_no_engine(shop: Shop) -> None:
    shop.run()
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from headrace.pipeline.workspace import open_workspace, plan_workspace\n"
        f"plan = plan_workspace(open_workspace(Path({str(shop.root)!r})), 'prod')\n"
        "print('duckdb' in sys.modules, plan.nothing_to_do)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"
