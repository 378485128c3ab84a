"""A project of two franchises, with rows and columns that not everybody may see."""

from __future__ import annotations

from tests.projects import write_files

ROWS = """\
rows:
  store_manager: store_id = $auth.store_id
  franchisee: franchise = $auth.tenant
  analyst: all
"""
CANARY = "zanzibar"
"""Is in every row of the franchise `south`, and in no other."""

TENANTS = {
    "headrace.toml": 'name = "tenants"\n',
    "data/orders.csv": f"""\
        order_id,store_id,franchise,day,amount,email
        1,10,north,2024-01-01,4.50,a@north.example
        2,10,north,2024-01-02,3.00,b@north.example
        3,11,south,2024-01-02,7.25,{CANARY}@south.example
        4,12,north,2024-01-03,1.00,d@north.example
        """,
    "sources/orders.yaml": f"""\
files: data/orders.csv
access: [analyst, store_manager, franchisee]
{ROWS}
columns:
  order_id: bigint
  store_id: int
  franchise: text
  day: date
  amount: {{type: "decimal(12,2)", min: 0}}
  email: {{type: text, access: [analyst], hide: hashed}}
""",
    "models/daily.sql": f"""\
/*
key: [store_id, day]
{ROWS}*/
SELECT store_id, franchise, day, sum(amount) AS revenue, count(*) AS orders
FROM orders GROUP BY ALL
""",
    "endpoints/revenue.sql": """\
        /*
        path: /stores/{store_id}/revenue
        access: [analyst, store_manager, franchisee]
        */
        SELECT day, revenue, orders FROM daily WHERE store_id = $store_id ORDER BY day
        """,
    "endpoints/orders.sql": """\
        /*
        access: [analyst, store_manager, franchisee]
        filters: [store_id]
        sort: [order_id, amount]
        */
        SELECT order_id, store_id, amount, email FROM orders ORDER BY order_id
        """,
    "endpoints/days.sql": """\
        /* access: public */
        SELECT DISTINCT day FROM calendar ORDER BY day
        """,
    "models/calendar.sql": """\
        /* rows: {public: days are no secret} */
        SELECT DISTINCT day FROM orders
        """,
    "endpoints/mine.py": """\
        from fastapi import APIRouter
        from headrace.serve import PrincipalDep, SnapshotDep

        access = ["store_manager", "analyst"]
        router = APIRouter(prefix="/mine")

        @router.get("")
        def mine(data: SnapshotDep, who: PrincipalDep) -> dict[str, object]:
            return {"who": who.id, "orders": data.query("SELECT order_id, email FROM orders")}

        @router.post("")
        def post() -> dict[str, object]:
            return {}
        """,
}

__all__ = ["CANARY", "TENANTS", "write_files"]
