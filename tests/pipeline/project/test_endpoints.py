"""Endpoints: paths, parameters and limits."""

from __future__ import annotations

import pytest

from headrace.base.access import PUBLIC
from headrace.base.declarations import ParameterRules
from headrace.base.errors import Place

from .conftest import Load, ProblemsOf


def test_an_endpoint_is_read_whole(load: Load) -> None:
    text = (
        "/*\n"
        "path: /stores/{store_id}/revenue\n"
        "access: public\n"
        "defaults: {since: 2024-01-01, kind: all, until: }\n"
        "params:\n"
        "  store_id: int\n"
        "  kind: {type: text, enum: [all, some], pattern: '[a-z]+', description: Which.}\n"
        "  since: {type: date, min: 2020-01-01}\n"
        "limit: 50\n"
        "max_limit: 500\n"
        "serve: keyed\n"
        "description: Revenue by day.\n"
        "*/\n"
        "SELECT 1\n"
    )
    [endpoint] = load({"endpoints/store_revenue.sql": text}).endpoints
    assert (endpoint.name, endpoint.path) == ("store_revenue", "/stores/{store_id}/revenue")
    assert endpoint.defaults == {"since": "2024-01-01", "kind": "all", "until": None}
    assert endpoint.params == (
        ParameterRules("store_id", Place("endpoints/store_revenue.sql", 6, 3), "INTEGER"),
        ParameterRules(
            "kind",
            Place("endpoints/store_revenue.sql", 7, 3),
            "VARCHAR",
            enum=("all", "some"),
            pattern="[a-z]+",
            description="Which.",
        ),
        ParameterRules(
            "since", Place("endpoints/store_revenue.sql", 8, 3), "DATE", min="2020-01-01"
        ),
    )
    assert (endpoint.limit, endpoint.max_limit) == (50, 500)
    assert (endpoint.sql, endpoint.sql_line) == ("SELECT 1", 14)
    assert endpoint.serve == "keyed"
    assert endpoint.access == PUBLIC
    assert endpoint.description == "Revenue by day."


def test_an_endpoint_needs_no_header(load: Load) -> None:
    [endpoint] = load({"endpoints/deep/stores.sql": "SELECT 1"}).endpoints
    assert (endpoint.path, endpoint.limit, endpoint.max_limit) == ("/stores", 1000, 10_000)
    assert endpoint.access is None


def test_fields_are_opened_to_filters_and_sorts(load: Load) -> None:
    text = "/*\nfilters: [day, status]\nsort: day\n*/ SELECT 1"
    [endpoint] = load({"endpoints/a.sql": text}).endpoints
    at = Place("endpoints/a.sql", 2, 11)
    assert endpoint.filters == (("day", at), ("status", Place("endpoints/a.sql", 2, 16)))
    assert endpoint.sort == (("day", Place("endpoints/a.sql", 3, 7)),)


def test_a_small_max_limit_lowers_the_default_limit(load: Load) -> None:
    [endpoint] = load({"endpoints/a.sql": "/* max_limit: 5 */ SELECT 1"}).endpoints
    assert (endpoint.limit, endpoint.max_limit) == (5, 5)


A_PATH = "expected a path such as `/stores/{store_id}/revenue`"
MISTAKES = [
    ("path: stores", f"2:7: `path` is 'stores'; {A_PATH}; begin it with `/`"),
    ("path: //a", f"2:7: `path` is '//a'; {A_PATH}; leave out the empty segment"),
    ("path: /a/", f"2:7: `path` is '/a/'; {A_PATH}; leave out the empty segment"),
    (
        "path: /{a-b}",
        (
            f"2:7: `path` is '/{{a-b}}'; {A_PATH}; `a-b` is not a name of letters, digits and "
            f"underscores"
        ),
    ),
    (
        "path: /a.csv",
        (
            f"2:7: `path` is '/a.csv'; {A_PATH}; the segment `a.csv` is neither letters, digits, "
            f"`_`, "
            "`-`, `~` nor `{name}`"
        ),
    ),
    ("path: /{a}/{a}", f"2:7: `path` is '/{{a}}/{{a}}'; {A_PATH}; name each parameter once"),
    ("path: /livez", f"2:7: `path` is '/livez'; {A_PATH}; headrace answers `/livez` itself"),
    ("path: [a]", f"2:7: `path` is a list; {A_PATH}"),
    (
        "path: /a/{x}\ndefaults: {x: 5}",
        (
            "3:15: `x` is a part of the path and has a default; expected defaults for the other "
            "parameters only; leave it out"
        ),
    ),
    ("defaults: {x: [1]}", "2:15: `x` is a list; expected one value"),
    (
        "defaults: {a-b: 1}",
        "2:12: 'a-b' cannot name a parameter; expected letters, digits and underscores",
    ),
    ("path: /batch", f"2:7: `path` is '/batch'; {A_PATH}; headrace answers `/batch` itself"),
    ("path: /auth", f"2:7: `path` is '/auth'; {A_PATH}; headrace answers `/auth` itself"),
    (
        "path: /manage/{id}",
        f"2:7: `path` is '/manage/{{id}}'; {A_PATH}; headrace answers `/manage/{{id}}` itself",
    ),
    ("filters: [a, b, a]", "2:17: `a` is named twice; expected each field once"),
    ("sort: {a: b}", "2:7: `sort` is a mapping; expected a text"),
    ("sort: [[a]]", "2:8: an entry of `sort` is a list; expected a text"),
    ("limit: 0", "2:8: `limit` is 0; expected a whole number of at least 1"),
    (
        "limit: 20000",
        (
            "2:8: `limit` is 20000 and `max_limit` is 10000; expected `limit` at or below "
            "`max_limit`; "
            "give a `max_limit`, too"
        ),
    ),
    (
        "limit: 20\nmax_limit: 10",
        "2:8: `limit` is 20 and `max_limit` is 10; expected `limit` at or below `max_limit`",
    ),
    ("params: {y: foot}", "2:13: `y` is 'foot'; expected a type; did you mean `float`?"),
    (
        "params: {y: {type: int, accepted: [1]}}",
        (
            "2:25: `accepted` is not a key here; expected one of `type`, `min`, `max`, `enum`, "
            "`pattern`, `description`"
        ),
    ),
    (
        "params: {y: {type: int, enum: [b]}}",
        "2:32: an entry of `enum` is 'b'; expected a value of type INTEGER",
    ),
    (
        "defaults: {y: b}\nparams: {y: int}",
        "2:15: `y` is 'b'; expected a value of type INTEGER",
    ),
    (
        "defaults: {y: 3}\nparams: {y: {enum: [1, 2]}}",
        "2:15: the default of `y` is 3; expected one of its `enum`: 1, 2",
    ),
    (
        "defaults: {y: 3}\nparams: {y: {type: int, min: 5}}",
        "2:15: the default of `y` is 3; expected a value at or above its `min`: 5",
    ),
    (
        "defaults: {y: 3}\nparams: {y: {type: int, max: 2}}",
        "2:15: the default of `y` is 3; expected a value at or below its `max`: 2",
    ),
]


