-- Returns every key that signs or verifies access tokens, in the order in which they sign.
SELECT kid, public, sealed, sealed_by, signs_from
FROM signing_keys
ORDER BY signs_from, kid
