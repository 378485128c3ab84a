/*
description: What the weather does to an average store-day, by city.
key: [city, sky, temperature_from]
rows: {public: it is about the weather; averages of a city tell no store}
access: authenticated
*/
WITH store_days AS (
    SELECT s.city, d.day, avg(d.orders) AS orders
    FROM daily_revenue AS d
    JOIN stores AS s USING (store_id)
    GROUP BY ALL
),
cold_drinks AS (
    SELECT city, day, sum(quantity) FILTER (category = 'cold drinks') / sum(quantity) AS share
    FROM sales
    GROUP BY ALL
)
SELECT
    w.city,
    CASE WHEN w.rain > 4 THEN 'rain' WHEN w.rain IS NULL THEN 'unknown' ELSE 'dry' END AS sky,
    CAST(floor(w.temperature / 5) * 5 AS INTEGER) AS temperature_from,
    count(*) AS days,
    round(avg(d.orders), 1) AS orders_a_store,
    round(100 * avg(c.share), 1) AS cold_drinks_percent
FROM weather AS w
JOIN store_days AS d ON d.city = w.city AND d.day = w.day
JOIN cold_drinks AS c ON c.city = w.city AND c.day = w.day
GROUP BY ALL
ORDER BY ALL
