/*
description: The days add up to the orders, to the cent.
*/
SELECT days.revenue AS revenue_of_days, completed.revenue AS revenue_of_orders
FROM (SELECT sum(revenue) AS revenue FROM daily_revenue) AS days
CROSS JOIN (
    SELECT sum(amount) AS revenue FROM orders WHERE status = 'completed'
) AS completed
WHERE days.revenue IS DISTINCT FROM completed.revenue
