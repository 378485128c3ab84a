/*
path: /stores/leaderboard
access: public
description: The best stores of the last 30 days.
limit: 5
max_limit: 12
*/
SELECT place, store_id, name, city, revenue, orders, growth_percent
FROM store_leaderboard
ORDER BY place, store_id
