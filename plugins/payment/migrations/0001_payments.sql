-- phase: pre
-- Payments with the tries to pay them, refunds, what providers told, the work that is to be done, and saved ways to pay.

CREATE SCHEMA IF NOT EXISTS payments;

-- What an order asks of a customer. One an order: the order domain asks once.
CREATE TABLE payments.payments (
    id                 uuid        PRIMARY KEY,
    order_id           uuid        NOT NULL UNIQUE,
    order_number       text        NOT NULL,
    user_id            uuid        NOT NULL,
    method             text        NOT NULL,
    provider           text        NOT NULL,
    amount_paise       bigint      NOT NULL CHECK (amount_paise >= 0),
    currency           text        NOT NULL,
    state              text        NOT NULL CHECK (state IN ('CREATED', 'STARTED', 'FAILED', 'AUTHORIZED', 'CAPTURED')),
    way                text        NOT NULL DEFAULT 'checkout',
    -- Whom to ask, from which address: only until the provider was told.
    asked_at           timestamptz,
    upi_id             text,
    client             text,
    gateway_order_id   text,
    started            jsonb,
    gateway_payment_id text,
    failure            text,
    flag               text,
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    checked_at         timestamptz,
    completed_at       timestamptz,
    closed_at          timestamptz,
    UNIQUE (provider, gateway_order_id),
    -- Complete is what one captured attempt made so.
    CHECK ((state = 'CAPTURED') = (gateway_payment_id IS NOT NULL AND completed_at IS NOT NULL))
);
CREATE INDEX payments_of_user ON payments.payments (user_id, created_at DESC);
-- What `vurksha payments reconcile` goes through, and nothing else.
CREATE INDEX payments_open ON payments.payments (created_at) WHERE state <> 'CAPTURED' AND gateway_order_id IS NOT NULL;

-- Tries to pay. What goes back of one never exceeds what came in by it: the last word has this CHECK.
CREATE TABLE payments.attempts (
    provider           text        NOT NULL,
    gateway_payment_id text        NOT NULL,
    payment_id         uuid        NOT NULL REFERENCES payments.payments,
    amount_paise       bigint      NOT NULL CHECK (amount_paise >= 0),
    currency           text        NOT NULL,
    state              text        NOT NULL CHECK (state IN ('CREATED', 'FAILED', 'AUTHORIZED', 'CAPTURED')),
    method             text,
    reason             text,
    refunded_paise     bigint      NOT NULL DEFAULT 0 CHECK (refunded_paise BETWEEN 0 AND amount_paise),
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (provider, gateway_payment_id),
    CHECK (refunded_paise = 0 OR state = 'CAPTURED')
);
CREATE INDEX attempts_of_payment ON payments.attempts (payment_id);

CREATE TABLE payments.refunds (
    id                 uuid        PRIMARY KEY,
    payment_id         uuid        NOT NULL REFERENCES payments.payments,
    provider           text        NOT NULL,
    gateway_payment_id text        NOT NULL,
    amount_paise       bigint      NOT NULL CHECK (amount_paise > 0),
    why                text        NOT NULL,
    state              text        NOT NULL CHECK (state IN ('PENDING', 'FAILED', 'PROCESSED')),
    gateway_refund_id  text,
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at        timestamptz,
    FOREIGN KEY (provider, gateway_payment_id) REFERENCES payments.attempts,
    UNIQUE (provider, gateway_refund_id)
);
CREATE INDEX refunds_of_payment ON payments.refunds (payment_id);

CREATE TABLE payments.refund_lines (
    refund_id    uuid    NOT NULL REFERENCES payments.refunds,
    product_id   uuid    NOT NULL,
    quantity     integer NOT NULL CHECK (quantity > 0),
    amount_paise bigint  NOT NULL CHECK (amount_paise >= 0),
    PRIMARY KEY (refund_id, product_id)
);

-- What providers told by webhook, as far as it counts: ids, amounts and states, nobody's name. The key makes a repeat none.
CREATE TABLE payments.notices (
    provider     text        NOT NULL,
    event_id     text        NOT NULL,
    id           uuid        NOT NULL UNIQUE,
    kind         text        NOT NULL,
    content      jsonb       NOT NULL,
    outcome      text,
    received_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    processed_at timestamptz,
    PRIMARY KEY (provider, event_id)
);
CREATE INDEX notices_old ON payments.notices (processed_at) WHERE processed_at IS NOT NULL;

-- Work for the workers of all replicas. `due_at` is also the end of a lease: a worker that died gives its errand back.
CREATE TABLE payments.errands (
    kind     text        NOT NULL CHECK (kind IN ('NOTICE', 'START', 'CHECK', 'REFUND')),
    subject  uuid        NOT NULL,
    due_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts integer     NOT NULL DEFAULT 0,
    lease    uuid,
    reason   text,
    PRIMARY KEY (kind, subject)
);
-- Notices have workers of their own: a provider that answers slowly must not hold up what others told.
CREATE INDEX errands_notices ON payments.errands (due_at) WHERE kind = 'NOTICE';
CREATE INDEX errands_calls ON payments.errands (due_at) WHERE kind <> 'NOTICE';

-- Ways to pay that a customer keeps. `token` is the provider's own word for it, or a UPI address; never a card number.
CREATE TABLE payments.methods (
    id          uuid        PRIMARY KEY,
    user_id     uuid        NOT NULL,
    type        text        NOT NULL CHECK (type IN ('creditCard', 'debitCard', 'upi', 'netBanking', 'wallet', 'cod')),
    token       text,
    last_four   text        CHECK (last_four ~ '^[0-9]{4}$'),
    card_type   text,
    bank_name   text,
    wallet_type text,
    is_default  boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Digits alone are no token but somebody's card.
    CHECK (token !~ '^[0-9 -]{8,}$')
);
CREATE INDEX methods_of_user ON payments.methods (user_id, created_at DESC);
CREATE UNIQUE INDEX methods_default ON payments.methods (user_id) WHERE is_default;
