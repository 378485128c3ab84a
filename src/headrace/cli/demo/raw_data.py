"""The raw files of the demo: takes nothing, gives paths and bytes, the same on every machine."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache, lru_cache
from random import Random

from headrace.cli.demo.chain import (
    PRICE_STEPS,
    PRODUCTS,
    SITES,
    Site,
    days,
    euros,
    prices_cents,
)
from headrace.cli.demo.trade import Order, members, orders_of, weather_of

# The till of store 4 was offline on that day: its orders came three days later.
LATE_DAY = date(2025, 3, 3)
LATE_STORE = 4
LATE_FILE = "data/orders/2025-03-06-late.csv"

# Every tenth file repeats the last orders of the file before.
REPEAT_EVERY_DAYS = 10
REPEATED_ORDERS = 12
BAD_EVERY_DAYS = 16

_ORDER_HEADER = (
    "order_id,ordered_at,store_id,customer_id,product_id,quantity,unit_price,amount,"
    "channel,status,updated_at"
)
_FIRST_NAMES = (
    "Ana", "Björn", "Carmen", "Daniel", "Elin", "Francisco", "Greta", "Hugo", "Ingrid", "Javier",
    "Klara", "Lars", "Marta", "Nils", "Olivia", "Pablo", "Reto", "Sofia", "Tomás", "Ursina",
    "Vera", "Wilma", "Yara", "Zoé",
)  # fmt: skip
_LAST_NAMES = (
    "Andersson", "Berg", "Castillo", "Díaz", "Eriksson", "Frei", "García", "Huber", "Ivarsson",
    "Jiménez", "Keller", "Lindqvist", "Meier", "Navarro", "Olsson", "Pérez", "Quintero",
    "Rüegg", "Svensson", "Torres", "Ulrich", "Vidal", "Weber", "Zimmermann",
)  # fmt: skip
_ASCII = str.maketrans("áéíóúüö", "aeiouuo")


def raw_files() -> Iterator[tuple[str, bytes]]:
    """Each raw file of the project: its path relative to the project, and its bytes."""
    yield "data/stores.csv", _stores()
    yield "data/products.json", _products()
    yield "data/prices.csv", _prices()
    yield "data/customers.ndjson", _customers()
    yield "data/weather.csv", _weather()
    yield "data/targets.tsv.gz", _targets()
    for day in days():
        yield f"data/orders/{day}.csv", order_file(day)
    late = [order for order in orders_of(LATE_DAY) if _is_late(order)]
    yield LATE_FILE, _lines([_ORDER_HEADER, *(_order_line(order) for order in late)])


def order_file(day: date) -> bytes:
    """The export of one day: some days begin with a repetition, some hold bad rows."""
    lines = [_order_line(order) for order in _delivered(day)]
    for position, line in _bad_rows(day, lines):
        lines[position] = line
    return _lines([_ORDER_HEADER, *_repeated(day), *lines])


def _is_late(order: Order) -> bool:
    return order.store_id == LATE_STORE and order.day == LATE_DAY.isoformat()


# A day is asked for twice where the next one repeats it.
@lru_cache(maxsize=2)
def _delivered(day: date) -> tuple[Order, ...]:
    return tuple(order for order in orders_of(day) if not _is_late(order))


def _repeated(day: date) -> list[str]:
    """The last orders of the day before, again; every fourth was refunded in the meantime."""
    if day.toordinal() % REPEAT_EVERY_DAYS or day == days()[0]:
        return []
    again = _delivered(day - timedelta(days=1))[-REPEATED_ORDERS:]
    return [
        _order_line(_refunded(order, day) if place % 4 == 0 else order)
        for place, order in enumerate(again)
    ]


def _refunded(order: Order, day: date) -> Order:
    second = 7 * 3600 + order.second % 7200
    return order._replace(status="refunded", updated_day=day.isoformat(), updated_second=second)


def _bad_rows(day: date, lines: list[str]) -> Iterator[tuple[int, str]]:
    """What a broken till does to some rows of a day: (position, what is written there)."""
    if day.toordinal() % BAD_EVERY_DAYS:
        return
    turn = day.toordinal() // BAD_EVERY_DAYS
    for number in range(1 + turn % 4):
        position = 17 + 61 * number
        yield position, _broken(lines[position], (turn + number) % 4)


def _broken(line: str, kind: int) -> str:
    fields = line.split(",")
    if kind == 0:
        fields[5] = "two"
    elif kind == 1:
        fields[7] = f"-{fields[7]}"
    elif kind == 2:
        fields = fields[:7]
    else:
        fields[9] = "shipped"
    return ",".join(fields)


def _order_line(order: Order) -> str:
    return (
        f"{order.order_id},{order.day} {_clock(order.second)},{order.store_id},"
        f"{order.customer_id or ''},{order.product_id},{order.quantity},"
        f"{euros(order.price_cents)},{euros(order.amount_cents)},{order.channel},{order.status},"
        f"{order.updated_day} {_clock(order.updated_second)}"
    )


@cache
def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def _stores() -> bytes:
    rows = (
        f"{site.store_id},{site.name},{site.city},{site.opened_on},"
        f"{'office' if site.office else 'leisure'},{site.seats},{site.franchise}"
        for site in SITES
    )
    return _lines(["store_id,name,city,opened_on,kind,seats,franchise", *rows])


def _products() -> bytes:
    rows = [
        {"product_id": product.product_id, "name": product.name, "category": product.category}
        for product in PRODUCTS
    ]
    return (json.dumps(rows, indent=2) + "\n").encode()


def _prices() -> bytes:
    """The price list without a header, as the head office sends it."""
    return _lines(
        f"{product.product_id},{since},{euros(prices_cents(step)[place])}"
        for step, (since, _) in enumerate(PRICE_STEPS)
        for place, product in enumerate(PRODUCTS)
    )


def _customers() -> bytes:
    random = Random(7).random  # noqa: S311 - repeatable on purpose
    rows = []
    for member in members():
        first = _FIRST_NAMES[int(random() * len(_FIRST_NAMES))]
        last = _LAST_NAMES[int(random() * len(_LAST_NAMES))]
        address = f"{first}.{last}{member.customer_id}".lower().translate(_ASCII)
        rows.append(
            {
                "customer_id": member.customer_id,
                "name": f"{first} {last}",
                "email": f"{address}@example.com",
                "signed_up_on": str(member.signed_up_on),
                "store_id": member.store_id,
                "newsletter": random() < 0.4,
            }
        )
    # Somebody tried out the form at the till.
    test = {**rows[-1], "customer_id": len(rows) + 1, "name": "Test Test", "email": "n/a"}
    return _lines(json.dumps(row, ensure_ascii=False) for row in [*rows, test])


def _weather() -> bytes:
    """The weather service's export: Latin-1, semicolons, a line before the header, gaps as n/a."""
    lines = ["# Weather, daily means; temperature in °C, rain in mm", "day;city;temperature;rain"]
    for day in days():
        for city, weather in weather_of(day).items():
            rain = "n/a" if weather.rain is None else _tenths(weather.rain)
            lines.append(f"{day};{city};{_tenths(weather.temperature)};{rain}")
    return _lines(lines, encoding="latin-1")


