/*
path: /stores/{store_id}/targets
access: [store_manager, franchisee, analyst]
description: A store's months against their targets.
defaults: {year: 2025}
params:
  year: {type: int, min: 2024, max: 2025}
*/
SELECT month, revenue, target, attained_percent
FROM store_months
WHERE store_id = $store_id AND year(month) = $year
ORDER BY month
