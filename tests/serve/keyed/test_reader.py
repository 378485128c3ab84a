"""Rows by key: whatever the keys and the range, they are what the plain SELECT answers."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from headrace.base.errors import StoreError
from headrace.serve.keyed.reader import KeyedReader
from headrace.store.snapshots import Bound, KeyedQuery, KeyPart
from tests.keyed import Shelf, columns

# Type -> literals of some values, and the same as a client's reader gives them.
VALUES: dict[str, list[tuple[str, object]]] = {
    "BOOLEAN": [("true", True), ("false", False)],
    "TINYINT": [("-128", -128), ("0", 0), ("127", 127), ("5", 5)],
    "INTEGER": [("-5", -5), ("0", 0), ("7", 7), ("2147483647", 2147483647)],
    "BIGINT": [("-9223372036854775808", -(2**63)), ("0", 0), ("256", 256), ("255", 255)],
    "UBIGINT": [("0", 0), ("18446744073709551615", 2**64 - 1), ("9", 9)],
    "DECIMAL(4,1)": [("-0.5", Decimal("-0.5")), ("0", Decimal(0)), ("99.9", Decimal("99.9"))],
    "DECIMAL(18,2)": [("-1234567.89", Decimal("-1234567.89")), ("0.01", Decimal("0.01"))],
    "DECIMAL(38,3)": [("-0.001", Decimal("-0.001")), ("0.001", Decimal("0.001"))],
    "DOUBLE": [("-1.5", -1.5), ("0", 0.0), ("1e300", 1e300), ("0.1", 0.1)],
    "FLOAT": [("-1.5", -1.5), ("0", 0.0), ("0.25", 0.25)],
    "VARCHAR": [
        ("''", ""),
        ("'a'", "a"),
        ("'a' || chr(0)", "a\x00"),
        ("'a' || chr(0) || 'b'", "a\x00b"),
        ("'a' || chr(1)", "a\x01"),
        ("'ab'", "ab"),
        ("'é'", "é"),
        ("'😀'", "😀"),
    ],
    "DATE": [
        ("'0001-01-01'", date.min),
        ("'1969-12-31'", date(1969, 12, 31)),
        ("'2024-02-29'", date(2024, 2, 29)),
        ("'9999-12-31'", date.max),
    ],
    "TIME": [("'00:00:00'", time()), ("'23:59:59.999999'", time(23, 59, 59, 999999))],
    "TIMESTAMP": [
        ("'1969-12-31 23:59:59.999999'", datetime(1969, 12, 31, 23, 59, 59, 999999)),
        ("'2024-01-01'", datetime(2024, 1, 1)),
    ],
    "TIMESTAMP WITH TIME ZONE": [
        ("'1960-01-01T00:00:00Z'", datetime(1960, 1, 1, tzinfo=UTC)),
        ("'2024-01-01T12:00:00Z'", datetime(2024, 1, 1, 12, tzinfo=UTC)),
    ],
    "UUID": [
        (f"'{text}'", UUID(text))
        for text in (
            "00000000-0000-0000-0000-000000000000",
            "7fffffff-ffff-ffff-ffff-ffffffffffff",
            "80000000-0000-0000-0000-000000000000",
        )
    ],
}


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Shelf.open(tmp_path / "store") as shelf:
        yield shelf


def orders(parts: tuple[KeyPart, ...], *, reverse: bool) -> str:
    """ORDER BY of the parts; of their opposite when `reverse`."""
    return ", ".join(
        f"k{number} {'DESC' if part.descending != reverse else 'ASC'}"
        f" NULLS {'FIRST' if part.nulls_first != reverse else 'LAST'}"
        for number, part in enumerate(parts)
    )


class Case:
    """A random table, a random plan of its keys, and random questions."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        count = self.random.randint(1, 3)
        self.types = [self.random.choice(list(VALUES)) for _ in range(count)]
        self.equal = self.random.randint(0, count)
        self.has_range = self.equal < count and self.random.random() < 0.7
        self.parts = tuple(
            KeyPart(each, self.random.random() < 0.5, self.random.random() < 0.5)
            for each in self.types
        )
        self.reverse = self.random.random() < 0.5
        self.low, self.high = self._bounds()
        self.limit = self.random.choice([None, None, 3, "most"])
        self.offset = self.random.choice([None, None, 1, "skip"])

    def _bounds(self) -> tuple[Bound | None, Bound | None]:
        if not self.has_range:
            return None, None
        low, high = self.random.choice([(True, True), (True, False), (False, True)])
        return (
            Bound("low", self.random.random() < 0.5) if low else None,
            Bound("high", self.random.random() < 0.5) if high else None,
        )

    def rows_sql(self, rows: int) -> str:
        """A table `t` of columns k0, …, whose compared parts are not NULL, and one more."""
        compared = self.equal + self.has_range
        lines = []
        for _ in range(rows):
            cells = [
                "NULL"
                if number >= compared and self.random.random() < 0.2
                else self.random.choice(VALUES[each])[0]
                for number, each in enumerate(self.types)
            ]
            cells.append(self.random.choice(["1", "2", "NULL"]))
            lines.append(f"({', '.join(cells)})")
        names = [f"k{number}" for number in range(len(self.types))]
        types = [*self.types, "INTEGER"]
        casts = ", ".join(
            f"CAST({name} AS {each}) AS {name}"
            for name, each in zip([*names, "n"], types, strict=True)
        )
        return f"SELECT {casts} FROM (VALUES {', '.join(lines)}) AS v({', '.join([*names, 'n'])})"

    @property
    def keyed(self) -> KeyedQuery:
        keys = ", ".join(f"k{number} AS key_{number}" for number in range(len(self.types)))
        fields = ", ".join([*(f"k{number}" for number in range(len(self.types))), "n"])
        return KeyedQuery(
            sql=f"SELECT {keys}, {fields} FROM t",
            key=self.parts,
            equal=tuple(f"p{number}" for number in range(self.equal)),
            low=self.low,
            high=self.high,
            reverse=self.reverse,
            limit=f"{self.limit}" if isinstance(self.limit, str) else self.limit,
            offset=self.offset,
            by_cell="t",
        )

    @property
    def columns(self) -> dict[str, str]:
        return {f"k{number}": each for number, each in enumerate(self.types)} | {"n": "INTEGER"}

    def values(self) -> dict[str, object]:
        """Parameters: mostly values that are there, sometimes NULL."""
        found: dict[str, object] = {
            f"p{number}": self._value(self.types[number]) for number in range(self.equal)
        }
        for bound in (self.low, self.high):
            if bound is not None:
                found[bound.parameter] = self._value(self.types[self.equal])
        if self.limit == "most":
            found["most"] = self.random.choice([0, 1, 4, None])
        if self.offset == "skip":
            found["skip"] = self.random.choice([0, 1, 4])
        return found

    def _value(self, type_name: str) -> object:
        if self.random.random() < 0.05:
            return None
        return self.random.choice(VALUES[type_name])[1]

    @property
    def sql(self) -> str:
        """The plain SELECT, sorted by the parts."""
        conditions = [
            f"k{number} = CAST($p{number} AS {self.types[number]})" for number in range(self.equal)
        ]
        for bound, sign in ((self.low, ">"), (self.high, "<")):
            if bound is not None:
                own = self.types[self.equal]
                compared = f"{sign}=" if bound.inclusive else sign
                conditions.append(f"k{self.equal} {compared} CAST(${bound.parameter} AS {own})")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        text = f"SELECT * FROM t{where} ORDER BY {orders(self.parts, reverse=self.reverse)}"
        if self.limit is not None:
            text += f" LIMIT {'$most' if self.limit == 'most' else self.limit}"
        if self.offset is not None:
            text += f" OFFSET {'$skip' if self.offset == 'skip' else self.offset}"
        return text


