"""Which queries can be built partition by partition, and what is said of the others."""

from __future__ import annotations

import pytest

from headrace.base.declarations import InputNeed, Partition
from headrace.base.errors import Place
from headrace.base.partitions import Grain, Split
from headrace.pipeline.compile.duckdb_analyst import DuckDBAnalyst
from headrace.pipeline.compile.graph import Locality
from tests.pipeline.compile.projects import compiled, model, problems, schema, source

COLUMNS = {"d": "DATE", "k": "INTEGER", "x": "INTEGER"}
TABLES = {"a": schema(COLUMNS), "b": schema(COLUMNS), "w": schema(COLUMNS)}
DAY = Split(("d",), "day")
ACCEPTED = [
    ("select d, x from a where x>1"),
    ("select d, sum(x) s from a group by d having sum(x)>1"),
    ("select d, sum(x) s from a group by all"),
    ("select d::timestamp as d, sum(x) s from a group by 1"),
    ("select d, sum(x) s from a group by k, 1"),
    ("select max(d) as d, a.d as e from a group by a.d"),
    ("select d from a union all select d from b"),
    ("select d from a union select d from b"),
    ("select d, x from a except select d, b.x from b"),
    ("select a.d, b.x from a join b using (d)"),
    ("select d, b.x from a full join b using (d)"),
    ("select coalesce(a.d,b.d) as d, b.x from a full join b on a.d=b.d and a.k=b.k"),
    ("select a.d, b.x from a, b where a.d=b.d and a.k=b.k"),
    ("select a.d, b.x from a left join b on a.d=b.d"),
    ("select a.d, w.x from a left join w using(k)"),
    ("select a.d, w.x from w right join a using(k)"),
    ("select w.d, a.x from w join a on w.d=a.d"),
    ("select w.d as d, a.x, b.x from w, a, b where w.d=a.d and b.d=w.d"),
    ("select d, row_number() over (partition by d order by x) n from a"),
    ("select d, a.x from a where exists (from b where b.d=a.d and b.k=a.k)"),
    ("select d, x from a where d in (select d from b)"),
    ("select d, (select max(x) from b where b.d=a.d) m from a"),
    ("select d, (select max(w.x) from w where w.k=a.k) m from a"),
    ("select a.d, s.x from a, lateral (select b.x from b where b.d=a.d order by x limit 1) s"),
    ("select distinct d, x from a"),
    ("select distinct on (d) d, x from a"),
    ("select d, k, count(*) c from a group by grouping sets ((d),(d,k))"),
    (
        "with c as (select * from a), e as (select d, sum(x) s from c group by"
        " d) select c.d, c.x, s from c join e using (d)"
    ),
    ("select d from a asof join b using (d, k)"),
    ("select a.d, b.x from a asof join b on a.d=b.d and a.k>=b.k"),
    ("select d, a.x from a semi join b using(d)"),
    ("select d, a.x from a anti join b using(d)"),
    ("select w.d as d from w semi join a on w.d=a.d"),
    ("select * from a natural join b"),
    ("select * exclude (x) from a"),
    ("select d, x from (from a where x > 0) qualify rank() over (partition by d order by x)=1"),
    ("select date_trunc('day', d)::date as d, sum(x) from a group by 1"),
]
REFUSED = [
    (
        ("select max(d) as d, k from a group by k"),
        [("1:39 this GROUP BY does not include the partition")],
    ),
    (
        ("select coalesce(a.d,b.d) as d, b.x from a full join b on a.k=b.k"),
        [("1:43 this FULL JOIN does not equate the partitions of both sides")],
    ),
    (
        ("select a.d, b.x from a, b where a.k=b.k"),
        [("1:25 this join does not equate the partitions of what it joins")],
    ),
    (
        ("select b.d, b.x from a left join b on a.d=b.d"),
        [("1:8 its column `d` is not certain to lie in the partition that it is built of")],
    ),
    (
        ("select a.d, w.x from a right join w using(k)"),
        [
            (
                "1:24 this RIGHT JOIN keeps rows of `w` that match nothing, and these"
                " are of no partition"
            ),
            ("1:8 its column `d` is not certain to lie in the partition that it is built of"),
        ],
    ),
    (
        ("select d, row_number() over (order by x) n from a"),
        [("1:11 the PARTITION BY of this window of `row_number` does not include the partition")],
    ),
    (
        ("select d, a.x from a where exists (from b where b.k=a.k)"),
        [("1:28 this subquery reads the rows of all partitions")],
    ),
    (
        ("select d, x from a where d not in (select d from b)"),
        [("1:35 this subquery reads the rows of all partitions")],
    ),
    (
        ("select d, (select max(x) from b) m from a"),
        [("1:11 this subquery reads the rows of all partitions")],
    ),
    (("select d from a limit 3"), [("1:23 LIMIT counts the rows of all partitions")]),
    (
        ("select distinct on (k) d, x from a"),
        [("1:21 this DISTINCT ON does not include the partition")],
    ),
    (
        ("select d, count(*) c from a group by rollup(d, k)"),
        [
            ("1:45 this GROUP BY does not include the partition"),
            ("1:8 its column `d` is not certain to lie in the partition that it is built of"),
        ],
    ),
    (
        ("select d + 1 as d from a"),
        [("1:10 its column `d` is not certain to lie in the partition that it is built of")],
    ),
    (
        ("select a.d, b.x from a asof join b on a.d>=b.d"),
        [("1:24 this ASOF JOIN does not equate the partitions of both sides")],
    ),
    (
        ("select w.d as d from w anti join a on w.d=a.d"),
        [
            (
                "1:24 this ANTI JOIN keeps rows of `w` that match nothing, and these"
                " are of no partition"
            ),
            ("1:8 its column `d` is not certain to lie in the partition that it is built of"),
        ],
    ),
    (
        ("select count(*) n, max(d) as d from a"),
        [
            ("1:8 an aggregate without GROUP BY takes the rows of all partitions"),
            ("1:20 its column `d` is not certain to lie in the partition that it is built of"),
        ],
    ),
    (
        ("select d, (select sum(x)) s from a group by d"),
        [("1:19 this aggregates the rows of the query around it")],
    ),
]


