"""Which queries a keyed copy answers, what its key is, and by which clause others have none."""

from __future__ import annotations

import pytest

from headrace.pipeline.compile.duckdb_analyst import DuckDBAnalyst
from headrace.pipeline.compile.queries import Access, Answer
from headrace.store.snapshots import Bound, KeyedQuery, KeyPart, Rollup, RollupField
from tests.pipeline.compile.projects import schema

TABLES = {
    "sales": schema(
        {
            "store_id": "INTEGER",
            "day": "DATE",
            "moment": "TIMESTAMP",
            "zoned": "TIMESTAMP WITH TIME ZONE",
            "product": "VARCHAR",
            "items": "INTEGER",
            "amount": "DECIMAL(12,2)",
            "score": "DOUBLE",
            "ok": "BOOLEAN",
            "code": "UUID",
            "raw": "BLOB",
            "tags": "VARCHAR[]",
            "big": "BIGINT",
        }
    ),
    "stores": schema({"store_id": "INTEGER", "name": "VARCHAR", "city": "VARCHAR"}),
}


def access(analyst: DuckDBAnalyst, sql: str, **types: str) -> Access:
    """How a query over the tables above is answered."""
    answer = analyst.answer(sql, TABLES, types)
    assert isinstance(answer, Answer), answer
    return answer.access


