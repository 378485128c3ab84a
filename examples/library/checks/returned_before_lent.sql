/*
description: A book cannot come back before it leaves.
*/
SELECT * FROM loans WHERE returned_on < lent_on