def _tenths(value: int) -> str:
    sign = "-" if value < 0 else ""
    return f"{sign}{abs(value) // 10}.{abs(value) % 10}"


def _targets() -> bytes:
    """Each store's revenue target for each month of the two years, from its opening on."""
    months = [day for day in days() if day.day == 1]
    rows = (
        f"{site.store_id}\t{month}\t{euros(_target_cents(site, month))}"
        for site in SITES
        for month in months
        if month >= site.opened_on
    )
    return _gzip(_lines(["store_id\tmonth\ttarget", *rows]))


def _target_cents(site: Site, month: date) -> int:
    """What the head office hopes for: thirty days of orders at six euros, more each year."""
    hoped_orders = site.size * 30 * (100 + 9 * (month.year - 2024)) // 100
    return hoped_orders * 600 // 10_000 * 10_000


def _gzip(data: bytes) -> bytes:
    """`data` as gzip in one stored block: what compression gives differs between zlib's builds."""
    header = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    block = struct.pack("<BHH", 1, len(data), len(data) ^ 0xFFFF)
    return header + block + data + struct.pack("<II", zlib.crc32(data), len(data))


def _lines(lines: Iterator[str] | list[str], encoding: str = "utf-8") -> bytes:
    return ("\n".join(lines) + "\n").encode(encoding)
