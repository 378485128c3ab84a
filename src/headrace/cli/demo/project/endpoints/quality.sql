/*
path: /quality/orders
access: analyst
description: What was wrong with the rows that were set aside.
*/
SELECT month, field, bad_rows, first_reason, first_row
FROM order_quality
ORDER BY month DESC, field
