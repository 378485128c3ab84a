"""The coffee chain itself: its cities, stores, products and prices, as constants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

FIRST_DAY = date(2024, 1, 1)
LAST_DAY = date(2025, 12, 31)


@dataclass(frozen=True, slots=True)
class City:
    """A city: `normals` are its mean temperatures in °C, January to December."""

    name: str
    normals: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """One store: `size` is its orders on an average day in 2024.

    `franchise` is the company that runs it: it has all stores of one city, and no others.
    An `office` store is busy from Monday to Friday, the others at the weekend.
    """

    store_id: int
    name: str
    city: str
    franchise: str
    opened_on: date
    size: int
    office: bool
    seats: int


@dataclass(frozen=True, slots=True)
class Product:
    """One thing on the menu.

    `price_cents` is the price of January 2024. `morning`, `later` and `summer` are weights: how
    often it is bought before eleven, after, and in addition from June to August.
    """

    product_id: int
    name: str
    category: str
    price_cents: int
    morning: int
    later: int
    summer: int = 0


CITIES = (
    City("Málaga", (12, 13, 15, 17, 20, 24, 26, 27, 24, 20, 16, 13)),
    City("Zürich", (1, 2, 6, 10, 14, 18, 20, 19, 15, 10, 5, 2)),
    City("Göteborg", (0, 0, 2, 7, 12, 16, 18, 17, 13, 9, 4, 1)),
)

_LONG_AGO = date(2019, 4, 1)
SITES = (
    Site(1, "Alameda", "Málaga", "costa", _LONG_AGO, 62, office=False, seats=48),
    Site(2, "Puerto", "Málaga", "costa", _LONG_AGO, 74, office=False, seats=60),
    Site(3, "Soho", "Málaga", "costa", date(2021, 9, 15), 48, office=True, seats=30),
    Site(4, "Limmatquai", "Zürich", "alpina", _LONG_AGO, 78, office=False, seats=54),
    Site(5, "Hardbrücke", "Zürich", "alpina", date(2020, 2, 1), 70, office=True, seats=36),
    Site(6, "Oerlikon", "Zürich", "alpina", date(2022, 5, 1), 52, office=True, seats=28),
    Site(7, "Haga", "Göteborg", "nordic", _LONG_AGO, 66, office=False, seats=44),
    Site(8, "Lindholmen", "Göteborg", "nordic", date(2020, 8, 17), 58, office=True, seats=32),
    Site(9, "Linné", "Göteborg", "nordic", date(2023, 3, 6), 44, office=False, seats=26),
    Site(10, "Teatinos", "Málaga", "costa", date(2023, 10, 2), 40, office=True, seats=24),
    Site(11, "Seefeld", "Zürich", "alpina", date(2024, 6, 3), 56, office=False, seats=38),
    Site(12, "Majorna", "Göteborg", "nordic", date(2025, 2, 17), 46, office=False, seats=30),
)

PRODUCTS = (
    Product(1, "Espresso", "coffee", 240, 14, 10),
    Product(2, "Double espresso", "coffee", 310, 8, 6),
    Product(3, "Cortado", "coffee", 330, 8, 6),
    Product(4, "Cappuccino", "coffee", 390, 18, 8),
    Product(5, "Flat white", "coffee", 420, 16, 9),
    Product(6, "Latte", "coffee", 430, 17, 10),
    Product(7, "Filter coffee", "coffee", 290, 15, 7),
    Product(8, "Mocha", "coffee", 460, 4, 6),
    Product(9, "Decaf cappuccino", "coffee", 400, 2, 4),
    Product(10, "Breakfast tea", "tea", 310, 6, 4),
    Product(11, "Mint tea", "tea", 330, 2, 6),
    Product(12, "Chai latte", "tea", 450, 3, 6),
    Product(13, "Iced latte", "cold drinks", 470, 2, 5, 14),
    Product(14, "Cold brew", "cold drinks", 450, 2, 4, 13),
    Product(15, "Lemonade", "cold drinks", 390, 1, 4, 10),
    Product(16, "Orange juice", "cold drinks", 420, 6, 3, 4),
    Product(17, "Croissant", "bakery", 280, 15, 3),
    Product(18, "Almond croissant", "bakery", 360, 8, 3),
    Product(19, "Cinnamon bun", "bakery", 370, 6, 9),
    Product(20, "Banana bread", "bakery", 390, 4, 7),
    Product(21, "Cheesecake", "bakery", 520, 1, 7),
    Product(22, "Egg sandwich", "food", 650, 7, 6),
    Product(23, "Grilled cheese", "food", 720, 1, 10),
    Product(24, "Bag of beans, 250 g", "beans", 1150, 2, 3),
)

# From each day on, a price is so many per cent of the price of January 2024.
PRICE_STEPS = ((FIRST_DAY, 100), (date(2024, 9, 1), 104), (date(2025, 5, 1), 109))


def days() -> list[date]:
    """Every day of the two years, in order."""
    return [FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1)]


def price_step(day: date) -> int:
    """The position in `PRICE_STEPS` of the prices that hold on `day`."""
    return sum(day >= since for since, _ in PRICE_STEPS) - 1


@cache
def prices_cents(step: int) -> tuple[int, ...]:
    """The price list of one step, in the order of `PRODUCTS`, rounded to five cents."""
    per_cent = PRICE_STEPS[step][1]
    return tuple((product.price_cents * per_cent + 250) // 500 * 5 for product in PRODUCTS)


@cache
def euros(cents: int) -> str:
    """Cents as a decimal: 1150 is "11.50"."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"
