"""Answers compared: asks a server one question, gives the rows of its answer."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from decimal import Decimal
from http.client import HTTPResponse

from benchmarks.serving.questions import Question, Shape

Row = tuple[object, ...]
FIELDS: Mapping[Shape, tuple[str, ...]] = {
    "P": ("customer_id", "orders", "items", "revenue", "first_order", "last_order"),
    "L": ("order_id", "customer_id", "ordered_on", "items", "amount", "status"),
    "A": ("month", "orders", "revenue"),
}
_PATIENCE_SECONDS = 60.0
_DATE_LENGTH = len("2025-01-01")
_CENT = Decimal("0.01")


class DifferentAnswers(Exception):
    """Two servers answer one question differently: their costs cannot be compared."""


def fetch(port: int, request: bytes) -> tuple[bytes, HTTPResponse]:
    """The body of the answer to one request, and its status and headers."""
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_SECONDS) as connection:
        connection.sendall(request)
        answer = HTTPResponse(connection)
        answer.begin()
        return answer.read(), answer


def rows(question: Question, body: bytes) -> list[Row]:
    """What an answer says: its fields in our order, numbers to the cent, times as days."""
    said = json.loads(body, parse_float=Decimal)
    fields = FIELDS[question.shape]
    entries = [said] if isinstance(said, dict) else said
    return [tuple(_plain(entry[field], field) for field in fields) for entry in entries]


def _plain(value: object, field: str) -> object:
    if field in ("revenue", "amount"):
        return Decimal(str(value)).quantize(_CENT)
    if isinstance(value, str):
        return value[:_DATE_LENGTH] if field != "status" else value
    return value


def require_equal(question: Question, answers: Mapping[str, bytes]) -> None:
    """Compare what servers, named by their titles, answer to one question.

    Raises:
        DifferentAnswers: two differ, or there is nothing in them.
    """
    said = {title: rows(question, body) for title, body in answers.items()}
    first, expected = next(iter(said.items()))
    if not expected:
        raise DifferentAnswers(f"{question}: {first} answers no row")
    for title, found in said.items():
        if found != expected:
            different = next(
                (pair for pair in zip(found, expected, strict=False) if pair[0] != pair[1]),
                (f"{len(found)} rows", f"{len(expected)} rows"),
            )
            raise DifferentAnswers(
                f"{question}: {title} says {different[0]}, {first} says {different[1]}"
            )
