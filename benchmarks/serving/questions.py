"""What is asked: gives random questions of each shape, the same ones every time."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

Shape = Literal["P", "L", "A"]
SHAPES: tuple[Shape, ...] = ("P", "L", "A")
FIRST_DAY, DAYS = date(2025, 1, 1), 365
ORDERS = 5_000_000
_COUNT = 100_000


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows there are; everything else follows from the number of orders."""

    orders: int = ORDERS

    @property
    def stores(self) -> int:
        """One for each 5,000 orders, at least 10: each has orders on each day."""
        return max(10, self.orders // 5_000)

    @property
    def customers(self) -> int:
        """One for each 25 orders."""
        return max(10, self.orders // 25)


@dataclass(frozen=True, slots=True)
class Question:
    """One request: a customer's summary (P), a store's last orders (L), or its months (A).

    `since` and `until` are days, and of shape A only.
    """

    shape: Shape
    key: int
    since: str = ""
    until: str = ""


def questions(shape: Shape, size: Size, count: int = _COUNT) -> list[Question]:
    """`count` questions with random keys and, for A, over 30 to 365 random days."""
    chance = random.Random(f"{shape} {size.orders}")
    keys = size.customers if shape == "P" else size.stores
    return [_question(shape, chance.randint(1, keys), chance) for _ in range(count)]


def _question(shape: Shape, key: int, chance: random.Random) -> Question:
    if shape != "A":
        return Question(shape, key)
    first = chance.randint(0, DAYS - 30)
    last = chance.randint(first + 29, DAYS - 1)
    since, until = (FIRST_DAY + timedelta(days=days) for days in (first, last))
    return Question(shape, key, since.isoformat(), until.isoformat())
