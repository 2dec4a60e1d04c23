-- phase: pre
CREATE SCHEMA parcels;
CREATE TABLE parcels.log (id uuid PRIMARY KEY, parcel_id uuid NOT NULL, phone text);
CREATE TABLE parcels.forms (code text PRIMARY KEY CHECK (code ~ '^[A-Z]{9}$'));
