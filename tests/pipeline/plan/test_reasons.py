"""Every step and every publish has its reason, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.projects import SHOP, Shop, write_files

DAY = "order_id,store_id,ordered_at,amount\n{},10,2024-03-01 08:00:00,1.00\n"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", SHOP))


@pytest.fixture
def published(shop: Shop) -> Shop:
    """A shop whose data is published."""
    shop.run()
    return shop


def reasons(shop: Shop) -> dict[str, tuple[str, ...]]:
    """Table -> why it is to be built."""
    return {step.table: step.reasons for step in shop.plan().steps}


def test_what_was_never_built_is_new(shop: Shop) -> None:
    found = reasons(shop)
    assert found["orders"] == ("it is new (2 files)",)
    assert found["stores"] == ("it is new (1 file)",)
    assert found["cities"] == ("it is new",)


def test_files_are_named_up_to_three(published: Shop) -> None:
    for number in (3, 4, 5):
        published.write(f"data/orders/2024-0{number}.csv", DAY.format(number))
    published.write("data/orders/2024-01.csv", DAY.format(1))
    (published.root / "data/orders/2024-02.csv").unlink()
    assert reasons(published)["orders"] == (
        "source file data/orders/2024-03.csv is new",
        "source file data/orders/2024-04.csv is new",
        "source file data/orders/2024-05.csv is new",
        "source file data/orders/2024-01.csv changed",
        "source file data/orders/2024-02.csv is gone",
    )
    published.write("data/orders/2024-06.csv", DAY.format(6))
    [new, *_] = reasons(published)["orders"]
    assert new == "4 source files are new: data/orders/2024-03.csv … data/orders/2024-06.csv"


def test_a_changed_contract_reads_every_file(published: Shop) -> None:
    text = SHOP["sources/orders.yaml"].replace("store_id: int", "store_id: bigint")
    published.write("sources/orders.yaml", text)
    assert reasons(published)["orders"] == ("its contract changed (2 files to read)",)


def test_a_changed_query_and_a_changed_input_are_told_apart(published: Shop) -> None:
    published.write("models/cities.sql", "SELECT DISTINCT lower(city) AS city FROM stores\n")
    published.write("data/stores.csv", SHOP["data/stores.csv"] + "        12,Rome\n")
    assert reasons(published) == {
        "stores": ("source file data/stores.csv changed",),
        "cities": ("its SQL changed", "its input stores changed"),
        "store_revenue": ("its input stores changed",),
    }


def test_changed_code_is_called_so(shop: Shop) -> None:
    text = (
        "import pyarrow as pa\nfrom headrace import model\n"
        "@model(columns={'n': 'int'})\ndef wide() -> pa.Table:\n    return pa.table({'n': [1]})\n"
    )
    shop.write("models/wide.py", text)
    shop.run()
    shop.write("models/wide.py", text.replace("[1]", "[2]"))
    assert reasons(shop) == {"wide": ("its code changed",)}


def test_a_new_input_is_a_change_of_it(published: Shop) -> None:
    published.write("models/towns.sql", "SELECT city FROM stores\n")
    published.write("models/cities.sql", "SELECT DISTINCT city FROM towns\n")
    assert reasons(published) == {
        "towns": ("it is new",),
        "cities": ("its SQL changed", "its input towns changed"),
    }


def test_a_changed_rule_of_volume_publishes(published: Shop) -> None:
    text = SHOP["sources/orders.yaml"].replace("10 %", "20 %")
    published.write("sources/orders.yaml", text)
    plan = published.plan()
    assert (plan.steps, plan.reasons) == ((), ("orders: what its rows must satisfy changed",))
    published.run()
    assert published.plan().nothing_to_do


def test_everything_else_that_publishes_is_said(published: Shop) -> None:
    (published.root / "models/cities.sql").unlink()
    (published.root / "data/orders/2024-02.csv").unlink()
    published.write("models/towns.sql", "SELECT DISTINCT city FROM stores\n")
    published.write("endpoints/revenue.sql", "SELECT city FROM towns\n")
    plan = published.plan()
    assert plan.removed == ("cities",)
    assert plan.reasons == (
        "orders: source file data/orders/2024-02.csv is gone",
        "cities is not in the project any more",
        "the API's contract changed: revenue",
    )


def test_whose_contract_changed_is_said_by_name(published: Shop) -> None:
    for name in ("a", "b", "c", "d"):
        published.write(f"endpoints/{name}.sql", "SELECT city FROM cities\n")
    assert published.plan().reasons == ("the API's contract changed: a, b, c and 1 more",)
