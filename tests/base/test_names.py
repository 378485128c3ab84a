"""Names are safe in folders and in SQL, and a misspelt one is recognised."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.base.names import (
    is_environment,
    is_name,
    is_origin,
    is_own_path,
    listed,
    near_miss,
    quote,
    quote_text,
)

# What DuckDB itself cannot hold: NUL in an identifier, a lone surrogate anywhere.
sql_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.mark.parametrize("name", ["a", "_", "Orders", "orders_2024", "a" * 100])
def test_letters_digits_and_underscores_make_a_name(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "1a", "a-b", "a b", "a.b", "a/b", "..", "a\n", "\na", "é", "a" * 101, 'a"', "a'", "٣"],
)
def test_anything_else_is_no_name(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "https://app.example",
        "http://localhost:3000",
        "http://127.0.0.1:8080",
        "https://xn--bcher-kva.example",
        "http://[::1]:8000",
    ],
)
def test_an_origin_is_spelt_as_browsers_do(text: str) -> None:
    assert is_origin(text)


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "null",
        "",
        "app.example",
        "https://app.example/",
        "https://App.example",
        "https://app.example:443",
        "http://app.example:80",
        "https://*.example",
        "https://a..example",
        "ftp://app.example",
        "https://app.example\n",
    ],
)
def test_what_no_browser_sends_is_no_origin(text: str) -> None:
    assert not is_origin(text)


def test_the_name_of_an_environment_may_also_hold_a_hyphen() -> None:
    assert is_environment("pr-41")
    assert is_environment("prod")
    assert not is_environment("pr/41")
    assert not is_environment("")


@given(sql_text.filter(bool))
def test_a_quoted_identifier_is_that_identifier(
    connection: duckdb.DuckDBPyConnection, name: str
) -> None:
    described = connection.execute(f"DESCRIBE SELECT 1 AS {quote(name)}").fetchall()
    assert described[0][0] == name


@given(sql_text)
def test_a_quoted_text_is_that_text(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert connection.execute(f"SELECT {quote_text(text)}").fetchall() == [(text,)]


@pytest.mark.parametrize(
    ("word", "allowed", "said"),
    [
        ("partitions", ["partition", "path"], "did you mean `partition`?"),
        ("Orders", ["orders"], "did you mean `orders`?"),
        ("STORE_ID", ["Store_Id", "amount"], "did you mean `Store_Id`?"),
        ("store_id", ["STORE_ID"], "did you mean `STORE_ID`?"),
        ("xyz", ["partition", "path"], ""),
        ("a", [], ""),
        ("", ["a"], ""),
    ],
)
def test_a_near_miss_is_found_whatever_its_case(word: str, allowed: list[str], said: str) -> None:
    assert near_miss(word, allowed) == said
    assert near_miss(word, iter(allowed)) == said


def test_names_are_listed_in_the_order_given() -> None:
    assert listed(["b", "a"]) == "`b`, `a`"
    assert listed(iter(["b"])) == "`b`"
    assert listed([]) == "none"


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/livez", True),
        ("/batch", True),
        ("/manage", True),
        ("/auth/token", True),
        ("/console/x/y", True),
        ("/livez/x", False),
        ("/authors", False),
        ("/stores/manage", False),
        ("/", False),
    ],
)
def test_some_paths_are_the_servers_own(path: str, own: bool) -> None:
    assert is_own_path(path) == own
