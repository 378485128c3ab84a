"""`headrace audit` shows who did what, and whether the log is as it was written."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from headrace.base.clock import SetClock
from headrace.store.audit.entries import Action, AuditEvent
from headrace.store.audit.log import Audit
from tests.cli.shops import Shop


def put(shop: Shop, *events: AuditEvent) -> None:
    """Put events on record, a day apart."""
    clock = SetClock(datetime(2026, 11, 26, 12, tzinfo=UTC))
    with closing(Audit.open(shop.store.root, clock=clock)) as audit:
        for event in events:
            audit.append(event)
            clock.advance(86_400)


def event(action: Action = "key_created", target: str = "key:k1") -> AuditEvent:
    return AuditEvent(action, "os:anna", target=target, detail={"role": "reader", "days": 90})


def test_the_newest_entry_is_first(shop: Shop) -> None:
    put(shop, event(), event("key_revoked"), event("denied", "/sales"))
    result = shop.call("audit", "--limit", "2")
    assert result.exit_code == 0
    header, newest, older, more = result.stdout.splitlines()
    assert header.split() == ["at", "(UTC)", "action", "by", "of"]
    assert newest.split(maxsplit=5) == [
        "3",
        "2026-11-28",
        "12:00:00",
        "denied",
        "os:anna",
        "/sales  days 90, role reader",
    ]
    assert older.split()[3] == "key_revoked"
    assert more == "and older ones; --limit shows more, `headrace audit export` all"


def test_entries_of_one_action(shop: Shop) -> None:
    put(shop, event(), event("key_revoked"), event())
    assert [
        line.split()[0]
        for line in shop.call("audit", "--action", "key_created").stdout.splitlines()[1:]
    ] == ["3", "1"]
    assert shop.call("audit", "--action", "setup").stdout == "Nothing is on record of setup yet.\n"
    assert len(shop.call("audit", "--action", "key_created", "export").stdout.splitlines()) == 2


def test_what_was_before_is_said_before_what_is_after(shop: Shop) -> None:
    detail = {"of": "table orders", "what": "rows", "before": "nobody", "after": "all", "empty": ""}
    put(shop, AuditEvent("policy_changed", "os:anna", target="prod:7", detail=detail))
    line = shop.call("audit").stdout.splitlines()[1]
    assert line.endswith("  prod:7  of table orders, what rows, before nobody, after all")


def test_json_has_the_entries_as_they_are_on_record(shop: Shop) -> None:
    put(shop, event(), event("key_revoked"))
    newest, older = json.loads(shop.call("audit", "--json").stdout)
    assert (newest["seq"], newest["action"], newest["prev"]) == (2, "key_revoked", older["hash"])
    assert older["detail"] == {"days": 90, "role": "reader"}


def test_without_any_it_says_so(shop: Shop) -> None:
    assert shop.call("audit").stdout == "Nothing is on record yet.\n"
    assert json.loads(shop.call("audit", "--json").stdout) == []


def test_a_whole_log_is_verified(shop: Shop) -> None:
    put(shop, event(), event())
    result = shop.call_below("audit", "verify")
    whole, head, advice = result.stdout.splitlines()
    assert (result.exit_code, whole) == (0, "whole: 2 entries, unchanged and in order")
    assert advice == "keep it elsewhere, and `--head` shows whether all of it was replaced"
    noted = head.removeprefix("head ")
    put(shop, event())
    for again in (
        shop.call_below("audit", "verify", "--head", noted),
        shop.call("audit", "verify", "--head", noted),
    ):
        assert again.stdout.splitlines()[0] == "whole: 3 entries, unchanged and in order"


EVIDENCE = "keep audit.db and audit/ in the store as evidence, and move both away to begin anew\n"


def test_a_broken_one_exits_with_1_and_says_where_and_why(shop: Shop) -> None:
    put(shop, event(), event(), event())
    with closing(sqlite3.connect(shop.store.root / "audit.db")) as connection:
        connection.execute("DROP TRIGGER entries_stay_as_they_are")
        connection.execute("UPDATE entries SET actor = 'os:eve' WHERE seq = 2")
        connection.commit()
    why = "it has been changed in the database: its hash is not that of its content"
    result = shop.call_below("audit", "verify")
    assert (result.exit_code, result.stdout) == (1, f"broken: entry 2 of 3: {why}\n{EVIDENCE}")
    result = shop.call_below("audit", "verify", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["broken"], found["why"]) == (1, 2, why)


def test_what_is_no_head_is_refused(shop: Shop) -> None:
    result = shop.call_below("audit", "verify", "--head", "12")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: --head '12': expected what `headrace audit verify` has printed after `head`: a"
        " number, a colon and 64 hexadecimal digits\n"
    )


def test_export_prints_the_lines_of_a_time_and_an_action(shop: Shop) -> None:
    put(shop, event(), event("denied"), event(), event("denied"))
    [file] = (shop.store.root / "audit").glob("2026-11.ndjson")
    assert shop.call_below("audit", "export").stdout == file.read_text()
    result = shop.call_below("audit", "export", "--since", "2026-11-28", "--action", "denied")
    assert [json.loads(line)["seq"] for line in result.stdout.splitlines()] == [4]
    result = shop.call_below("audit", "export", "--until", "2026-11-28")
    assert [json.loads(line)["seq"] for line in result.stdout.splitlines()] == [1, 2]


@pytest.mark.parametrize("text", ["yesterday", "2026-1", "26-11-2026"])
def test_a_time_that_is_none_is_refused(shop: Shop, text: str) -> None:
    result = shop.call_below("audit", "export", "--since", text)
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: --since '{text}': expected a UTC time or its beginning, such as 2026-11,"
        " 2026-11-26 or 2026-11-26T12:30\n"
    )
