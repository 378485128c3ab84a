-- Notes a check that a run has made; returns nothing.
INSERT INTO checks (run, name, table_name, severity, failing, message, sample)
VALUES (:run, :name, :table, :severity, :failing, :message, :sample)
