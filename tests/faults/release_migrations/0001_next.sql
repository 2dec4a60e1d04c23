-- phase: pre
-- What a next release might bring: a column that old code does not know, and a table of its own.

CREATE SCHEMA release;
CREATE TABLE release.marks (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
ALTER TABLE orders.orders ADD COLUMN gift_note text;
ALTER TABLE users.accounts ADD COLUMN locale text NOT NULL DEFAULT 'en-IN';