KEYED = {
    # One table, = and ORDER BY.
    "SELECT day FROM sales WHERE store_id = $s ORDER BY day": "store_id = $s, in order of day",
    "SELECT day FROM sales WHERE $s = store_id": "store_id = $s",
    "SELECT day FROM sales WHERE store_id = $s ORDER BY day DESC NULLS LAST, items": (
        "store_id = $s, in order of day DESC, items"
    ),
    "SELECT day FROM sales WHERE store_id = $s AND product = $p ORDER BY product, day": (
        "store_id = $s, product = $p, in order of day"
    ),
    "FROM sales WHERE ok = $o ORDER BY score DESC": "ok = $o, in order of score DESC",
    "FROM sales WHERE code = $c": "code = $c",
    "SELECT day FROM sales WHERE amount = $a": "amount = $a",
    "SELECT day FROM sales WHERE zoned >= $z": "zoned from $z, in order of zoned",
    "SELECT day FROM sales WHERE day = $d::DATE": "day = $d",
    "SELECT day FROM sales WHERE CAST($d AS DATE) = day": "day = $d",
    # Expressions, aliases and positions.
    "SELECT lower(product) AS p FROM sales WHERE lower(product) = $p ORDER BY 1": (
        "lower(product) = $p"
    ),
    "SELECT lower(product) AS p, day FROM sales WHERE p = $p ORDER BY p, 2": (
        "p = $p, in order of 2"
    ),
    "SELECT -items AS day FROM sales WHERE store_id = $s ORDER BY day": (
        "store_id = $s, in order of day"
    ),
    "SELECT year(day) AS y FROM sales WHERE year(day) = $y::BIGINT": "year(day) = $y",
    # Ranges.
    "SELECT day FROM sales WHERE store_id = $s AND day >= $a": (
        "store_id = $s, day from $a, in order of day"
    ),
    "SELECT day FROM sales WHERE day > $a AND day <= $b ORDER BY day DESC": (
        "day after $a to $b, in order of day DESC"
    ),
    "SELECT day FROM sales WHERE $a < day AND $b > day": "day after $a before $b, in order of day",
    "SELECT day FROM sales WHERE day BETWEEN $a AND $b AND items > 1 ORDER BY day, moment": (
        "day from $a to $b, in order of day, moment"
    ),
    # LIMIT and OFFSET.
    "SELECT day FROM sales WHERE store_id = $s LIMIT 5 OFFSET 2": "store_id = $s",
    "FROM sales ORDER BY day LIMIT $limit OFFSET $offset": "in order of day",
    "FROM sales LIMIT ALL": "all rows, in any order",
    # Joins, WITH, subqueries, windows and unions in FROM.
    "SELECT s.name, x.day FROM sales x JOIN stores s USING (store_id) WHERE s.city = $c": (
        "s.city = $c"
    ),
    "WITH x AS (SELECT day, sum(score) FROM sales GROUP BY 1) FROM x WHERE day = $d": "day = $d",
    "FROM (SELECT *, row_number() OVER (ORDER BY day) AS n FROM sales) WHERE n <= $n": (
        "n to $n, in order of n"
    ),
    "FROM (FROM stores UNION ALL FROM stores) WHERE city = $c": "city = $c",
    "FROM stores WHERE city = $c AND EXISTS (FROM sales WHERE sales.store_id = stores.store_id)": (
        "city = $c"
    ),
    # Groups.
    "SELECT product, sum(amount) AS a FROM sales WHERE store_id = $s GROUP BY 1 ORDER BY a DESC": (
        "store_id = $s, in order of a DESC"
    ),
    "SELECT count(*) FROM sales WHERE store_id = $s": "store_id = $s",
    "SELECT product, list(day ORDER BY day) AS days FROM sales WHERE store_id = $s GROUP BY ALL": (
        "store_id = $s"
    ),
    "SELECT product FROM sales WHERE store_id = $s GROUP BY product HAVING count(*) > 1": (
        "store_id = $s"
    ),
    "SELECT day, count(*) AS n FROM sales WHERE day >= $a GROUP BY day": (
        "day from $a, in order of day"
    ),
    "SELECT DISTINCT product FROM sales WHERE store_id = $s ORDER BY product": (
        "store_id = $s, in order of product"
    ),
    # Groups that a range cuts.
    "SELECT product, sum(items) AS n FROM sales WHERE day >= $a GROUP BY ALL ORDER BY product": (
        "day from $a, partial results merged by product"
    ),
    "SELECT count(*), avg(items) FROM sales WHERE day >= $a": "day from $a, partial results merged",
    "SELECT product, day, min(code) FROM sales WHERE day < $a GROUP BY ALL ORDER BY 1, 2": (
        "day before $a, partial results merged by 1, 2"
    ),
    "SELECT DISTINCT product FROM sales WHERE day >= $a": (
        "day from $a, partial results merged by product"
    ),
}
COLUMNAR = {
    "FROM sales WHERE store_id = $s OR product = 'x'": (
        "store_id = $s OR product = 'x'",
        "leaves a choice between conditions",
    ),
    "FROM sales WHERE ($p IS NULL OR product = $p)": (
        "$p IS NULL OR product = $p",
        "leaves a choice between conditions",
    ),
    "FROM sales WHERE store_id IN ($a, $b)": ("store_id IN ($a, $b)", "asks for several values"),
    "FROM sales WHERE store_id NOT IN ($a, $b)": ("store_id NOT IN ($a, $b)", "asks for all that"),
    "FROM sales WHERE store_id <> $s": ("store_id <> $s", "asks for all values but one"),
    "FROM sales WHERE product LIKE $q": ("product LIKE $q", "compares with a pattern"),
    "FROM sales WHERE contains(product, $q)": (
        "contains(product, $q)",
        "computes with a parameter",
    ),
    "FROM sales WHERE store_id IS NOT DISTINCT FROM $s": (
        "store_id IS NOT DISTINCT FROM $s",
        "also asks for NULL",
    ),
    "FROM sales WHERE items + $n = 3": ("items + $n = 3", "computes with a parameter"),
    "FROM sales WHERE (items + 1) * $n = 3": ("(items + 1) * $n = 3", "computes"),
    "FROM sales WHERE 3 = (items + ($n))": ("3 = (items + ($n))", "computes"),
    "FROM sales WHERE items = $n + 1": ("items = $n + 1", "computes with a parameter"),
    "FROM sales WHERE NOT (store_id = $s)": ("NOT (store_id = $s)", "asks for all that"),
    "FROM sales WHERE day BETWEEN '2024-01-01' AND $b": (
        "day BETWEEN '2024-01-01' AND $b",
        "compares with a parameter and with something fixed at once",
    ),
    "FROM sales WHERE ((items)) BETWEEN $a AND (3)": ("((items)) BETWEEN $a AND (3)", "compares"),
    "FROM sales WHERE $d BETWEEN day AND day + 7": (
        "$d BETWEEN day AND day + 7",
        "asks between which two values a parameter lies",
    ),
    "FROM sales WHERE day >= $a AND items >= $n": (
        "items >= $n",
        "is a range beside that of `day`, and rows lie in the order of one",
    ),
    "FROM sales WHERE day >= $a AND day > $b": ("day > $b", "ends a range that has that end"),
    "FROM sales WHERE (SELECT max(day) FROM sales) = $d": (
        "(SELECT max(day) FROM sales) = $d",
        "compares the answer of a query",
    ),
    "FROM sales WHERE 'all' = $p": ("'all' = $p", "compares no column"),
    "FROM stores WHERE store_id IN (SELECT store_id FROM sales WHERE day = $d)": (
        "store_id IN (SELECT store_id FROM sales WHERE day = $d)",
        "asks another query",
    ),
    # Types.
    "FROM sales WHERE score = $x": (
        "score = $x",
        "compares `score`, a DOUBLE, with a DOUBLE: no key of a copy does",
    ),
    "FROM sales WHERE raw = $x": ("raw = $x", "compares `raw`, a BLOB, with a BLOB"),
    "FROM sales WHERE tags = $x": ("tags = $x", "compares `tags`, a VARCHAR[], with a VARCHAR[]"),
    "FROM sales WHERE store_id = $s ORDER BY tags": ("ORDER BY tags", "is VARCHAR[]"),
    "FROM sales WHERE product COLLATE nocase = $p": (
        "product COLLATE nocase",
        "compares texts by rules of its own (COLLATE)",
    ),
    # Parameters elsewhere.
    "SELECT items * $n AS n FROM sales": ("items * $n", "makes a field depend on a parameter"),
    "SELECT count(*) FROM sales GROUP BY items % $n": ("items % $n", "makes groups depend"),
    "SELECT count(*) FROM sales GROUP BY day HAVING count(*) > $n": (
        "count(*) > $n",
        "chooses among groups by a parameter",
    ),
    "FROM sales JOIN stores ON sales.store_id = stores.store_id AND city = $c": (
        "sales.store_id = stores.store_id AND city = $c",
        "asks for something before the rows are put together",
    ),
    "WITH x AS (FROM sales WHERE day = $d) FROM x": (
        "day = $d",
        "asks for something before the rows are put together",
    ),
    "FROM sales ORDER BY items * $n": ("items * $n", "makes the order depend on a parameter"),
    # Orders.
    "FROM sales WHERE day >= $a ORDER BY amount": (
        "ORDER BY amount",
        "asks for another order: within a range of `day`, rows lie in the order of `day`",
    ),
    "FROM sales ORDER BY (SELECT 1)": ("ORDER BY (SELECT 1)", "does not follow from one row"),
    "SELECT * REPLACE (-items AS items) FROM sales ORDER BY items": (
        "* REPLACE (-items AS items)",
        "gives fields that cannot be told from columns",
    ),
    "SELECT DISTINCT product FROM sales WHERE store_id = $s ORDER BY day": (
        "ORDER BY day",
        "is no field, and equal rows become one (DISTINCT)",
    ),
    # Pages.
    "FROM sales LIMIT 10 %": ("LIMIT 10", "is a share of the rows"),
    "FROM sales LIMIT $limit + 1": ("LIMIT $limit + 1", "is computed"),
    # More than a SELECT.
    "FROM stores WHERE city = $c UNION ALL FROM stores": ("", "is a UNION"),
    "SELECT *, sum(items) OVER () AS n FROM sales WHERE store_id = $s": (
        "sum(items) OVER ()",
        "looks at other rows of the answer (OVER)",
    ),
    "FROM sales WHERE store_id = $s QUALIFY row_number() OVER () = 1": (
        "QUALIFY row_number() OVER () = 1",
        "chooses among rows by others",
    ),
    "FROM sales WHERE store_id = $s USING SAMPLE 10": ("", "takes a sample of the rows"),
    "SELECT DISTINCT ON (product) * FROM sales WHERE store_id = $s": (
        "",
        "keeps one row of several",
    ),
    "SELECT day AS k0 FROM sales WHERE store_id = $s": ("", "uses the name `k0`"),
    "FROM (VALUES (1)) AS v(a) WHERE a = $a": ("", "cannot be written with its keys as fields"),
    # Aggregates.
    "SELECT count(*) FROM sales WHERE day = $d GROUP BY (SELECT 1)": (
        "(SELECT 1)",
        "groups by the answer of a query",
    ),
    "SELECT * EXCLUDE (tags) FROM sales WHERE day = $d GROUP BY ALL": (
        "",
        "groups by the fields of a `*`",
    ),
    "SELECT (SELECT max(name) FROM stores), count(*) FROM sales WHERE day = $d GROUP BY ALL": (
        "(SELECT max(name) FROM stores)",
        "may be a group or not",
    ),
    "SELECT DISTINCT count(*) FROM sales WHERE day >= $a GROUP BY day": (
        "",
        "makes equal groups of a range one (DISTINCT)",
    ),
    "SELECT sum(score) FROM sales WHERE store_id = $s": (
        "sum(score)",
        "adds up DOUBLE, and the last digits depend on the order of the rows",
    ),
    "SELECT first(product) FROM sales WHERE store_id = $s": (
        "first(product)",
        "may depend on the order of the rows",
    ),
    "SELECT string_agg(product, ',') FROM sales WHERE store_id = $s": (
        "string_agg(product, ',')",
        "depends on the order of the rows",
    ),
    "SELECT product, count(*) FROM sales WHERE store_id = $s GROUP BY ROLLUP (product)": (
        "",
        "groups rows in several ways at once",
    ),
    "SELECT count(*) FROM sales WHERE store_id = $s HAVING count(*) > 1": (
        "HAVING count(*) > 1",
        "may leave no row at all",
    ),
    "SELECT count(DISTINCT product) FROM sales WHERE day >= $a": (
        "count(DISTINCT product)",
        "counts each value once",
    ),
    "SELECT sum(items) / count(*) FROM sales WHERE day >= $a": (
        "sum(items) / count(*)",
        "is neither a group nor one of sum, count, min, max and avg by itself",
    ),
    "SELECT avg(amount) FROM sales WHERE day >= $a": (
        "avg(amount)",
        "does not merge exactly: it is of DECIMAL(12,2)",
    ),
    "SELECT avg(big) FROM sales WHERE day >= $a": (
        "avg(big)",
        "does not merge exactly: it is of BIGINT",
    ),
    "SELECT max(score) FROM sales WHERE day >= $a": (
        "max(score)",
        "does not merge exactly: it is of DOUBLE",
    ),
    "SELECT product, sum(items) AS n FROM sales WHERE day >= $a GROUP BY 1 ORDER BY n DESC": (
        "ORDER BY n",
        "is no group",
    ),
    "SELECT product, sum(items) FROM sales WHERE day >= $a GROUP BY 1 HAVING sum(items) > 9": (
        "HAVING sum(items) > 9",
        "chooses among groups that are only whole within a range",
    ),
    "SELECT score, count(*) FROM sales WHERE day >= $a GROUP BY 1": ("score", "groups by a DOUBLE"),
}


