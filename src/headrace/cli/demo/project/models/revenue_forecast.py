"""The next two weeks of each store, from what it sold so far.

SQL has no loop that carries a value from day to day; Python does. The annotation of the parameter
names the table that the function reads and says which frame it gets.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from statistics import fmean

import pyarrow as pa

from headrace import model

DAYS_AHEAD = 14
SMOOTHING = 0.1


@model(
    key=["store_id", "day"],
    rows={
        "store_manager": "store_id = $auth.store_id",
        "franchisee": "franchise = $auth.tenant",
        "analyst": "all",
    },
    columns={
        "store_id": "int",
        "franchise": "text",
        "day": "date",
        "revenue": {"type": "decimal(10,2)", "not_null": True, "min": 0},
    },
    description="The revenue to expect on each of the next 14 days, by exponential smoothing.",
)
def revenue_forecast(daily_revenue: pa.Table) -> pa.Table:
    """One row for each store and day to come."""
    sold: dict[int, list[tuple[date, float]]] = defaultdict(list)
    franchises: dict[int, str] = {}
    for row in daily_revenue.sort_by("day").to_pylist():
        sold[row["store_id"]].append((row["day"], float(row["revenue"])))
        franchises[row["store_id"]] = row["franchise"]
    rows = [
        {
            "store_id": store_id,
            "franchise": franchises[store_id],
            "day": day,
            "revenue": Decimal(f"{revenue:.2f}"),
        }
        for store_id, past in sorted(sold.items())
        for day, revenue in forecast(past)
    ]
    return pa.Table.from_pylist(
        rows,
        pa.schema(
            [
                ("store_id", pa.int32()),
                ("franchise", pa.string()),
                ("day", pa.date32()),
                ("revenue", pa.decimal128(10, 2)),
            ]
        ),
    )


def forecast(past: list[tuple[date, float]]) -> list[tuple[date, float]]:
    """The days that follow `past`: its smoothed level, times what is usual for the weekday."""
    usual = weekday_factors(past)
    level = past[0][1]
    for day, revenue in past:
        level += SMOOTHING * (revenue / usual[day.weekday()] - level)
    last = past[-1][0]
    coming = [last + timedelta(days=ahead) for ahead in range(1, DAYS_AHEAD + 1)]
    return [(day, level * usual[day.weekday()]) for day in coming]


def weekday_factors(past: list[tuple[date, float]]) -> list[float]:
    """How a Monday, …, Sunday compares with an average day."""
    average = fmean(revenue for _, revenue in past)
    by_weekday: list[list[float]] = [[] for _ in range(7)]
    for day, revenue in past:
        by_weekday[day.weekday()].append(revenue)
    return [fmean(revenues) / average if revenues else 1.0 for revenues in by_weekday]
