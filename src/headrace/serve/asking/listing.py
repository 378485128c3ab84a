"""What of an endpoint's rows a client asks for: takes the query parameters that every endpoint
has (`fields`, `sort`, a filter for each field that is opened, `cursor`), gives a Listing, and the
SELECT that answers it.

Names in that SELECT come from the contract alone; what the client wrote is bound.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from headrace.base.names import listed, near_miss, quote
from headrace.base.tables import Schema
from headrace.serve.answering.problems import ParameterError, shown
from headrace.serve.asking.scalars import Reader, Scalar, Unfit, canonical, reader
from headrace.store.snapshots import EndpointContract

Operator: TypeAlias = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "null"]
Result = TypeVar("Result")
Pairs: TypeAlias = "Sequence[tuple[str, str]]"

FIELDS, SORT, CURSOR, SNAPSHOT = "fields", "sort", "cursor", "snapshot"
RESERVED = frozenset({FIELDS, SORT, CURSOR, SNAPSHOT})
OPERATORS: Mapping[str, Operator] = {
    "eq": "eq",
    "ne": "ne",
    "gt": "gt",
    "gte": "gte",
    "lt": "lt",
    "lte": "lte",
    "in": "in",
    "null": "null",
}
# NULL is a value like any other here: what is not equal to a value may be NULL, so that a filter
# and its contrary give all rows together.
_COMPARED = {
    "eq": "=",
    "ne": "IS DISTINCT FROM",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
}
_FILTER = re.compile(r"(.*)\[([^\[\]]*)\]", re.DOTALL)
_MOST_VALUES = 100
_SHOWN_NAME = 100


@dataclass(frozen=True, slots=True)
class Condition:
    """What holds for every row of the answer: `field` compared with `values`.

    `values` is one value of the field's type; for "in" any number, sorted; for "null" a boolean.
    """

    field: str
    operator: Operator
    values: tuple[Scalar, ...]

    @property
    def name(self) -> str:
        """What a request has once at most: `day=…` and `day[eq]=…` are one filter."""
        return f"{self.field}[{self.operator}]"


@dataclass(frozen=True, slots=True)
class Order:
    """One field of a sort."""

    field: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """What a request asks of an endpoint's rows.

    Attributes:
        fields: of the answer, in the contract's order; () is all of them.
        conditions: sorted; all of them hold.
        orders: of the answer's rows; () is the query's own order.
        cursor: as the client sent it; "" is the first page.
    """

    fields: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    orders: tuple[Order, ...] = ()
    cursor: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether the rows are the query's own, all fields of them, in its own order."""
        return not (self.fields or self.conditions or self.orders)

    @property
    def key(self) -> str:
        """One text for all but the cursor: equal for listings that ask for the same.

        It begins with `?` and says its own length: what follows it cannot be taken for a part.
        """
        if self.is_plain:
            return ""
        parts: list[str] = [*self.fields, "?"]
        for each in self.conditions:
            parts += [each.field, each.operator, *map(canonical, each.values), "&"]
        parts += ["!", *(f"{'-' if each.descending else '+'}{each.field}" for each in self.orders)]
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return f"?{len(text)}:{text}"


PLAIN = Listing()


