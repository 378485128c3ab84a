"""Two stores side by side: an ordinary FastAPI router, with the snapshot as a dependency.

For what SQL alone cannot say: rules between parameters, or an answer that is not a table.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from headrace.serve import SnapshotDep

router = APIRouter(prefix="/compare", tags=["stores"])
access = ["franchisee", "analyst"]

StoreId = Annotated[int, Query(ge=1, le=1000)]

# The same snapshot answers every query of a request, whatever is published meanwhile, and it shows
# the rows of daily_revenue that whoever asks may see, here as everywhere.
COMPARISON = """
WITH sold AS (
    SELECT d.store_id, s.name, CAST(sum(d.revenue) AS DOUBLE) AS revenue
    FROM daily_revenue AS d
    JOIN stores AS s USING (store_id)
    WHERE d.store_id IN ($one, $other)
    AND d.day > (SELECT max(day) FROM daily_revenue) - 30
    GROUP BY ALL
)
SELECT a.name AS ahead, b.name AS behind, a.revenue - b.revenue AS difference
FROM sold AS a
JOIN sold AS b ON (a.revenue, b.store_id) > (b.revenue, a.store_id)
"""


@router.get("")
def compare(one: StoreId, other: StoreId, data: SnapshotDep) -> dict[str, object]:
    """Which of two stores sold more in the last 30 days, and by how much."""
    if one == other:
        raise HTTPException(422, "one and other are the same store")
    rows = data.query(COMPARISON, {"one": one, "other": other})
    if not rows:
        raise HTTPException(404, f"{one} or {other} is not a store of yours")
    return {"snapshot": data.number, **rows[0]}
