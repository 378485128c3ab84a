"""Formats of an answer: chooses one by ending, Accept and query, and gives a SELECT's rows in it.

docs/serving.md lists the formats, and what values look like in them.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal, TypeAlias, get_args

import duckdb

from headrace.base.tables import Schema
from headrace.engines.json_values import Numbers
from headrace.serve.answering.problems import ParameterError, Refused, parameter_problem, shown
from headrace.serve.formats import text_pieces
from headrace.serve.formats.qualities import qualities
from headrace.serve.formats.selection import Cut, Selection
from headrace.serve.formats.workbooks import workbook

Ending: TypeAlias = Literal["json", "ndjson", "csv", "arrow", "parquet", "xlsx"]
Shape: TypeAlias = Literal["rows", "columns", "arrays"]

_MEDIA_TYPES: Mapping[str, str] = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# Names that many clients use, registered by nobody.
_ALIASES = {
    "application/ndjson": "application/x-ndjson",
    "application/jsonl": "application/x-ndjson",
    "application/x-parquet": "application/vnd.apache.parquet",
}
# The parameters of a URL by which a client chooses among the forms of a format.
_SHAPE, _NUMBERS = "shape", "numbers"
_OPTIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "json": {_SHAPE: get_args(Shape), _NUMBERS: get_args(Numbers)},
    "ndjson": {_NUMBERS: get_args(Numbers)},
}


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer is written.

    Attributes:
        ending: the format's name, and what a path ends in to ask for it.
        shape: of JSON: an array of objects, or an object of arrays: a column or a row each.
        guard: whether CSV keeps spreadsheets from taking a text for a formula.
        numbers: whether JSON has decimals and integers of 64 bits and more as numbers.
    """

    ending: Ending
    shape: Shape = "rows"
    guard: bool = True
    numbers: Numbers = "digits"

    @property
    def media_type(self) -> str:
        """What Accept calls the format."""
        return _MEDIA_TYPES[self.ending]

    @property
    def content_type(self) -> str:
        """The media type with its parameters."""
        return self.media_type + ("; charset=utf-8; header=present" if self.ending == "csv" else "")

    @property
    def is_file(self) -> bool:
        """Whether a browser is to save the answer rather than to show it."""
        return self.ending not in ("json", "ndjson")

    @property
    def is_compressed(self) -> bool:
        """Whether to compress the answer again would gain nothing."""
        return self.ending in ("parquet", "xlsx")

    @property
    def is_plain(self) -> bool:
        """Whether the answer is an array of the JSON objects that keyed copies hold."""
        return (self.ending, self.shape, self.numbers) == ("json", "rows", "digits")

    def variants(self) -> Iterator[Form]:
        """The forms that a client can choose among in this format; itself first."""
        options = _OPTIONS.get(self.ending, {})
        for chosen in product(*options.values()):
            yield self.with_options(zip(options, chosen, strict=True))

    def with_options(self, options: Iterable[tuple[str, str]]) -> Form:
        """The form with other options, which must be among those of its format."""
        changes: dict[str, Any] = dict(options)
        return replace(self, **changes)


def pieces(
    cursor: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Mapping[str, object],
    columns: Schema,
    form: Form,
    cut: Cut | None = None,
) -> Generator[bytes]:
    """The bytes of an answer; nothing runs before the first are asked for.

    The pieces have 64 KiB to 1 MiB, but for those at either end. When the iterator is left before
    its end, the cursor is of no more use.

    Args:
        cursor: a connection that nobody else uses meanwhile.
        sql: one SELECT, without a semicolon.
        parameters: name -> value; exactly those of `sql`.
        columns: of `sql`, in order.
        form: how the rows are written.
        cut: how many of the rows are given; None is all of them.

    Raises:
        duckdb.Error: the query failed, or was interrupted; some pieces may have been given.
    """
    selection = Selection(cursor, sql, parameters, columns, cut or Cut())
    if form.ending == "json":
        yield from _JSON[form.shape](selection, form.numbers)
    elif form.ending == "ndjson":
        yield from text_pieces.json_lines(selection, form.numbers)
    elif form.ending == "csv":
        yield from text_pieces.csv_lines(selection, guard=form.guard)
    elif form.ending == "xlsx":
        yield from workbook(selection)
    else:
        yield from _file_pieces(selection, form.ending)