@dataclass(frozen=True, slots=True)
class ListingReader:
    """Reads the listing of every request to one endpoint; make it by `of`."""

    columns: tuple[str, ...]
    filters: Mapping[str, Reader]
    sorts: tuple[str, ...]
    pages: bool

    @classmethod
    def of(cls, endpoint: EndpointContract) -> ListingReader:
        """The reader for an endpoint."""
        types = {column.name: column.type for column in endpoint.columns}
        return cls(
            tuple(types),
            {name: reader(types[name]) for name in endpoint.filters},
            endpoint.sorts,
            bool(endpoint.max_limit),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The query parameters that there are, without their operators."""
        sort = (SORT,) if self.sorts else ()
        cursor = (CURSOR,) if self.pages else ()
        filters = (name for name in self.filters if name not in RESERVED)
        return (FIELDS, *sort, *filters, *cursor)

    def read(
        self, pairs: Pairs, parameters: Iterable[str], errors: list[ParameterError]
    ) -> Listing:
        """The listing of a request; what is wrong with it is added to `errors`.

        Args:
            pairs: (name, text) of what are no parameters of the endpoint's own.
            parameters: the endpoint's own, for near misses.
            errors: gets one entry for each mistake.
        """
        given = _grouped(pairs, errors)
        fields = _taken(given, FIELDS, self._fields, errors) or ()
        orders = (_taken(given, SORT, self._orders, errors) if self.sorts else None) or ()
        cursor = (_taken(given, CURSOR, _cursor, errors) if self.pages else None) or ""
        # It has led here already: which snapshot answers is no matter of an endpoint.
        given.pop(SNAPSHOT, None)
        known = (*parameters, *self.names)
        conditions: dict[str, Condition] = {}
        for name, texts in given.items():
            try:
                condition = self._condition(name, texts, known)
                _require_new(condition, conditions)
            except _Misread as exc:
                errors.append(exc.error(name))
            else:
                conditions[condition.name] = condition
        ordered = tuple(conditions[each] for each in sorted(conditions))
        return Listing(fields, ordered, orders, cursor)

    def _fields(self, text: str) -> tuple[str, ...]:
        names = _named_once(text)
        for name in names:
            if name not in self.columns:
                raise _Misread(f"there is no field {shown(name)}", _one_of(name, self.columns))
        chosen = tuple(name for name in self.columns if name in names)
        return () if chosen == self.columns else chosen

    def _orders(self, text: str) -> tuple[Order, ...]:
        names = _named_once(text, marks="-")
        for name in names:
            bare = name.removeprefix("-")
            if bare not in self.sorts:
                expected = _one_of(bare, self.sorts)
                raise _Misread(f"{shown(bare)} is no field to sort by", expected)
        return tuple(Order(name.removeprefix("-"), name.startswith("-")) for name in names)

    def _condition(self, name: str, texts: Sequence[str], known: Sequence[str]) -> Condition:
        match = _FILTER.fullmatch(name)
        field, word = (match[1], match[2]) if match else (name, "eq")
        if field not in self.filters or (not match and field in RESERVED):
            raise self._unknown(field, known, is_filter=match is not None)
        operator = OPERATORS.get(word)
        if operator is None:
            raise _Misread(f"{shown(word)} is no comparison", _one_of(word, tuple(OPERATORS)))
        return Condition(field, operator, self._values(field, operator, texts))

    def _values(self, field: str, operator: Operator, texts: Sequence[str]) -> tuple[Scalar, ...]:
        read = _IS_NULL if operator == "null" else self.filters[field]
        if operator != "in":
            return (_value(read, texts[0]),)
        items = [item for text in texts for item in text.split(",")]
        if len(items) > _MOST_VALUES:
            raise _Misread(f"it has {len(items)} values", f"at most {_MOST_VALUES}")
        values = {canonical(value): value for value in (_value(read, item) for item in items)}
        return tuple(values[each] for each in sorted(values))

    def _unknown(self, field: str, known: Sequence[str], *, is_filter: bool) -> _Misread:
        if is_filter or field in self.columns:
            if not self.filters:
                return _Misread("this endpoint has no filters", f"one of {listed(known)}")
            found = f"{shown(field)} is no field to filter by"
            return _Misread(found, _one_of(field, tuple(self.filters)))
        if field == SORT:
            return _Misread("this endpoint has no order but its own", "a request without it")
        return _Misread("there is no such parameter here", _one_of(field, known))


def listing_sql(contract: EndpointContract, listing: Listing, limit: str, offset: str) -> str:
    """The SELECT that answers a listing, with the query's parameters and those of `listing_values`.

    A sort ends with all other fields: rows that are equal in what is sorted by come in the same
    order every time, so that pages neither repeat nor lose one. Without a sort, DuckDB keeps the
    order of a subquery through SELECT, WHERE, LIMIT and OFFSET as long as
    `preserve_insertion_order` is on: an ORDER BY of the query is the order of the answer.

    Args:
        contract: of the endpoint.
        listing: as `ListingReader` has read it for this contract.
        limit, offset: names of the parameters for both; "" of an endpoint that pages itself.
    """
    fields = ", ".join(map(quote, listing.fields)) or "*"
    sql = f"SELECT {fields} FROM ({contract.sql}\n)"
    if listing.conditions:
        sql += f" WHERE {' AND '.join(_predicates(contract, listing))}"
    if listing.orders:
        sql += f" ORDER BY {', '.join(_sort_keys(contract, listing))}"
    return f"{sql} LIMIT ${limit} OFFSET ${offset}" if limit else sql


def listing_values(listing: Listing) -> dict[str, Scalar]:
    """The values that `listing_sql` names, by name."""
    return dict(zip(_placeholders(listing), _bound(listing), strict=False))


def listing_columns(contract: EndpointContract, listing: Listing) -> Schema:
    """The fields of an answer to a listing, in order."""
    if not listing.fields:
        return contract.columns
    return tuple(column for column in contract.columns if column.name in listing.fields)


def _bound(listing: Listing) -> list[Scalar]:
    return [
        value for each in listing.conditions if each.operator != "null" for value in each.values
    ]


def _placeholders(listing: Listing) -> Iterator[str]:
    """Names that no parameter of a contract has."""
    return (f"__filter_{number}" for number in range(len(_bound(listing))))


def _predicates(contract: EndpointContract, listing: Listing) -> Iterator[str]:
    types = {column.name: column.type for column in contract.columns}
    names = _placeholders(listing)
    for each in listing.conditions:
        field = quote(each.field)
        if each.operator == "null":
            yield f"{field} IS {'' if each.values[0] else 'NOT '}NULL"
            continue
        # As the field's type: a FLOAT is not equal to the DOUBLE that is written like it.
        values = [f"CAST(${next(names)} AS {types[each.field]})" for _ in each.values]
        if each.operator == "in":
            yield f"{field} IN ({', '.join(values)})"
        else:
            yield f"{field} {_COMPARED[each.operator]} {values[0]}"


def _sort_keys(contract: EndpointContract, listing: Listing) -> Iterator[str]:
    named = {each.field for each in listing.orders}
    for each in listing.orders:
        yield f"{quote(each.field)} {'DESC' if each.descending else 'ASC'} NULLS LAST"
    yield from (quote(column.name) for column in contract.columns if column.name not in named)


class _Misread(Exception):
    """One parameter that does not fit."""

    def __init__(self, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(found)

    def error(self, name: str) -> ParameterError:
        """What to tell the client."""
        return ParameterError(name[:_SHOWN_NAME], self.found, self.expected)


def _grouped(pairs: Pairs, errors: list[ParameterError]) -> dict[str, list[str]]:
    """Parameter -> its texts, without those that are repeated and must not be."""
    texts: dict[str, list[str]] = {}
    for name, text in pairs:
        texts.setdefault(name, []).append(text)
    for name in [name for name, given in texts.items() if len(given) > 1]:
        if not name.endswith("[in]"):
            times = len(texts.pop(name))
            errors.append(_Misread(f"it is given {times} times", "it once").error(name))
    return texts


def _taken(
    given: dict[str, list[str]],
    name: str,
    read: Callable[[str], Result],
    errors: list[ParameterError],
) -> Result | None:
    """What a parameter says, which is taken out of `given`; None when it says nothing."""
    if name not in given:
        return None
    try:
        return read(given.pop(name)[0])
    except _Misread as exc:
        errors.append(exc.error(name))
        return None


def _require_new(condition: Condition, before: Mapping[str, Condition]) -> None:
    if condition.name in before:
        raise _Misread("it is given twice", "it once")


def _one_of(name: str, allowed: Sequence[str]) -> str:
    return near_miss(name[:_SHOWN_NAME], allowed) or f"one of {listed(allowed)}"


def _named_once(text: str, *, marks: str = "") -> list[str]:
    """The names of a list with commas. Raises _Misread."""
    names = text.split(",")
    bare = [name.removeprefix(marks) for name in names]
    if twice := [name for name in dict.fromkeys(bare) if bare.count(name) > 1]:
        raise _Misread(f"{shown(twice[0])} is named twice", "each field once")
    return names


def _cursor(text: str) -> str:
    if not text:
        raise _Misread("''", "the cursor of a `Link` header")
    return text


def _value(read: Reader, text: str) -> Scalar:
    try:
        return read(text)
    except Unfit as exc:
        raise _Misread(shown(text), str(exc)) from exc


_IS_NULL = reader("BOOLEAN")
