-- Adds a session.
INSERT INTO sessions (
    digest, owner, account, epoch, issuer, known, begun_at, used_at, ends_at, browser
)
VALUES (
    :digest, :owner, :account, :epoch, :issuer, :known, :begun_at, :used_at, :ends_at, :browser
)