def _file_pieces(selection: Selection, ending: str) -> Iterator[bytes]:
    # pyarrow takes 0.3 s to import, and most processes write no such file.
    from headrace.serve.formats import file_pieces  # noqa: PLC0415

    return file_pieces.WRITERS[ending](selection)


_JSON = {
    "rows": text_pieces.json_rows,
    "columns": text_pieces.json_columns,
    "arrays": text_pieces.json_arrays,
}


@dataclass(frozen=True, slots=True)
class Formats:
    """The formats that an answer may have; the first is the default."""

    offered: tuple[Form, ...]
    forms: tuple[Form, ...] = field(init=False)

    def __post_init__(self) -> None:
        every = tuple(form for each in self.offered for form in each.variants())
        object.__setattr__(self, "forms", every)

    def by_ending(self, segment: str) -> tuple[str, Form | None]:
        """A path's last segment without its ending, and the format that the ending asks for."""
        stem, dot, ending = segment.rpartition(".")
        for each in self.offered:
            if dot and stem and each.ending == ending:
                return stem, each
        return segment, None

    def by_accept(self, accept: str) -> Form | None:
        """The format that an Accept header likes best; None when it likes none of them."""
        ranges = MediaRanges.parse(accept)
        chosen = max(self.offered, key=lambda each: ranges.quality(each.media_type))
        return chosen if ranges.quality(chosen.media_type) else None


def formats(*, csv_formula_guard: bool) -> Formats:
    """Every format of this version."""
    return Formats(tuple(Form(each, guard=csv_formula_guard) for each in get_args(Ending)))


def form_options() -> dict[str, tuple[str, ...]]:
    """The parameters by which a client chooses among the forms of JSON; first is the default."""
    return dict(_OPTIONS["json"])


def chosen_form(
    form: Form, query: Sequence[tuple[str, str]], own: Collection[str]
) -> tuple[Form, Sequence[tuple[str, str]]]:
    """The form of an answer as its query string wants it, and the rest of the query string.

    Args:
        form: what ending and Accept ask for.
        query: (parameter, text) in the order of the URL.
        own: the endpoint's own parameters; what these mean is for the endpoint to say.

    Raises:
        Refused: 422, the format has no such form.
    """
    asked = [pair for pair in query if pair[0] in (_SHAPE, _NUMBERS) and pair[0] not in own]
    if not asked:
        return form, query
    options = _OPTIONS.get(form.ending, {})
    errors = [
        error
        for number, (name, text) in enumerate(asked)
        if (error := _unfit(form, name, text, options, asked[:number]))
    ]
    if errors:
        raise Refused(parameter_problem(errors))
    return form.with_options(asked), [pair for pair in query if pair not in asked]


def _unfit(
    form: Form,
    name: str,
    text: str,
    options: Mapping[str, tuple[str, ...]],
    before: Sequence[tuple[str, str]],
) -> ParameterError | None:
    if name not in options:
        known = " and ".join(f".{ending}" for ending, each in _OPTIONS.items() if name in each)
        return ParameterError(
            name, f"there is no such parameter for .{form.ending}", f"it for {known}"
        )
    if any(name == each for each, _ in before):
        return ParameterError(name, "it is given twice", "it once")
    if text not in options[name]:
        return ParameterError(name, shown(text), f"one of {', '.join(options[name])}")
    return None


@dataclass(frozen=True, slots=True)
class MediaRanges:
    """What an Accept header says: media type, or range of them -> quality."""

    qualities: Mapping[str, float]

    @classmethod
    def parse(cls, accept: str) -> MediaRanges:
        """The ranges of a header; a quality that is none counts as 0. "" accepts everything."""
        return cls(qualities(accept, _ALIASES) if accept.strip() else {"*/*": 1.0})

    def quality(self, media_type: str) -> float:
        """How much a media type is liked, by the range that names it most exactly."""
        ranges = (media_type, media_type.partition("/")[0] + "/*", "*/*")
        return next((self.qualities[each] for each in ranges if each in self.qualities), 0.0)
