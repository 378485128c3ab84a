"""`headrace gc` says what it compacted and deleted, and what it would."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from headrace.cli.gc import compacted_lines, summary
from headrace.pipeline.run.compacting import Compacted, CompactedTable
from headrace.store.garbage import Collected
from tests.cli.shops import Shop, spread_out


def test_what_is_published_stays(shop: Shop) -> None:
    shop.publish({"orders": "SELECT 1 AS id"})
    result = shop.call("gc", "--keep-days", "0", "--keep-last", "1")
    assert (result.exit_code, result.stdout) == (0, "deleted 0 old snapshots and 0 files (0 B)\n")
    assert shop.store.head("prod") is not None


def test_json_has_the_figures(shop: Shop) -> None:
    answer = json.loads(shop.call("gc", "--dry-run", "--json").stdout)
    assert (answer["files"], answer["busy"]) == (0, False)


def test_many_files_become_one(shop: Shop) -> None:
    spread_out(shop, 51)
    result = shop.call("gc")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "prod, orders: 51 data files became 1\n"
        "published snapshot 2 to prod, with the same rows\n"
        "deleted 0 old snapshots and 0 files (0 B)\n"
    )
    head = shop.store.head("prod")
    assert head is not None
    assert head.reason == "compacted orders"
    answer = shop.call("query", "SELECT count(*) AS n, sum(day) AS days FROM orders", "--json")
    assert json.loads(answer.stdout) == [{"n": 51, "days": 1275}]
    assert json.loads(shop.call("gc", "--json").stdout)["compacted"] == []


def test_json_says_what_was_compacted(shop: Shop) -> None:
    spread_out(shop, 51)
    answer = json.loads(shop.call("gc", "--json").stdout)
    assert answer["would_compact"] == []
    assert answer["compacted"] == [
        {
            "environment": "prod",
            "snapshot": 2,
            "tables": [{"table": "orders", "files_before": 51, "files_after": 1}],
            "message": "",
        }
    ]


def test_dry_run_says_what_would_be_compacted(shop: Shop) -> None:
    spread_out(shop, 51)
    [line, _] = shop.call("gc", "--dry-run").stdout.splitlines()
    assert re.fullmatch(r"would compact prod, orders: 51 data files, \d+\.\d kB", line)
    [would] = json.loads(shop.call("gc", "--dry-run", "--json").stdout)["would_compact"]
    assert (would["environment"], would["table"], would["files"]) == ("prod", "orders", 51)
    assert shop.store.ref("prod", 1) == shop.store.head("prod")


def test_fifty_files_are_left_as_they_are(shop: Shop) -> None:
    spread_out(shop, 50)
    assert shop.call("gc").stdout == "deleted 0 old snapshots and 0 files (0 B)\n"
    assert shop.store.ref("prod", 1) == shop.store.head("prod")


def test_no_compact_only_deletes(shop: Shop) -> None:
    spread_out(shop, 51)
    assert shop.call("gc", "--no-compact").stdout == "deleted 0 old snapshots and 0 files (0 B)\n"
    assert shop.store.ref("prod", 1) == shop.store.head("prod")


def test_nothing_is_compacted_while_a_run_goes_on(shop: Shop) -> None:
    spread_out(shop, 51)
    with shop.store.hold():
        result = shop.call("gc")
    assert result.stdout == (
        "A run is going on: nothing was compacted or deleted; try again when it has ended.\n"
    )
    assert shop.store.ref("prod", 1) == shop.store.head("prod")


def test_what_was_copied_in_vain_is_said() -> None:
    tables = (CompactedTable("orders", 51, 1),)
    compacted = Compacted("prod", None, tables, "a run has begun meanwhile")
    assert compacted_lines([compacted]) == [
        "prod: nothing was compacted, because a run has begun meanwhile; a later `gc` does it"
    ]


def test_nothing_to_compact_needs_no_engine(shop: Shop) -> None:
    spread_out(shop, 2)
    program = (
        "import sys; from headrace.cli.main import cli;"
        f" cli(['gc', '--project', {str(shop.root)!r}], standalone_mode=False);"
        " print(sorted({'duckdb', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


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
            "A run is going on: nothing was compacted or deleted; try again when it has ended.",
        ),
    ],
)
def test_what_it_did_in_words(collected: Collected, dry_run: bool, text: str) -> None:
    assert summary(collected, dry_run=dry_run) == text
