/*
description: Revenue of one store, day by day.
path: /stores/{store_id}/revenue
# Who may call it: public is everybody. Without this line, nobody.
access: public
defaults: {since: 2024-01-01}
*/
SELECT day, revenue, orders
FROM daily_revenue
WHERE store_id = $store_id AND day >= $since
ORDER BY day
