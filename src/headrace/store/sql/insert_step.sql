-- Notes a table that a run has dealt with; returns nothing.
INSERT INTO steps (run, table_name, outcome, rows, rows_in, quarantined, seconds, message, attempts)
VALUES (:run, :table, :outcome, :rows, :rows_in, :quarantined, :seconds, :message, :attempts)
