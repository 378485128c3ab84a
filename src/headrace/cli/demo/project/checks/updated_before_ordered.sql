/*
description: A status cannot change before there is an order.
*/
SELECT * FROM orders WHERE updated_at < ordered_at
