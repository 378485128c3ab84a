/*
path: /stores/{store_id}/orders
access: [store_manager, analyst]
description: A store's last orders, newest first.
limit: 20
max_limit: 500
filters: [status, channel]
sort: [ordered_at, amount]
*/
SELECT o.order_id, o.ordered_at, p.name AS product, o.quantity, o.amount, o.channel, o.status
FROM orders AS o
JOIN products AS p USING (product_id)
WHERE o.store_id = $store_id
ORDER BY o.ordered_at DESC, o.order_id DESC
