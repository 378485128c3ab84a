/*
description: Nobody pays more than the price list asks for.
*/
SELECT * FROM orders WHERE amount > quantity * unit_price
