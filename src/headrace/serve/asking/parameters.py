"""The parameters of a request: takes an endpoint's contract and the texts that a client sent,
gives typed values to bind, or everything that is wrong with them at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import NamedTuple, TypeAlias, cast
from urllib.parse import unquote_to_bytes

from headrace.base.declarations import Value
from headrace.serve.answering.problems import (
    ParameterError,
    Refused,
    parameter_problem,
    problem,
    shown,
)
from headrace.serve.asking.listing import PLAIN, Listing, ListingReader
from headrace.serve.asking.scalars import Reader, Scalar, Unfit, canonical, reader
from headrace.store.snapshots import EndpointContract, Parameter

Bound: TypeAlias = "Scalar | list[Scalar] | None"

_Ordered: TypeAlias = "tuple[int, int | None, int | None]"

LIMIT, OFFSET = "limit", "offset"
_LARGEST_OFFSET = 2**63 - 1
MOST_FIELDS = 200


class Values(NamedTuple):
    """The parameters of one request.

    Attributes:
        bound: name -> value, for every parameter of the contract.
        key: one text for all of them: equal for equal values, and only for those.
        limit, offset: of the answer's rows; limit 0 is all of them.
        listing: what of the rows is asked for.
        mark: where the first row is in a keyed copy, if that is known.
    """

    bound: Mapping[str, Bound]
    key: str
    limit: int = 0
    offset: int = 0
    listing: Listing = PLAIN
    mark: bytes = b""

    @property
    def has_values(self) -> bool:
        """Whether anything in the query is what a client has written."""
        return bool(self.bound) or bool(self.listing.conditions)

    @property
    def question(self) -> str:
        """The key without limit and offset: what the pages of one answer have in common."""
        return (
            self.key.removesuffix(_key(self.limit) + _key(self.offset)) if self.limit else self.key
        )

    def from_offset(self, offset: int, mark: bytes = b"") -> Values:
        """The same question, answered from another row on; `mark` is as above."""
        key = self.question + _key(self.limit) + _key(offset)
        return self._replace(offset=offset, key=key, mark=mark)


@dataclass(frozen=True)
class _Rules:
    """One parameter of the contract, with its bounds read by its own type."""

    parameter: Parameter
    read: Reader
    is_list: bool
    low: Scalar | None
    high: Scalar | None
    enum: tuple[Scalar, ...]
    pattern: re.Pattern[str] | None
    default: Bound
    default_key: str
    is_required: bool

    @classmethod
    def of(cls, parameter: Parameter) -> _Rules:
        is_list = parameter.type.endswith("[]")
        read = reader(parameter.type.removesuffix("[]"))
        single = _typed(read, parameter.default)
        default: Bound = [single] if is_list and single is not None else single
        return cls(
            parameter=parameter,
            read=read,
            is_list=is_list,
            low=_typed(read, parameter.min),
            high=_typed(read, parameter.max),
            enum=tuple(read(_text(value)) for value in parameter.enum),
            pattern=re.compile(parameter.pattern) if parameter.pattern else None,
            default=default,
            default_key=_key(default),
            is_required=parameter.required,
        )

    @cached_property
    def quick(self) -> Reader:
        """`value`, without a look at rules that are not there."""
        has_rules = (self.low, self.high, self.pattern) != (None, None, None) or bool(self.enum)
        return self.value if has_rules else self.read

    def value(self, text: str) -> Scalar:
        """What a text stands for. Raises Unfit."""
        value = self.read(text)
        # Bounds were read by the same reader as the value: they compare.
        ordered, low, high = cast("_Ordered", (value, self.low, self.high))
        if low is not None and ordered < low:
            raise Unfit(f"{canonical(low)} or more")
        if high is not None and ordered > high:
            raise Unfit(f"{canonical(high)} or less")
        if self.enum and value not in self.enum:
            raise Unfit(f"one of {', '.join(canonical(each) for each in self.enum)}")
        if self.pattern and not self.pattern.fullmatch(text):
            raise Unfit(f"a text that matches {self.pattern.pattern}")
        return value


@dataclass(frozen=True)
class ParameterReader:
    """Reads the parameters of every request to one endpoint; make it by `of`."""

    rules: tuple[tuple[str, _Rules], ...]
    known: frozenset[str]
    pages: bool
    listing: ListingReader

    @classmethod
    def of(cls, endpoint: EndpointContract) -> ParameterReader:
        """The reader for an endpoint.

        Raises:
            ValueError: a default, bound or pattern of the contract is no value of its type.
        """
        paging = paging_parameters(endpoint)
        # Those of the path first: what follows them is the same for every request without a query.
        own = sorted(endpoint.parameters, key=lambda each: each.place != "path")
        every = (*own, *paging)
        return cls(
            tuple((each.name, _Rules.of(each)) for each in every),
            frozenset(each.name for each in every if each.place == "query"),
            bool(paging),
            ListingReader.of(endpoint),
        )

    def read(self, path: Mapping[str, str], query: Sequence[tuple[str, str]]) -> Values:
        """The values of a request.

        Args:
            path: parameter -> text, from the route.
            query: (parameter, text) in the order of the URL.

        Raises:
            Refused: 422, with everything that is wrong.
        """
        try:
            return self._plain(path, query) if query else self._of_path(path)
        except Unfit:
            # All that is wrong is to be said at once.
            return self._every(path, query)

    @cached_property
    def _usual(self) -> Values | None:
        """What every request without a query has beside its path; None when it lacks something."""
        rest = [(name, rules) for name, rules in self.rules if rules.parameter.place != "path"]
        if any(rules.is_required for _, rules in rest):
            return None
        bound = {name: rules.default for name, rules in rest}
        return self._values(bound, "".join(rules.default_key for _, rules in rest))

    def _of_path(self, path: Mapping[str, str]) -> Values:
        """The values of a request without a query. Raises Unfit when they do not fit."""
        usual = self._usual
        if usual is None:
            raise Unfit
        bound = dict(usual.bound)
        key = ""
        for name, rules in self.rules[: len(path)]:
            bound[name] = value = rules.quick(path[name])
            spelled = value if isinstance(value, str) else canonical(value)
            key += f"{len(spelled)}:{spelled}"
        return Values(bound, key + usual.key, usual.limit, usual.offset)

    def _plain(self, path: Mapping[str, str], query: Sequence[tuple[str, str]]) -> Values:
        """The values of known parameters, each given once. Raises Unfit when that is not so."""
        texts = {**path, **dict(query)}
        if len(texts) != len(path) + len(query):
            raise Unfit
        bound: dict[str, Bound] = {}
        key = ""
        known = 0
        for name, rules in self.rules:
            text = texts.get(name)
            if text is None:
                if rules.is_required:
                    raise Unfit
                bound[name] = rules.default
                key += rules.default_key
            else:
                if rules.is_list:
                    raise Unfit
                known += 1
                bound[name] = value = rules.quick(text)
                spelled = value if isinstance(value, str) else canonical(value)
                key += f"{len(spelled)}:{spelled}"
        if known != len(texts):
            raise Unfit
        return self._values(bound, key)

    def _every(self, path: Mapping[str, str], query: Sequence[tuple[str, str]]) -> Values:
        """The values of a request. Raises Refused with everything that is wrong."""
        errors: list[ParameterError] = []
        listing = self._listing(query, errors)
        texts = self._texts(path, query)
        bound = {name: _read(rules, texts.get(name), errors) for name, rules in self.rules}
        if errors:
            raise Refused(parameter_problem(errors))
        key = "".join(map(_key, bound.values()))
        return self._values(bound, listing.key + key, listing)

    def _values(self, bound: dict[str, Bound], key: str, listing: Listing = PLAIN) -> Values:
        if not self.pages:
            return Values(bound, key, listing=listing)
        limit, offset = bound.pop(LIMIT), bound.pop(OFFSET)
        assert isinstance(limit, int)
        assert isinstance(offset, int)
        return Values(bound, key, limit, offset, listing)

    def _listing(self, query: Sequence[tuple[str, str]], errors: list[ParameterError]) -> Listing:
        """What is asked for by other names than those of the endpoint's parameters."""
        others = [pair for pair in query if pair[0] not in self.known]
        if not others:
            return PLAIN
        own = [each for each, _ in self.rules if each in self.known]
        listing = self.listing.read(others, own, errors)
        if listing.cursor and any(name == OFFSET for name, _ in query):
            errors.append(ParameterError(OFFSET, "a cursor is given, too", "one of both"))
        return listing

    def _texts(
        self, path: Mapping[str, str], query: Sequence[tuple[str, str]]
    ) -> dict[str, list[str]]:
        """Parameter -> the texts that are given for it; those of unknown ones do no harm."""
        texts = {name: [text] for name, text in path.items()}
        for name, text in query:
            if name in self.known:
                texts.setdefault(name, []).append(text)
        return texts


