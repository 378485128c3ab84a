/*
description: Nobody pays more than the price list asks for.
*/
SELECT * FROM orders_latest WHERE amount > quantity * unit_price
