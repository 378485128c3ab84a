/*
description: A store sells nothing before it opens.
*/
SELECT d.* FROM daily_revenue AS d JOIN stores AS s USING (store_id) WHERE d.day < s.opened_on
