/*
description: A day with less than a third of the usual revenue deserves a look.
severity: warn
*/
SELECT d.store_id, d.day, d.revenue
FROM daily_revenue AS d
JOIN (
    SELECT store_id, median(revenue) AS usual FROM daily_revenue GROUP BY store_id
) AS m USING (store_id)
WHERE d.revenue < m.usual / 3
