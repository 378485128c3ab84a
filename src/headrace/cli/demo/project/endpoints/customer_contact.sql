/*
path: /customers/{customer_id}/contact
access: [store_manager, analyst, crm]
description: How to reach a customer; who sees name and address, sources/customers.yaml says.
*/
SELECT customer_id, name, email, newsletter
FROM customers
WHERE customer_id = $customer_id
