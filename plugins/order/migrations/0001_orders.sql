-- phase: pre
-- Orders with their lines, payments and timeline; order numbers; and the one call that places an order.

CREATE SCHEMA IF NOT EXISTS orders;

CREATE TABLE orders.orders (
    id                  uuid        PRIMARY KEY,
    user_id             uuid        NOT NULL,
    number              text        NOT NULL UNIQUE,
    status              text        NOT NULL CHECK (status IN ('PENDING', 'CONFIRMED', 'PROCESSING', 'READY_FOR_PICKUP',
                                                               'OUT_FOR_DELIVERY', 'DELIVERED', 'CANCELLED', 'REFUNDED')),
    payment_method      text        NOT NULL CHECK (payment_method IN ('COD', 'UPI', 'CARD', 'NET_BANKING', 'WALLET')),
    payment_status      text        NOT NULL CHECK (payment_status IN ('PENDING', 'PROCESSING', 'FAILED', 'COMPLETED',
                                                                       'PARTIALLY_REFUNDED', 'REFUNDED')),
    subtotal_paise      bigint      NOT NULL CHECK (subtotal_paise >= 0),
    delivery_fee_paise  bigint      NOT NULL CHECK (delivery_fee_paise >= 0),
    discount_paise      bigint      NOT NULL CHECK (discount_paise >= 0),
    total_paise         bigint      NOT NULL CHECK (total_paise = subtotal_paise + delivery_fee_paise - discount_paise AND total_paise >= 0),
    address             jsonb       NOT NULL,
    scheduled_for       timestamptz,
    estimated_delivery  timestamptz NOT NULL,
    delivery_slot       text,
    note                text,
    tracking_id         text,
    delivery_partner_id text,
    cancel_reason       text,
    created_at          timestamptz NOT NULL,
    expires_at          timestamptz,
    confirmed_at        timestamptz,
    shipped_at          timestamptz,
    delivered_at        timestamptz,
    cancelled_at        timestamptz
);
CREATE INDEX orders_by_user ON orders.orders (user_id, created_at DESC, id DESC);
CREATE INDEX orders_by_time ON orders.orders (created_at DESC, id DESC);
CREATE INDEX orders_by_status ON orders.orders (status, created_at DESC, id DESC);
-- The sweep of unpaid orders reads this and nothing else: a paid or cancelled order leaves it.
CREATE INDEX orders_unpaid ON orders.orders (expires_at) WHERE status = 'PENDING' AND expires_at IS NOT NULL;

CREATE TABLE orders.items (
    order_id         uuid     NOT NULL REFERENCES orders.orders,
    position         smallint NOT NULL,
    product_id       uuid     NOT NULL,
    name             text     NOT NULL,
    image            text     NOT NULL,
    unit             text     NOT NULL,
    unit_price_paise bigint   NOT NULL CHECK (unit_price_paise >= 0),
    quantity         integer  NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, position)
);

CREATE TABLE orders.payments (
    id                 uuid        PRIMARY KEY,
    order_id           uuid        NOT NULL REFERENCES orders.orders,
    method             text        NOT NULL,
    amount_paise       bigint      NOT NULL CHECK (amount_paise >= 0),
    currency           text        NOT NULL DEFAULT 'INR',
    status             text        NOT NULL,
    gateway_payment_id text,
    failure_reason     text,
    created_at         timestamptz NOT NULL,
    completed_at       timestamptz
);
CREATE INDEX payments_by_order ON orders.payments (order_id);

