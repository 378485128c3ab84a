/*
description: Four weeks is the rule; the counter wants to know of the others.
severity: warn
*/
SELECT loan_id, member_id, title, days_out FROM loan_history WHERE days_out > 28
