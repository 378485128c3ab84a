/*
description: Completed orders, with what one usually wants to know beside them.
key: order_id
# A policy does not follow the rows by itself: a table that is made from one with rules says its own.
rows:
  store_manager: store_id = $auth.store_id
  franchisee: franchise = $auth.tenant
  analyst: all
access: [store_manager, franchisee, analyst]
partition: {column: day, by: day}
columns:
  category: {not_null: true}
  city: {not_null: true}
  franchise: {not_null: true}
*/
SELECT
    o.order_id,
    o.ordered_at,
    -- An order belongs to the day on which it was placed, whenever its file arrived.
    CAST(o.ordered_at AS DATE) AS day,
    o.store_id,
    s.city,
    s.franchise,
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
