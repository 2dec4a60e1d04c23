-- phase: pre
-- Entries of the app's list, devices and preferences, and the messages that are on their way out.

CREATE SCHEMA IF NOT EXISTS notifications;

CREATE TABLE notifications.entries (
    id          uuid        PRIMARY KEY,
    user_id     uuid        NOT NULL,
    event_id    uuid        NOT NULL UNIQUE,
    type        text        NOT NULL,
    title       text        NOT NULL,
    body        text        NOT NULL,
    image_url   text,
    action_type text,
    action_data jsonb       CHECK (jsonb_typeof(action_data) = 'object'),
    created_at  timestamptz NOT NULL,
    read_at     timestamptz
);
CREATE INDEX entries_list ON notifications.entries (user_id, created_at DESC, id DESC);
CREATE INDEX entries_unread ON notifications.entries (user_id) WHERE read_at IS NULL;
CREATE INDEX entries_age ON notifications.entries (created_at);

-- A token is one app on one phone, so it belongs to one customer: who registers it last. Tokens may be longer than an index
-- entry, hence the hash.
CREATE TABLE notifications.devices (
    id             uuid        PRIMARY KEY,
    token_hash     bytea       NOT NULL UNIQUE,
    token          text        NOT NULL,
    user_id        uuid        NOT NULL,
    platform       text        NOT NULL CHECK (platform IN ('ios', 'android', 'web')),
    seen_at        timestamptz NOT NULL DEFAULT now(),
    deactivated_at timestamptz
);
CREATE INDEX devices_of_user ON notifications.devices (user_id, seen_at DESC);
CREATE INDEX devices_dead ON notifications.devices (deactivated_at) WHERE deactivated_at IS NOT NULL;

CREATE TABLE notifications.preferences (
    user_id            uuid        PRIMARY KEY,
    push_enabled       boolean     NOT NULL,
    email_enabled      boolean     NOT NULL,
    sms_enabled        boolean     NOT NULL,
    order_updates      boolean     NOT NULL,
    promotional_offers boolean     NOT NULL,
    delivery_alerts    boolean     NOT NULL,
    updated_at         timestamptz NOT NULL DEFAULT now()
);

-- No address is kept here: it is looked up when the message is sent. `next_attempt_at` is also the end of a lease.
CREATE TABLE notifications.deliveries (
    id              uuid        PRIMARY KEY,
    user_id         uuid        NOT NULL,
    entry_id        uuid        NOT NULL,
    medium          text        NOT NULL CHECK (medium IN ('push', 'sms', 'email')),
    device_id       uuid,
    template        text        NOT NULL,
    variables       jsonb       NOT NULL,
    state           text        NOT NULL DEFAULT 'PENDING' CHECK (state IN ('PENDING', 'SENT', 'FAILED')),
    attempts        integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    lease           uuid,
    reason          text,
    provider        text,
    reference       text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,
    finished_at     timestamptz
);
CREATE INDEX deliveries_due ON notifications.deliveries (medium, next_attempt_at) WHERE state = 'PENDING';
CREATE INDEX deliveries_of_user ON notifications.deliveries (user_id);
CREATE INDEX deliveries_done ON notifications.deliveries (finished_at) WHERE finished_at IS NOT NULL;
