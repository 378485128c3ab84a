"""The chain's constants hold together."""

import itertools
from datetime import date

from headrace.cli.demo.chain import (
    CITIES,
    PRICE_STEPS,
    PRODUCTS,
    SITES,
    days,
    euros,
    price_step,
    prices_cents,
)


def test_two_years_have_731_days() -> None:
    assert (len(days()), days()[0], days()[-1]) == (731, date(2024, 1, 1), date(2025, 12, 31))


def test_ids_count_from_one_and_every_store_is_in_a_known_city() -> None:
    assert [site.store_id for site in SITES] == list(range(1, len(SITES) + 1))
    assert [product.product_id for product in PRODUCTS] == list(range(1, len(PRODUCTS) + 1))
    assert {site.city for site in SITES} == {city.name for city in CITIES}


def test_a_new_price_holds_from_its_day_on() -> None:
    since = PRICE_STEPS[1][0]
    assert price_step(date(2024, 1, 1)) == 0
    assert price_step(date(since.year, since.month - 1, 31)) == 0
    assert price_step(since) == 1
    assert price_step(date(2025, 12, 31)) == len(PRICE_STEPS) - 1


def test_prices_rise_and_end_in_five_or_zero() -> None:
    lists = [prices_cents(step) for step in range(len(PRICE_STEPS))]
    for before, after in itertools.pairwise(lists):
        assert all(old <= new for old, new in zip(before, after, strict=True))
    assert all(price % 5 == 0 for prices in lists for price in prices)


def test_cents_are_written_as_decimals() -> None:
    assert [euros(cents) for cents in (0, 5, 1150, -450)] == ["0.00", "0.05", "11.50", "-4.50"]
