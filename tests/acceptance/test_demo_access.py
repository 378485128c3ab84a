"""The demo, served: four roles, three franchises, and nobody gets a row that is not theirs.

What somebody must not see is known by its canaries: the ids of a store's orders, the addresses of
customers. No answer to anybody else may hold one, in whatever form and however it was asked for.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pyarrow.ipc
import pyarrow.parquet
import pytest

from headrace.cli.demo import raw_data
from headrace.cli.demo.chain import SITES
from headrace.cli.demo.trade import members, orders_of
from headrace.cli.demo.writing import write_demo
from headrace.pipeline.building import build
from headrace.pipeline.workspace import open_workspace, plan_workspace
from tests.cli.shops import call

pytestmark = pytest.mark.slow

DAYS = [date(2025, 11, number) for number in range(20, 31)]
STORES = tuple(site.store_id for site in SITES)
NORDIC = tuple(site.store_id for site in SITES if site.franchise == "nordic")
OF_A_STORE = ("revenue?since=2025-11-20", "by-month", "hours", "forecast", "targets", "orders")
ENDINGS = ("", ".json", ".ndjson", ".csv", ".arrow", ".parquet", ".xlsx")
PUBLIC = ("/", "/openapi.json", "/stores/leaderboard", "/products/ranking", "/products/search?q=te")


@dataclass(frozen=True)
class Coffee:
    """The demo behind a real socket: `keys` are those of its accounts, by name."""

    root: Path
    url: str
    keys: dict[str, str]

    def client(self, name: str) -> httpx.Client:
        """Somebody with the key of an account, "" is nobody; `close` it."""
        key = self.keys.get(name)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    @cached_property
    def orders(self) -> dict[int, set[str]]:
        """store -> the ids of its orders: nobody else's answers hold one."""
        found: dict[int, set[str]] = {store: set() for store in STORES}
        for day in DAYS:
            for order in orders_of(day):
                found[order.store_id].add(str(order.order_id))
        return found


@pytest.fixture(scope="module")
def coffee(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coffee]:
    root = tmp_path_factory.mktemp("demo") / "coffee"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_data, "days", lambda: DAYS)
        write_demo(root)
    (root / raw_data.LATE_FILE).unlink()
    shorter(root)
    publish(root)
    # A second snapshot with the same rows: `?snapshot=1` asks for the first.
    changed(root, "endpoints/cohorts.sql", "still come", "come again")
    publish(root)
    keys = accounts(root)
    with served(root) as url:
        yield Coffee(root, url, keys)
    log = (root / "serve.log").read_text()
    assert "is ready" in log
    assert [name for name, key in keys.items() if key.rpartition("_")[0] in log] == []


def shorter(root: Path) -> None:
    """Let the project be content with a few days."""
    changed(root, "models/daily_revenue.sql", "  - row_count: {min: 7000, max: 9000}\n", "")
    changed(root, "headrace.toml", "[serve]\n", "[serve]\nsnapshots = true\n")


def changed(root: Path, file: str, before: str, after: str) -> None:
    text = (root / file).read_text()
    assert before in text
    (root / file).write_text(text.replace(before, after))


def publish(root: Path) -> None:
    workspace = open_workspace(root)
    report = build(workspace, plan_workspace(workspace, "prod"))
    assert (report.outcome, report.failures) == ("published", ())


def accounts(root: Path) -> dict[str, str]:
    """The demo's accounts, by its own script, and one more manager: name -> key."""
    first, keys = by_script(root), by_script(root)
    assert list(first) == list(keys) == ["haga", "nordic", "office", "mailing"]
    assert set(first.values()).isdisjoint(keys.values())
    for name, store in {"soho": 3, "linne": 9}.items():
        options = ["--role", "store_manager", "--claim", f"store_id={store}", "--service"]
        assert call("users", "add", name, *options, "-C", str(root)).exit_code == 0
        keys[name] = call("keys", "create", name, "-C", str(root)).stdout.strip()
    return keys


def by_script(root: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "accounts.sh"],
        cwd=root,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    keys = re.findall(r"curl -H 'Authorization: Bearer (\S+)' 'http://127.0.0.1:8000/", done.stdout)
    names = re.findall(r"key \S+ of service (\w+) in prod, until", done.stderr)
    return dict(zip(names, keys, strict=True))


