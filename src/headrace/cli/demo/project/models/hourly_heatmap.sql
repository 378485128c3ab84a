/*
description: Orders and the size of the basket on an average day, by weekday and hour.
key: [store_id, weekday, hour]
rows:
  store_manager: store_id = $auth.store_id
  franchisee: franchise = $auth.tenant
  analyst: all
columns:
  weekday: {min: 1, max: 7, description: Monday is 1}
  hour: {min: 0, max: 23}
*/
WITH open_days AS (
    SELECT store_id, isodow(day) AS weekday, count(*) AS days
    FROM daily_revenue
    GROUP BY ALL
)
SELECT
    s.store_id,
    s.franchise,
    isodow(s.day) AS weekday,
    hour(s.ordered_at) AS hour,
    round(count(*) / any_value(o.days), 2) AS orders_a_day,
    round(avg(s.quantity), 2) AS items_an_order,
    round(avg(s.amount), 2) AS amount_an_order
FROM sales AS s
-- Hours without an order must count, too: divide by the days open, not by the days seen.
JOIN open_days AS o ON o.store_id = s.store_id AND o.weekday = isodow(s.day)
GROUP BY s.store_id, s.franchise, isodow(s.day), hour(s.ordered_at)
ORDER BY ALL
