"""Whom a keyed copy answers: a case of its own, a parameter equal to the claim, or the query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from headrace.serve.keyed.guards import admission, case_of, is_equal
from headrace.serve.keyed.limits import NotByKey
from headrace.store.snapshots import (
    Case,
    Claim,
    EndpointContract,
    KeyedCase,
    KeyedQuery,
    KeyPart,
    Scope,
)
from tests.keyed import Shelf, columns

GUARDED = KeyedCase((0,), (("id", "store_id"),))
QUERY = KeyedQuery("", (KeyPart("INTEGER"),), ("id",), cases=(GUARDED, KeyedCase((0, 1))))
SCOPE = Scope((Claim("store_id", "INTEGER"),), (Case("manager", ("store_id",)), Case("head")))
CONTRACT = EndpointContract(
    "sales", "/sales", "r", "", ("sales",), (), (), 10, 10, keyed=QUERY, scope=SCOPE
)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Shelf.open(tmp_path / "store") as shelf:
        yield shelf


def asked(*active: int, store_id: object = 1, **values: object) -> dict[str, object]:
    """What somebody's request binds, of whom some of two cases hold."""
    cases = {f"auth_case_{number}": number in active for number in range(2)}
    return {**values, **cases, "auth_store_id": store_id}


def test_a_case_is_that_of_just_the_cases_that_hold() -> None:
    assert case_of(QUERY, frozenset({0})) == GUARDED
    assert case_of(QUERY, frozenset({1, 0})) == KeyedCase((0, 1))
    assert case_of(QUERY, frozenset({1})) is None
    assert case_of(QUERY, frozenset()) is None


def test_a_parameter_must_be_the_claim() -> None:
    admits = admission(CONTRACT)
    assert admits is not None
    assert admits(asked(0, id=1))
    assert not admits(asked(0, id=2))
    assert not admits(asked(0, id=None))
    assert not admits(asked(0, id=None, store_id=None))
    assert not admits(asked(0, id=1, store_id=None))


def test_who_sees_everything_needs_no_guard() -> None:
    admits = admission(CONTRACT)
    assert admits is not None
    assert admits(asked(0, 1, id=2))


@pytest.mark.parametrize("active", [(), (1,)])
def test_other_cases_are_answered_by_the_query(active: tuple[int, ...]) -> None:
    admits = admission(CONTRACT)
    assert admits is not None
    with pytest.raises(NotByKey, match="does not answer these cases"):
        admits(asked(*active, id=1))


def test_a_case_that_is_neither_true_nor_false_is_none() -> None:
    admits = admission(CONTRACT)
    assert admits is not None
    with pytest.raises(NotByKey):
        admits({**asked(0, id=1), "auth_case_1": None})


@pytest.mark.parametrize(
    "contract",
    [
        replace(CONTRACT, scope=None),
        replace(CONTRACT, scope=replace(SCOPE, cases=())),
        replace(CONTRACT, scope=replace(SCOPE, masks=(("crm",),))),
        replace(CONTRACT, scope=replace(SCOPE, salted=True)),
        replace(CONTRACT, keyed=replace(QUERY, cases=())),
    ],
)
def test_what_does_not_fit_together_answers_nobody(contract: EndpointContract) -> None:
    admits = admission(contract)
    assert admits is not None
    for active in ((0,), (0, 1)):
        with pytest.raises(NotByKey):
            admits(asked(*active, id=1))


def test_a_copy_without_a_scope_answers_everybody() -> None:
    assert admission(replace(CONTRACT, scope=None, keyed=replace(QUERY, cases=()))) is None


def test_one_case_alone_is_told_as_well_as_several() -> None:
    scope = replace(SCOPE, cases=(Case("", ("store_id",)),))
    admits = admission(replace(CONTRACT, scope=scope, keyed=replace(QUERY, cases=(GUARDED,))))
    assert admits is not None
    assert admits({"auth_case_0": True, "auth_store_id": 3, "id": 3})
    assert not admits({"auth_case_0": True, "auth_store_id": 3, "id": 4})
    with pytest.raises(NotByKey):
        admits({"auth_case_0": False, "auth_store_id": None, "id": 3})


