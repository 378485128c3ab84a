"""Routers: what makes a Python file one, and who may call it, read without running it."""

from __future__ import annotations

import pytest

from headrace.base.access import AUTHENTICATED, PUBLIC, Access

from .conftest import Load, ProblemsOf

ROUTER = "from fastapi import APIRouter\nrouter = APIRouter()\n"


@pytest.mark.parametrize(
    "text",
    [
        "from fastapi import APIRouter\nrouter = APIRouter()\n",
        "router: object = 1\n",
        "from elsewhere import quotes as router\n",
    ],
)
def test_a_python_file_defines_a_router(load: Load, text: str) -> None:
    [router] = load({"endpoints/quotes.py": text}).routers
    assert (router.name, str(router.place)) == ("quotes", "endpoints/quotes.py:1")


def test_a_python_file_without_a_router_is_a_problem(problems_of: ProblemsOf) -> None:
    assert problems_of({"endpoints/quotes.py": "routes = 1\n", "endpoints/b.py": "("}) == (
        "endpoints/b.py:1:1: this is not Python: '(' was never closed\n"
        "endpoints/quotes.py: this file defines no `router`; expected a FastAPI `router`; write "
        "`router = APIRouter()`"
    )


DECLARED = [
    ("", None),
    ('access = "public"\n', PUBLIC),
    ('access: str = "authenticated"\n', AUTHENTICATED),
    ('access = ["analyst"]\n', Access("granted", roles=("analyst",))),
    ('access = ("crm", "analyst")\n', Access("granted", roles=("analyst", "crm"))),
    (
        'access = {"roles": ["crm"], "scopes": ["orders:read"]}\n',
        Access("granted", roles=("crm",), scopes=("orders:read",)),
    ),
    ('def f():\n    access = "public"\nclass A:\n    access = "public"\n', None),
    ('@router.get("/access")\ndef access():\n    return [access for access in "a"]\n', None),
]


@pytest.mark.parametrize(("code", "access"), DECLARED)
def test_a_router_says_who_may_call_it(load: Load, code: str, access: Access | None) -> None:
    [router] = load({"endpoints/quotes.py": ROUTER + code}).routers
    assert router.access == access


A_LITERAL = "expected a literal: a text, a number, a list or a dict of them"
ONE_LITERAL = 'expected one literal, as in `access = ["analyst"]`'
MISTAKES = [
    (
        'access = ["analyst", ROLE]\n',
        (
            "3:22: an entry of `access` is `ROLE`, which is known only when the code runs; "
            f"{A_LITERAL}"
        ),
    ),
    (
        'access = {"scopes": ["a"], **more}\n',
        "3:30: a mapping is given `**`; expected literal entries",
    ),
    (
        "access = roles()\n",
        f"3:10: `access` is `roles()`, which is known only when the code runs; {A_LITERAL}",
    ),
    (
        'access = ["a"]\naccess = "public"\n',
        f"4:1: `access` is set twice; {ONE_LITERAL}",
    ),
    ('access = ["a"]\naccess += ["b"]\n', f"4:1: `access` is set twice; {ONE_LITERAL}"),
    ('if True:\n    access = ["a"]\n', f"4:5: `access` is set by code; {ONE_LITERAL}"),
    ('router.access = access = ["a"]\n', f"3:17: `access` is set by code; {ONE_LITERAL}"),
    ('access, other = "a", "b"\n', f"3:1: `access` is set by code; {ONE_LITERAL}"),
    ("access: str\n", f"3:1: `access` is set by code; {ONE_LITERAL}"),
    ("from guards import access\n", f"3:1: `access` is set by code; {ONE_LITERAL}"),
    ("import guards as access\n", f"3:1: `access` is set by code; {ONE_LITERAL}"),
    (
        "access = None\n",
        (
            "3:10: `access` is empty; expected `public`, `authenticated`, a role, a list of roles "
            "or `{roles: […], scopes: […]}`"
        ),
    ),
]


@pytest.mark.parametrize(("code", "problem"), MISTAKES)
def test_who_may_call_a_router_is_one_literal(
    problems_of: ProblemsOf, code: str, problem: str
) -> None:
    assert problems_of({"endpoints/quotes.py": ROUTER + code}) == f"endpoints/quotes.py:{problem}"