-- Who moved which order from where to where; customers see it as the timeline. Rows are only ever added.
CREATE TABLE orders.events (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id        uuid        NOT NULL REFERENCES orders.orders,
    event_type      text        NOT NULL,
    previous_status text,
    new_status      text        NOT NULL,
    actor_type      text        NOT NULL CHECK (actor_type IN ('user', 'admin', 'system')),
    actor_id        uuid,
    notes           text,
    metadata        jsonb,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX events_by_order ON orders.events (order_id, id DESC);

-- A time as answers write it: UTC, six digits, Z.
CREATE FUNCTION orders.stamp(p_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- One sequence a year, this year's and the next, by the shop's own calendar. A job calls this long before it is needed.
CREATE FUNCTION orders.prepare_numbers(p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_year integer := extract(year FROM p_at AT TIME ZONE 'Asia/Kolkata');
BEGIN
    FOR y IN v_year .. v_year + 1 LOOP
        IF to_regclass(format('orders.number_%s', y)) IS NULL THEN
            EXECUTE format('CREATE SEQUENCE orders.number_%s AS bigint', y);
        END IF;
    END LOOP;
END $$;
SELECT orders.prepare_numbers(now());

-- VRK-2026-000001. A sequence never hands a number out twice and never waits for another order (RELIABILITY 4.2).
CREATE FUNCTION orders.next_number(p_at timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_year     integer  := extract(year FROM p_at AT TIME ZONE 'Asia/Kolkata');
    v_sequence regclass := to_regclass(format('orders.number_%s', v_year));
    v_count    text;
BEGIN
    IF v_sequence IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'NUMBERS_MISSING';
    END IF;
    v_count := nextval(v_sequence)::text;
    RETURN format('VRK-%s-%s', v_year, lpad(v_count, greatest(6, length(v_count)), '0'));
END $$;

-- Place an order: one call, one commit (DESIGN 2). The caller has priced the lines; this checks what it saw, takes what
-- is there and writes everything that must exist together. p_mark stands in p_answer and p_event_payloads where only
-- this function knows the text: mark || 'N' the number, 'T' the present moment, 'E' the estimated delivery. So the stored answer
-- is byte for byte the one that is sent. Product arrays rise by id, which keeps two orders from locking each other out.
-- Refusals: SESSION_ENDED, KEY_REUSED, IN_PROGRESS, SCHEDULE, OUT_OF_STOCK, PRICE_CHANGED, NUMBERS_MISSING.
CREATE FUNCTION orders.place(
    p_user uuid, p_session uuid, p_route text, p_key text, p_fingerprint bytea,
    p_order uuid, p_payment uuid, p_method text, p_payment_status text, p_address text, p_slot text, p_note text,
    p_scheduled timestamptz, p_horizon interval, p_delivery interval, p_payment_window interval,
    p_products uuid[], p_quantities integer[], p_prices bigint[],
    p_positions integer[], p_names text[], p_images text[], p_units text[],
    p_subtotal bigint, p_fee bigint, p_discount bigint, p_total bigint,
    p_event_ids uuid[], p_event_types text[], p_versions integer[], p_aggregate_types text[], p_aggregate_ids text[],
    p_event_payloads text[], p_metadata text, p_mark text, p_answer text,
    OUT was_replayed boolean, OUT answer_status integer, OUT answer_body text, OUT stock_levels integer[]
) LANGUAGE plpgsql AS $$
DECLARE
    v_now    timestamptz;
    v_today  timestamptz;
    v_due    timestamptz;
    v_number text;
BEGIN
    PERFORM users.require_session(p_user, p_session);
    SELECT b.status, b.body INTO answer_status, answer_body
    FROM kernel.begin_operation(p_user, p_route, p_key, p_fingerprint) b;
    IF FOUND THEN
        was_replayed := true;
        RETURN;
    END IF;

    v_now := clock_timestamp();
    v_today := date_trunc('day', v_now AT TIME ZONE 'Asia/Kolkata') AT TIME ZONE 'Asia/Kolkata';
    IF p_scheduled < v_today OR p_scheduled > v_now + p_horizon THEN
        RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'SCHEDULE';
    END IF;
    v_due := coalesce(p_scheduled, v_now + p_delivery);
    stock_levels := products.take_stock(p_products, p_quantities, p_prices, p_order);
    PERFORM carts.take_lines(p_user, p_products, p_quantities);
    v_number := orders.next_number(v_now);

    INSERT INTO orders.orders (
        id, user_id, number, status, payment_method, payment_status, subtotal_paise, delivery_fee_paise, discount_paise,
        total_paise, address, scheduled_for, estimated_delivery, delivery_slot, note, created_at, expires_at
    ) VALUES (
        p_order, p_user, v_number, 'PENDING', p_method, p_payment_status, p_subtotal, p_fee, p_discount,
        p_total, p_address::jsonb, p_scheduled, v_due, p_slot, p_note, v_now,
        CASE WHEN p_payment IS NOT NULL THEN v_now + p_payment_window END
    );
    INSERT INTO orders.items (order_id, position, product_id, name, image, unit, unit_price_paise, quantity)
    SELECT p_order, t.position, t.product, t.name, t.image, t.unit, t.price, t.quantity
    FROM unnest(p_positions, p_products, p_names, p_images, p_units, p_prices, p_quantities)
         AS t(position, product, name, image, unit, price, quantity);
    INSERT INTO orders.events (order_id, event_type, new_status, actor_type, actor_id, created_at)
    VALUES (p_order, 'order_created', 'PENDING', 'user', p_user, v_now);
    IF p_payment IS NOT NULL THEN
        INSERT INTO orders.payments (id, order_id, method, amount_paise, status, created_at)
        VALUES (p_payment, p_order, p_method, p_total, p_payment_status, v_now);
    END IF;

    FOR i IN 1 .. cardinality(p_event_ids) LOOP
        PERFORM kernel.emit(
            p_event_ids[i], p_event_types[i], p_versions[i], p_aggregate_types[i], p_aggregate_ids[i],
            replace(p_event_payloads[i], p_mark || 'N', v_number)::jsonb, p_metadata::jsonb
        );
    END LOOP;
    was_replayed := false;
    answer_status := 201;
    answer_body := replace(replace(replace(
        p_answer, p_mark || 'N', v_number), p_mark || 'T', orders.stamp(v_now)), p_mark || 'E', orders.stamp(v_due));
    PERFORM kernel.finish_operation(p_user, p_route, p_key, answer_status, answer_body);
END $$;

-- The stored answer of an operation, waiting for a twin that is still at work; NULLs when there is none. It claims
-- the key to look, and gives the claim back: the inner block is rolled back.
CREATE FUNCTION orders.stored_answer(
    p_user uuid, p_session uuid, p_route text, p_key text, p_fingerprint bytea,
    OUT answer_status integer, OUT answer_body text
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM users.require_session(p_user, p_session);
    SELECT b.status, b.body INTO answer_status, answer_body
    FROM kernel.begin_operation(p_user, p_route, p_key, p_fingerprint) b;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'VK001';
    END IF;
EXCEPTION WHEN SQLSTATE 'VK001' THEN
    answer_status := NULL;
    answer_body := NULL;
END $$;
