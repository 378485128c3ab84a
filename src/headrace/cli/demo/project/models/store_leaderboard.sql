/*
description: Stores by revenue of the last 30 days, against the 30 days before.
key: store_id
rows: {public: every store hangs it up for all to see}
columns:
  place: {min: 1, max: 100}
  name: {not_null: true}
*/
WITH now AS (SELECT max(day) AS today FROM daily_revenue),
periods AS (
    SELECT
        d.store_id,
        coalesce(sum(d.revenue) FILTER (d.day > now.today - 30), 0) AS revenue,
        coalesce(sum(d.orders) FILTER (d.day > now.today - 30), 0) AS orders,
        coalesce(sum(d.revenue) FILTER (d.day <= now.today - 30), 0) AS revenue_before
    FROM daily_revenue AS d
    CROSS JOIN now
    WHERE d.day > now.today - 60
    GROUP BY d.store_id
)
SELECT
    rank() OVER (ORDER BY p.revenue DESC) AS place,
    p.store_id,
    s.name,
    s.city,
    p.revenue,
    p.orders,
    -- nullif: a store that has just opened has no growth, rather than an infinite one.
    round(100 * (p.revenue - p.revenue_before) / nullif(p.revenue_before, 0), 1) AS growth_percent
FROM periods AS p
JOIN stores AS s USING (store_id)
ORDER BY place