@pytest.mark.parametrize(("header", "problem"), MISTAKES)
def test_a_mistake_in_an_endpoint_is_told(
    problems_of: ProblemsOf, header: str, problem: str
) -> None:
    text = f"/*\n{header}\n*/ SELECT 1"
    assert problems_of({"endpoints/a.sql": text}) == f"endpoints/a.sql:{problem}"


def test_a_name_can_be_taken_by_the_server(problems_of: ProblemsOf) -> None:
    assert problems_of({"endpoints/readyz.sql": "SELECT 1"}) == (
        "endpoints/readyz.sql:1: headrace answers `/readyz` itself; give it another `path`"
    )


def test_a_version_is_served_at_a_path_of_its_own(load: Load) -> None:
    files = {
        "endpoints/stores.sql": "/* {path: /stores, deprecated: 2026-12-01, sunset: 2027-03-01} */"
        " SELECT 1",
        "endpoints/stores_v2.sql": "/* {path: /stores, version: 2} */ SELECT 2",
        "endpoints/towns.sql": "/* version: 3 */ SELECT 3",
    }
    found = {each.name: each for each in load(files).endpoints}
    assert {name: (each.version, each.path) for name, each in found.items()} == {
        "stores": (1, "/stores"),
        "stores_v2": (2, "/v2/stores"),
        "towns": (3, "/v3/towns"),
    }
    old, new = found["stores"], found["stores_v2"]
    assert (old.deprecated, old.sunset) == ("2026-12-01", "2027-03-01")
    assert (new.deprecated, new.sunset) == ("", "")


def test_two_endpoints_of_one_version_cannot_share_a_path(problems_of: ProblemsOf) -> None:
    files = {
        "endpoints/a.sql": "/* {path: '/stores/{x}', version: 2} */ SELECT 1",
        "endpoints/b.sql": "/* path: /v2/stores/{y} */ SELECT 1",
    }
    assert problems_of(files) == (
        "endpoints/b.sql:1: the path `/v2/stores/{y}` cannot be told from `/v2/stores/{x}`; "
        "expected a path of its own; change this one or the one of endpoints/a.sql"
    )


WHOLE = "a whole number of at least 1 and at most 999"
DAY = "a date such as 2026-12-01"


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("version: 0", f"1:13: `version` is 0; expected {WHOLE}"),
        ("version: v2", f"1:13: `version` is 'v2'; expected {WHOLE}"),
        ("deprecated: true", f"1:16: `deprecated` is true; expected {DAY}"),
        (
            "serve: keyd",
            "1:11: `serve` is 'keyd'; expected one of `keyed`, `columnar`; did you mean `keyed`?",
        ),
        ("sunset: soon", f"1:12: `sunset` is 'soon'; expected {DAY}"),
        ("sunset: 2026-02-30", f"1:12: `sunset` is '2026-02-30'; expected {DAY}"),
        (
            "{deprecated: 2027-01-01, sunset: 2026-01-01}",
            (
                "1:37: `sunset` is 2026-01-01 and `deprecated` is 2027-01-01; expected `sunset` at"
                " or after `deprecated`"
            ),
        ),
    ],
)
def test_versions_and_ends_are_checked(header: str, problem: str, problems_of: ProblemsOf) -> None:
    text = f"/* {header} */ SELECT 1"
    assert problems_of({"endpoints/e.sql": text}) == f"endpoints/e.sql:{problem}"


def test_two_endpoints_cannot_share_a_path(problems_of: ProblemsOf) -> None:
    files = {
        "endpoints/a.sql": "/* path: /stores/{x} */ SELECT 1",
        "endpoints/b.sql": "/* path: /stores/{y} */ SELECT 1",
    }
    assert problems_of(files) == (
        "endpoints/b.sql:1: the path `/stores/{y}` cannot be told from `/stores/{x}`; expected a "
        "path of its own; change this one or the one of endpoints/a.sql"
    )
