-- Forgets the requests of all days before one; returns nothing.
DELETE FROM requests
WHERE day < :day
