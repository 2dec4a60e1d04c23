-- phase: pre
-- Carts whose newest version Redis did not take. Every replica looks here twice a second and leaves their copies alone.

CREATE TABLE carts.doubts (
    user_id uuid        PRIMARY KEY,
    at      timestamptz NOT NULL
);
CREATE INDEX doubts_at ON carts.doubts (at);
