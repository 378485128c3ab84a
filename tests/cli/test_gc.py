"""`headrace gc` says what it deleted, and what it would."""

from __future__ import annotations

import json

import pytest

from headrace.cli.gc import summary
from headrace.store.garbage import Collected
from tests.cli.shops import Shop


def test_what_is_published_stays(shop: Shop) -> None:
    shop.publish({"orders": "SELECT 1 AS id"})
    result = shop.call("gc", "--keep-days", "0", "--keep-last", "1")
    assert (result.exit_code, result.stdout) == (0, "deleted 0 old snapshots and 0 files (0 B)\n")
    assert shop.store.head("prod") is not None


def test_json_has_the_figures(shop: Shop) -> None:
    answer = json.loads(shop.call("gc", "--dry-run", "--json").stdout)
    assert (answer["files"], answer["busy"]) == (0, False)


@pytest.mark.parametrize(
    ("collected", "dry_run", "text"),
    [
        (
            Collected(1, 2, 3000, 0, 0, busy=False),
            False,
            "deleted 1 old snapshot and 2 files (3.0 kB)",
        ),
        (
            Collected(0, 0, 0, 1, 10, busy=False),
            True,
            (
                "would delete 0 old snapshots and 0 files (0 B)\n"
                "1 file (10 B) will go in a later `gc`, if still unneeded then"
            ),
        ),
        (
            Collected(0, 0, 0, 0, 0, busy=True),
            False,
            "A run is going on: nothing was deleted; try again when it has ended.",
        ),
    ],
)
def test_what_it_did_in_words(collected: Collected, dry_run: bool, text: str) -> None:
    assert summary(collected, dry_run=dry_run) == text
