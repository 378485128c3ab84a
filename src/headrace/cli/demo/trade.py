"""What happened in the stores: takes a day, gives its weather and its orders, always the same.

Only `Random.random()` is drawn from: of all that `random` offers, it alone promises the same
numbers in every version of Python. Everything else is integer arithmetic.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from random import Random
from typing import NamedTuple, TypeAlias

from headrace.cli.demo.chain import (
    CITIES,
    FIRST_DAY,
    LAST_DAY,
    PRODUCTS,
    SITES,
    Site,
    price_step,
    prices_cents,
)

_Draw: TypeAlias = Callable[[], float]

_SEED = 20_240_101
CUSTOMERS = 9_000

# Weights of the hours from 7 to 20.
_OFFICE_HOURS = (9, 16, 15, 9, 6, 8, 9, 7, 6, 6, 4, 3, 2, 1)
_LEISURE_HOURS = (2, 5, 9, 12, 12, 10, 9, 9, 10, 9, 6, 4, 2, 1)
_OFFICE_WEEK = (108, 114, 116, 118, 104, 62, 48)
_LEISURE_WEEK = (84, 86, 88, 94, 108, 132, 122)
_MONTHS = (93, 94, 98, 100, 103, 104, 96, 94, 102, 104, 105, 111)


class Weather(NamedTuple):
    """One day in one city; temperature and rain are in tenths of °C and mm, rain may be unknown."""

    temperature: int
    rain: int | None


class Order(NamedTuple):
    """One row of the till's export.

    Days are ISO texts, seconds count from midnight; `customer_id` 0 is nobody we know.
    """

    order_id: int
    day: str
    second: int
    store_id: int
    customer_id: int
    product_id: int
    quantity: int
    price_cents: int
    amount_cents: int
    channel: str
    status: str
    updated_day: str
    updated_second: int


@dataclass(frozen=True, slots=True)
class Member:
    """A customer of the loyalty programme."""

    customer_id: int
    signed_up_on: date
    store_id: int


def _random(kind: int, number: int) -> Random:
    """A generator of its own for each thing, so that each can be made without the others."""
    return Random((_SEED * 10 + kind) * 1_000_000 + number)  # noqa: S311 - repeatable on purpose


def _spread(weights: tuple[int, ...], first: int = 0) -> tuple[int, ...]:
    """Each position, counted from `first`, as often as its weight: one draw picks from it."""
    return tuple(first + place for place, weight in enumerate(weights) for _ in range(weight))


_HOURS = {True: _spread(_OFFICE_HOURS, 7), False: _spread(_LEISURE_HOURS, 7)}
_MENUS = {
    (summer, morning): _spread(
        tuple(
            (product.morning if morning else product.later) + summer * product.summer
            for product in PRODUCTS
        )
    )
    for summer in (False, True)
    for morning in (False, True)
}
_QUANTITIES = _spread((0, 68, 22, 7, 3))
_CHANNELS = ("counter",) * 62 + ("app",) * 27 + ("delivery",) * 11
_STATUSES = ("completed",) * 194 + ("cancelled",) * 4 + ("refunded",) * 2


def weather_of(day: date) -> dict[str, Weather]:
    """The weather of a day, by city."""
    random = _random(1, day.toordinal()).random
    found: dict[str, Weather] = {}
    for city in CITIES:
        swing = int((random() + random() + random()) * 60) - 90
        rain = max(0, int(random() * 260) - 170)
        known = random() > 0.01
        found[city.name] = Weather(
            city.normals[day.month - 1] * 10 + swing, rain if known else None
        )
    return found


@cache
def members() -> tuple[Member, ...]:
    """Every customer, in the order in which they signed up."""
    random = _random(2, 0).random
    sites = _spread(tuple(site.size for site in SITES))
    joined = []
    for _ in range(CUSTOMERS):
        site = SITES[sites[int(random() * len(sites))]]
        old = random() < 0.35
        start = max(FIRST_DAY, site.opened_on)
        if old and start == FIRST_DAY:
            joined.append((FIRST_DAY - timedelta(days=1 + int(random() * 90)), site.store_id))
        else:
            open_days = (LAST_DAY - start).days
            joined.append((start + timedelta(days=int(random() * open_days)), site.store_id))
    return tuple(Member(number, *member) for number, member in enumerate(sorted(joined), start=1))


@cache
def _members_of(store_id: int) -> tuple[list[int], list[date]]:
    """Ids and sign-up days of a store's customers, in the order of signing up."""
    own = [member for member in members() if member.store_id == store_id]
    return [member.customer_id for member in own], [member.signed_up_on for member in own]


