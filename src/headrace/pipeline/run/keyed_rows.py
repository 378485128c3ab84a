"""What a keyed copy holds: takes a keyed query, gives its rows from DuckDB, sorted, as bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.base.tables import Schema
from headrace.base.types import INTEGER_TYPES
from headrace.engines.duckdb import DuckDBEngine, described
from headrace.engines.json_values import JsonValues
from headrace.engines.text_rows import Field, json_object_sql, json_value_sql
from headrace.store.keyed_copies import Item, hashed
from headrace.store.ordered_keys import Encode, PartEncoder, Raw
from headrace.store.rollups import EXACT_SUM, States
from headrace.store.snapshots import EndpointContract, KeyedQuery, KeyPart, Rollup, RollupField

_ROWS_AT_ONCE = 20_000
# Above it, SQL rounds an average in one way or another, and refuses a DECIMAL sum.
_TOTALS = {
    "avg": (EXACT_SUM, "an average of numbers that add up to {} depends on how it is rounded"),
    "sum": (10**38, "a sum of numbers that add up to {} may not fit into its type"),
}


class Unfit(Exception):
    """The query cannot be kept by key; the message says why. No later run will do better."""


@dataclass(frozen=True, slots=True)
class KeyedRows:
    """The rows of an endpoint's keyed copy."""

    query: KeyedQuery
    columns: Schema
    encoders: tuple[PartEncoder, ...]

    @classmethod
    def of(cls, contract: EndpointContract) -> KeyedRows:
        """The rows of a contract that has a keyed query without a roll-up."""
        assert contract.keyed is not None, f"{contract.name} has no keyed query"
        return cls(contract.keyed, contract.columns, tuple(map(PartEncoder.of, contract.keyed.key)))

    def read(self, engine: DuckDBEngine) -> Iterator[Item]:
        """Hashed key and JSON object of each row, in the order of the keys.

        The query's tables stand under their names for this thread.
        """
        encode = key_encoder([each.encode_raw for each in self.encoders])
        for *raws, row_hash, row in _fetched(engine, self.sql):
            yield hashed(encode(raws), row_hash), row

    @property
    def sql(self) -> str:
        """The numbers, texts or bytes of each key's parts, the row's hash, the row."""
        keys = numbered("k", self.encoders)
        fields = numbered("f", self.columns)
        raws = raws_sql(self.encoders, keys)
        named = [
            Field(field, column.name, column.type)
            for field, column in zip(fields, self.columns, strict=True)
        ]
        # A hash that no version of DuckDB changes: a later one goes on with the same copy.
        row_hash = "CAST(md5_number_lower(j) & 2147483647 AS INTEGER)"
        numbers = numbered("r", raws)
        return (
            f"SELECT {listed(*numbers, f'{row_hash} AS h', 'encode(j)')} FROM (SELECT"
            f" {listed(*raws, f'{json_object_sql(named, JsonValues())} AS j')}"
            f" FROM {derived(self.query.sql, [*keys, *fields])})"
            f" ORDER BY {listed(*orders(self.encoders, numbers), 'h')}"
        )


@dataclass(frozen=True, slots=True)
class GroupRows:
    """The partial results of an endpoint's roll-up."""

    query: KeyedQuery
    rollup: Rollup
    encoders: tuple[PartEncoder, ...]
    groups: tuple[PartEncoder, ...]

    @classmethod
    def of(cls, contract: EndpointContract) -> GroupRows:
        """The partial results of a contract that has a keyed query with a roll-up."""
        keyed = contract.keyed
        assert keyed is not None, f"{contract.name} has no keyed query"
        assert keyed.rollup is not None, f"{contract.name} rolls nothing up"
        encoders = tuple(map(PartEncoder.of, keyed.key))
        return cls(keyed, keyed.rollup, encoders, tuple(map(PartEncoder.of, keyed.rollup.groups)))

    def read(self, engine: DuckDBEngine) -> Iterator[tuple[list[bytes], States]]:
        """Parts of the key and of the group, states of the fields; in the order of the keys.

        Raises:
            Unfit: partial results of these types cannot be merged exactly.
        """
        reader = _Partials.of(self, described(engine.cursor(), self.query.sql))
        encoders = [each.encode_raw for each in (*self.encoders, *self.groups)]
        encoded, totals = reader.encoded, reader.totals
        for row in _fetched(engine, reader.sql):
            keys = [encode(raw) for encode, raw in zip(encoders, row, strict=False)]
            states = list(row[len(keys) :])
            for total in totals:
                total.add(states)
            for place, encode in encoded:
                raw = states[place]
                states[place] = None if raw is None else encode(raw)
            yield keys, states


@dataclass(frozen=True, slots=True)
class _Field:
    """How a field's states are read: SQL that gives them, and what makes bytes of it, if any."""

    sql: tuple[str, ...]
    encodes: tuple[Encode | None, ...] = (None,)


