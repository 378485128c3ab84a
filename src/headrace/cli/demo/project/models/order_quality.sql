/*
description: What was wrong with the rows that were set aside, by month of the file.
key: [month, field]
# It shows lines of any store as they were written.
rows: {analyst: all}
# The day on which no row is bad is a good day.
allow_empty: true
*/
-- Each source has a table <source>__quarantine: file, line, raw, column_name, reason.
SELECT
    CAST(regexp_extract(file, '\d{4}-\d{2}', 0) || '-01' AS DATE) AS month,
    coalesce(column_name, 'the row as a whole') AS field,
    count(*) AS bad_rows,
    arg_min(reason, (file, line)) AS first_reason,
    arg_min(raw, (file, line)) AS first_row
FROM orders__quarantine
GROUP BY ALL
ORDER BY month, field
