/*
description: Completed orders, with what one usually wants to know beside them.
key: order_id
partition: {column: day, by: day}
columns:
  category: {not_null: true}
  city: {not_null: true}
*/
SELECT
    o.order_id,
    o.ordered_at,
    -- An order belongs to the day on which it was placed, whenever its file arrived.
    CAST(o.ordered_at AS DATE) AS day,
    o.store_id,
    s.city,
    o.customer_id,
    o.product_id,
    p.category,
    o.channel,
    o.quantity,
    o.amount
FROM orders AS o
JOIN stores AS s USING (store_id)
JOIN products AS p USING (product_id)
WHERE o.status = 'completed'
