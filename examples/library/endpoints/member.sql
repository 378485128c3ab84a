/*
path: /members/{member_id}
access: public
*/
SELECT member_id, name, loans, out_now, last_loan_on
FROM member_activity
WHERE member_id = $member_id
