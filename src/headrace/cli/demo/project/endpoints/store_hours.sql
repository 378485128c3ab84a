/*
path: /stores/{store_id}/hours
access: [store_manager, franchisee, analyst]
description: When a store is busy, by weekday and hour.
*/
SELECT weekday, hour, orders_a_day, items_an_order, amount_an_order
FROM hourly_heatmap
WHERE store_id = $store_id
ORDER BY weekday, hour