@contextmanager
def served(root: Path) -> Iterator[str]:
    """`headrace serve` on a free port, for the length of a block: gives its URL."""
    command = [sys.executable, "-m", "headrace.cli.main", "serve", "-C", str(root), "--port", "0"]
    with (
        (root / "serve.log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        while "Ctrl-C" not in server.stdout.readline():
            pass
        try:
            # The port is open before there is anybody who answers: it waits.
            assert httpx.get(f"{url}/readyz", timeout=60).status_code == 200
            yield url
        finally:
            server.terminate()
            server.wait(30)


def text_of(answer: httpx.Response) -> str:
    """All that an answer says, headers too, whatever its form."""
    kind = answer.headers.get("content-type", "").partition(";")[0]
    body = answer.content
    if kind == "application/vnd.apache.parquet":
        said = str(pyarrow.parquet.read_table(io.BytesIO(body)).to_pylist())
    elif kind == "application/vnd.apache.arrow.stream":
        said = str(pyarrow.ipc.open_stream(body).read_all().to_pylist())
    elif body[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(body)) as workbook:
            said = "".join(workbook.read(name).decode() for name in workbook.namelist())
    else:
        said = answer.text
    return said + str(dict(answer.headers))


def path(store: int, what: str, ending: str = "") -> str:
    name, _, query = what.partition("?")
    return f"/stores/{store}/{name}{ending}" + (f"?{query}" if query else "")


def seen_orders(coffee: Coffee, text: str) -> set[int]:
    """The stores whose orders a text tells of."""
    ids = set(re.findall(r"2025\d{8}", text))
    return {store for store, own in coffee.orders.items() if ids & own}


def without_instance(answer: httpx.Response) -> dict[str, object]:
    return {name: value for name, value in answer.json().items() if name != "instance"}


# Whose stores are which: (account, the stores whose rows it may see).
MANAGERS = (("haga", (7,)), ("soho", (3,)), ("linne", (9,)))
WHOLE = (("office", STORES), ("nordic", NORDIC), *MANAGERS)


def test_everybody_sees_their_stores_and_those_alone(coffee: Coffee) -> None:
    with coffee.client("office") as office:
        everything = {
            (store, what): office.get(path(store, what))
            for store, what in product(STORES, OF_A_STORE)
        }
    assert all(each.status_code == 200 for each in everything.values())
    assert all(each.json() for key, each in everything.items() if key[1] != "orders")
    for name, stores in WHOLE:
        with coffee.client(name) as client:
            for (store, what), whole in everything.items():
                # Twice: the second answer is one that is kept.
                for _ in range(2):
                    answer = client.get(path(store, what))
                    if name == "nordic" and what == "orders":
                        assert answer.status_code == 404
                        continue
                    mine = whole.json() if store in stores else []
                    assert (name, store, what, answer.json()) == (name, store, what, mine)


def test_no_form_of_an_answer_tells_more(coffee: Coffee) -> None:
    with coffee.client("haga") as haga, coffee.client("office") as office:
        for ending in ENDINGS:
            own = haga.get(path(7, "orders?limit=500", ending))
            assert (ending, own.status_code) == (ending, 200)
            assert (ending, seen_orders(coffee, text_of(own))) == (ending, {7})
            for store in (3, 8):
                others = haga.get(path(store, "orders?limit=500", ending))
                assert (ending, others.status_code) == (ending, 200)
                assert (ending, seen_orders(coffee, text_of(others))) == (ending, set())
                whole = office.get(path(store, "orders?limit=500", ending))
                assert (ending, seen_orders(coffee, text_of(whole))) == (ending, {store})
        for shape, asked in product(("rows", "columns", "arrays"), (7, 8)):
            answer = haga.get(f"/stores/{asked}/orders?shape={shape}")
            assert seen_orders(coffee, text_of(answer)) == ({7} if asked == 7 else set())


def test_pages_filters_and_orders_stay_in_the_store(coffee: Coffee) -> None:
    queries = [
        "orders?sort=-amount&limit=500",
        "orders?status=completed&limit=500",
        "orders?channel[in]=app,counter&sort=amount&limit=500",
        "orders?fields=order_id&limit=500",
        "orders?offset=3&limit=400",
        "orders?status[ne]=completed",
    ]
    with coffee.client("haga") as haga:
        for query in queries:
            assert seen_orders(coffee, text_of(haga.get(path(7, query)))) == {7}
            for store in (3, 8, 9):
                assert haga.get(path(store, query)).json() == []


def test_a_page_of_somebody_else_is_no_way_in(coffee: Coffee) -> None:
    """A cursor says where to go on; who asks says what there is."""
    with coffee.client("haga") as haga, coffee.client("linne") as linne:
        page, ids = haga.get("/stores/7/orders?limit=50"), []
        following: list[str] = []
        while True:
            assert seen_orders(coffee, text_of(page)) == {7}
            ids += [row["order_id"] for row in page.json()]
            if "next" not in page.links:
                break
            address = urlsplit(page.links["next"]["url"])
            following.append(f"{address.path}?{address.query}")
            page = haga.get(following[-1])
        assert len(following) > 5
        assert len(set(ids)) == len(ids)
        # But for those that a broken till has written.
        assert len(coffee.orders[7]) - 5 <= len(ids) <= len(coffee.orders[7])
        for target in following:
            for other in (target, target.replace("/stores/7/", "/stores/9/")):
                assert seen_orders(coffee, text_of(linne.get(other))) <= {9}


def test_a_batch_answers_each_call_as_its_own_request(coffee: Coffee) -> None:
    calls = [{"path": path(store, "orders?limit=100")} for store in STORES]
    with coffee.client("haga") as haga, coffee.client("nordic") as nordic:
        answer = haga.post("/batch", json={"calls": calls})
        assert answer.status_code == 200
        assert seen_orders(coffee, text_of(answer)) == {7}
        refused = nordic.post("/batch", json={"calls": calls})
        assert seen_orders(coffee, text_of(refused)) == set()
        assert [each["status"] for each in refused.json()["answers"]] == [404] * len(STORES)


def test_a_stream_begins_with_ones_own_rows(coffee: Coffee) -> None:
    with coffee.client("haga") as haga:
        for store, expected in ((7, {7}), (8, set())):
            with haga.stream("GET", f"/stores/{store}/orders/stream") as stream:
                assert stream.status_code == 200
                data = next(line for line in stream.iter_lines() if line.startswith("data:"))
            assert seen_orders(coffee, data) == expected


def test_the_tag_of_somebody_elses_answer_is_not_ones_own(coffee: Coffee) -> None:
    names = ("office", "nordic", "haga", "soho", "linne")
    clients = {name: coffee.client(name) for name in names}
    try:
        for store in (3, 7, 9):
            answers = {
                name: client.get(path(store, "revenue?since=2025-11-20"))
                for name, client in clients.items()
            }
            for whose, asker in product(names, names):
                tag = answers[whose].headers["etag"]
                again = clients[asker].get(
                    path(store, "revenue?since=2025-11-20"), headers={"If-None-Match": tag}
                )
                if again.status_code == 304:
                    assert answers[asker].content == answers[whose].content
                    assert tag == answers[asker].headers["etag"]
                else:
                    assert again.content == answers[asker].content
    finally:
        for client in clients.values():
            client.close()


def test_two_managers_who_take_turns_get_each_their_own(coffee: Coffee) -> None:
    """Of the same address, again and again: what is kept for one is not given to the other."""
    with coffee.client("haga") as haga, coffee.client("linne") as linne:
        for _ in range(20):
            for store, what in product((7, 9), OF_A_STORE):
                mine, theirs = haga.get(path(store, what)), linne.get(path(store, what))
                assert bool(mine.json()) == (store == 7)
                assert bool(theirs.json()) == (store == 9)
                assert {7: mine, 9: theirs}[store].json()
                for answer in (mine, theirs):
                    assert "public" not in answer.headers["cache-control"]


def test_an_older_snapshot_has_the_same_rules(coffee: Coffee) -> None:
    with coffee.client("haga") as haga, coffee.client("") as nobody:
        for number in (1, 2):
            own = haga.get(f"/stores/7/orders?snapshot={number}")
            assert own.headers["x-snapshot"] == str(number)
            assert seen_orders(coffee, text_of(own)) == {7}
            assert haga.get(f"/stores/8/orders?snapshot={number}").json() == []
            assert nobody.get(f"/stores/7/orders?snapshot={number}").status_code == 401


def test_the_router_compares_ones_own_stores(coffee: Coffee) -> None:
    def compare(client: httpx.Client, one: int, other: int) -> httpx.Response:
        return client.get(f"/compare?one={one}&other={other}")

    with coffee.client("office") as office, coffee.client("nordic") as nordic:
        whole = compare(office, 7, 8)
        assert (whole.status_code, compare(nordic, 7, 8).json()) == (200, whole.json())
        assert compare(office, 1, 7).status_code == 200
        foreign, absent = compare(nordic, 1, 7), compare(nordic, 99, 7)
        assert (foreign.status_code, absent.status_code) == (404, 404)
        assert "Alameda" not in foreign.text
    with coffee.client("haga") as haga:
        refused, nothing = compare(haga, 7, 8), haga.get("/nothing")
        assert (refused.status_code, nothing.status_code) == (404, 404)
        assert without_instance(refused) == without_instance(nothing)


def test_a_query_sees_what_the_account_sees(coffee: Coffee) -> None:
    def stores(account: str, table: str) -> set[int]:
        sql = f"SELECT DISTINCT store_id FROM {table}"
        return {int(str(row["store_id"])) for row in queried(coffee, account, sql)}

    for name, own in MANAGERS:
        for table in ("orders", "sales", "daily_revenue", "customers"):
            assert (name, table, stores(name, table)) == (name, table, set(own))
    assert stores("nordic", "daily_revenue") == set(NORDIC)
    assert stores("office", "orders") == set(STORES)
    for account, table in (("nordic", "orders"), ("mailing", "orders"), ("haga", "targets")):
        result = call("query", f"FROM {table}", "--as", account, "-C", str(coffee.root))
        assert (result.exit_code, result.stdout) == (2, "")
        assert seen_orders(coffee, result.output) == set()


def queried(coffee: Coffee, account: str, sql: str) -> list[dict[str, object]]:
    result = call("query", sql, "--as", account, "--json", "-C", str(coffee.root))
    assert result.exit_code == 0, result.output
    found: list[dict[str, object]] = json.loads(result.stdout)
    return found


def test_addresses_are_for_who_writes_to_them(coffee: Coffee) -> None:
    of_haga = next(each for each in members() if each.store_id == 7).customer_id
    of_soho = next(each for each in members() if each.store_id == 3).customer_id
    contact = "/customers/{}/contact".format
    with coffee.client("mailing") as mailing:
        [whole] = mailing.get(contact(of_haga)).json()
        assert "@example.com" in whole["email"]
        assert mailing.get(contact(of_soho)).json()
        assert mailing.get("/stores/7/revenue").status_code == 404
    for ending in ENDINGS:
        with coffee.client("haga") as haga, coffee.client("office") as office:
            own = haga.get(contact(of_haga) + ending)
            assert whole["name"] in text_of(own)
            assert "@example.com" not in text_of(own)
            assert "@example.com" not in text_of(office.get(contact(of_haga) + ending))
            assert whole["name"] not in text_of(office.get(contact(of_haga) + ending))
    with coffee.client("haga") as haga, coffee.client("office") as office:
        # What is not seen is not there: a customer of another store is none.
        assert haga.get(contact(of_soho)).json() == haga.get(contact(999_999)).json() == []
        assert haga.get(f"/customers/{of_soho}").json() == []
        [hashed] = office.get(contact(of_haga)).json()
        assert (len(hashed["email"]), hashed["name"]) == (64, None)
        assert office.get(contact(of_haga)).json() == [hashed]


def test_nobody_finds_an_address_by_asking_for_it(coffee: Coffee) -> None:
    with coffee.client("mailing") as mailing:
        [whole] = mailing.get("/customers/5/contact").json()
    ask = f"SELECT customer_id FROM customers WHERE email = '{whole['email']}'"
    assert queried(coffee, "mailing", ask) == [{"customer_id": 5}]
    for account in ("office", "haga"):
        assert queried(coffee, account, ask) == []
        assert queried(coffee, account, "FROM customers WHERE email LIKE '%@%'") == []


def test_nobody_gets_in_without_a_key_that_holds(coffee: Coffee) -> None:
    secret = [path(7, what) for what in OF_A_STORE]
    secret += ["/customers/5", "/customers/5/contact", "/cohorts", "/quality/orders"]
    secret += ["/compare?one=7&other=8", "/nothing", "/stores/7/orders/stream"]
    bad = coffee.keys["haga"][:-1] + ("a" if coffee.keys["haga"][-1] != "a" else "b")
    with coffee.client("") as nobody:
        for target in secret:
            refused = nobody.get(target)
            assert (target, refused.status_code) == (target, 401)
            assert refused.headers["www-authenticate"] == "Bearer"
            assert seen_orders(coffee, text_of(refused)) == set()
        for target in PUBLIC:
            assert (target, nobody.get(target).status_code) == (target, 200)
            wrong = nobody.get(target, headers={"Authorization": f"Bearer {bad}"})
            assert (target, wrong.status_code) == (target, 401)
        paths = nobody.get("/openapi.json").json()["paths"]
        assert [each for each in paths if "{store_id}" in each or "{customer_id}" in each] == []


def test_each_role_opens_what_it_is_for(coffee: Coffee) -> None:
    expected = {
        "/cohorts": {"office", "mailing"},
        "/quality/orders": {"office"},
        "/stores/7/revenue": {"haga", "nordic", "office"},
        "/stores/7/orders": {"haga", "office"},
        "/customers/5": {"haga", "office", "mailing"},
        "/customers/5/contact": {"haga", "office", "mailing"},
        "/stores/leaderboard": {"haga", "nordic", "office", "mailing"},
    }
    found: dict[str, set[str]] = {target: set() for target in expected}
    for name in ("haga", "nordic", "office", "mailing"):
        with coffee.client(name) as client:
            for target in expected:
                answer = client.get(target)
                assert answer.status_code in (200, 404)
                if answer.status_code == 200:
                    found[target].add(name)
    assert found == expected
