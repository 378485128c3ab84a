-- Adds an entry; returns nothing.
INSERT INTO entries (seq, at, actor, credential, action, target, request, address, detail, prev, hash)
VALUES (:seq, :at, :actor, :credential, :action, :target, :request, :address, :detail, :prev, :hash)
