/*
description: Of the customers who signed up in a month, how many still came so many months later.
key: [cohort, months_later]
rows: {public: it tells no store and no customer}
columns:
  share_percent: {min: 0, max: 100}
*/
WITH cohorts AS (
    SELECT customer_id, CAST(date_trunc('month', signed_up_on) AS DATE) AS cohort
    FROM customers
    -- Earlier members ordered before our first file: their first months are unknown.
    WHERE signed_up_on >= DATE '2024-01-01'
),
sizes AS (SELECT cohort, count(*) AS customers FROM cohorts GROUP BY cohort),
seen AS (
    SELECT
        c.cohort,
        date_diff('month', c.cohort, s.day) AS months_later,
        count(DISTINCT c.customer_id) AS active
    FROM cohorts AS c
    JOIN sales AS s USING (customer_id)
    GROUP BY ALL
)
SELECT
    seen.cohort,
    seen.months_later,
    sizes.customers,
    seen.active,
    round(100 * seen.active / sizes.customers, 1) AS share_percent
FROM seen
JOIN sizes USING (cohort)
ORDER BY seen.cohort, seen.months_later