@pytest.mark.parametrize("sql", KEYED)
def test_a_key_finds_the_rows_of(sql: str, analyst: DuckDBAnalyst) -> None:
    found = access(analyst, sql)
    assert (found.keyed is not None, found.says) == (True, KEYED[sql])


@pytest.mark.parametrize("clause", ["LIMIT $n", "OFFSET $n"])
@pytest.mark.parametrize("type_name", ["DOUBLE", "DECIMAL(5,2)", "VARCHAR", "BOOLEAN"])
def test_only_an_integer_counts_rows(clause: str, type_name: str, analyst: DuckDBAnalyst) -> None:
    """SQL rounds 2.5 rows one way or another."""
    answer = analyst.answer(f"SELECT day FROM sales {clause}", TABLES, {"n": type_name})
    assert isinstance(answer, Answer)
    found = answer.access
    assert (found.keyed, found.clause) == (None, clause)
    assert found.says == f"is no whole number: it is of type {type_name}"
    assert found.advice == "declare an integer: params: {n: {type: bigint}}"


@pytest.mark.parametrize("sql", COLUMNAR)
def test_a_clause_stands_against_a_key_of(sql: str, analyst: DuckDBAnalyst) -> None:
    found = access(analyst, sql)
    clause, says = COLUMNAR[sql]
    assert (found.keyed, found.clause) == (None, clause)
    assert found.says.startswith(says)


