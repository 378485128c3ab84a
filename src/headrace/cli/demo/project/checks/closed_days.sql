/*
description: A store that has opened sells something every day. Without the late file, this warns.
severity: warn
*/
SELECT s.store_id, s.name, calendar.day
FROM (SELECT DISTINCT day FROM daily_revenue) AS calendar
JOIN stores AS s ON s.opened_on <= calendar.day
ANTI JOIN daily_revenue AS d ON d.store_id = s.store_id AND d.day = calendar.day
