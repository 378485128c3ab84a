/*
description: No order may be later than this project can know of.
*/
SELECT order_id, ordered_at
FROM orders
WHERE ordered_at >= TIMESTAMP '2030-01-01'
