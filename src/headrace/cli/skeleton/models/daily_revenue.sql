/*
description: Revenue and number of orders of each store on each day.
key: [store_id, day]
*/
SELECT store_id, ordered_at::DATE AS day, sum(amount) AS revenue, count(*) AS orders
FROM orders
GROUP BY ALL
