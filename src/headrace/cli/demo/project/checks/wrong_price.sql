/*
description: The till charged the price that held on the day.
*/
SELECT o.order_id, o.ordered_at, o.product_id, o.unit_price, p.price
FROM orders AS o
JOIN prices__history AS p
    ON o.product_id = p.product_id
    AND o.ordered_at >= p.valid_from
    AND (o.ordered_at < p.valid_to OR p.valid_to IS NULL)
WHERE o.unit_price <> p.price
