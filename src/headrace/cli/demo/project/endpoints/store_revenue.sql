/*
path: /stores/{store_id}/revenue
access: [store_manager, franchisee, analyst]
description: A store's revenue by day, between two days.
defaults: {since: 2025-12-01, until: 2025-12-31}
params:
  since: {description: The first day}
  until: {description: The last day}
*/
-- Nothing says that $since is a date: it is compared with one. And nothing says who sees which
-- store: that is said at models/daily_revenue.sql, once for all that read it.
SELECT day, orders, items, revenue
FROM daily_revenue
WHERE store_id = $store_id AND day BETWEEN $since AND $until
ORDER BY day
