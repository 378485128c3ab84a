/*
path: /members/{member_id}/loans
access: public
limit: 20
*/
SELECT loan_id, title, lent_on, returned_on
FROM loan_history
WHERE member_id = $member_id
ORDER BY lent_on DESC, loan_id DESC
