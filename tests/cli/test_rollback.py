"""`headrace rollback` publishes an older snapshot again, and says which."""

from __future__ import annotations

import json

from tests.cli.shops import Shop

ONE = {"orders": "SELECT 1 AS id"}
TWO = {"orders": "SELECT 2 AS id"}


def test_the_last_different_one_comes_back(shop: Shop) -> None:
    shop.publish(ONE)
    shop.publish(TWO)
    result = shop.call("rollback")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(
        "published snapshot 3 to prod: the same as snapshot 1, which was published "
    )
    head = shop.store.head("prod")
    assert head is not None
    assert head.snapshot == shop.store.ref("prod", 1).snapshot


def test_a_mistake_in_a_model_does_not_keep_anybody_from_it(shop: Shop) -> None:
    shop.publish(ONE)
    shop.publish(TWO)
    (shop.root / "models").mkdir()
    (shop.root / "models" / "broken.sql").write_text("/*\nkeys: a\n*/")
    assert shop.call("rollback", "--to", "1", "--json").exit_code == 0


def test_json_names_both_ends(shop: Shop) -> None:
    shop.publish(ONE)
    shop.publish(TWO)
    answer = json.loads(shop.call("rollback", "--to", "1", "--json").stdout)
    assert (answer["before"]["number"], answer["published"]["number"]) == (2, 3)


def test_a_number_that_is_not_there_is_the_users_mistake(shop: Shop) -> None:
    shop.publish(ONE)
    result = shop.call("rollback", "--to", "7")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: prod: there is no snapshot 7; expected one of 1;"
        " run `headrace snapshots` to list them\n"
    )