EQUAL: list[tuple[Any, Any]] = [
    (5, 5),
    ("é", "é"),
    (Decimal("1.50"), Decimal("1.5")),
    (date(2024, 1, 1), date(2024, 1, 1)),
    (
        datetime(2024, 1, 1, tzinfo=UTC),
        datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ),
    (UUID(int=7), UUID(int=7)),
]
UNEQUAL: list[tuple[Any, Any]] = [
    (5, 6),
    ("a", "A"),
    ("e\u0301", "é"),
    ("a", "a "),
    (None, None),
    (5, None),
    (None, "a"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_values_are_equal_as_in_sql(one: object, other: object) -> None:
    assert is_equal(one, other)


@pytest.mark.parametrize(("one", "other"), UNEQUAL)
def test_values_are_not_equal_as_in_sql(one: object, other: object) -> None:
    assert not is_equal(one, other)


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, "1"), (1, Decimal(1))])
def test_values_of_two_types_are_compared_by_the_query(one: object, other: object) -> None:
    with pytest.raises(NotByKey):
        is_equal(one, other)


def test_rows_and_pages_are_only_those_that_a_claim_lets_through(shelf: Shelf) -> None:
    version = shelf.version("t", "SELECT i % 3 AS k, i AS n FROM range(30) AS t(i)")
    keyed = replace(QUERY, sql="SELECT k AS k0, n FROM t", key=(KeyPart("BIGINT"),))
    contract = shelf.contract([version], keyed, columns(n="BIGINT"))
    snapshot = shelf.snapshot([version], replace(contract, scope=SCOPE))
    shelf.build(snapshot)
    with shelf.reader(snapshot) as reader:
        own = asked(0, id=1)
        assert len(reader.rows(own, 0, 0)) == 10
        rows, mark = reader.page(own, 4, None)
        assert rows == reader.rows(own, 4, 0)
        assert mark is not None
        other = asked(0, id=1, store_id=2)
        assert reader.rows(other, 0, 0) == []
        # Nor does the mark of somebody else's page lead there.
        for each in (None, mark):
            assert reader.page(other, 4, each) == ([], None)
        with pytest.raises(NotByKey):
            reader.rows(asked(1, id=1), 0, 0)
        with pytest.raises(NotByKey):
            reader.page(asked(1, id=1), 4, mark)


def test_a_guard_that_fails_leaves_an_aggregate_its_row(shelf: Shelf) -> None:
    version = shelf.version("t", "SELECT i % 3 AS k FROM range(30) AS t(i)")
    sql = "SELECT count(*) AS n FROM t WHERE k = $id"
    scoped = sql.replace(
        "t WHERE", "(FROM t WHERE $auth_case_0 AND k = $auth_store_id OR $auth_case_1) AS t WHERE"
    )
    keyed = replace(
        QUERY, sql="SELECT k AS k0, count(*) FROM t GROUP BY k", key=(KeyPart("BIGINT"),), lone=True
    )
    contract = shelf.contract([version], keyed, columns(n="BIGINT"), scoped)
    contract = replace(shelf.with_parameters(contract, ["id"]), scope=SCOPE)
    snapshot = shelf.snapshot([version], contract)
    shelf.build(snapshot)
    with shelf.reader(snapshot) as reader:
        assert reader.rows(asked(0, id=1), 0, 0) == [b'{"n":10}']
        assert reader.rows(asked(0, id=1, store_id=2), 0, 0) == [b'{"n":0}']
        assert reader.rows(asked(0, id=1, store_id=2), 0, 1) == []
        assert reader.page(asked(0, id=1, store_id=2), 5, None) == ([b'{"n":0}'], None)


def test_who_may_see_is_no_part_of_a_copy(shelf: Shelf) -> None:
    """A change of roles makes no copy anew."""
    version = shelf.version("t", "SELECT i % 3 AS k, i AS n FROM range(30) AS t(i)")
    keyed = replace(QUERY, sql="SELECT k AS k0, n FROM t", key=(KeyPart("BIGINT"),))
    contract = shelf.contract([version], keyed, columns(n="BIGINT"))
    snapshot = shelf.snapshot([version], replace(contract, scope=SCOPE))
    shelf.build(snapshot)
    changed = replace(contract, scope=SCOPE, keyed=replace(keyed, cases=(GUARDED,)))
    assert shelf.copy(shelf.snapshot([version], changed)) == shelf.copy(snapshot)
