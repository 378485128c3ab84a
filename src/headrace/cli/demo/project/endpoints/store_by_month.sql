/*
path: /stores/{store_id}/by-month
access: [store_manager, franchisee, analyst]
description: A store's revenue by month, of the days between two days.
defaults: {since: 2025-01-01, until: 2025-12-31}
*/
-- The months of any range: served by merging what each day adds to its month.
SELECT date_trunc('month', day)::DATE AS month, sum(orders) AS orders, sum(revenue) AS revenue
FROM daily_revenue
WHERE store_id = $store_id AND day BETWEEN $since AND $until
GROUP BY month
ORDER BY month
