"""Who may see what: `access`, `rows`, and `access` and `hide` of a column."""

from __future__ import annotations

import pytest

from headrace.base.access import AUTHENTICATED, PUBLIC, Access
from headrace.base.declarations import RowRule, RowsDeclaration
from headrace.base.errors import Place

from .conftest import Load, ProblemsOf

FORMS = "expected `public`, `authenticated`, a role, a list of roles or `{roles: […], scopes: […]}`"
A_ROLE = "expected the name of a role: letters, digits, `_`, `-`, `.` and `:`"
A_CONDITION = "expected a condition over its columns, such as `store_id = $auth.store_id`"
REASONED = "as in `rows: {public: totals of the whole chain}`"

WRITTEN = [
    ("public", PUBLIC),
    ("authenticated", AUTHENTICATED),
    ("'public'", PUBLIC),
    ("analyst", Access("granted", roles=("analyst",))),
    (
        "[head-office, realm.admin, a:b_1, 7]",
        Access("granted", roles=("7", "a:b_1", "head-office", "realm.admin")),
    ),
    ("{roles: crm}", Access("granted", roles=("crm",))),
    ("{scopes: [orders:read, a]}", Access("granted", scopes=("a", "orders:read"))),
    ("{roles: [crm], scopes: public}", Access("granted", roles=("crm",), scopes=("public",))),
]


@pytest.mark.parametrize(("written", "access"), WRITTEN)
def test_who_may_ask_is_read(load: Load, written: str, access: Access) -> None:
    header = f"/* access: {written} */ SELECT 1 AS a"
    source = f"files: a.csv\ncolumns: {{a: int}}\naccess: {written}\n"
    project = load({"endpoints/e.sql": header, "models/m.sql": header, "sources/s.yaml": source})
    [endpoint], [model], [read] = project.endpoints, project.models, project.sources
    assert (endpoint.access, model.access, read.access) == (access, access, access)


MISTAKES = [
    ("access:", f"2:8: `access` is empty; {FORMS}"),
    ("access: true", f"2:9: `access` is true; {FORMS}"),
    ("access: []", f"2:9: `access` is a list; {FORMS}; leave it out where nobody may ask"),
    ("access: {}", f"2:9: `access` is a mapping; {FORMS}"),
    ("access: the crm", f"2:9: `access` is 'the crm'; {A_ROLE}"),
    ("access: [crm, false]", f"2:15: an entry of `access` is false; {A_ROLE}"),
    ("access: [[crm]]", f"2:10: an entry of `access` is a list; {A_ROLE}"),
    ("access: [crm, a, crm]", "2:18: `crm` is named twice; expected each role once"),
    (
        "access: [public, crm]",
        (
            f"2:10: an entry of `access` is 'public'; {A_ROLE}; `access: public` on its own is "
            "everybody"
        ),
    ),
    (
        "access: {roles: authenticated}",
        (
            f"2:17: `roles` is 'authenticated'; {A_ROLE}; `access: authenticated` on its own is "
            "everybody with a credential"
        ),
    ),
    (
        "access: {role: [crm]}",
        (
            "2:10: `role` is not a key here; expected one of `roles`, `scopes`; did you mean "
            "`roles`?"
        ),
    ),
    ("access: {roles: []}", "2:17: `roles` is a list; expected at least one role"),
    (
        "access: {scopes: [a, a]}",
        "2:22: `a` is named twice; expected each scope once",
    ),
    (
        "access: {scopes: a b}",
        (
            "2:18: `scopes` is 'a b'; expected the name of a scope: letters, digits, `_`, `-`, `.` "
            "and `:`"
        ),
    ),
    (
        "access: {roles: crm, roles: a}",
        "2:22: `roles` is given twice; expected each key once; it is first given in line 2",
    ),
]


@pytest.mark.parametrize(("header", "problem"), MISTAKES)
def test_who_may_ask_is_told_without_doubt(
    problems_of: ProblemsOf, header: str, problem: str
) -> None:
    text = f"/*\n{header}\n*/ SELECT 1"
    assert problems_of({"endpoints/e.sql": text}) == f"endpoints/e.sql:{problem}"


def test_a_condition_holds_for_everybody(load: Load) -> None:
    [model] = load({"models/m.sql": "/*\nrows: store_id = $auth.store_id\n*/ SELECT 1"}).models
    place = Place("models/m.sql", 2, 7)
    assert model.rows == RowsDeclaration(place, (RowRule("", "store_id = $auth.store_id", place),))


def test_each_role_has_a_condition_or_all_rows(load: Load) -> None:
    source = (
        "files: a.csv\ncolumns: {a: int, s: int}\nrows:\n"
        "  manager: s = $auth.store_id\n  office: all\n"
    )
    [read] = load({"sources/s.yaml": source}).sources
    assert read.rows == RowsDeclaration(
        Place("sources/s.yaml", 4, 3),
        (
            RowRule("manager", "s = $auth.store_id", Place("sources/s.yaml", 4, 12)),
            RowRule("office", "", Place("sources/s.yaml", 5, 11)),
        ),
    )


