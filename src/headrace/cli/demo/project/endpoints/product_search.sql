/*
path: /products/search
access: public
description: Products whose name contains some letters, with the price of today.
params:
  q: {type: text, pattern: "[A-Za-z ]{2,40}", description: At least two letters}
limit: 10
max_limit: 24
*/
SELECT p.product_id, p.name, p.category, c.price
FROM products AS p
JOIN prices AS c USING (product_id)
WHERE contains(lower(p.name), lower($q))
ORDER BY p.name
