-- phase: pre
-- Accounts, sessions, one-time codes, addresses. Functions that use them: 0002 to 0004.

CREATE SCHEMA IF NOT EXISTS users;

CREATE TABLE users.accounts (
    id                uuid        PRIMARY KEY,
    phone             text        NOT NULL UNIQUE CHECK (phone ~ '^\+91[6-9][0-9]{9}$'),
    name              text,
    email             text,
    profile_image_url text,
    role              text        NOT NULL DEFAULT 'CUSTOMER' CHECK (role IN ('CUSTOMER', 'DELIVERY_PARTNER', 'SUPPORT', 'ADMIN')),
    is_verified       boolean     NOT NULL DEFAULT true,
    is_active         boolean     NOT NULL DEFAULT true,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    deleted_at        timestamptz
);
-- An address of electronic mail belongs to one active account, however it is capitalised.
CREATE UNIQUE INDEX accounts_email ON users.accounts (lower(email)) WHERE email IS NOT NULL AND is_active;

CREATE TABLE users.sessions (
    id          uuid        PRIMARY KEY,
    user_id     uuid        NOT NULL REFERENCES users.accounts,
    generation  integer     NOT NULL DEFAULT 0,
    salt        bytea       NOT NULL,
    device_id   text,
    device_name text,
    device_type text,
    address     text        NOT NULL,
    user_agent  text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    rotated_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    end_reason  text CHECK (end_reason IN ('LOGOUT', 'LOGOUT_ALL', 'REUSE', 'LIMIT', 'DELETED', 'ROLE'))
);
CREATE INDEX sessions_open ON users.sessions (user_id, created_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_rotated ON users.sessions (rotated_at);

-- Every refresh token of every open session, as its SHA-256: an old one that comes back names the family to revoke.
CREATE TABLE users.refresh_tokens (
    hash       bytea       PRIMARY KEY,
    session_id uuid        NOT NULL REFERENCES users.sessions ON DELETE CASCADE,
    generation integer     NOT NULL,
    issued_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX refresh_tokens_session ON users.refresh_tokens (session_id);
CREATE INDEX refresh_tokens_age ON users.refresh_tokens (issued_at);

-- What the replicas read every second. A row matters for as long as an access token lives.
CREATE TABLE users.revocations (
    seq        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id uuid        NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX revocations_at ON users.revocations (at);

-- One row per code. It is also the record by which sends and failures of a phone are counted.
CREATE TABLE users.challenges (
    id         uuid        PRIMARY KEY,
    phone      text        NOT NULL,
    purpose    text        NOT NULL,
    code_hmac  bytea       NOT NULL,
    device_id  text,
    attempts   smallint    NOT NULL DEFAULT 0,
    live       boolean     NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    claimed_at timestamptz
);
CREATE UNIQUE INDEX challenges_live ON users.challenges (phone, purpose) WHERE live;
CREATE INDEX challenges_phone ON users.challenges (phone, created_at);
CREATE INDEX challenges_device ON users.challenges (device_id, created_at) WHERE device_id IS NOT NULL;
CREATE INDEX challenges_age ON users.challenges (created_at);

-- Codes on their way to a provider, sealed with a key that the database does not have.
CREATE TABLE users.code_messages (
    challenge_id    uuid        PRIMARY KEY REFERENCES users.challenges ON DELETE CASCADE,
    phone           text        NOT NULL,
    sealed          bytea       NOT NULL,
    attempts        integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL
);
CREATE INDEX code_messages_due ON users.code_messages (next_attempt_at);

-- Sends per address, number prefix and in all: this window of the clock and the one before it.
CREATE TABLE users.code_counters (
    scope    text    NOT NULL,
    subject  text    NOT NULL,
    opened   bigint  NOT NULL,
    current  integer NOT NULL,
    previous integer NOT NULL,
    PRIMARY KEY (scope, subject)
) WITH (fillfactor = 50);

-- One row: until when sending is strict because codes go out and are not used.
CREATE TABLE users.code_guard (
    is_single    boolean     PRIMARY KEY DEFAULT true CHECK (is_single),
    strict_until timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO users.code_guard DEFAULT VALUES;

CREATE TABLE users.addresses (
    id                  uuid             PRIMARY KEY,
    user_id             uuid             NOT NULL REFERENCES users.accounts,
    kind                text             NOT NULL CHECK (kind IN ('home', 'work', 'other')),
    full_name           text             NOT NULL,
    phone               text             NOT NULL,
    line1               text             NOT NULL,
    line2               text             NOT NULL,
    landmark            text,
    city                text             NOT NULL,
    state               text             NOT NULL,
    pincode             text             NOT NULL,
    country             text             NOT NULL,
    latitude            double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude           double precision CHECK (longitude BETWEEN -180 AND 180),
    special_notes       text,
    security_code       text,
    preferred_time_slot text,
    is_default          boolean          NOT NULL,
    fingerprint         bytea            NOT NULL,
    created_at          timestamptz      NOT NULL DEFAULT clock_timestamp(),
    updated_at          timestamptz      NOT NULL DEFAULT clock_timestamp(),
    deleted_at          timestamptz
);
CREATE INDEX addresses_owner ON users.addresses (user_id, created_at DESC) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX addresses_default ON users.addresses (user_id) WHERE is_default AND deleted_at IS NULL;
