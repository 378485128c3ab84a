/*
description: The till charged the price that held on the day.
*/
-- ASOF joins each order to the newest price that was valid by then.
SELECT o.order_id, o.ordered_at, o.product_id, o.unit_price, p.price
FROM orders_latest AS o
ASOF JOIN prices AS p ON o.product_id = p.product_id AND o.ordered_at >= p.valid_from
WHERE o.unit_price <> p.price