@dataclass(frozen=True, slots=True)
class _Partials:
    """The columns of a roll-up's query, whose types only DuckDB knows."""

    rows: GroupRows
    schema: Schema
    fields: tuple[_Field, ...]

    @classmethod
    def of(cls, rows: GroupRows, schema: Schema) -> _Partials:
        """The columns of a query with this schema.

        Raises:
            Unfit: partial results of these types cannot be merged exactly.
        """
        types = [column.type for column in schema[len(rows.encoders) + len(rows.groups) :]]
        return cls(rows, schema, tuple(_field(field, types) for field in rows.rollup.fields))

    @property
    def sql(self) -> str:
        """The numbers, texts or bytes of the parts and the groups, then what the states are of."""
        encoders = (*self.rows.encoders, *self.rows.groups)
        keys = [*numbered("k", self.rows.encoders), *numbered("g", self.rows.groups)]
        partials = numbered("m", self.schema[len(keys) :])
        raws = raws_sql(encoders, keys)
        states = [sql for field in self.fields for sql in field.sql]
        return (
            f"SELECT {listed(*raws, *states)}"
            f" FROM {derived(self.rows.query.sql, [*keys, *partials])}"
            f" ORDER BY {listed(*orders(encoders, numbered('r', raws)))}"
        )

    @property
    def totals(self) -> list[_Total]:
        """What has to stay below a limit, from nothing."""
        found, place = [], 0
        for field, read in zip(self.rows.rollup.fields, self.fields, strict=True):
            if field.function in _TOTALS:
                found.append(_Total(place, *_TOTALS[field.function]))
            place += len(read.sql)
        return found

    @property
    def encoded(self) -> list[tuple[int, Encode]]:
        """Which of the states are given as `raw_sql` does, and what makes bytes of them."""
        return [
            (place, encode)
            for place, encode in enumerate(each for field in self.fields for each in field.encodes)
            if encode is not None
        ]


def _field(field: RollupField, types: Sequence[str]) -> _Field:
    if field.function == "group":
        return _Field((_value_sql(f"g{field.column}", field.type),))
    partial, own = f"m{field.column}", types[field.column]
    if field.function == "count":
        return _Field((partial,))
    encoder = PartEncoder.of(KeyPart(own))
    if field.function in {"min", "max"}:
        text = _value_sql(partial, field.type)
        return _Field((encoder.raw_sql(partial), text), (encoder.encode_raw, None))
    if own in {"FLOAT", "DOUBLE"}:
        raise Unfit(f"a sum over {own} depends on the order in which it is added up")
    if field.function == "sum":
        if own != field.type and (own.startswith("DECIMAL") or field.type not in INTEGER_TYPES):
            raise Unfit(f"a sum of type {own} is not one of type {field.type}")
        return _Field((encoder.raw_sql(partial),))
    if own not in INTEGER_TYPES:
        raise Unfit(f"an average over {own} depends on how it is rounded")
    return _Field((partial, f"m{field.column + 1}"), (None, None))


@dataclass(slots=True)
class _Total:
    """What the partial results of a field add up to in any range, at most.

    Attributes:
        place: among the states.
        most: what they have to stay below.
        why: what is said when they do not, with `{}` for the sum.
    """

    place: int
    most: int
    why: str
    sum: int = 0

    def add(self, states: States) -> None:
        """Add a partial result. Raises Unfit for too large a total."""
        self.sum += abs(states[self.place] or 0)
        if self.sum >= self.most:
            raise Unfit(self.why.format(self.sum))


def key_encoder(encoders: Sequence[Encode]) -> Callable[[Sequence[Raw]], bytes]:
    """What makes one key of its parts."""
    if len(encoders) == 1:
        [only] = encoders
        return lambda raws: only(raws[0])
    if len(encoders) == 2:
        first, second = encoders
        return lambda raws: first(raws[0]) + second(raws[1])
    return lambda raws: b"".join([each(raw) for each, raw in zip(encoders, raws, strict=True)])


def derived(sql: str, names: Iterable[str]) -> str:
    """What stands behind FROM to read a query's columns under other names, in order."""
    return f"({sql}\n) AS held({listed(*names)})"


def numbered(letter: str, items: Sequence[object]) -> list[str]:
    """A name for each item."""
    return [f"{letter}{number}" for number in range(len(items))]


def raws_sql(encoders: Sequence[PartEncoder], columns: Sequence[str]) -> list[str]:
    """What the parts of the key are made of: `r0`, `r1`, …"""
    pairs = zip(encoders, columns, numbered("r", columns), strict=True)
    return [f"{encoder.raw_sql(column)} AS {name}" for encoder, column, name in pairs]


def orders(encoders: Iterable[PartEncoder], names: Iterable[str]) -> list[str]:
    """What stands in ORDER BY, for each part."""
    return [each.order_sql(name) for each, name in zip(encoders, names, strict=True)]


def listed(*texts: str) -> str:
    """Some SQL with commas between."""
    return ", ".join(texts)


def _fetched(engine: DuckDBEngine, sql: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, some at a time. No other may run on the thread meanwhile."""
    cursor = engine.cursor().execute(sql)
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        yield from rows


def _value_sql(expression: str, type_name: str) -> str:
    """An expression that gives a value as JSON."""
    return json_value_sql(Field(expression, "", type_name), JsonValues())
