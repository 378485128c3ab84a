/*
path: /stores/{store_id}/forecast
access: [store_manager, franchisee, analyst]
description: The revenue to expect in the next two weeks.
*/
SELECT day, revenue
FROM revenue_forecast
WHERE store_id = $store_id
ORDER BY day