def test_a_roll_up_holds_what_each_day_adds_to_its_month(analyst: DuckDBAnalyst) -> None:
    sql = (
        "SELECT sum(items) AS n, date_trunc('month', day)::DATE AS month, avg(items) AS mean, ok"
        " FROM sales WHERE store_id = $s AND day >= $a AND day < $b AND store_id > 0"
        " GROUP BY month, ok ORDER BY month DESC LIMIT 12"
    )
    assert access(analyst, sql).keyed == KeyedQuery(
        'SELECT store_id AS k0, "day" AS k1, CAST(date_trunc(\'month\', "day") AS DATE) AS g0,'
        " ok AS g1, sum(items) AS m0, sum(items) AS m1, count(items) AS m2 FROM sales"
        ' WHERE ((store_id > 0) AND (store_id IS NOT NULL) AND ("day" IS NOT NULL))'
        ' GROUP BY CAST(date_trunc(\'month\', "day") AS DATE), ok, store_id, "day"',
        key=(KeyPart("INTEGER"), KeyPart("DATE")),
        equal=("s",),
        low=Bound("a", inclusive=True),
        high=Bound("b", inclusive=False),
        limit=12,
        rollup=Rollup(
            groups=(KeyPart("DATE", descending=True), KeyPart("BOOLEAN")),
            fields=(
                RollupField("sum", 0, "HUGEINT"),
                RollupField("group", 0, "DATE"),
                RollupField("avg", 1, "DOUBLE"),
                RollupField("group", 1, "BOOLEAN"),
            ),
            monotone=True,
        ),
    )


