"""`headrace snapshots` lists what was published, newest first."""

from __future__ import annotations

import json

from tests.cli.shops import Shop

ONE = {"orders": "SELECT 1 AS id"}
TWO = {"orders": "SELECT 2 AS id"}


def test_the_newest_is_first_and_marked(shop: Shop) -> None:
    shop.publish(ONE, reason="built orders")
    shop.publish(TWO, reason="its SQL changed")
    header, newest, oldest = shop.call("snapshots").stdout.splitlines()
    assert header.split() == ["snapshot", "published", "(UTC)", "why"]
    assert newest.strip().startswith("* 2  ")
    assert newest.endswith("  its SQL changed")
    assert oldest.strip().startswith("1  ")


def test_older_ones_are_counted(shop: Shop) -> None:
    for _ in range(3):
        shop.publish(ONE)
    result = shop.call("snapshots", "--limit", "1")
    assert result.stdout.splitlines()[-1] == "and 2 older snapshots; --limit shows more"


def test_json_has_every_field(shop: Shop) -> None:
    shop.publish(ONE)
    [ref] = json.loads(shop.call("snapshots", "--json").stdout)
    assert (ref["number"], ref["environment"], ref["reason"]) == (1, "prod", "built orders")


def test_an_environment_without_any_is_the_users_mistake(shop: Shop) -> None:
    shop.publish(ONE)
    result = shop.call("snapshots", "-e", "prd")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: prd: nothing is published in this environment; expected one of `prod`;"
        " did you mean `prod`?\n"
    )