@pytest.mark.parametrize("seed", range(25))
def test_rows_are_those_of_the_plain_select(shelf: Shelf, seed: int) -> None:
    case = Case(seed)
    version = shelf.version("t", case.rows_sql(case.random.choice([1, 30, 60])))
    schema = columns(**case.columns)
    snapshot = shelf.snapshot([version], shelf.contract([version], case.keyed, schema))
    shelf.build(snapshot)
    with shelf.reader(snapshot) as reader:
        for _ in range(10):
            values = case.values()
            limit, offset = case.random.choice([(0, 0), (5, 0), (2, 3), (1000, 0)])
            page = f"SELECT * FROM ({case.sql}) LIMIT {limit or 'NULL'} OFFSET {offset}"
            found = reader.rows(values, limit, offset)
            expected = shelf.answer([version], page, schema, values)
            # Of rows with equal keys any may come first, and be within a limit.
            assert [_without_n(row) for row in found] == [_without_n(row) for row in expected]
            if (limit, offset, case.limit, case.offset) == (0, 0, None, None):
                assert Counter(found) == Counter(expected)


@pytest.mark.parametrize("seed", range(100, 110))
def test_pages_in_turn_are_all_rows(shelf: Shelf, seed: int) -> None:
    case = Case(seed)
    version = shelf.version("t", case.rows_sql(40))
    snapshot = shelf.snapshot(
        [version], shelf.contract([version], case.keyed, columns(**case.columns))
    )
    shelf.build(snapshot)
    with shelf.reader(snapshot) as reader:
        for _ in range(5):
            values = case.values()
            limit = case.random.choice([1, 3, 100])
            rows, mark = reader.page(values, limit, None)
            while mark is not None:
                more, mark = reader.page(values, limit, mark)
                assert more
                rows += more
            assert rows == reader.rows(values, 0, 0)


