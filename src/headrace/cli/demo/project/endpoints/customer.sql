/*
path: /customers/{customer_id}
access: [store_manager, analyst, crm]
description: One customer's value and segment.
*/
-- A customer of another store is no customer: the answer is the same as for a number that is none.
SELECT customer_id, store_id, signed_up_on, orders, revenue, first_day, last_day, favourite, segment
FROM customer_value
WHERE customer_id = $customer_id
