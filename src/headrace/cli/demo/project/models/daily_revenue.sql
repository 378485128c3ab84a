/*
description: What each store sold on each day.
key: [store_id, day]
rows:
  store_manager: store_id = $auth.store_id
  franchisee: franchise = $auth.tenant
  analyst: all
access: [store_manager, franchisee, analyst]
partition: {column: day, by: day}
columns:
  revenue: {min: 0}
  orders: {min: 1}
checks:
  - references: {column: store_id, to: stores.store_id}
  - row_count: {min: 7000, max: 9000}
*/
SELECT
    store_id,
    franchise,
    day,
    count(*) AS orders,
    sum(quantity) AS items,
    sum(amount) AS revenue,
    count(DISTINCT customer_id) AS known_customers
FROM sales
GROUP BY ALL
ORDER BY store_id, day
