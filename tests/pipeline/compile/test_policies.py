"""Row policies and columns from declarations to contracts: what is bound, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from headrace.base.access import Access
from headrace.base.declarations import (
    CheckDeclaration,
    ColumnContract,
    ColumnOrigins,
    DerivedColumn,
    Endpoint,
    Hiding,
    Model,
    ParameterRules,
    PythonFunction,
    RowRule,
    RowsDeclaration,
    Source,
)
from headrace.base.errors import Place
from headrace.store.snapshots import (
    Case,
    Claim,
    ColumnMask,
    KeyedCase,
    RowCase,
    Scope,
    TablePolicy,
)
from tests.pipeline.compile.projects import ORDERS, compiled, endpoint, model, problems, source

KNOWN = Access("authenticated")
CRM = Access("granted", ("crm",))
BY_STORE = ("", "store_id = $auth.store_id")
NARROWED = (
    '(SELECT store_id, "day", revenue FROM daily WHERE (CAST($auth_case_0 AS BOOLEAN) AND'
    " (store_id = CAST($auth_store_id AS INTEGER)))) AS daily"
)


def rows(file: str, *rules: tuple[str, str], public: str = "") -> RowsDeclaration:
    """`rows:` on line 2 of a file: pairs of a role, "" for everybody, and a predicate."""
    place = Place(file, 2)
    return RowsDeclaration(place, tuple(RowRule(role, sql, place) for role, sql in rules), public)


def orders(*rules: tuple[str, str], **rest: object) -> Source:
    """The source `orders` with rules of its rows."""
    return source("orders", ORDERS, rows=rows("sources/orders.yaml", *rules), **rest)


def hiding(column: str, access: Access = CRM, hide: Hiding = "masked") -> Source:
    """The source `orders`, one of whose columns not everybody sees."""
    whole = source("orders", ORDERS)
    hidden = (replace(each, access=access, hide=hide) for each in whole.columns)
    pairs = zip(whole.columns, hidden, strict=True)
    return replace(whole, columns=tuple(h if c.name == column else c for c, h in pairs))


def daily(*rules: tuple[str, str], public: str = "") -> Model:
    """A model over `orders` with rules of its rows."""
    sql = "SELECT store_id, day, sum(amount) AS revenue FROM orders GROUP BY ALL"
    return model("daily", sql, rows=rows("models/daily.sql", *rules, public=public))


def asked(sql: str, access: Access = KNOWN) -> Endpoint:
    """An endpoint `e` for somebody who is known, unless said otherwise."""
    return endpoint("e", sql, access=access)


def test_an_endpoint_reads_a_table_through_its_rows() -> None:
    graph = compiled(orders(BY_STORE), daily(BY_STORE), asked("SELECT day, revenue FROM daily"))
    [contract] = graph.endpoints
    assert contract.sql == f'SELECT "day", revenue FROM {NARROWED}'
    assert contract.scope == Scope((Claim("store_id", "INTEGER"),), (Case("", ("store_id",)),))
    assert contract.access == KNOWN
    assert contract.parameters == ()
    assert contract.access_path == "keyed"
    assert contract.keyed is not None
    assert (contract.keyed.equal, contract.keyed.cases) == (("auth_store_id",), (KeyedCase((0,)),))


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        ("CAST(p.status AS INTEGER) < $x", {"x": 5}),
        ("p.status = 1", {}),
        ("p.status = p.qty", {}),
        ("p.status IN (1, 2)", {}),
    ],
)
def test_whether_a_query_fails_tells_nothing_of_rows_that_are_not_seen(
    condition: str, values: dict[str, object]
) -> None:
    """DuckDB evaluates the condition of such a join for every row, unless something is between."""
    rules = (
        ("manager", "store_id = $auth.store_id"),
        ("franchisee", "store_id + 0 = $auth.store_id"),
        ("head_office", ""),
    )
    sql = (
        "SELECT count(*) AS n FROM orders AS o"
        f" JOIN orders AS p ON o.order_id = p.order_id AND {condition}"
    )
    [contract] = compiled(orders(*rules), asked(sql)).endpoints
    values |= {"auth_case_0": True, "auth_case_1": True, "auth_case_2": False, "auth_store_id": 0}
    made = (
        "CREATE OR REPLACE TABLE orders AS"
        " SELECT i AS order_id, CAST(i % 7 AS INTEGER) AS store_id,"
        " DATE '2024-01-01' AS day, 1.0 AS amount, 1 AS qty,"
        " if(i % 7 = 0, '1', {}) AS status FROM range(400000) AS numbers(i)"
    )
    with duckdb.connect() as connection:
        for of_others in ("'1'", "'what nobody else may learn of'"):
            connection.execute(made.format(of_others))
            found = connection.execute(contract.sql, values).fetchall()
            assert found == [(57_143,)]


def test_rows_by_role_are_cases_of_one_scope() -> None:
    rules = (
        ("store_manager", "store_id = $auth.store_id"),
        ("franchisee", "list_contains($auth.stores, store_id)"),
        ("head_office", ""),
    )
    [contract] = compiled(orders(*rules), asked("SELECT count(*) AS n FROM orders")).endpoints
    assert contract.sql.partition(" WHERE ")[2] == (
        "((CAST($auth_case_0 AS BOOLEAN) AND (store_id = CAST($auth_store_id AS INTEGER)))"
        " OR (CAST($auth_case_1 AS BOOLEAN) AND list_contains(CAST($auth_stores AS INTEGER[]),"
        " store_id)) OR CAST($auth_case_2 AS BOOLEAN))) AS orders"
    )
    assert contract.scope == Scope(
        (Claim("store_id", "INTEGER"), Claim("stores", "INTEGER[]")),
        (
            Case("store_manager", ("store_id",)),
            Case("franchisee", ("stores",)),
            Case("head_office"),
        ),
    )


def test_tables_with_the_same_case_share_its_parameter() -> None:
    sql = "SELECT revenue FROM orders JOIN daily USING (store_id)"
    [contract] = compiled(orders(BY_STORE), daily(BY_STORE), asked(sql)).endpoints
    assert contract.scope is not None
    assert contract.scope.cases == (Case("", ("store_id",)),)
    assert contract.sql.count("CAST($auth_case_0 AS BOOLEAN)") == 2


def test_a_rule_without_a_claim_is_for_everybody_and_needs_no_scope() -> None:
    public = Access("public")
    [contract] = compiled(
        orders(("", "qty > 1")), asked("SELECT qty FROM orders", public)
    ).endpoints
    assert contract.sql == (
        'SELECT qty FROM (SELECT order_id, store_id, "day", amount, qty, status FROM orders'
        " WHERE (qty > 1)) AS orders"
    )
    assert (contract.scope, contract.access_path) == (None, "cache")


def test_no_answer_of_a_scope_is_among_those_that_are_kept() -> None:
    sql = "SELECT day FROM orders WHERE qty > 1 AND status = $status"
    few = (ParameterRules("status", Place("endpoints/e.sql", 2), enum=("a", "b")),)
    for parameters in ("SELECT day FROM orders", sql):
        one = replace(asked(parameters), params=few if "$status" in parameters else ())
        [contract] = compiled(orders(BY_STORE), one).endpoints
        assert contract.access_path == "keyed"
        assert contract.keyed is not None
        assert contract.keyed.equal[0] == "auth_store_id"
    several = orders(("", "list_contains($auth.stores, store_id)"))
    [contract] = compiled(several, asked("SELECT day FROM orders")).endpoints
    assert contract.access_path == "columnar"
    assert problems(several, replace(asked("SELECT day FROM orders"), serve="keyed")) == [
        (
            "endpoints/e.sql:1: this cannot be served by key (`serve: keyed`): the query asks for"
            " rows that depend on who asks: everybody is answered by queries: the policy of"
            " `orders` computes with a parameter"
        )
    ]


def test_a_model_that_everybody_may_see_is_read_as_it_is() -> None:
    graph = compiled(
        orders(BY_STORE), daily(public="totals"), asked("SELECT * FROM daily", Access("public"))
    )
    [contract] = graph.endpoints
    assert (contract.sql, contract.scope) == ("SELECT * FROM daily", None)
    assert contract.access_path == "cache"


def test_the_recipe_of_an_answer_holds_the_policies() -> None:
    found = [
        compiled(orders(rule), asked("SELECT qty FROM orders")).endpoints[0].recipe
        for rule in (BY_STORE, ("boss", "store_id = $auth.store_id"), ("", "qty > 1"))
    ]
    found += [compiled(asked("SELECT qty FROM orders")).endpoints[0].recipe]
    assert len(set(found)) == 4


def test_the_policies_of_all_tables_are_known() -> None:
    analyst = Access("granted", ("analyst",))
    graph = compiled(orders(BY_STORE, access=analyst), daily(public="totals"))
    columns = tuple(ORDERS)
    assert graph.policies["orders"] == TablePolicy(
        analyst,
        (RowCase("", "(store_id = CAST($auth_store_id AS INTEGER))", ("store_id",)),),
        (Claim("store_id", "INTEGER"),),
        (),
        columns,
    )
    assert graph.policies["daily"] == TablePolicy(columns=("store_id", "day", "revenue"))
    assert graph.policies["orders__quarantine"].rows == ()
    assert graph.policies["orders__quarantine"].access == Access()
    assert graph.policies["stores"] == TablePolicy(columns=("store_id", "name", "opened"))
    assert graph.policies.keys() == {each.name for each in graph.relations}


def test_what_is_kept_beside_a_table_has_its_rules() -> None:
    changes = orders(
        ("", "orders.store_id = $auth.store_id"),
        mode="changes",
        key=("order_id",),
        cursor="day",
        history=True,
    )
    policies = compiled(changes).policies
    case = RowCase("", "(store_id = CAST($auth_store_id AS INTEGER))", ("store_id",))
    for name in ("orders", "orders__landed", "orders__history"):
        assert policies[name].rows == (case,)


WRONG_RULES = [
    (
        "region = $auth.roles",
        (
            ": `$auth.roles` cannot be compared; write a rule for each role:"
            " rows: {store_manager: …, head_office: all}"
        ),
    ),
    (
        "nope = $auth.x",
        (
            ": there is no column `nope`; its columns are `order_id`, `store_id`, `day`, `amount`,"
            " `qty`, `status`"
        ),
    ),
    (
        "statsu = $auth.x",
        ": there is no column `statsu`; did you mean `status`?",
    ),
    (
        "store_id",
        " is INTEGER: store_id; expected a condition such as `store_id = $auth.store_id`",
    ),
    (
        "$auth.x IS NULL",
        (
            ": `$auth.x`: its type does not follow from its use; expected one type;"
            " cast it in the rule: CAST($auth.x AS VARCHAR)"
        ),
    ),
    (
        "store_id = $auth.a AND status = $auth.a",
        (
            ": `$auth.a`: it is used as INTEGER and as VARCHAR; expected one type;"
            " cast it in the rule: CAST($auth.a AS VARCHAR)"
        ),
    ),
    (
        "store_id IN $auth.stores",
        (
            ": whether a claim is a list or a text cannot be told here;"
            " write list_contains($auth.<claim>, column), or starts_with, or LIKE"
        ),
    ),
    (
        "store_id = (SELECT max(store_id) FROM orders)",
        (
            ": a rule has no subquery; expected a condition over the columns of its own table and"
            " `$auth.<claim>`; put what it needs into a column of the table, in a model"
        ),
    ),
    (
        "$auth.m = {'a': 1}",
        (
            ": `$auth.m` is STRUCT(a INTEGER);"
            " expected a number, a text, a date or a time, or a list of those"
        ),
    ),
    (
        "day > current_date",
        (
            ": `current_date` gives another value at every run;"
            " expected a condition that holds as long as its row stays"
        ),
    ),
    (
        "store_id = $store",
        (
            ": `$store` is no claim; expected a condition over the columns of its own table and"
            " `$auth.<claim>`; a rule takes `$auth.<claim>` from who asks, and nothing else"
        ),
    ),
]
NOT_OF_A_ROW = [
    ("count(*) > 1", "`count_star()` is not over one row"),
    ("row_number() OVER () = 1", "`row_number()` is not over one row"),
    ("unnest([true])", "`unnest()` is not over one row"),
    ("random() < 0.5", "`random()` gives another value each time"),
    ("day > now()", "`now()` gives another value each time"),
    ("getenv('HOME') = '/'", "`getenv()` gives another value each time"),
    ("COLUMNS(*) = 1", "a rule has no `*`"),
    ("true) AS allowed, (true", "it is not one condition"),
    ("true) AS x, (true", "it is not one condition"),
    ("$auth = 1", "`$auth` alone is no value"),
]


@pytest.mark.parametrize(("rule", "text"), WRONG_RULES)
def test_a_rule_that_does_not_fit_is_refused(rule: str, text: str) -> None:
    assert problems(orders(("", rule))) == [f"sources/orders.yaml:2: `rows` of `orders`{text}"]


@pytest.mark.parametrize(("rule", "text"), NOT_OF_A_ROW)
def test_a_rule_is_one_condition_over_one_row(rule: str, text: str) -> None:
    [problem] = problems(orders(("", rule)))
    assert problem.startswith(f"sources/orders.yaml:2: `rows` of `orders`: {text}; expected ")


@pytest.mark.parametrize("rule", ["true) AS a FROM orders WHERE (true", "1 = 1; SELECT 1", "]"])
def test_a_rule_cannot_leave_its_parentheses(rule: str) -> None:
    [problem] = problems(orders(("", rule)))
    assert problem.startswith("sources/orders.yaml:2: `rows` of `orders`: syntax error at or near")


@pytest.mark.parametrize("claim", ["salt", "case_0", "MASK_12"])
def test_a_claim_is_named_as_nothing_else_of_a_scope(claim: str) -> None:
    assert problems(orders(("", f"store_id = $auth.{claim}"))) == [
        (
            f"sources/orders.yaml:2: `rows` of `orders`: `$auth.{claim}` is not the"
            " name of a claim;"
            " expected letters, digits and underscores, and no `salt`, `case_0` or `mask_0`"
        )
    ]


def test_a_claim_has_one_type_in_a_table_and_in_an_endpoint() -> None:
    rules = (("a", "store_id = $auth.s"), ("b", "status = $auth.s"))
    assert problems(orders(*rules)) == [
        (
            "sources/orders.yaml:2: `$auth.s` is VARCHAR here, and INTEGER in"
            " another rule; expected"
            " one type of each claim; cast it in one of the rules: CAST($auth.s AS INTEGER)"
        )
    ]
    sql = "SELECT store_id::BIGINT AS store_id FROM orders"
    wide = model("wide", sql, rows=rows("models/wide.sql", BY_STORE))
    both = asked("SELECT 1 AS a FROM orders, wide")
    assert problems(orders(BY_STORE), wide, both) == [
        (
            "endpoints/e.sql:1: `$auth.store_id` is INTEGER for one table and BIGINT for another;"
            " expected one spelling and one type of each claim; change one of the rules of"
            " `orders`,"
            " `wide`: a cast gives a claim its type"
        )
    ]


def test_a_claim_has_one_spelling() -> None:
    [problem] = problems(orders(("", "store_id = $auth.s OR qty = $auth.S")))
    assert problem == (
        "sources/orders.yaml:2: `rows` of `orders`: `$auth.S` is spelled `$auth.s` elsewhere;"
        " expected one spelling"
    )
    assert problems(orders(("a", "store_id = $auth.s"), ("b", "store_id = $auth.S"))) == [
        (
            "sources/orders.yaml:2: `$auth.S` is spelled `$auth.s` in another rule;"
            " expected one spelling"
        )
    ]


DERIVED = [
    (
        "SELECT store_id, sum(amount) AS revenue FROM orders GROUP BY ALL",
        "its `store_id` derives",
        "store_id = $auth.store_id",
    ),
    ("SELECT store_id AS shop FROM orders", "its `shop` derives", "shop = $auth.store_id"),
    (
        "SELECT sum(amount) AS revenue FROM orders",
        "none of its columns derives",
        "<a condition over its columns and $auth.<claim>>",
    ),
    (
        "SELECT store_id, store_id + 1 AS next FROM orders",
        "its `store_id`, `next` derive",
        "<a condition over its columns and $auth.<claim>>",
    ),
]


@pytest.mark.parametrize(("sql", "derived", "rule"), DERIVED)
def test_a_model_over_rows_that_not_everybody_sees_says_who_sees_its_own(
    sql: str, derived: str, rule: str
) -> None:
    [problem] = problems(orders(BY_STORE), model("daily", sql))
    assert problem == (
        "models/daily.sql:1: `daily` derives from `orders`, whose rows not everybody sees: they are"
        f" told apart by `store_id`, which {derived} from; it does not say who sees its own rows;"
        f" expected `rows:` in its header; write `rows: {rule}`, or"
        " `rows: {public: <why everybody may see all of it>}`"
    )


def test_the_suggested_rule_is_that_of_each_role() -> None:
    rules = (("manager", "store_id = $auth.store_id"), ("head_office", ""))
    [problem] = problems(orders(*rules), model("m", "SELECT store_id AS s FROM orders"))
    assert "write `rows: {manager: s = $auth.store_id, head_office: all}`, or" in problem


def test_the_rule_stops_where_a_model_says_that_it_is_public() -> None:
    above = model("above", "SELECT sum(revenue) AS all_of_it FROM daily")
    compiled(orders(BY_STORE), daily(public="totals of all stores"), above)
    [problem] = problems(orders(BY_STORE), daily(BY_STORE), above)
    assert problem.startswith("models/above.sql:1: `above` derives from `daily`, whose rows")


@pytest.mark.parametrize("table", ["orders__landed", "orders__history"])
def test_a_model_over_what_is_kept_beside_a_table_falls_under_the_rule(table: str) -> None:
    changes = orders(BY_STORE, mode="changes", key=("order_id",), cursor="day", history=True)
    [problem] = problems(changes, model("m", f"SELECT qty FROM {table}"))
    assert problem.startswith(f"models/m.sql:1: `m` derives from `{table}`, whose rows not every")


def test_raw_rows_that_were_set_aside_are_read_by_models_that_say_whose_they_are() -> None:
    sql = "SELECT count(*) AS n FROM orders__quarantine"
    assert problems(orders(BY_STORE), model("m", sql)) == [
        (
            "models/m.sql:1: `m` derives from `orders__quarantine`, the raw rows"
            " of a table whose rows"
            " not everybody sees; it does not say who sees its own rows; expected `rows:` in its"
            " header; write `rows:` with a condition over its columns, or"
            " `rows: {public: <why everybody may see all of it>}`"
        )
    ]
    assert problems(orders(BY_STORE), asked(sql)) == [
        (
            "endpoints/e.sql:1: `orders__quarantine` holds raw rows of a table"
            " that not everybody sees"
            " all of; expected a table with `rows:` of its own; derive a model from it, say its"
            " `rows:`, and read that"
        )
    ]
    public = rows("models/m.sql", public="a count of mistakes")
    compiled(orders(BY_STORE), model("m", sql, rows=public), asked("SELECT n FROM m"))
    compiled(asked(sql))


def forecast(root: Path, lineage: tuple[ColumnOrigins, ...] = (), **rest: object) -> Model:
    """A Python model `p` over `orders` with the columns `a` and `b`."""
    place = Place("models/p.py", 1)
    (root / "models").mkdir(exist_ok=True)
    (root / place.file).write_text("def p(orders): return orders")
    columns = tuple(ColumnContract(name, "INTEGER", place) for name in "ab")
    function = PythonFunction("p", (("orders", "arrow"),), lineage)
    return Model("p", place, function=function, columns=columns, **rest)  # type: ignore[arg-type] # fields by name


def test_a_python_model_falls_under_the_rule_too(tmp_path: Path) -> None:
    [problem] = problems(orders(BY_STORE), forecast(tmp_path), root=tmp_path)
    assert problem.startswith("models/p.py:1: `p` derives from `orders`, whose rows not everybody")
    public = rows("models/p.py", public="a forecast of all stores together")
    compiled(orders(BY_STORE), forecast(tmp_path, rows=public), root=tmp_path)


def test_what_reads_a_python_model_that_has_never_run_falls_under_the_rule(tmp_path: Path) -> None:
    unknown = replace(forecast(tmp_path), columns=(), rows=rows("models/p.py", ("", "a = $auth.a")))
    above = model("above", "SELECT 1 AS a FROM p")
    [problem] = problems(unknown, above, root=tmp_path)
    assert problem == (
        "models/above.sql:1: `above` derives from `p`, whose rows not everybody sees; it does not"
        " say who sees its own rows; expected `rows:` in its header; write `rows: <a condition over"
        " its columns and $auth.<claim>>`, or `rows: {public: <why everybody may see all of it>}`"
    )


def test_without_lineage_a_column_of_a_python_model_may_hold_anything(tmp_path: Path) -> None:
    place = Place("models/p.py", 1)
    said = (ColumnOrigins("a", place, (("orders.qty", place),)),)
    assert problems(hiding("status"), forecast(tmp_path, said), root=tmp_path) == [
        (
            "models/p.py:1: `p.b` derives from `orders.status` for all that is"
            " known, which only `crm`"
            " may see; it does not say who sees it; expected `access` of the column;"
            " write `columns: {b: {access: [crm]}}`, or `columns: {b: {access: public}}`"
        )
    ]


def test_a_model_that_sets_rows_aside_says_it_once(tmp_path: Path) -> None:
    place = Place("models/m.sql", 2)
    check = CheckDeclaration("not_null", ("store_id",), place, severity="quarantine")
    divided = model("m", "SELECT store_id, status FROM orders", checks=(check,))
    [problem] = problems(orders(BY_STORE), divided)
    assert problem.startswith("models/m.sql:1: `m` derives from `orders`, whose rows not everybody")
    said = replace(divided, rows=rows("models/m.sql", BY_STORE))
    policies = compiled(orders(BY_STORE), said).policies
    for name in ("m", "m__all", "m__quarantine"):
        assert policies[name].rows == policies["orders"].rows
    column = ColumnContract("status", "", place, access=CRM)
    policies = compiled(hiding("status"), replace(divided, columns=(column,))).policies
    for name in ("m", "m__all", "m__quarantine"):
        assert policies[name].masks == (ColumnMask("status", ("crm",)),)


def test_a_public_endpoint_over_rows_by_claim_would_answer_nothing() -> None:
    assert problems(orders(BY_STORE), asked("SELECT qty FROM orders", Access("public"))) == [
        (
            "endpoints/e.sql:1: the endpoint is public, and who has shown no"
            " credential sees no row of"
            " `orders`; expected an `access` of somebody who is known; write"
            " `access: authenticated`,"
            " or the roles that may ask"
        )
    ]


def test_a_request_gives_no_parameter_of_a_scope() -> None:
    sql = "SELECT qty FROM orders WHERE store_id = $AUTH_x AND day = $auth.day"
    said = (
        "is not a parameter that a request may give; expected another name;"
        " say `rows:` of the tables that it reads: there, `$auth.<claim>` is of who asks"
    )
    assert problems(orders(BY_STORE), asked(sql)) == [
        f"endpoints/e.sql:1:41: `$AUTH_x` {said}",
        f"endpoints/e.sql:1:59: `$auth` {said}",
    ]


def test_a_hidden_column_is_null_for_others() -> None:
    [contract] = compiled(hiding("status"), asked("SELECT status FROM orders")).endpoints
    assert contract.sql == (
        'SELECT status FROM (SELECT order_id, store_id, "day", amount, qty,'
        " CASE  WHEN (CAST($auth_mask_0 AS BOOLEAN)) THEN (status) ELSE NULL END AS status"
        " FROM orders) AS orders"
    )
    assert contract.scope == Scope(masks=(("crm",),))
    assert [(each.name, each.type) for each in contract.columns] == [("status", "VARCHAR")]


def test_a_field_may_be_null_where_its_column_is_hidden() -> None:
    hidden = hiding("status")
    whole = replace(hidden, columns=tuple(replace(c, not_null=True) for c in hidden.columns))
    for access, nullable in ((KNOWN, True), (CRM, False)):
        [contract] = compiled(whole, asked("SELECT status, qty FROM orders", access)).endpoints
        assert [each.nullable for each in contract.columns] == [nullable, False]


def test_a_hashed_column_is_a_keyed_hash_for_others() -> None:
    graph = compiled(hiding("status", hide="hashed"), asked("SELECT status FROM orders"))
    [contract] = graph.endpoints
    salt = "((CAST($auth_salt AS VARCHAR) || '|') || "
    assert f"ELSE sha256({salt}sha256({salt}status)))) END AS status" in contract.sql
    assert contract.scope == Scope(masks=(("crm",),), salted=True)


@pytest.mark.parametrize("hide", ["masked", "hashed", "absent"])
def test_whom_a_column_is_for_gets_it_as_it_is(hide: Hiding) -> None:
    [contract] = compiled(
        hiding("status", hide=hide), asked("SELECT status FROM orders", CRM)
    ).endpoints
    assert (contract.sql, contract.scope) == ("SELECT status FROM orders", None)


def test_an_absent_column_is_not_there() -> None:
    absent = hiding("status", hide="absent")
    [contract] = compiled(absent, asked("SELECT * FROM orders")).endpoints
    assert [each.name for each in contract.columns] == [name for name in ORDERS if name != "status"]
    assert contract.scope is None
    for sql in ("SELECT status FROM orders", "SELECT o.status FROM orders AS o"):
        assert problems(absent, asked(sql)) == [
            (
                "endpoints/e.sql:1:8: `orders.status` is absent for some of those who"
                " may ask; expected"
                " a column that all of them have; let in only who may see it: access: [crm]"
            )
        ]


def test_a_column_is_hidden_by_roles_and_only_text_is_hashed() -> None:
    assert problems(hiding("status", KNOWN)) == [
        (
            "sources/orders.yaml:8: `access` of orders.status is authenticated;"
            " expected roles, or `public`"
        )
    ]
    assert problems(hiding("store_id", hide="hashed")) == [
        (
            "sources/orders.yaml:4: `hide: hashed` of orders.store_id, which is INTEGER;"
            " expected a text column; write `hide: masked` or `absent`"
        )
    ]


def test_a_column_made_from_a_hidden_one_says_who_sees_it() -> None:
    sql = "SELECT upper(status) AS loud, count(*) AS n FROM orders GROUP BY ALL"
    assert problems(hiding("status"), model("m", sql)) == [
        (
            "models/m.sql:1: `m.loud` derives from `orders.status`, which only"
            " `crm` may see; it does"
            " not say who sees it; expected `access` of the column;"
            " write `columns: {loud: {access: [crm]}}`, or `columns: {loud: {access: public}}`"
        )
    ]
    for access, masks in ((Access("public"), ()), (CRM, (ColumnMask("loud", ("crm",)),))):
        said = ColumnContract("loud", "", Place("models/m.sql", 2), access=access)
        graph = compiled(hiding("status"), model("m", sql, columns=(said,)))
        assert graph.policies["m"].masks == masks


def test_raw_rows_have_all_columns_of_their_source_in_one() -> None:
    [problem] = problems(hiding("status"), model("m", "SELECT raw FROM orders__quarantine"))
    assert problem.startswith(
        "models/m.sql:1: `m.raw` derives from `orders__quarantine`, which only `crm` may see;"
    )
    [problem] = problems(hiding("status"), asked("SELECT reason FROM orders__quarantine"))
    assert problem.startswith("endpoints/e.sql:1: `orders__quarantine` holds raw rows of a table")


def test_what_a_source_derives_from_a_hidden_column_is_hidden() -> None:
    place = Place("sources/orders.yaml", 9)
    derive = (
        DerivedColumn("loud", "upper(status)", place),
        DerivedColumn("twice", "qty * 2", place),
    )
    found = compiled(replace(hiding("status", hide="hashed"), derive=derive)).policies["orders"]
    assert found.masks == (
        ColumnMask("status", ("crm",), "hashed"),
        ColumnMask("loud", ("crm",), "masked"),
    )


def test_why_a_row_is_set_aside_is_hidden_with_what_the_rules_look_at() -> None:
    """`status: is NULL` says something of a status that is NULL for whoever may not see it."""
    place = Place("models/m.sql", 3)
    hidden = tuple(
        ColumnContract(name, "", place, access=Access("granted", roles))
        for name, roles in [("status", ("crm", "audit")), ("day", ("crm",)), ("qty", ("stock",))]
    )
    checks = tuple(
        CheckDeclaration("not_null", (name,), place, severity="quarantine")
        for name in ("store_id", "status", "day")
    )
    whole = model("m", "SELECT store_id, day, status, qty FROM orders", checks=checks)
    policies = compiled(orders(), replace(whole, columns=hidden)).policies
    reasons = [mask for mask in policies["m__quarantine"].masks if mask.column == "reason"]
    assert reasons == [ColumnMask("reason", ("crm",), "masked")]
    assert all(mask.column != "reason" for mask in policies["m__all"].masks)
    by_store = replace(whole, checks=checks[:1], columns=hidden)
    seen = compiled(orders(), by_store).policies["m__quarantine"]
    assert all(mask.column != "reason" for mask in seen.masks)
