-- phase: pre
CREATE SCHEMA probes;
CREATE TABLE probes.rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
