-- Adds requests of a credential to those of the same day; returns nothing.
INSERT INTO requests (day, credential, requests)
VALUES (:day, :credential, :requests)
ON CONFLICT (day, credential) DO UPDATE
SET requests = requests + excluded.requests