def orders_of(day: date) -> Iterator[Order]:
    """The orders of one day in the order in which they were placed, numbered from 1.

    An order's id is the day and its number: 202401010001 is the first of 1 January 2024.
    """
    random = _random(3, day.toordinal()).random
    known = {site.store_id: _known_members(site, day) for site in SITES}
    prices = prices_cents(price_step(day))
    summer = day.month in {6, 7, 8}
    written = day.isoformat()
    first_id = int(f"{day:%Y%m%d}") * 10_000
    for number, (second, store_id) in enumerate(_moments(day, random), start=1):
        menu = _MENUS[summer, second < 11 * 3600]
        product = menu[int(random() * len(menu))]
        quantity = _QUANTITIES[int(random() * 100)]
        channel = _CHANNELS[int(random() * 100)]
        # Ordering in the app takes 5 % off.
        amount = prices[product] * quantity * (95 if channel == "app" else 100) // 100
        yield Order(
            first_id + number,
            written,
            second,
            store_id,
            _customer(known[store_id], channel != "counter", random),
            product + 1,
            quantity,
            prices[product],
            amount,
            channel,
            _STATUSES[int(random() * 200)],
            written,
            second + 90 + int(random() * 600),
        )


def _known_members(site: Site, day: date) -> list[int]:
    """The customers of a store who have signed up by a day."""
    ids, signed_up = _members_of(site.store_id)
    return ids[: bisect_right(signed_up, day)]


def _moments(day: date, random: _Draw) -> list[tuple[int, int]]:
    """When an order was placed, and in which store: (second of the day, store_id), in order."""
    weather = weather_of(day)
    found = []
    for site in SITES:
        hours = _HOURS[site.office and day.weekday() < 5]
        for _ in range(_orders_expected(site, day, weather[site.city]) * _noise(random) // 100):
            hour = hours[int(random() * len(hours))]
            found.append((hour * 3600 + int(random() * 3600), site.store_id))
    return sorted(found)


def _noise(random: _Draw) -> int:
    """A factor in per cent: most days are near the expected, few are far from it."""
    return 86 + int((random() + random()) * 14)


def _orders_expected(site: Site, day: date, weather: Weather) -> int:
    """The orders that a store of this size has on such a day."""
    if day < site.opened_on:
        return 0
    week = _OFFICE_WEEK if site.office else _LEISURE_WEEK
    factors = (
        week[day.weekday()],
        _MONTHS[day.month - 1],
        98 + (day - FIRST_DAY).days // 30,
        min(100, 55 + (day - site.opened_on).days // 2),
        90 if (weather.rain or 0) > 40 else 100,
        20 if (day.month, day.day) in {(1, 1), (12, 25)} else 100,
    )
    expected = site.size * 1000
    for factor in factors:
        expected = expected * factor // 100
    return expected // 1000


def _customer(known: list[int], named: bool, random: _Draw) -> int:
    """Who ordered: nobody we know, one of the regulars (every fifth), or somebody rather new.

    That regulars stay and the others fade is what makes the cohorts look like real ones.
    """
    if not known or (not named and random() < 0.55):
        return 0
    if random() < 0.45:
        return known[int(random() * ((len(known) + 4) // 5)) * 5]
    age = random()
    return known[len(known) - 1 - int(age * age * len(known))]
