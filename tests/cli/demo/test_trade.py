"""What happens in the stores is plausible, and the same each time."""

from collections import Counter
from datetime import date, timedelta

from headrace.cli.demo.chain import FIRST_DAY, LAST_DAY, SITES
from headrace.cli.demo.trade import CUSTOMERS, members, orders_of, weather_of

SATURDAY = date(2025, 6, 14)


def test_a_day_is_the_same_each_time_it_is_asked_for() -> None:
    assert list(orders_of(SATURDAY)) == list(orders_of(SATURDAY))
    assert weather_of(SATURDAY) == weather_of(SATURDAY)


def test_orders_are_numbered_in_the_order_in_which_they_were_placed() -> None:
    orders = list(orders_of(SATURDAY))
    assert [order.order_id for order in orders] == [
        202506140000 + number for number in range(1, len(orders) + 1)
    ]
    assert [order.second for order in orders] == sorted(order.second for order in orders)


def test_nobody_pays_more_than_the_price_list_asks_for() -> None:
    for order in orders_of(SATURDAY):
        full = order.quantity * order.price_cents
        assert order.amount_cents == (full * 95 // 100 if order.channel == "app" else full)


def test_no_store_sells_before_it_opens() -> None:
    opening = SITES[11].opened_on
    before = {order.store_id for order in orders_of(opening - timedelta(days=1))}
    assert before == set(range(1, 12))
    assert {order.store_id for order in orders_of(opening)} == set(range(1, 13))


def test_nobody_orders_before_signing_up() -> None:
    signed_up = {member.customer_id: member.signed_up_on for member in members()}
    known = [order.customer_id for order in orders_of(SATURDAY) if order.customer_id]
    assert known
    assert all(signed_up[customer_id] <= SATURDAY for customer_id in known)


def test_offices_are_busy_from_monday_to_friday_and_the_others_at_the_weekend() -> None:
    office, leisure = Counter[bool](), Counter[bool]()
    offices = {site.store_id for site in SITES if site.office}
    for ahead in range(7):
        day = SATURDAY + timedelta(days=ahead)
        for order in orders_of(day):
            (office if order.store_id in offices else leisure)[day.weekday() < 5] += 1
    assert office[True] / 5 > office[False] / 2
    assert leisure[True] / 5 < leisure[False] / 2


def test_customers_are_numbered_by_their_day_of_signing_up() -> None:
    everybody = members()
    assert [member.customer_id for member in everybody] == list(range(1, CUSTOMERS + 1))
    days = [member.signed_up_on for member in everybody]
    assert days == sorted(days)
    assert FIRST_DAY - timedelta(days=90) <= days[0] < FIRST_DAY
    assert days[-1] <= LAST_DAY