def test_all_rows_are_public_for_a_reason(load: Load) -> None:
    text = "/*\nrows: {public: totals of the whole chain}\n*/ SELECT 1"
    [model] = load({"models/m.sql": text}).models
    assert model.rows == RowsDeclaration(
        Place("models/m.sql", 2, 7), public="totals of the whole chain"
    )


def test_a_python_model_says_who_sees_what(load: Load) -> None:
    code = (
        "from headrace import model\n"
        "@model(access=['crm'], rows={'crm': 'a = $auth.a'},\n"
        "       columns={'b': {'access': 'crm', 'hide': 'hashed'}})\n"
        "def m(): ...\n"
    )
    [model] = load({"models/m.py": code}).models
    crm = Access("granted", roles=("crm",))
    assert model.access == crm
    assert model.rows == RowsDeclaration(
        Place("models/m.py", 2, 29), (RowRule("crm", "a = $auth.a", Place("models/m.py", 2, 37)),)
    )
    [column] = model.columns
    assert (column.access, column.hide) == (crm, "hashed")


ROWS_MISTAKES = [
    ("rows:", f"2:6: `rows` is empty; {A_CONDITION}"),
    ("rows: true", f"2:7: `rows` is true; {A_CONDITION}"),
    ("rows: [a = 1]", f"2:7: `rows` is a list; {A_CONDITION}"),
    ("rows: public", f"2:7: `rows` is 'public'; expected the reason, too, {REASONED}"),
    ("rows: all", f"2:7: `rows` is 'all'; expected the reason, too, {REASONED}"),
    (
        "rows: authenticated",
        (
            f"2:7: `rows` is 'authenticated'; {A_CONDITION}; `access:` says who may ask, `rows:` "
            "which rows they see"
        ),
    ),
    (
        "rows: {}",
        (
            f"2:7: `rows` is a mapping; {A_CONDITION}, or one for each role, or "
            "`rows: {public: totals of the whole chain}`"
        ),
    ),
    (
        "rows: {public: }",
        f"2:16: `public` is empty; expected the reason why everybody may see all rows, {REASONED}",
    ),
    (
        "rows: {public: ' '}",
        f"2:16: `public` is ' '; expected the reason why everybody may see all rows, {REASONED}",
    ),
    (
        "rows: {public: it is old, crm: all}",
        (
            "2:7: `rows` is public, and has rules for roles; expected one of them; `public` shows "
            "everybody all rows"
        ),
    ),
    ("rows: {crm: }", f"2:13: `crm` is empty; {A_CONDITION}, or `all`"),
    ("rows: {crm: true}", f"2:13: `crm` is true; {A_CONDITION}, or `all`"),
    (
        "rows: {crm: a IN (1, 2)}",
        (
            "2:22: '2)' cannot name a role; expected letters, digits, `_`, `-`, `.` and `:`; put a "
            "condition that holds a comma or a colon into quotes"
        ),
    ),
    (
        "rows: {authenticated: all}",
        (
            "2:8: 'authenticated' cannot name a role; expected letters, digits, `_`, `-`, `.` and "
            "`:`; `access: authenticated` on its own is everybody with a credential"
        ),
    ),
    (
        "rows: {crm: all, crm: a = 1}",
        "2:18: `crm` is given twice; expected each key once; it is first given in line 2",
    ),
]


@pytest.mark.parametrize(("header", "problem"), ROWS_MISTAKES)
def test_who_sees_which_rows_is_told_without_doubt(
    problems_of: ProblemsOf, header: str, problem: str
) -> None:
    text = f"/*\n{header}\n*/ SELECT 1"
    assert problems_of({"models/m.sql": text}) == f"models/m.sql:{problem}"


def test_a_column_says_who_sees_it(load: Load) -> None:
    columns = (
        "a: {type: text, access: crm}, b: {type: text, access: [crm], hide: absent}, c: int, "
        "d: {type: text, access: public}"
    )
    [read] = load({"sources/s.yaml": f"files: a.csv\ncolumns: {{{columns}}}\n"}).sources
    crm = Access("granted", roles=("crm",))
    assert [(column.access, column.hide) for column in read.columns] == [
        (crm, "masked"),
        (crm, "absent"),
        (None, "masked"),
        (PUBLIC, "masked"),
    ]


COLUMN_MISTAKES = [
    (
        "hide: absent",
        (
            "2:21: the column `a` has `hide` and no `access`; expected both; `hide` is what others "
            "see than those whom `access` names"
        ),
    ),
    (
        "access: crm, hide: mask",
        (
            "2:34: `hide` is 'mask'; expected one of `masked`, `hashed`, `absent`; did you mean "
            "`masked`?"
        ),
    ),
    (
        "access: authenticated",
        "2:23: `access` is 'authenticated'; expected a role, a list of roles, or `public`",
    ),
    (
        "access: {roles: crm, scopes: a}",
        "2:23: `access` is a mapping; expected a role, a list of roles, or `public`",
    ),
]


@pytest.mark.parametrize(("rules", "problem"), COLUMN_MISTAKES)
def test_who_sees_a_column_is_told_without_doubt(
    problems_of: ProblemsOf, rules: str, problem: str
) -> None:
    text = f"/*\ncolumns: {{a: {{{rules}}}}}\n*/ SELECT 1 AS a"
    assert problems_of({"models/m.sql": text}) == f"models/m.sql:{problem}"
