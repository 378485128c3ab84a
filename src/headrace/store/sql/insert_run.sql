-- Notes a run that begins; returns nothing.
INSERT INTO runs (run, environment, started_at, finished_at, outcome, snapshot, message)
VALUES (:run, :environment, :started_at, :finished_at, :outcome, :snapshot, :message)
