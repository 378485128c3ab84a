"""Two stores side by side: an ordinary FastAPI router, with the snapshot as a dependency.

For what SQL alone cannot say: rules between parameters, or an answer that is not a table.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from headrace.serve import SnapshotDep

router = APIRouter(prefix="/compare", tags=["stores"])
access = "public"

StoreId = Annotated[int, Query(ge=1, le=1000)]

# The same snapshot answers every query of a request, whatever is published meanwhile.
COMPARISON = """
SELECT a.name AS ahead, b.name AS behind, CAST(a.revenue - b.revenue AS DOUBLE) AS difference
FROM store_leaderboard AS a
JOIN store_leaderboard AS b ON (a.place, a.store_id) < (b.place, b.store_id)
WHERE (a.store_id = $one AND b.store_id = $other) OR (a.store_id = $other AND b.store_id = $one)
"""


@router.get("")
def compare(one: StoreId, other: StoreId, data: SnapshotDep) -> dict[str, object]:
    """Which of two stores sold more in the last 30 days, and by how much."""
    if one == other:
        raise HTTPException(422, "one and other are the same store")
    rows = data.query(COMPARISON, {"one": one, "other": other})
    if not rows:
        raise HTTPException(404, f"{one} or {other} is not a store")
    return {"snapshot": data.number, **rows[0]}
