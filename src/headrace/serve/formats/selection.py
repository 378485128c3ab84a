"""One SELECT that is to be written in some format: takes expressions, gives batches of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import duckdb

from headrace.base.tables import Schema
from headrace.engines.text_rows import Field

# A vector of DuckDB: what it has ready at once.
BATCH_ROWS = 2048
# How wide rows are is not known before the first.
_FIRST_ROWS = 256
PIECE_BYTES = 64 * 1024
LARGEST_PIECE_BYTES = 1024 * 1024


class Cut:
    """How many rows of a SELECT are given; `more` says whether there was another one.

    The SELECT has to give one row more than that.
    """

    def __init__(self, most_rows: int = 0) -> None:
        """Give so many rows; 0 is all of them."""
        self.more = False
        self._is_cut = most_rows > 0
        self._left_rows = most_rows

    def taken(self, count: int) -> int:
        """Of the next `count` rows, how many are given."""
        if not self._is_cut:
            return count
        self.more = count > self._left_rows
        given = min(count, self._left_rows)
        self._left_rows -= given
        return given


@dataclass(frozen=True, slots=True)
class Selection:
    """A SELECT, where it runs, and what it gives.

    Attributes:
        cursor: a connection that nobody else uses meanwhile; when an iterator over it is left
            before its end, the cursor is of no more use.
        sql: without a semicolon.
        parameters: name -> value; exactly those of `sql`.
        columns: of `sql`, in order.
        cut: how many of its rows are given.
    """

    cursor: duckdb.DuckDBPyConnection
    sql: str
    parameters: Mapping[str, object]
    columns: Schema
    cut: Cut = field(default_factory=Cut)

    def batches(
        self, written: Callable[[Sequence[Field]], Sequence[str]]
    ) -> Iterator[list[tuple[bytes, ...]]]:
        """The rows, each as texts in UTF-8; of every batch but the last, there is another.

        Args:
            written: from the fields, the expressions of the texts.

        Raises:
            duckdb.Error: the query failed, or was interrupted.
        """
        self.cursor.execute(_statement(self.sql, self.columns, written), self.parameters)
        count = _FIRST_ROWS
        while True:
            rows: list[tuple[bytes, ...]] = self.cursor.fetchmany(count)
            yield rows[: self.cut.taken(len(rows))]
            if len(rows) < count or self.cut.more:
                return
            row_bytes = max(sum(map(len, row)) for row in rows[::64]) + 1
            count = max(1, min(BATCH_ROWS, LARGEST_PIECE_BYTES // row_bytes))


def fields_of(columns: Schema) -> list[Field]:
    """The columns under the names that `select_sql` gives them: two may have one of their own."""
    return [Field(f"c{number}", each.name, each.type) for number, each in enumerate(columns)]


def select_sql(sql: str, columns: Schema, expressions: Sequence[str]) -> str:
    """A SELECT of expressions over the columns of another."""
    names = ", ".join(field.expression for field in fields_of(columns))
    return f"SELECT {', '.join(expressions)} FROM ({sql}\n) AS _({names})"


@lru_cache(maxsize=1024)
def _statement(
    sql: str, columns: Schema, written: Callable[[Sequence[Field]], Sequence[str]]
) -> duckdb.Statement:
    """The SELECT of texts; parsed once for any number of requests and threads."""
    texts = [f"encode({each})" for each in written(fields_of(columns))]
    [statement] = duckdb.extract_statements(select_sql(sql, columns, texts))
    return statement
