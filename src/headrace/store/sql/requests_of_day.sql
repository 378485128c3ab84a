-- Returns each credential that has made requests in a day, with how many.
SELECT credential, requests
FROM requests
WHERE day = :day
