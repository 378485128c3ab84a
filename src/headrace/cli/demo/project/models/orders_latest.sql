/*
description: Every order once, in its latest state.
key: order_id
columns:
  updated_at: {not_null: true}
*/
-- A file may repeat orders of the file before, and a repeated order may have been refunded in the
-- meantime. QUALIFY filters by a window function: of equal order_ids, keep the newest row.
SELECT *
FROM orders
QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY updated_at DESC) = 1
