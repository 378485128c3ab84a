"""Who may see what can be tried out before anybody asks, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.shops import call
from tests.projects import Shop
from tests.tenants import CANARY, TENANTS, write_files


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_files(tmp_path_factory.mktemp("tenants"), TENANTS)
    Shop(root).run()
    for name, *options in (
        ("maria", "--role", "store_manager", "--claim", "store_id=10"),
        ("nobody",),
    ):
        assert call("users", "add", name, *options, "--project", str(root)).exit_code == 0
    return root


def run(root: Path, *arguments: str) -> Result:
    return call(*arguments, "--project", str(root))


def test_somebody_is_told_what_they_may_and_why(root: Path) -> None:
    result = run(root, "access", "check", "orders", "--as", "maria")
    assert result.exit_code == 0
    assert result.stdout == (
        "user:maria may call /orders: by store_manager\n"
        "  roles   store_manager\n"
        "  claims  store_id=10\n"
        "  rows    orders: as store_manager: (store_id = CAST($auth.store_id AS INTEGER))"
        " (store_id = 10)\n"
        "  hidden  orders.email: hashed\n"
    )


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        (
            (),
            (
                "somebody without a credential may not call /orders: it needs a credential:"
                " analyst, franchisee, store_manager"
            ),
        ),
        (
            ("--as", "nobody"),
            "user:nobody may not call /orders: it is open to analyst, franchisee, store_manager",
        ),
        (
            ("--role", "barista", "--claim", "store_id=10"),
            "supposed may not call /orders: it is open to analyst, franchisee, store_manager",
        ),
    ],
)
def test_who_may_not_is_an_exit_code(root: Path, options: tuple[str, ...], verdict: str) -> None:
    result = run(root, "access", "check", "/orders", *options)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == verdict
    assert "  rows    orders: none: no rule is for them" in result.stdout


def test_a_missing_claim_opens_no_row(root: Path) -> None:
    result = run(root, "access", "check", "revenue", "--role", "store_manager", "--json")
    assert json.loads(result.stdout) == {
        "endpoint": "revenue",
        "who": "supposed",
        "roles": ["store_manager"],
        "claims": {},
        "may": True,
        "why": "by store_manager",
        "rows": {"daily": []},
        "lacking": {"daily": ["the claim store_id, as INTEGER: they have none"]},
        "hidden": {},
    }


def test_a_claim_of_another_type_is_said(root: Path) -> None:
    options = ("--role", "store_manager", "--claim", "store_id=ten")
    assert run(root, "access", "check", "revenue", *options).stdout.splitlines()[-1] == (
        "  rows    daily: none: a rule needs the claim store_id, as INTEGER: theirs is ten"
    )


def test_a_public_endpoint_is_everybodys(root: Path) -> None:
    result = run(root, "access", "check", "days")
    assert result.stdout == (
        "somebody without a credential may call /days: it is open to everybody\n"
    )


def rows(root: Path, sql: str, *options: str) -> list[dict[str, object]]:
    result = run(root, "query", sql, "--json", *options)
    assert result.exit_code == 0, result.stderr
    found: list[dict[str, object]] = json.loads(result.stdout)
    return found


def test_a_query_sees_what_its_account_may_see(root: Path) -> None:
    found = rows(root, "SELECT * FROM orders ORDER BY order_id", "--as", "maria")
    assert [(each["order_id"], each["store_id"]) for each in found] == [(1, 10), (2, 10)]
    assert all(len(str(each["email"])) == 64 for each in found)
    sums = rows(root, "SELECT count(*) AS n FROM orders", "--role", "franchisee")
    assert sums == [{"n": 0}]
    sums = rows(
        root,
        "SELECT count(*) AS n FROM main.ORDERS",
        *("--role", "franchisee"),
        "--claim",
        "tenant=north",
    )
    assert sums == [{"n": 3}]
    assert rows(root, "SELECT max(email) AS e FROM orders", "--role", "analyst") == [
        {"e": f"{CANARY}@south.example"}
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM daily",
        "SELECT * FROM nowhere",
        "SELECT * FROM orders__quarantine",
        "SELECT * FROM read_parquet('*')",
        "SELECT * FROM query('SELECT * FROM orders')",
        "SELECT * FROM query_table('orders')",
        "SELECT getenv('HOME') FROM orders",
        "SELECT * FROM duckdb_views()",
        "SELECT * FROM information_schema.tables",
        "DESCRIBE orders",
        "SELECT $auth_case_0 FROM orders",
    ],
)
def test_a_query_reads_what_is_open_to_its_account_and_nothing_else(root: Path, sql: str) -> None:
    result = run(root, "query", sql, "--as", "maria")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert CANARY not in result.output


@pytest.mark.parametrize(
    "expression",
    [
        "CAST(email AS INTEGER)",
        "error(email)",
        "1 // (order_id - 3)",
        "CASE WHEN email LIKE '%south%' THEN error('seen') ELSE '' END",
        "json_extract(email, '$')",
        "strptime(email, '%Y')",
    ],
)
def test_an_error_shows_no_row_of_others(root: Path, expression: str) -> None:
    sql = f"SELECT {expression} AS x FROM orders WHERE store_id = 11 OR {expression} IS NOT NULL"
    result = run(root, "query", sql, "--as", "maria", "--json")
    assert CANARY not in result.output
    assert "seen" not in result.stdout + result.stderr.replace(expression, "")


def test_no_table_is_open_to_somebody_without_a_role(root: Path) -> None:
    result = run(root, "query", "SELECT 1", "--as", "nobody")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: no table is open to user:nobody, without a role; expected an `access:` of a model"
        " or a source that names one\n"
    )


NO_ACCOUNT = (
    "error: there is no account 'who'; expected the name of one; `headrace users` lists them;"
    " `--role` and `--claim` suppose one\n"
)
BOTH = (
    "error: --as and --role or --claim: an account has its own roles and claims; expected one of"
    " the two; `headrace users` lists the accounts\n"
)


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--as", "who"), NO_ACCOUNT), (("--as", "maria", "--role", "analyst"), BOTH)],
)
def test_who_is_meant_must_be_clear(root: Path, options: tuple[str, ...], message: str) -> None:
    for command in (("query", "SELECT 1"), ("access", "check", "orders")):
        result = run(root, *command, *options)
        assert (result.exit_code, result.stderr) == (2, message)