def paging_parameters(endpoint: EndpointContract) -> tuple[Parameter, ...]:
    """`limit` and `offset`, which every endpoint has whose query has no `$limit` of its own."""
    if not endpoint.max_limit:
        return ()
    return (
        Parameter(
            name=LIMIT,
            place="query",
            type="BIGINT",
            required=False,
            default=endpoint.limit,
            min=1,
            max=endpoint.max_limit,
            description="The most rows to answer with.",
        ),
        Parameter(
            name=OFFSET,
            place="query",
            type="BIGINT",
            required=False,
            default=0,
            min=0,
            max=_LARGEST_OFFSET,
            description="Rows to leave out at the start.",
        ),
    )


def every_request(
    endpoint: EndpointContract,
) -> Iterator[tuple[dict[str, str], list[tuple[str, str]]]]:
    """The path and query parameters of all requests to an endpoint that has only a few.

    Args:
        endpoint: each of its parameters is BOOLEAN or has an `enum`.
    """
    domains = [
        [_text(value) for value in each.enum or (False, True)] for each in endpoint.parameters
    ]
    for texts in product(*domains):
        given = list(zip(endpoint.parameters, texts, strict=True))
        yield (
            {each.name: text for each, text in given if each.place == "path"},
            [(each.name, text) for each, text in given if each.place == "query"],
        )


