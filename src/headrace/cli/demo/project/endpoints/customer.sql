/*
path: /customers/{customer_id}
access: public
description: One customer's value and segment.
*/
-- No name and no e-mail address: every endpoint is public in this version.
SELECT customer_id, store_id, signed_up_on, orders, revenue, first_day, last_day, favourite, segment
FROM customer_value
WHERE customer_id = $customer_id
