"""Random models over random tables: takes a seed, gives SQL and rows for the locality proof.

Every relation that is made here has the columns p, q, k and v: p (and q, where a key has two
columns) may tell the partition, k and v are small whole numbers. So any two can be joined or
united, and each step is as likely to keep the partition as to lose it.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from headrace.base.partitions import Grain, Split

COLUMNS = ("p", "q", "k", "v")


@dataclass(frozen=True, slots=True)
class World:
    """What the columns p and q are, and what the partitioned tables and the result are split by.

    Attributes:
        kind: the type of p and q.
        inputs, result: the grains of the tables and of the result.
        values: literals of the type, in some three partitions, with ties.
        steps: expressions over p that keep, or lose, the partition.
    """

    kind: str
    inputs: Grain
    result: Grain
    values: tuple[str, ...]
    steps: tuple[str, ...]
    columns: tuple[str, ...] = ("p",)

    def split(self, by: Grain) -> Split:
        """A split of this world's columns."""
        return Split(self.columns, by)

    def cell(self) -> str:
        """An expression that has one value for each partition of the result."""
        if self.result in {"value", "bucket"}:
            texts = [f"coalesce({column}::VARCHAR, 'none')" for column in self.columns]
            return " || '|' || ".join(texts)
        return f"coalesce(date_trunc('{self.result}', p::TIMESTAMP)::VARCHAR, 'none')"


_DAYS = tuple(f"DATE '2024-{month}-{day}'" for month in ("01", "02") for day in ("01", "02", "28"))
_TIMES = tuple(
    f"TIMESTAMP '2024-01-0{day} {time}'"
    for day in (1, 2, 3)
    for time in ("00:00:00", "00:30:00", "23:59:59.5")
)
_NUMBERS = ("0", "1", "2", "10")
_DATE_STEPS = (
    "date_trunc('day', {p})::DATE",
    "date_trunc('month', {p})::DATE",
    "({p} + 1)",
    "CASE WHEN {k} > 1 THEN {p} END",
    "coalesce({p}, DATE '2024-01-02')",
    "({p} + INTERVAL 1 MONTH)::DATE",
)
_TIME_STEPS = (
    "date_trunc('day', {p})",
    "date_trunc('hour', {p})",
    "date_trunc('month', {p})",
    "({p} + INTERVAL 1 HOUR)",
    "{p}::DATE::TIMESTAMP",
    "coalesce({p}, TIMESTAMP '2024-01-02')",
)
WORLDS = (
    World("DATE", "day", "day", _DAYS, _DATE_STEPS),
    World("DATE", "day", "month", _DAYS, _DATE_STEPS),
    World("TIMESTAMP", "hour", "day", _TIMES, _TIME_STEPS),
    World("TIMESTAMP", "day", "day", _TIMES, _TIME_STEPS),
    World("TIMESTAMP", "hour", "hour", _TIMES, _TIME_STEPS),
    World("INTEGER", "value", "value", _NUMBERS, ("{p} + 1", "abs({p})", "coalesce({p}, 1)")),
    World("VARCHAR", "value", "value", ("'a'", "'A'", "'b'"), ("upper({p})", "{p} || ''")),
    World("INTEGER", "bucket", "bucket", _NUMBERS[:3], ("{p} + 1", "{q}"), ("p", "q")),
)


def rows(rng: Random, world: World, count: int) -> list[str]:
    """Rows as VALUES, with NULLs, ties and duplicates."""
    made = [
        f"({_value(rng, world)}, {_value(rng, world)}, {_small(rng)}, {_small(rng)})"
        for _ in range(count)
    ]
    return [*made, *rng.sample(made, min(2, count))]


def _value(rng: Random, world: World) -> str:
    return "NULL" if rng.random() < 0.1 else rng.choice(world.values)


