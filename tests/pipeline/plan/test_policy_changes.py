"""Changes of policies in words."""

from __future__ import annotations

import pytest

from headrace.base.access import PUBLIC, Access
from headrace.pipeline.plan.policy_changes import policy_changes
from headrace.store.snapshots import Claim, ColumnMask, RowCase, TablePolicy

OPEN = TablePolicy(columns=("a", "email"))
ROLES = (RowCase("manager", "a = $auth_a", ("a",)), RowCase("head_office"))
STORE = Claim("store_id", "INTEGER")
MASKED = (ColumnMask("email", ("crm",)),)


def by(*rows: RowCase, claims: tuple[Claim, ...] = ()) -> TablePolicy:
    return TablePolicy(rows=rows, claims=claims, columns=("a", "email"))


def masked(*masks: ColumnMask) -> TablePolicy:
    return TablePolicy(masks=masks, columns=("a", "email"))


CHANGES = [
    (OPEN, OPEN, ""),
    (OPEN, by(RowCase("", "a = 1")), "t: rows were everybody's, now by a condition"),
    (
        by(RowCase("", "a = 1")),
        by(*ROLES),
        "t: rows were by a condition, now by a, for manager, head_office",
    ),
    (by(*ROLES), by(), "t: rows were by a, for manager, head_office, now nobody's"),
    (
        by(*ROLES),
        by(RowCase("head_office")),
        (
            "t: rows were by a, for manager, head_office, now for head_office:"
            " manager sees no rows any more"
        ),
    ),
    (by(), by(RowCase("boss")), "t: rows were nobody's, now for boss"),
    (by(RowCase("boss")), by(RowCase("")), "t: rows were for boss, now everybody's"),
    (
        by(RowCase("", "a = $auth_a", ("a",))),
        by(RowCase("", "a >= $auth_a", ("a",))),
        "t: rows are by a as before, under another condition",
    ),
    (OPEN, masked(*MASKED), "t.email: was for everybody, now for crm, NULL for others"),
    (
        masked(*MASKED),
        masked(ColumnMask("email", (), "hashed")),
        "t.email: was for crm, NULL for others, now for nobody, a hash for others",
    ),
    (
        masked(ColumnMask("email", ("crm", "boss"), "absent")),
        OPEN,
        "t.email: was for crm, boss, no such column for others, now for everybody",
    ),
    (
        OPEN,
        TablePolicy(Access("granted", ("analyst",)), columns=("a", "email")),
        "t: ad-hoc queries were for nobody, now for analyst",
    ),
    (OPEN, TablePolicy(PUBLIC), "t: ad-hoc queries were for nobody, now open to everybody"),
]


@pytest.mark.parametrize(("old", "new", "text"), CHANGES)
def test_a_change_is_one_sentence(old: TablePolicy, new: TablePolicy, text: str) -> None:
    assert list(policy_changes({"t": old}, {"t": new})) == ([text] if text else [])


def test_a_table_that_comes_or_goes_is_no_change_of_its_policy() -> None:
    assert not list(policy_changes({"t": OPEN}, {"u": by()}))


def test_the_tables_come_by_name() -> None:
    old, new = {"b": OPEN, "a": OPEN}, {"a": by(), "b": by()}
    assert [text[0] for text in policy_changes(old, new)] == ["a", "b"]
