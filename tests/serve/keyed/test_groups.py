"""Groups within a range: whatever the range, they are what the plain SELECT answers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from headrace.store.snapshots import Bound, KeyedQuery, KeyPart, Rollup, RollupField
from tests.keyed import Shelf, columns

ROWS = """
SELECT CAST(hash(i, 1) % 3 AS INTEGER) AS store,
    CAST(DATE '2023-11-20' + CAST(hash(i, 2) % 200 AS INTEGER) AS DATE) AS day,
    CASE hash(i, 3) % 4 WHEN 0 THEN NULL WHEN 1 THEN 'a"b' WHEN 2 THEN 'é' ELSE 'z' END AS kind,
    CASE WHEN hash(i, 4) % 5 > 0
        THEN CAST(CAST(hash(i, 5) % 2000000 AS BIGINT) - 1000000 AS DECIMAL(12,2)) / 100 END
        ::DECIMAL(12,2) AS amount,
    CASE WHEN hash(i, 6) % 5 > 0 THEN CAST(hash(i, 7) % 2000 AS INTEGER) - 1000 END AS pieces,
    CAST(hash(i, 8) % 2000 AS INTEGER) - 500 AS items,
    9000000000000000000 - CAST(hash(i, 9) % 1000 AS BIGINT) AS large,
    CASE WHEN hash(i, 10) % 50 > 0 THEN CAST(hash(i, 11) AS DECIMAL(20,0)) * 1000000007 END AS huge,
    day + INTERVAL 1 SECOND * CAST(hash(i, 12) % 86400 AS INTEGER) AS moment