def _small(rng: Random) -> str:
    return "NULL" if rng.random() < 0.1 else str(rng.randrange(4))


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes one model's SQL."""

    rng: Random
    world: World

    def model(self) -> str:
        """A SELECT of p, q, k and v."""
        if self.rng.random() < 0.2:
            inner = self.relation(1)
            rest = Maker(self.rng, self.world).relation(1, ("c", "c", "a", "b", "w"))
            return f"WITH c AS {self.pick('', 'MATERIALIZED ')}({inner}) {rest}"
        return self.relation(self.rng.choice((1, 1, 2, 2, 3)))

    def pick(self, *choices: str) -> str:
        """One of some texts."""
        return self.rng.choice(choices)

    def often(self, likely: str, *others: str) -> str:
        """A text that keeps most queries local, or one of the others."""
        return likely if self.rng.random() < 0.7 else self.pick(likely, *others)

    def relation(self, depth: int, tables: tuple[str, ...] = ("a", "a", "b", "b", "w")) -> str:
        """A SELECT of some depth."""
        if depth == 0:
            return f"SELECT p, q, k, v FROM {self.pick(*tables)}"
        step = self.rng.choice(_STEPS)
        one, two = self.side(depth - 1, tables), self.side(depth - 1, tables)
        return str(step(self, one, two))

    def side(self, depth: int, tables: tuple[str, ...]) -> str:
        """What may stand in a FROM: a table or a subquery."""
        if depth == 0 or self.rng.random() < 0.3:
            return self.pick(*tables)
        return f"({self.relation(depth, tables)})"

    def keys(self) -> tuple[str, ...]:
        """The columns of the partition, mostly; else others."""
        every = self.world.columns
        return every if self.rng.random() < 0.8 else (self.pick("k", "v", "p"),)

    def project(self, one: str, _two: str) -> str:
        """Projection and filter."""
        p = self.often("p", *self.world.steps).format(p="p", q="q", k="k")
        distinct = self.often("", "DISTINCT ", f"DISTINCT ON ({self.pick('p', 'k', 'p, q', '1')}) ")
        order = " ORDER BY 1, 2, 3, 4" if "ON" in distinct else ""
        condition = self.pick("k > 0", "v IS NOT NULL", "p IS NOT NULL", "k = v", "p = q", "true")
        name = "t.p" if " " not in p and p == "p" and self.rng.random() < 0.3 else p
        return f"SELECT {distinct}{name} AS p, q, k, v FROM {one} AS t WHERE {condition}{order}"

    def star(self, one: str, _two: str) -> str:
        """Stars."""
        star = self.pick(
            "*", "t.*", "* REPLACE (v + 1 AS v)", "* REPLACE (k AS v)", "* EXCLUDE (v), v"
        )
        return f"SELECT {star} FROM {one} AS t"

    def group(self, one: str, _two: str) -> str:
        """Aggregates."""
        total = self.pick("sum(v)", "count(*)", "max(v)", "count(DISTINCT k)", "min(k)")
        p = self.often("p", *self.world.steps).format(p="p", q="q", k="min(k)")
        having = self.pick("", "", " HAVING count(*) > 1", " HAVING max(v) > 1")
        form = self.rng.randrange(6)
        if form == 0:
            return (
                f"SELECT {p} AS p, q, k, {total}::INTEGER AS v FROM {one} AS t GROUP BY ALL{having}"
            )
        if form == 1:
            return f"SELECT p, q, k, {total}::INTEGER AS v FROM {one} AS t GROUP BY 1, 2, k{having}"
        if form == 2:
            pq = self.pick("max(p) AS p, max(q) AS q", "min(p) AS p, max(q) AS q")
            by = ", ".join(self.keys())
            return (
                f"SELECT {pq}, min(k) AS k, {total}::INTEGER AS v"
                f" FROM {one} AS t GROUP BY {by}{having}"
            )
        if form == 3:
            sets = self.pick(
                "ROLLUP (p, q, k)", "GROUPING SETS ((p, q), (p, q, k))", "p, q, CUBE (k)"
            )
            return f"SELECT p, q, k, {total}::INTEGER AS v FROM {one} AS t GROUP BY {sets}{having}"
        if form == 4:
            q = self.often("q", "max(q)")
            by = "p, q" if q == "q" else "p"
            return (
                f"SELECT p, {q} AS q, min(k) AS k, {total}::INTEGER AS v"
                f" FROM {one} AS t GROUP BY {by}{having}"
            )
        plain = "max(p) AS p, max(q) AS q, max(k) AS k"
        return f"SELECT {plain}, {total}::INTEGER AS v FROM {one} AS t{having}"

    def window(self, one: str, _two: str) -> str:
        """Windows and QUALIFY."""
        by = self.often(", ".join(self.keys()), "p, k", "k", "")
        partition = f"PARTITION BY {by} " if by else ""
        call = self.pick("sum(v)", "rank()", "count(*)", "row_number()", "max(v)", "lag(v)")
        over = f"{call} OVER ({partition}ORDER BY p, q, k, v)"
        if self.rng.random() < 0.3:
            over = f"{call} OVER win"
            named = f" WINDOW win AS ({partition}ORDER BY p, q, k, v)"
            return f"SELECT p, q, k, ({over})::INTEGER AS v FROM {one} AS t{named}"
        if self.rng.random() < 0.3:
            return f"SELECT p, q, k, v FROM {one} AS t QUALIFY {over} <= 2"
        return f"SELECT p, q, k, ({over})::INTEGER AS v FROM {one} AS t"

    def join(self, one: str, two: str) -> str:
        """Joins of all kinds."""
        kind = self.pick("", "", "LEFT ", "RIGHT ", "FULL ", "SEMI ", "ANTI ")
        keys = self.keys()
        if self.rng.random() < 0.3:
            using = ", ".join(dict.fromkeys([*keys, *self.pick("", "k")]))
            others = ["k"] if "k" in using else ["l.k"]
            tail = f"FROM {one} AS l {kind}JOIN {two} AS r USING ({using})"
            if kind in {"SEMI ", "ANTI "}:
                return f"SELECT l.p, l.q, l.k, l.v {tail}"
            names = [c if c in using else f"{self.pick('l', 'r')}.{c}" for c in ("p", "q")]
            return f"SELECT {names[0]}, {names[1]}, {others[0]}, r.v {tail}"
        on = " AND ".join(self.equal(f"l.{key}", f"r.{key}") for key in keys)
        on += self.pick("", " AND l.k = r.k", " AND l.v > r.k", " AND l.q = r.p")
        if kind in {"SEMI ", "ANTI "}:
            return f"SELECT p, q, k, v FROM {one} AS l {kind}JOIN {two} AS r ON {on}"
        p, q = (self.chosen(c, kind) for c in ("p", "q"))
        joined = f"{one} AS l {kind}JOIN {two} AS r ON {on}"
        if not kind and self.rng.random() < 0.4:
            joined = f"{one} AS l, {two} AS r WHERE {on}"
        return f"SELECT {p} AS p, {q} AS q, l.k, r.v FROM {joined}"

    def equal(self, left: str, right: str) -> str:
        """An equality, now and then of what is made of both."""
        if self.rng.random() < 0.15:
            return f"{left} IS NOT DISTINCT FROM {right}"
        if left == "l.p" and self.rng.random() < 0.2:
            step = self.pick(*self.world.steps)
            return " = ".join(step.format(p=f"{s}.p", q=f"{s}.q", k=f"{s}.k") for s in ("l", "r"))
        return f"{left} = {right}"

    def chosen(self, column: str, kind: str) -> str:
        """The column of one side of a join, or of both."""
        likely = {"RIGHT ": f"r.{column}", "FULL ": f"coalesce(l.{column}, r.{column})"}
        return self.often(
            likely.get(kind, f"l.{column}"),
            f"l.{column}",
            f"r.{column}",
            f"coalesce(r.{column}, l.{column})",
        )

    def three(self, one: str, two: str) -> str:
        """Three tables."""
        third = self.pick("a", "b", "w")
        kinds = [self.pick("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN") for _ in range(2)]
        using = ", ".join(self.keys())
        if self.rng.random() < 0.5:
            names = ", ".join(c if c in using.split(", ") else f"l.{c}" for c in ("p", "q", "k"))
            return (
                f"SELECT {names}, m.v"
                f" FROM {one} AS l {kinds[0]} {two} AS m USING ({using}) {kinds[1]} {third} AS r"
                f" USING ({using})"
            )
        ons = [self.keys(), self.keys()]
        first = " AND ".join(f"l.{c} = m.{c}" for c in ons[0])
        second = " AND ".join(f"{self.pick('l', 'm')}.{c} = r.{c}" for c in ons[1])
        of = self.pick("l", "m", "r")
        if self.rng.random() < 0.3:
            return (
                f"SELECT {of}.p, {of}.q, l.k, r.v"
                f" FROM {one} AS l, {two} AS m, {third} AS r WHERE {first} AND {second}"
            )
        return (
            f"SELECT {of}.p, {of}.q, l.k, r.v"
            f" FROM {one} AS l {kinds[0]} {two} AS m ON {first} {kinds[1]} {third} AS r ON"
            f" {second}"
        )

    def asof(self, one: str, two: str) -> str:
        """ASOF JOIN."""
        on = " AND ".join(f"l.{key} = r.{key}" for key in self.keys())
        kind = self.pick("", "LEFT ")
        p = self.often("l.p", "r.p")
        return (
            f"SELECT {p} AS p, l.q, l.k, r.v"
            f" FROM {one} AS l ASOF {kind}JOIN {two} AS r ON {on} AND l.v >= r.v"
        )

    def united(self, one: str, two: str) -> str:
        """Set operations."""
        kind = self.pick("UNION ALL", "UNION ALL", "UNION", "INTERSECT", "EXCEPT", "EXCEPT ALL")
        columns = self.often("p, q, k, v", "q AS p, p AS q, k, v", "p, p AS q, k, v")
        if kind.startswith("UNION") and self.rng.random() < 0.3:
            right = self.pick("v, k, q, p", "k, p, v, q")
            return (
                f"SELECT p, q, k, v FROM {one} AS s {kind} BY NAME SELECT {right} FROM {two} AS t"
            )
        return f"SELECT p, q, k, v FROM {one} AS s {kind} SELECT {columns} FROM {two} AS t"

    def subquery(self, one: str, two: str) -> str:
        """Subqueries in expressions."""
        keys = self.keys()
        same = " AND ".join(f"s.{key} = t.{key}" for key in keys)
        same = self.often(same, "s.k = t.k", "s.v > t.v", "true")
        tupled = f"({', '.join(keys)})" if len(keys) > 1 else keys[0]
        listed = ", ".join(f"s.{key}" for key in keys)
        condition = self.pick(
            f"EXISTS (SELECT 1 FROM {two} AS s WHERE {same})",
            f"NOT EXISTS (FROM {two} AS s WHERE {same} AND s.k = 1)",
            f"{tupled} IN (SELECT {listed} FROM {two} AS s)",
            f"k IN (SELECT s.k FROM {two} AS s WHERE {same})",
            f"k NOT IN (SELECT s.k FROM {two} AS s WHERE {same})",
            f"v > (SELECT avg(s.v) FROM {two} AS s WHERE {same})",
            f"(k > 2 OR {tupled} IN (SELECT {listed} FROM {two} AS s WHERE s.k > 1))",
        )
        if self.rng.random() < 0.3:
            call = self.pick("max(s.v)", "count(*)", "sum(s.k)")
            made = f"(SELECT {call}::INTEGER FROM {two} AS s WHERE {same})"
            return f"SELECT t.p, t.q, t.k, {made} AS v FROM {one} AS t"
        if self.rng.random() < 0.3:
            inner = self.pick(
                "SELECT s.p, s.q, s.k, s.v",
                "SELECT max(s.p) AS p, max(s.q) AS q, min(s.k) AS k, max(s.v) AS v",
            )
            kind = self.pick(",", "CROSS JOIN", "LEFT JOIN")
            on = " ON true" if kind == "LEFT JOIN" else ""
            of = self.pick("t", "t", "u")
            return (
                f"SELECT {of}.p, {of}.q, t.k, u.v"
                f" FROM {one} AS t {kind} LATERAL ({inner} FROM {two} AS s WHERE {same}) AS u{on}"
            )
        return f"SELECT p, q, k, v FROM {one} AS t WHERE {condition}"

    def limited(self, one: str, _two: str) -> str:
        """LIMIT."""
        return (
            "SELECT p, q, k, v"
            f" FROM {one} AS t ORDER BY p, q, k, v LIMIT {self.pick('3', '3 OFFSET 1')}"
        )


_STEPS = (
    *(Maker.project, Maker.project, Maker.star, Maker.group, Maker.group, Maker.window),
    *(Maker.join, Maker.join, Maker.join, Maker.three, Maker.asof, Maker.united, Maker.united),
    *(Maker.subquery, Maker.subquery),
    Maker.limited,
)
