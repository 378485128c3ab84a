/*
access: [analyst, crm]
description: How many of those who signed up in a month still come.
defaults: {since: 2025-01-01}
*/
-- Without `path:`, the path is the file's name: /cohorts.
SELECT cohort, months_later, customers, active, share_percent
FROM cohort_retention
WHERE cohort >= $since
ORDER BY cohort, months_later