FROM range({count}) AS t(i)
"""
MEASURES = (
    ("sum(amount)", "DECIMAL(38,2)", "sum", ("sum(amount)",)),
    ("sum(pieces)", "HUGEINT", "sum", ("sum(pieces)",)),
    ("count(*)", "BIGINT", "count", ("count(*)",)),
    ("count(amount)", "BIGINT", "count", ("count(amount)",)),
    ("min(amount)", "DECIMAL(12,2)", "min", ("min(amount)",)),
    ("max(kind)", "VARCHAR", "max", ("max(kind)",)),
    ("min(day)", "DATE", "min", ("min(day)",)),
    ("avg(pieces)", "DOUBLE", "avg", ("sum(pieces)", "count(pieces)")),
    ("sum(items)", "HUGEINT", "sum", ("sum(items)",)),
    ("avg(items)", "DOUBLE", "avg", ("sum(items)", "count(items)")),
    ("sum(large)", "HUGEINT", "sum", ("sum(large)",)),
    ("sum(huge)", "DECIMAL(38,0)", "sum", ("sum(huge)",)),
    ("max(items)", "INTEGER", "max", ("max(items)",)),
)
MIDDLE = date(2024, 1, 15)


def seconds(day: date) -> int:
    """From the beginning of 1970."""
    return (day - date(1970, 1, 1)).days * 86_400


# What a range is of, and how a day is given as a parameter of that type.
RANGED: tuple[tuple[str, str, Callable[[date], object]], ...] = (
    ("day", "DATE", lambda day: day),
    ("moment", "TIMESTAMP", lambda day: datetime.combine(day, time(day.day % 24, 30))),
    ("CAST(day AS VARCHAR)", "VARCHAR", lambda day: day.isoformat()),
    ("CAST(day - DATE '2024-01-15' AS SMALLINT)", "SMALLINT", lambda day: (day - MIDDLE).days),
    ("CAST(epoch_us(moment) AS HUGEINT)", "HUGEINT", lambda day: seconds(day) * 10**6),
    ("CAST(epoch(moment) AS DECIMAL(18,2))", "DECIMAL(18,2)", seconds),
)
YEAR = ("CAST(date_trunc('year', day) AS DATE)", "DATE", True)
MONTH = ("CAST(date_trunc('month', day) AS DATE)", "DATE", True)
GROUPS: tuple[tuple[tuple[str, str, bool], ...], ...] = (
    (MONTH,),
    (YEAR,),
    (MONTH, ("kind", "VARCHAR", False)),
    (YEAR, ("kind", "VARCHAR", False)),
    (("kind", "VARCHAR", False),),
    (("kind", "VARCHAR", False), MONTH),
    (),
)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Shelf.open(tmp_path / "store") as shelf:
        yield shelf


class Case:
    """A random rollup over `ROWS`."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.groups = self.random.choice(GROUPS)
        self.monotone = not self.groups or self.groups[0][2]
        self.parts = tuple(
            KeyPart(type_name, self.random.random() < 0.5, self.random.random() < 0.5)
            for _, type_name, _ in self.groups
        )
        self.ranged_sql, self.ranged_type, self.ranged_value = self.random.choice(RANGED)
        self.ranged = KeyPart(self.ranged_type, descending=self.random.random() < 0.3)
        self.reverse = self.random.random() < 0.3
        low, high = self.random.choice([(True, True), (True, False), (False, True)])
        self.low = Bound("low", self.random.random() < 0.7) if low else None
        self.high = Bound("high", self.random.random() < 0.7) if high else None
        self.fields = [("group", number) for number in range(len(self.groups))]
        self.fields += [("measure", number) for number in range(len(MEASURES))]
        self.random.shuffle(self.fields)

    @property
    def types(self) -> dict[str, str]:
        return {
            f"{kind}{number}": self.groups[number][1] if kind == "group" else MEASURES[number][1]
            for kind, number in self.fields
        }

    @property
    def keyed(self) -> KeyedQuery:
        partials: list[str] = []
        fields = []
        for kind, number in self.fields:
            if kind == "group":
                fields.append(RollupField("group", number, self.groups[number][1]))
                continue
            _, type_name, function, own = MEASURES[number]
            fields.append(RollupField(function, len(partials), type_name))  # type: ignore[arg-type]
            partials += own
        groups = [sql for sql, _, _ in self.groups]
        selected = ", ".join(["store", self.ranged_sql, *groups, *partials])
        grouped = ", ".join(["store", self.ranged_sql, *groups])
        return KeyedQuery(
            sql=f"SELECT {selected} FROM t GROUP BY {grouped}",
            key=(KeyPart("INTEGER"), self.ranged),
            equal=("store",),
            low=self.low,
            high=self.high,
            reverse=self.reverse,
            lone=not self.groups,
            rollup=Rollup(self.parts, tuple(fields), self.monotone),
        )

    @property
    def sql(self) -> str:
        """The plain SELECT."""
        conditions = ["store = $store"]
        for bound, sign in ((self.low, ">"), (self.high, "<")):
            if bound is not None:
                compared = f"{sign}=" if bound.inclusive else sign
                value = f"CAST(${bound.parameter} AS {self.ranged_type})"
                conditions.append(f"{self.ranged_sql} {compared} {value}")
        selected = ", ".join(
            f"{(self.groups if kind == 'group' else MEASURES)[number][0]} AS {kind}{number}"
            for kind, number in self.fields
        )
        order = ", ".join(
            f"group{number} {'DESC' if part.descending != self.reverse else 'ASC'}"
            f" NULLS {'FIRST' if part.nulls_first != self.reverse else 'LAST'}"
            for number, part in enumerate(self.parts)
        )
        text = f"SELECT {selected} FROM t WHERE {' AND '.join(conditions)}"
        groups = ", ".join(sql for sql, _, _ in self.groups)
        return f"{text} GROUP BY {groups} ORDER BY {order}" if groups else text

    def values(self) -> dict[str, object]:
        """Parameters: any days, often the first or the last of a month."""
        found: dict[str, object] = {"store": self.random.choice([0, 1, 2, 2, 5])}
        first = date(2023, 11, 1) + timedelta(days=self.random.randint(0, 230))
        for bound, day in ((self.low, first), (self.high, self._last(first))):
            if bound is not None:
                moved = self._moved(day)
                found[bound.parameter] = None if moved is None else self.ranged_value(moved)
        return found

    def _last(self, first: date) -> date:
        return first + timedelta(days=self.random.choice([-3, 0, 5, 30, 100]))

    def _moved(self, day: date) -> date | None:
        if self.random.random() < 0.05:
            return None
        first = day.replace(day=1)
        return self.random.choice([day, first, first - timedelta(days=1)])


@pytest.mark.parametrize("seed", range(60))
def test_groups_are_those_of_the_plain_select(shelf: Shelf, seed: int) -> None:
    case = Case(seed)
    version = shelf.version("t", ROWS.format(count=case.random.choice([3, 500, 3000])))
    schema = columns(**case.types)
    contract = shelf.contract([version], case.keyed, schema, case.sql)
    contract = shelf.with_parameters(contract, list(case.values()))
    snapshot = shelf.snapshot([version], contract)
    shelf.build(snapshot)
    with shelf.reader(snapshot) as reader:
        for _ in range(12):
            values = case.values()
            expected = shelf.answer([version], case.sql, schema, values)
            assert reader.rows(values, 0, 0) == expected
            assert reader.rows(values, 2, 1) == expected[1:3]
            page, mark = reader.page(values, 2, None)
            while mark is not None:
                more, mark = reader.page(values, 2, mark)
                page += more
            assert page == expected