@pytest.mark.parametrize(
    ("group", "monotone"),
    [
        ("date_trunc('week', moment)", True),
        ("moment::DATE", True),
        ("year(moment)", True),
        ("date_trunc('month', moment::DATE)::DATE", True),
        ("moment + INTERVAL 1 DAY", False),
        ("month(moment)", False),
        ("product", False),
    ],
)
def test_groups_that_grow_with_the_range_are_known(
    group: str, monotone: bool, analyst: DuckDBAnalyst
) -> None:
    sql = f"SELECT {group} AS g, count(*) FROM sales WHERE moment >= $a GROUP BY g ORDER BY g"
    keyed = access(analyst, sql).keyed
    assert keyed is not None
    assert keyed.rollup is not None
    assert keyed.rollup.monotone is monotone


def test_two_opposite_orders_are_one_copy(analyst: DuckDBAnalyst) -> None:
    up = access(analyst, "FROM sales WHERE day >= $a ORDER BY day, big DESC NULLS FIRST").keyed
    down = access(analyst, "FROM sales WHERE day < $b ORDER BY day DESC, big").keyed
    assert up is not None
    assert down is not None
    assert (up.sql, up.key) == (down.sql, down.key)
    assert up.key[1] == KeyPart("BIGINT", descending=True, nulls_first=True)
    assert (up.reverse, down.reverse) == (False, True)


def test_each_part_of_a_key_knows_the_column_that_it_is(analyst: DuckDBAnalyst) -> None:
    sql = "SELECT s.day FROM sales AS s WHERE store_id = $s AND lower(product) = $p ORDER BY 1, ok"
    assert access(analyst, sql).origins == ("sales.store_id", "", "sales.day", "sales.ok")


def test_what_changes_cell_by_cell_is_known(analyst: DuckDBAnalyst) -> None:
    asked = {
        "SELECT day, tags FROM Sales AS s WHERE s.day = $d AND items > 3": "sales",
        "SELECT DISTINCT day FROM sales WHERE day = $d": "",
        "SELECT count(*) FROM sales WHERE day = $d": "",
        "SELECT day FROM sales WHERE day = $d AND items > (SELECT 1)": "",
        "SELECT day FROM sales JOIN stores USING (store_id) WHERE day = $d": "",
        "SELECT day FROM (FROM sales LIMIT 9) WHERE day = $d": "",
        "WITH sales AS (SELECT day: DATE '2024-01-01') FROM sales WHERE day = $d": "",
    }
    found = {sql: access(analyst, sql).keyed for sql in asked}
    assert {sql: keyed.by_cell for sql, keyed in found.items() if keyed is not None} == asked


