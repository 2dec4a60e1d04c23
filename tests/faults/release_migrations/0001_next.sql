-- phase: pre
-- What a next release might bring: a table of its own, and columns that old code does not know. Those would come with
-- order and user; here they are given as text, because the loader lets no plugin touch what belongs to another.

CREATE SCHEMA release;
CREATE TABLE release.marks (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
DO $$
BEGIN
    EXECUTE 'ALTER TABLE orders.orders ADD COLUMN gift_note text';
    EXECUTE 'ALTER TABLE users.accounts ADD COLUMN locale text NOT NULL DEFAULT ''en-IN''';
END $$;
