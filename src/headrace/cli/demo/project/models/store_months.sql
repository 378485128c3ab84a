/*
description: Each store's months against the targets of the head office.
key: [store_id, month]
rows:
  store_manager: store_id = $auth.store_id
  franchisee: franchise = $auth.tenant
  analyst: all
partition: {column: month, by: month}
columns:
  attained_percent: {min: 0, max: 300}
*/
WITH months AS (
    SELECT
        store_id,
        franchise,
        CAST(date_trunc('month', day) AS DATE) AS month,
        sum(revenue) AS revenue
    FROM daily_revenue
    GROUP BY ALL
)
SELECT
    m.store_id,
    m.franchise,
    m.month,
    m.revenue,
    t.target,
    round(100 * m.revenue / t.target, 1) AS attained_percent
FROM months AS m
-- A store has no target for the month in which it opens: LEFT keeps that month.
LEFT JOIN targets AS t USING (store_id, month)
ORDER BY m.store_id, m.month
