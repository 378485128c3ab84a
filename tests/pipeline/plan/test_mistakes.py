"""A project that does not compile says which deployed endpoints and fields that would break."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.base.errors import ProjectError
from tests.projects import SHOP, Shop, write_files

MODEL, ENDPOINT = "models/daily_revenue.sql", "endpoints/revenue.sql"
RENAMED = SHOP[MODEL].replace("AS revenue", "AS turnover").replace("{revenue:", "{turnover:")
NOTE = "breaking, no calls in the last 30 days"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A project that is deployed as it is."""
    files = {
        **SHOP,
        "models/store_revenue.sql": "SELECT store_id, orders FROM daily_revenue\n",
        "endpoints/days.sql": "SELECT day FROM daily_revenue WHERE revenue > $least\n",
        "endpoints/names.sql": "SELECT * FROM stores\n",
    }
    shop = Shop(write_files(tmp_path / "shop", files))
    shop.run()
    return shop


def breaks(shop: Shop) -> list[str]:
    with pytest.raises(ProjectError) as caught:
        shop.plan()
    return [str(change) for change in caught.value.breaks]


def test_a_column_that_a_model_loses_is_told_by_field_and_by_query(shop: Shop) -> None:
    shop.write(MODEL, RENAMED)
    assert breaks(shop) == [
        f"days: its query needs daily_revenue.revenue - {NOTE}",
        f"revenue: field revenue (DECIMAL(38,2)) removed - {NOTE}",
    ]


def test_what_compiles_is_reviewed_beside_it(shop: Shop) -> None:
    shop.write(MODEL, RENAMED)
    shop.write("endpoints/days.sql", "SELECT orders AS day FROM daily_revenue\n")
    shop.write("endpoints/names.sql", "SELECT store_id AS id FROM stores\n")
    assert breaks(shop) == [
        f"days: field day: DATE becomes BIGINT - {NOTE}",
        f"days: field day may be null now - {NOTE}",
        f"days: parameter least removed - {NOTE}",
        f"names: field city (VARCHAR) removed - {NOTE}",
        f"names: field store_id (INTEGER) removed - {NOTE}",
        f"revenue: field revenue (DECIMAL(38,2)) removed - {NOTE}",
    ]


def test_a_slip_in_an_endpoint_breaks_nothing_that_is_deployed(shop: Shop) -> None:
    shop.write(ENDPOINT, SHOP[ENDPOINT].replace("revenue, orders", "revenu, orders"))
    assert breaks(shop) == []


def test_of_what_reads_a_broken_model_nothing_is_said(shop: Shop) -> None:
    shop.write(MODEL, "SELECT nothing FROM orders\n")
    assert breaks(shop) == []


def test_before_the_first_publish_nothing_breaks(tmp_path: Path) -> None:
    shop = Shop(write_files(tmp_path / "new", {**SHOP, MODEL: RENAMED}))
    assert breaks(shop) == []
