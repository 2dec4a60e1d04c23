-- phase: pre
CREATE SCHEMA gifts;
CREATE TABLE gifts.gifts (id uuid PRIMARY KEY);
