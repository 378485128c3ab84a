/*
description: Revenue of one store, day by day.
path: /stores/{store_id}/revenue
defaults: {since: 2024-01-01}
*/
SELECT day, revenue, orders
FROM daily_revenue
WHERE store_id = $store_id AND day >= $since
ORDER BY day
