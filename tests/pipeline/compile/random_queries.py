"""Random endpoint queries of all shapes that the planner knows, and rows to ask them of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from headrace.base.tables import Schema
from tests.pipeline.compile.projects import schema

TABLES: dict[str, Schema] = {
    "a": schema(
        {
            "k": "INTEGER",
            "s": "VARCHAR",
            "d": "DATE",
            "t": "TIMESTAMP",
            "n": "INTEGER",
            "m": "DECIMAL(9,2)",
            "f": "DOUBLE",
            "o": "BOOLEAN",
            "u": "BIGINT",
        }
    ),
    "b": schema({"k": "INTEGER", "name": "VARCHAR", "w": "SMALLINT"}),
}
VALUES = {
    "INTEGER": ["1", "2", "3", "NULL", "-1"],
    "BIGINT": ["1", "2", "3", "NULL", "5000000000"],
    "SMALLINT": ["1", "2", "NULL"],
    "HUGEINT": ["1", "3", "NULL"],
    "VARCHAR": ["'x'", "'y'", "'X'", "'é'", "''", "NULL"],
    "DATE": ["'2024-01-01'", "'2024-01-31'", "'2024-02-10'", "'2025-01-01'", "NULL"],
    "TIMESTAMP": ["'2024-01-01 10:00:00'", "'2024-01-01'", "'2024-02-10 01:02:03'", "NULL"],
    "DECIMAL(9,2)": ["1.50", "2", "-3.25", "NULL"],
    "DOUBLE": ["1.5", "0.1", "-0.0", "0.0", "'nan'", "NULL"],
    "BOOLEAN": ["true", "false", "NULL"],
}
_FROM = [
    *["a"] * 4,
    "a AS x",
    "a JOIN b USING (k)",
    "a LEFT JOIN b ON a.k = b.k",
    "b RIGHT JOIN a USING (k)",
    "(SELECT * FROM a WHERE n > 0) AS a",
    "(SELECT k, s, d, t, m, o, u, f, sum(n) AS n FROM a GROUP BY ALL) AS q",
    "(SELECT * FROM a UNION ALL SELECT * FROM a WHERE n = 1) AS a",
    "(SELECT *, row_number() OVER (PARTITION BY k ORDER BY d, n) AS r FROM a) AS a",
]
_FIELDS = [
    *["a.k", "k", "s", "d", "t", "n", "m", "o", "u", "f", "x.n", "name", "w", "w AS n"],
    *["-n AS n", "n + 1 AS n1", "lower(s) AS low", "upper(low) AS up", "k AS n", "d AS t"],
    *[
        "date_trunc('month', d) AS month",
        "year(d) AS y",
        "*",
        "* EXCLUDE (k)",
        "* REPLACE (-n AS n)",
    ],
    *["n % 2 AS odd", "coalesce(s, 'none') AS s", "5 AS five", "b.*", "a.*", "COLUMNS('n')"],
    "unnest([n, u]) AS v",
]
_AGGREGATES = [
    *["count(*) AS c", "sum(n) AS total", "sum(m) AS money", "avg(n) AS mean"] * 4,
    *["count(*) AS c", "count(n) AS cn", "sum(n) AS total", "sum(m) AS money", "min(s) AS low"],
    *["max(d) AS last", "avg(n) AS mean", "min(m)", "sum(n)", "count(*) FILTER (n > 1) AS many"],
    *[
        "sum(n) + 1 AS more",
        "count(DISTINCT s) AS kinds",
        "sum(f) AS fs",
        "max(t) AS n",
        "avg(m) AS am",
    ],
    *["string_agg(s, ',' ORDER BY s) AS l", "first(s) AS fst", "median(n) AS med", "avg(w) AS aw"],
    "bool_or(o) AS any_o",
]
_GROUPS = [
    *["s", "k", "d", "n", "date_trunc('month', d) AS month", "year(d) AS y", "lower(s) AS low"],
    *[
        "date_trunc('month', d)::DATE AS mon",
        "o",
        "name",
        "n % 2 AS odd",
        "d AS t",
        "t::DATE AS day",
    ],
    *["f", "date_trunc('hour', t) AS h"],
]
_EQUAL = [
    *["k = $p{}", "s = $p{}", "$p{} = d", "m = $p{}", "o = $p{}", "u = $p{}", "w = $p{}"],
    *[
        "lower(s) = $p{}",
        "n + 1 = $p{}",
        "d = $p{}::DATE",
        "n1 = $p{}",
        "low = $p{}",
        "name = $p{}",
    ],
    *[
        "date_trunc('month', d) = $p{}",
        "f = $p{}",
        "n % 2 = $p{}",
        "k = $p{} AND k = $p{}",
        "t = $p{}",
    ],
]
_RANGES = [
    *["{} >= $q{}", "{} > $q{}", "{} < $q{}", "$q{} >= {}", "{} BETWEEN $q{} AND $r{}"],
    *["{} >= $q{} AND {} < $r{}", "{} IS NOT NULL AND {} <= $r{}", "{} > $q{} AND {} <= $r{}"],
]
_RANGED = [
    *["d"] * 4,
    "t",
    "n",
    "s",
    "m",
    "u",
    "lower(s)",
    "month",
    "date_trunc('month', d)",
    "low",
]
_FIXED = [
    *["n > 0", "s IS NOT NULL", "k IN (1, 2)", "n1 < 3", "(d > DATE '2024-01-02' OR o)"],
    *["EXISTS (SELECT 1 FROM b WHERE b.k = a.k)", "m < (SELECT max(w) + 1 FROM b)"],
]
_OTHER = [
    "s LIKE $z",
    "(k = $z OR n = 1)",
    "k IN ($z, $y)",
    "s <> $z",
    "k + $z = 3",
    "($z IS NULL OR s = $z)",
]
_ORDER = [
    *["d", "n", "s", "k", "m", "1", "2", "t", "u", "o", "lower(s)", "-n", "n + 0", "low", "month"],
    *["f", "c", "total", "y", "abs(k), n", "a.k", "x.n", "w", "name", "n1", "mon", "day"],
]
_SIGNS = ["", "", " DESC", " ASC", " NULLS FIRST", " DESC NULLS LAST", " DESC NULLS FIRST"]


@dataclass(frozen=True)
class Drawn:
    """A query, and the types that its header gives to parameters."""

    sql: str
    types: dict[str, str]
    order_items: int


def draw(rng: Random) -> Drawn:
    """A query; most of them bind."""
    source = rng.choice(_FROM)
    known = _Known(source)
    grouped = rng.random() < 0.45
    groups = rng.sample(known.among(_GROUPS), rng.choice([0, 1, 1, 2])) if grouped else []
    fields = groups + _aggregates(rng, known) if grouped else _fields(rng, known)
    if grouped and rng.random() < 0.3:
        rng.shuffle(fields)
    known = _Known(source, tuple(each.split(" AS ")[1] for each in fields if " AS " in each))
    conditions = _conditions(rng, known)
    order, order_items = _order(rng, fields if grouped else [], groups, known)
    parts = [
        f"SELECT {'DISTINCT ' if rng.random() < 0.1 else ''}{', '.join(fields)}",
        f"FROM {source}",
        f"WHERE {' AND '.join(conditions)}" if conditions else "",
        _group_by(rng, groups, fields) if groups else "",
        rng.choice([*[""] * 7, "HAVING count(*) > 1"]) if grouped else "",
        order,
        rng.choice(["", "", "", "LIMIT 3", "LIMIT 2 OFFSET 1", "LIMIT $limit OFFSET $offset"]),
    ]
    types = (
        {"p1": rng.choice(["BIGINT", "SMALLINT", "DECIMAL(12,3)"])} if rng.random() < 0.1 else {}
    )
    return Drawn(" ".join(part for part in parts if part), types, order_items)


@dataclass(frozen=True)
class _Known:
    """The names that a query over a FROM clause may use."""

    source: str
    aliases: tuple[str, ...] = ()

    def among(self, texts: Sequence[str]) -> list[str]:
        """Those of some texts that use no others."""
        return [text for text in texts if self._is_known(text.split(" AS ")[0])]

    def _is_known(self, text: str) -> bool:
        words = set(re.findall(r"\w+|\w\.", text))
        if words & {"w", "name", "b."} and "b" not in re.findall(r"\w+", self.source):
            return words <= set(self.aliases)
        if ("a." in words and "AS" in self.source and "AS a" not in self.source) or (
            "x." in words and "AS x" not in self.source
        ):
            return False
        made = words & {"n1", "low", "month", "y", "c", "total", "mon", "day", "odd", "up"}
        return all(word in self.aliases or f"'{word}'" in text for word in made)


def _aggregates(rng: Random, known: _Known) -> list[str]:
    return list(dict.fromkeys(rng.choices(known.among(_AGGREGATES), k=rng.randint(1, 3))))


def _fields(rng: Random, known: _Known) -> list[str]:
    if rng.random() < 0.3:
        stars = ["*", "* EXCLUDE (k)", "a.*", "*, n + 1 AS n1", "*, -n AS d2"]
        return [rng.choice(known.among(stars))]
    return rng.sample(known.among(_FIELDS), rng.randint(1, 4))


def _conditions(rng: Random, known: _Known) -> list[str]:
    found = rng.sample(known.among(_FIXED), rng.choice([0, 0, 1]))
    for number in range(rng.choice([0, 1, 1, 1, 2])):
        found.append(rng.choice(known.among(_EQUAL)).replace("{}", str(number + 1)))
    for number in range(rng.choice([0, 0, 1, 1, 1, 1, 2]) if rng.random() < 0.8 else 0):
        made = rng.choice(_RANGES).replace("$q{}", f"$q{number}").replace("$r{}", f"$r{number}")
        found.append(made.replace("{}", rng.choice(known.among(_RANGED))))
    if rng.random() < 0.05:
        found.append(rng.choice(_OTHER))
    rng.shuffle(found)
    return found


def _group_by(rng: Random, groups: Sequence[str], fields: Sequence[str]) -> str:
    kind = rng.choice(["all", "names", "numbers", "expressions"])
    if kind == "all":
        return "GROUP BY ALL"
    if kind == "numbers":
        return f"GROUP BY {', '.join(str(fields.index(each) + 1) for each in groups)}"
    at = -1 if kind == "names" else 0
    return f"GROUP BY {', '.join(each.split(' AS ')[at] for each in groups)}"


def _order(
    rng: Random, fields: Sequence[str], groups: Sequence[str], known: _Known
) -> tuple[str, int]:
    """ORDER BY, and how many different things it names; `fields` are those of a query of groups."""
    if rng.random() < 0.25:
        return "", 0
    if rng.random() < 0.05:
        return "ORDER BY ALL DESC", 99
    names = [each.split(" AS ")[-1] for each in groups]
    among = [*names * 8, "1", "count(*)"] if fields else known.among(_ORDER)
    items = rng.sample(among, min(rng.randint(1, 3), len(among)))
    if rng.random() < 0.4 and not fields:
        items = ["d", *items]
    signed = [item + rng.choice(_SIGNS) for item in items]
    first = fields[0].split(" AS ")[-1] if fields else "1"
    named = {first if item == "1" else item for item in items}
    return f"ORDER BY {', '.join(signed)}", len(named)


def rows(rng: Random, table: str, count: int) -> list[str]:
    """Rows of a table, as the text of SQL tuples: few values, so that many are alike."""
    return [
        f"({', '.join(rng.choice(VALUES[column.type]) for column in TABLES[table])})"
        for _ in range(count)
    ]
