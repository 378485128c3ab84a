/*
description: Products by revenue in each month, and how many places they moved.
key: [month, product_id]
rows: {public: it tells what is liked in the whole chain}
columns:
  place: {min: 1, max: 24}
*/
WITH monthly AS (
    SELECT
        CAST(date_trunc('month', day) AS DATE) AS month,
        product_id,
        category,
        sum(quantity) AS items,
        sum(amount) AS revenue
    FROM sales
    GROUP BY ALL
),
ranked AS (
    SELECT *, rank() OVER (PARTITION BY month ORDER BY revenue DESC) AS place
    FROM monthly
)
SELECT
    r.month,
    r.place,
    r.product_id,
    p.name,
    r.category,
    r.items,
    r.revenue,
    -- Positive: it climbed. NULL in its first month.
    lag(r.place) OVER (PARTITION BY r.product_id ORDER BY r.month) - r.place AS places_gained
FROM ranked AS r
JOIN products AS p USING (product_id)
ORDER BY r.month, r.place
