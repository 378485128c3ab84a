"""What a file of tests/ declares, as nouns with their places; nothing is looked up yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from headrace.base.access import ANONYMOUS, Principal
from headrace.base.errors import Place
from headrace.pipeline.project.documents import Node, Scalar


@dataclass(frozen=True, slots=True)
class Row:
    """One row as written: column -> value, in the order of the file."""

    place: Place
    cells: tuple[tuple[Scalar, Node], ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that a table is given, or expected to have. `table` is as the user spelt it."""

    table: str
    place: Place
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A GET of a path with its query string, and the answer that is expected.

    `body` is None when only the status is; `principal` is who asks.
    """

    target: str
    place: Place
    status: int = 200
    body: Node | None = None
    principal: Principal = ANONYMOUS


@dataclass(frozen=True, slots=True)
class UnitTest:
    """One unit test: of models (`expected`), or of an endpoint (`request`), never of both.

    Attributes:
        name: unique in its file.
        place: where it stands; its `file` is the file of the test.
        given: the rows of tables; those of no other table are in the test.
        expected: the rows of models.
        ordered: whether the order of the expected rows counts.
        request: what is asked.
        at: what the clock shows, aware; None when that is not said.
    """

    name: str
    place: Place
    given: tuple[Rows, ...] = ()
    expected: tuple[Rows, ...] = ()
    ordered: bool = False
    request: Request | None = None
    at: datetime | None = None

    @property
    def label(self) -> str:
        """The test as its file and name: "tests/revenue.yaml: refunds do not count"."""
        return f"{self.place.file}: {self.name}"