def test_an_aggregate_without_groups_has_a_row_for_every_key(analyst: DuckDBAnalyst) -> None:
    asked = {
        "SELECT count(*) FROM sales WHERE day = $d": True,
        "SELECT count(*) FROM sales WHERE day > $d": True,
        "SELECT count(*) FROM sales WHERE day = $d GROUP BY ALL": True,
        "SELECT count(*) FROM sales WHERE day = $d GROUP BY product": False,
        "SELECT day FROM sales WHERE day = $d": False,
    }
    found = {sql: access(analyst, sql).keyed for sql in asked}
    assert {sql: keyed.lone for sql, keyed in found.items() if keyed is not None} == asked


def test_a_narrower_or_wider_parameter_is_compared_by_value(analyst: DuckDBAnalyst) -> None:
    asked = [
        ("FROM sales WHERE store_id = $p", "BIGINT", "CAST(store_id AS BIGINT) AS k0", "BIGINT"),
        ("FROM sales WHERE big = $p", "INTEGER", "big AS k0", "BIGINT"),
        ("FROM sales WHERE day = $p", "TIMESTAMP", 'CAST("day" AS TIMESTAMP) AS k0', "TIMESTAMP"),
        (
            "FROM sales WHERE amount = $p",
            "DECIMAL(15,3)",
            "CAST(amount AS DECIMAL(15, 3)) AS k0",
            "DECIMAL(15,3)",
        ),
    ]
    for sql, type_name, first, key in asked:
        keyed = access(analyst, sql, p=type_name).keyed
        assert keyed is not None
        assert keyed.sql.startswith(f"SELECT {first},")
        assert keyed.key == (KeyPart(key),)
    ends = access(analyst, "FROM sales WHERE big >= $p AND big < $q", p="HUGEINT", q="INTEGER")
    assert (ends.clause, ends.says) == ("big < $q", "has ends of two types")
    for sql, type_name in [
        ("FROM sales WHERE amount = $p", "INTEGER"),
        ("FROM sales WHERE moment = $p", "DATE"),
        ("FROM sales WHERE amount = $p", "DECIMAL(12,1)"),
        ("FROM sales WHERE product = $p", "INTEGER"),
    ]:
        assert access(analyst, sql, p=type_name).keyed is None


def test_a_clause_is_told_on_one_line_with_its_place(analyst: DuckDBAnalyst) -> None:
    found = access(analyst, "FROM sales\nWHERE ok = $o\n  AND (product = $p\n       OR day = $d)")
    assert found.clause == "product = $p OR day = $d"
    assert (found.line, found.column) == (3, 8)
    long = " AND ".join(f"product <> 'text number {number}'" for number in range(5))
    found = access(analyst, f"FROM sales WHERE ({long}) = $o", o="BOOLEAN")
    assert found.keyed is not None
    assert found.says.endswith("… = $o")


def test_each_parameter_has_the_column_that_it_is_compared_with(analyst: DuckDBAnalyst) -> None:
    asked = {
        "FROM sales WHERE $P = day OR day < $P": {"p": "sales.day"},
        "FROM sales s JOIN stores t ON s.store_id = t.store_id WHERE t.city IN ($a, $b)": {
            "a": "stores.city",
            "b": "stores.city",
        },
        "FROM sales JOIN stores USING (store_id) WHERE store_id = $s": {"s": "sales.store_id"},
        "WITH x AS (FROM sales WHERE day = CAST($d AS DATE)) FROM x WHERE ok = $o": {
            "d": "sales.day"
        },
        "FROM sales WHERE lower(product) = $p": {},
        "FROM (SELECT store_id AS s FROM stores), sales WHERE day = $d AND s = $s": {},
        "SELECT $n::INTEGER = items FROM (SELECT 1 AS items)": {},
        "FROM sales WHERE day BETWEEN $a AND $b": {"a": "sales.day", "b": "sales.day"},
    }
    assert {sql: access(analyst, sql).columns for sql in asked} == asked