@pytest.mark.parametrize("sql", ACCEPTED)
def test_a_query_within_partitions_is_proved_local(analyst: DuckDBAnalyst, sql: str) -> None:
    analyst.parse(sql)
    analyst.bind(sql, TABLES)
    assert analyst.prove(sql, TABLES, {"a": DAY, "b": DAY}, DAY).is_local


@pytest.mark.parametrize(("sql", "reasons"), REFUSED)
def test_a_clause_across_partitions_is_named(
    analyst: DuckDBAnalyst, sql: str, reasons: list[str]
) -> None:
    analyst.parse(sql)
    analyst.bind(sql, TABLES)
    proof = analyst.prove(sql, TABLES, {"a": DAY, "b": DAY}, DAY)
    untraced = [] if proof.untraced is None else [proof.untraced]
    found = [f"{each.line}:{each.column} {each.reason}" for each in (*proof.refusals, *untraced)]
    assert found == reasons


A = source("a", COLUMNS, partition=Partition("d", "day"))
W = source("w", COLUMNS)
RUNNING = "SELECT d, sum(x) OVER (ORDER BY d) AS s FROM a"


def test_the_ways_out_are_told() -> None:
    running = model("m", RUNNING, partition=Partition("d", "day"))
    assert problems(A, running) == [
        (
            "models/m.sql:1:11: `m` cannot be built partition by partition: the"
            " PARTITION BY of this window of `sum` does not include the partition"
            " (`a.d`); change it, say `lookback: 6 days` in the header, or take"
            " `partition:` out of it"
        )
    ]


def test_a_lookback_is_taken_at_its_word() -> None:
    running = model("m", RUNNING, partition=Partition("d", "day"), lookback=6)
    assert compiled(A, running).relation("m").locality == Locality({"a": "same"}, 6)


def test_what_has_no_partition_is_read_whole_unless_the_header_says_otherwise() -> None:
    sql = "SELECT a.d, w.x FROM a LEFT JOIN w USING (k)"
    joined = model("m", sql, partition=Partition("d", "month"))
    assert compiled(A, W, joined).relation("m").locality == Locality({"a": "same", "w": "whole"})
    latest = (InputNeed("w", "latest", Place("models/m.sql", 2)),)
    joined = model("m", sql, partition=Partition("d", "month"), inputs=latest)
    assert compiled(A, W, joined).relation("m").locality == Locality({"a": "same", "w": "latest"})


def test_a_model_needs_partitions_to_follow() -> None:
    alone = model("m", "SELECT d FROM w", partition=Partition("d", "day"))
    assert problems(A, W, alone) == [
        (
            "models/m.sql:1: `m` is partitioned, and no table whose partitions it"
            " follows is, by day or finer; give a source that it reads a"
            " `partition:`, or take it out of the model's header"
        )
    ]


@pytest.mark.parametrize(
    ("kind", "expression", "by", "is_local"),
    [
        ("TIMESTAMP WITH TIME ZONE", "t", "day", True),
        ("TIMESTAMP WITH TIME ZONE", "CAST(t AS DATE)", "day", True),
        ("TIMESTAMP WITH TIME ZONE", "date_trunc('day', t)", "hour", False),
        ("TIMESTAMP WITH TIME ZONE", "CAST(t AT TIME ZONE 'Asia/Tokyo' AS DATE)", "day", False),
        ("TIMESTAMP_NS", "t", "day", True),
        ("TIMESTAMP_NS", "CAST(t AS DATE)", "day", False),
        ("TIMESTAMP", "CAST(t AS DATE)", "day", True),
        ("TIMESTAMP", "CAST(t AS DATE)", "hour", False),
        ("TIMESTAMP", "date_trunc('week', t)", "month", False),
        ("TIMESTAMP", "date_trunc('quarter', t)", "year", True),
        ("VARCHAR", "CAST(t AS VARCHAR)", "value", True),
        ("VARCHAR", "CAST(t AS DATE)", "value", False),
        ("INTEGER", "CAST(t AS BIGINT)", "value", False),
        ("DECIMAL(9,2)", "t", "value", True),
    ],
)
def test_a_column_tells_the_partition_as_far_as_its_type_does(
    analyst: DuckDBAnalyst, kind: str, expression: str, by: Grain, is_local: bool
) -> None:
    tables = {"a": schema({"t": kind})}
    sql = f"SELECT {expression} AS d FROM a"
    analyst.parse(sql)
    analyst.bind(sql, tables)
    proof = analyst.prove(sql, tables, {"a": Split(("t",), by)}, Split(("d",), by))
    assert proof.is_local is is_local
