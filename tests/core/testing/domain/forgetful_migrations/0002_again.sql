-- phase: pre
ALTER TABLE parcels.log ADD COLUMN weight integer;
