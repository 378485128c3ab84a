-- Notes how a run ended; returns nothing.
UPDATE runs
SET outcome = :outcome, finished_at = :finished_at, snapshot = :snapshot, message = :message
WHERE run = :run