def test_a_mark_that_no_page_gave_leads_nowhere_else(shelf: Shelf) -> None:
    """Whatever a client makes of a mark, it sees the rows that it has asked for and no others."""
    version = shelf.version("t", "SELECT i % 3 AS k0, i AS n FROM range(30) AS t(i)")
    keyed = KeyedQuery("SELECT k0, n FROM t", (KeyPart("BIGINT"),), ("p0",))
    contract = shelf.contract([version], keyed, columns(n="BIGINT"))
    for turned in (contract, replace(contract, keyed=replace(keyed, reverse=True))):
        snapshot = shelf.snapshot([version], turned)
        shelf.build(snapshot)
        with shelf.reader(snapshot) as reader:
            own = set(reader.rows({"p0": 1}, 0, 0))
            assert len(own) == 10
            for mark in (bytes(8), bytes(20), b"\xff" * 8, b"\xff" * 30, bytes(8) + b"\x01\x80"):
                rows, _ = reader.page({"p0": 1}, 100, mark)
                assert own.issuperset(rows)
            with pytest.raises(ValueError, match="is no mark of a page"):
                reader.page({"p0": 1}, 100, b"short")


def test_a_value_that_the_keys_cannot_have_finds_nothing_or_a_place_between(shelf: Shelf) -> None:
    version = shelf.version("t", "SELECT CAST(i AS TINYINT) AS n FROM range(5) AS t(i)")
    for descending in (False, True):
        part = KeyPart("TINYINT", descending)
        keyed = KeyedQuery("SELECT n, n FROM t", (part,), ("p",))
        between = replace(keyed, equal=(), low=Bound("low", inclusive=True))
        between = replace(between, high=Bound("high", inclusive=True))
        schema = columns(n="TINYINT")
        for each, values, expected in (
            (keyed, {"p": 200}, []),
            (keyed, {"p": Decimal("1.5")}, []),
            (keyed, {"p": Decimal(1)}, [1]),
            (between, {"low": Decimal("0.5"), "high": Decimal("2.5")}, [1, 2]),
            (between, {"low": -1000, "high": 1000}, [0, 1, 2, 3, 4]),
            (between, {"low": 1000, "high": 2000}, []),
            (between, {"low": -2000, "high": -1000}, []),
            (between, {"low": Decimal("NaN"), "high": 3}, []),
        ):
            snapshot = shelf.snapshot([version], shelf.contract([version], each, schema))
            shelf.build(snapshot)
            with shelf.reader(snapshot) as reader:
                rows = reader.rows(values, 0, 0)
            numbers = sorted(expected, reverse=descending)
            assert rows == [f'{{"n":{number}}}'.encode() for number in numbers]


def test_a_copy_is_given_back_however_opening_it_ended(shelf: Shelf) -> None:
    version = shelf.version("t", "SELECT 1 AS n")
    keyed = KeyedQuery("SELECT n, n FROM t", (KeyPart("INTEGER"),), ("p",))
    contract = shelf.contract([version], keyed, columns(n="INTEGER"))
    snapshot = shelf.snapshot([version], contract)
    shelf.build(snapshot)
    path = shelf.copy(snapshot).path
    with shelf.reader(snapshot) as reader:
        assert reader.rows({"p": 1}, 0, 0) == [b'{"n":1}']
        wrong = replace(contract, keyed=replace(keyed, key=(KeyPart("INTEGER[]"),)))
        with pytest.raises(StoreError, match="cannot be kept in order"):
            KeyedReader.open(path, wrong)
        assert reader.rows({"p": 1}, 0, 0) == [b'{"n":1}']
    path.unlink()
    with pytest.raises(StoreError, match="cannot be read as a keyed copy"):
        KeyedReader.open(path, contract)


def _without_n(row: bytes) -> bytes:
    return row.rpartition(b',"n":')[0]
