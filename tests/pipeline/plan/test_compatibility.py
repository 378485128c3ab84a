"""A type or a parameter stands in for another only where no user can fail by it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.base.access import AUTHENTICATED, NOBODY, PUBLIC, Access
from headrace.base.declarations import Value
from headrace.pipeline.plan.compatibility import (
    keeps_access,
    keeps_field,
    keeps_parameter,
    takes_type,
)
from headrace.store.snapshots import Parameter


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ("INTEGER", "BIGINT", True),
        ("BIGINT", "INTEGER", True),
        ("UINTEGER", "BIGINT", True),
        ("INTEGER[]", "BIGINT[]", True),
        ("BIGINT", "HUGEINT", False),
        ("BIGINT", "DECIMAL(38,0)", False),
        ("BIGINT", "DOUBLE", False),
        ("BIGINT", "VARCHAR", False),
        ("DECIMAL(12,2)", "DECIMAL(38,2)", True),
        ("DECIMAL(12,2)", "DECIMAL(12,3)", False),
        ("DECIMAL(12,2)", "DOUBLE", False),
        ("FLOAT", "DOUBLE", True),
        ("DATE", "TIMESTAMP", False),
        ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", False),
        ("UUID", "VARCHAR", False),
        ("VARCHAR", "VARCHAR[]", False),
        ("BOOLEAN", "INTEGER", False),
        ('STRUCT("a" INTEGER)', 'STRUCT("a" INTEGER)', True),
        ('STRUCT("a" INTEGER)', 'STRUCT("b" INTEGER)', False),
    ],
)
def test_a_field_must_stay_the_same_kind_of_json(before: str, after: str, kept: bool) -> None:
    assert keeps_field(before, after) is kept


@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [
        ("INTEGER", "BIGINT", True),
        ("BIGINT", "INTEGER", False),
        ("BIGINT", "HUGEINT", True),
        ("UINTEGER", "BIGINT", True),
        ("UBIGINT", "BIGINT", False),
        ("INTEGER", "UINTEGER", False),
        ("DECIMAL(12,2)", "DECIMAL(14,3)", True),
        ("DECIMAL(12,2)", "DECIMAL(12,3)", False),
        ("DECIMAL(12,2)", "DECIMAL(12,1)", False),
        ("FLOAT", "DOUBLE", True),
        ("DOUBLE", "FLOAT", False),
        ("DATE", "TIMESTAMP", False),
        ("INTEGER", "VARCHAR", False),
        ("INTEGER[]", "BIGINT[]", True),
        ("INTEGER", "INTEGER[]", False),
    ],
)
def test_a_parameter_must_take_what_it_took(before: str, after: str, taken: bool) -> None:
    assert takes_type(before, after) is taken


FREE = Parameter("p", "query", "INTEGER", required=True)


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ({"required": False, "default": 1}, {"required": True, "default": None}, False),
        ({"required": True}, {"required": False, "default": 1}, True),
        ({"required": False, "default": 1}, {"required": False, "default": 2}, False),
        ({"required": False}, {"required": False}, True),
        ({}, {"min": 0}, False),
        ({"min": 0}, {"min": 1}, False),
        ({"min": 1}, {"min": 0}, True),
        ({"min": 1}, {}, True),
        ({}, {"max": 9}, False),
        ({"max": 9}, {"max": 8}, False),
        ({"max": 9}, {"max": 10}, True),
        ({"max": 9}, {}, True),
        ({"type": "DATE", "min": "2024-01-01"}, {"type": "DATE", "min": "2024-01-02"}, False),
        ({"type": "DATE", "min": "2024-01-01"}, {"type": "DATE", "min": "2023-12-31"}, True),
        ({}, {"enum": (1, 2)}, False),
        ({"enum": (1, 2)}, {"enum": (1,)}, False),
        ({"enum": (1, 2)}, {"enum": (3, 2, 1)}, True),
        ({"enum": (1, 2)}, {}, True),
        ({"pattern": "a+"}, {"pattern": "a"}, False),
        ({"pattern": "a+"}, {}, True),
        ({}, {"pattern": "a+"}, False),
        ({}, {"description": "which"}, True),
    ],
)
def test_a_request_that_was_right_stays_right(
    before: dict[str, Value], after: dict[str, Value], kept: bool
) -> None:
    old, new = replace(FREE, **before), replace(FREE, **after)  # type: ignore[arg-type]  # shorthand
    assert keeps_parameter(old, new) is kept


CRM = Access("granted", roles=("crm",))
EITHER = Access("granted", roles=("analyst", "crm"))
READ = Access("granted", scopes=("read",))
CRM_READ = Access("granted", roles=("crm",), scopes=("read",))


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        (CRM, CRM, True),
        (CRM, PUBLIC, True),
        (CRM, AUTHENTICATED, True),
        (CRM, EITHER, True),
        (NOBODY, CRM, True),
        (AUTHENTICATED, PUBLIC, True),
        (CRM_READ, CRM, True),
        (CRM_READ, READ, True),
        (PUBLIC, AUTHENTICATED, False),
        (PUBLIC, CRM, False),
        (PUBLIC, NOBODY, False),
        (CRM, NOBODY, False),
        (AUTHENTICATED, EITHER, False),
        (EITHER, CRM, False),
        (CRM, CRM_READ, False),
        (CRM, READ, False),
        (READ, CRM_READ, False),
        (READ, Access("granted", scopes=("read", "write")), False),
    ],
)
def test_nobody_who_might_ask_may_be_turned_away(before: Access, after: Access, kept: bool) -> None:
    assert keeps_access(before, after) is kept
