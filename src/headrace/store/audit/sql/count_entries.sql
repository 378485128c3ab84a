-- How many entries there are.
SELECT count(*) FROM entries
