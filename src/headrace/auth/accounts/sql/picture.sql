-- Returns all accounts, groups and keys and the revision, as (what, JSON): one query sees one moment.
SELECT 'revision', CAST(revision AS TEXT)
FROM catalog
UNION ALL
SELECT
    'account',
    json_object(
        'name', name,
        'kind', kind,
        'roles', json(roles),
        'groups', json(groups),
        'claims', json(claims),
        'disabled', json(iif(disabled, 'true', 'false')),
        'epoch', epoch,
        'created_at', created_at
    )
FROM accounts
UNION ALL
SELECT 'group', json_object('name', name, 'roles', json(roles))
FROM account_groups
UNION ALL
SELECT
    'key',
    json_object(
        'id', id,
        'account', account,
        'digest', digest,
        'environment', environment,
        'scopes', json(scopes),
        'roles', json(roles),
        'name', name,
        'created_at', created_at,
        'expires_at', expires_at,
        'last_used_at', last_used_at,
        'revoked_at', revoked_at
    )
FROM keys
