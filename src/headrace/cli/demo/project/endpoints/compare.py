"""Two stores side by side: an ordinary FastAPI router, with the snapshot as a dependency.

For what SQL alone cannot say: rules between parameters, or an answer that is not a table.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from headrace.serve import SnapshotDep

router = APIRouter(prefix="/compare", tags=["stores"])

StoreId = Annotated[int, Query(ge=1, le=1000)]

LEADERBOARD = """
SELECT store_id, name, place, CAST(revenue AS DOUBLE) AS revenue
FROM store_leaderboard
WHERE store_id IN ($left, $right)
"""


@router.get("")
def compare(left: StoreId, right: StoreId, data: SnapshotDep) -> dict[str, object]:
    """Which of two stores sold more in the last 30 days, and by how much."""
    if left == right:
        raise HTTPException(422, "left and right are the same store")
    rows = {row["store_id"]: row for row in data.query(LEADERBOARD, {"left": left, "right": right})}
    if missing := [store for store in (left, right) if store not in rows]:
        raise HTTPException(404, f"no such store: {missing[0]}")
    ahead, behind = sorted(rows.values(), key=lambda row: row["place"])
    return {
        "snapshot": data.number,
        "ahead": ahead["name"],
        "behind": behind["name"],
        "difference": round(ahead["revenue"] - behind["revenue"], 2),
    }
