"""`as:` of a unit test says who asks; what is wrong in it is said, and makes nobody of it."""

from __future__ import annotations

import pytest

from headrace.base.access import ANONYMOUS
from headrace.pipeline.project.documents import parse_yaml
from headrace.pipeline.project.keys import Problems
from headrace.testing.principals import principal


def test_somebody_has_roles_scopes_and_claims() -> None:
    node = parse_yaml(
        "{roles: [analyst, crm], scopes: read, claims: {store_id: 7, tenant: south, stores: [1, 2],"
        " trained: true, share: 0.5}}",
        "t",
    )
    assert node is not None
    problems: Problems = []
    found = principal(node, problems)
    assert found is not None
    assert problems == []
    assert (found.id, found.roles) == ("test", frozenset({"analyst", "crm"}))
    assert found.scopes == frozenset({"read"})
    assert found.claims == {
        "store_id": 7,
        "tenant": "south",
        "stores": (1, 2),
        "trained": True,
        "share": 0.5,
    }


def test_nobody_has_shown_no_credential_and_anybody_has() -> None:
    nobody, anybody = parse_yaml("nobody", "t"), parse_yaml("{}", "t")
    assert nobody is not None
    assert anybody is not None
    assert principal(nobody, []) is ANONYMOUS
    found = principal(anybody, [])
    assert found is not None
    assert (found.is_anonymous, found.scopes) == (False, None)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (
            "analyst",
            "is 'analyst'; expected `nobody`, or `{roles: […], scopes: […], claims: {…}}`",
        ),
        (
            "{role: a}",
            "`role` is not a key here; expected one of `roles`, `scopes`, `claims`",
        ),
        ("{roles: [public]}", "expected the name of a role"),
        ("{claims: 7}", "expected a mapping (`key: value`)"),
        ("{claims: {a: ~}}", "expected a text, a number, `true`, `false`, or a list of texts"),
        ("{claims: {a: [true]}}", "expected a text, a number, `true`, `false`, or a list of texts"),
        ("{claims: {a: {b: 1}}}", "expected a text, a number, `true`, `false`, or a list of texts"),
        ("{claims: {a: 1, a: 2}}", "`a` is given twice"),
    ],
)
def test_a_mistake_is_said_and_nobody_is_supposed(written: str, problem: str) -> None:
    node = parse_yaml(written, "t")
    assert node is not None
    problems: Problems = []
    assert principal(node, problems) is None
    assert problem in str(problems[0])
