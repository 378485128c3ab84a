"""`headrace environments` lists what each environment shows, and which show the same."""

from __future__ import annotations

import json

from tests.cli.shops import Shop

ONE = {"orders": "SELECT 1 AS id"}


def test_each_environment_has_its_line_and_those_that_show_the_same(shop: Shop) -> None:
    shop.publish(ONE)
    dev = shop.store.promote(shop.publish(ONE, environment="pr-41"), "dev", parent=None)
    result = shop.call("environments")
    assert (result.exit_code, result.stderr) == (0, "")
    time = dev.at[:19].replace("T", " ")
    header, first, second, third = result.stdout.splitlines()
    assert header.split() == ["environment", "snapshot", "published", "(UTC)", "same", "as"]
    assert first.startswith(f"  dev                 1  {time}  ")
    assert first.endswith("  pr-41, prod")
    assert second.endswith("  dev, prod")
    assert third.startswith("* prod ")


def test_json_has_the_heads(shop: Shop) -> None:
    shop.publish(ONE)
    shop.publish({"orders": "SELECT 2 AS id"}, environment="dev")
    answer = json.loads(shop.call("environments", "--json").stdout)
    assert [(each["environment"], each["default"], each["same_as"]) for each in answer] == [
        ("dev", False, []),
        ("prod", True, []),
    ]
    head = shop.store.head("dev")
    assert head is not None
    assert answer[0]["content"] == head.content


def test_nothing_published_is_told(shop: Shop) -> None:
    result = shop.call("environments")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: prod: nothing is published in this environment;"
        " run `headrace run` to publish to it\n"
    )
    assert json.loads(shop.call("environments", "--json").stdout) == []
