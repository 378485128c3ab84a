/*
description: What each customer has been worth so far, and where they stand.
key: customer_id
rows:
  store_manager: store_id = $auth.store_id
  analyst: all
  crm: all
columns:
  orders: {min: 0}
  revenue: {not_null: true, min: 0}
  segment: {not_null: true, accepted: [champion, loyal, occasional, new, sleeping, never ordered]}
*/
WITH bought AS (
    SELECT
        customer_id,
        count(*) AS orders,
        sum(amount) AS revenue,
        min(day) AS first_day,
        max(day) AS last_day
    FROM sales
    WHERE customer_id IS NOT NULL
    GROUP BY customer_id
),
-- Of two categories bought equally often, the first by name: mode() would take either.
favourites AS (
    SELECT customer_id, category AS favourite
    FROM sales
    WHERE customer_id IS NOT NULL
    GROUP BY customer_id, category
    QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY count(*) DESC, category) = 1
),
-- A model may not ask what day it is: its rows would depend on when it was built. "Now" is the
-- last day that we have data of.
now AS (SELECT max(day) AS today FROM sales)
SELECT
    c.customer_id,
    c.store_id,
    c.signed_up_on,
    coalesce(b.orders, 0) AS orders,
    coalesce(b.revenue, 0) AS revenue,
    b.first_day,
    b.last_day,
    f.favourite,
    CASE
        WHEN b.orders IS NULL THEN 'never ordered'
        WHEN now.today - b.last_day > 120 THEN 'sleeping'
        WHEN now.today - c.signed_up_on <= 60 THEN 'new'
        WHEN b.orders >= 60 THEN 'champion'
        WHEN b.orders >= 15 THEN 'loyal'
        ELSE 'occasional'
    END AS segment
FROM customers AS c
CROSS JOIN now
LEFT JOIN bought AS b USING (customer_id)
LEFT JOIN favourites AS f USING (customer_id)
ORDER BY c.customer_id