def parse_query(query: bytes) -> list[tuple[str, str]]:
    """The (name, text) pairs of a query string, in order.

    Raises:
        Refused: 400, it is not UTF-8 or has too many fields.
    """
    if not query:
        return []
    if query.count(b"&") >= MOST_FIELDS:
        raise too_many_fields()
    if b"%" not in query and b"+" not in query:
        fields = decoded(query).split("&")
        pairs = (field.partition("=") for field in fields if field)
        return [(name, text) for name, _, text in pairs]
    encoded = (field.partition(b"=") for field in query.split(b"&") if field)
    return [(decoded(name), decoded(text)) for name, _, text in encoded]


def too_many_fields() -> Refused:
    """A refusal of a query string of more than MOST_FIELDS fields, to be raised."""
    return Refused(problem(400, f"The URL has more than {MOST_FIELDS} query parameters."))


def decoded(text: bytes, *, plus_is_space: bool = True) -> str:
    """A part of a URL without its percent-encoding.

    Raises:
        Refused: 400, it is not UTF-8.
    """
    raw = text.replace(b"+", b" ") if plus_is_space else text
    try:
        return (unquote_to_bytes(raw) if b"%" in raw else raw).decode()
    except UnicodeDecodeError as exc:
        raise Refused(problem(400, "The URL is not UTF-8.")) from exc


def _read(rules: _Rules, texts: list[str] | None, errors: list[ParameterError]) -> Bound:
    """A parameter's value; what is wrong with it is added to `errors`."""
    name = rules.parameter.name
    if texts is None:
        if rules.parameter.required:
            errors.append(ParameterError(name, "it is missing", _expected(rules)))
        return rules.default
    if len(texts) > 1 and not rules.is_list:
        errors.append(ParameterError(name, f"it is given {len(texts)} times", "it once"))
        return None
    values: list[Scalar] = []
    for text in texts:
        try:
            values.append(rules.value(text))
        except Unfit as exc:
            errors.append(ParameterError(name, shown(text), str(exc)))
    if rules.is_list:
        return values
    return values[0] if values else None


def _expected(rules: _Rules) -> str:
    """What a required parameter would have to be, by the reader's own words."""
    try:
        rules.value("")
    except Unfit as exc:
        return str(exc)
    return "a text"


def _key(value: Bound) -> str:
    """A value as a text that says its own length: no two lists of values give the same."""
    if isinstance(value, list):
        return f"[{len(value)}]" + "".join(map(_key, value))
    if value is None:
        return "-"
    text = canonical(value)
    return f"{len(text)}:{text}"


def _typed(read: Reader, value: Value) -> Scalar | None:
    return None if value is None else read(_text(value))


def _text(value: Value) -> str:
    """A scalar of a YAML file as a client would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
