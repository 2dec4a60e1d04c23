-- phase: pre
CREATE SCHEMA parcels;
CREATE TABLE parcels.arrived (
    parcel_id uuid PRIMARY KEY,
    state     text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'old')),
    seen_at   timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE parcels.scans (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parcel_id uuid NOT NULL REFERENCES parcels.arrived,
    kind      text NOT NULL CHECK (kind IN ('door', 'lorry')),
    weight    integer NOT NULL CHECK (weight > 50)
);
CREATE TABLE parcels.ticks (at timestamptz NOT NULL DEFAULT now());
