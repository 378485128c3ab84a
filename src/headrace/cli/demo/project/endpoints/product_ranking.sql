/*
path: /products/ranking
access: public
description: The products of a month by revenue, of one category or of all.
defaults: {month: 2025-12-01, category: all}
params:
  month: {description: The first day of the month}
  category: {enum: [all, coffee, tea, cold drinks, bakery, food, beans]}
limit: 10
max_limit: 24
*/
SELECT place, product_id, name, category, items, revenue, places_gained
FROM product_ranking
WHERE month = $month AND ($category = 'all' OR category = $category)
ORDER BY place, product_id
