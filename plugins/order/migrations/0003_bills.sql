-- phase: pre
-- Bills with explained lines, and refunds that never exceed what was paid. What was there before stays as it is: orders
-- placed by the version before this have no lines, and its orders.place, with a parameter for each sum, goes on.

ALTER TABLE orders.orders
    ADD COLUMN tax_paise      bigint NOT NULL DEFAULT 0,
    ADD COLUMN rounding_paise bigint NOT NULL DEFAULT 0,
    ADD COLUMN refunded_paise bigint NOT NULL DEFAULT 0,
    -- [{phase, plugin, code, label, amount, productId, coupon}]: amounts in paise, their sum is the total.
    ADD COLUMN charges        jsonb;

-- What the lines of a bill come to.
CREATE FUNCTION orders.sum_of(p_charges jsonb) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN (SELECT coalesce(sum((c ->> 'amount')::bigint), 0) FROM jsonb_array_elements(p_charges) c);
END $$;

-- NOT VALID: rows from before keep them, by their columns' defaults and by the check that the first one replaces, so
-- there is nothing to read the whole table for.
ALTER TABLE orders.orders
    DROP CONSTRAINT orders_check,
    ADD CONSTRAINT orders_total CHECK (
        total_paise = subtotal_paise + delivery_fee_paise - discount_paise + tax_paise + rounding_paise AND total_paise >= 0
    ) NOT VALID,
    ADD CONSTRAINT orders_tax CHECK (tax_paise >= 0 AND rounding_paise BETWEEN -99 AND 99) NOT VALID,
    ADD CONSTRAINT orders_explained CHECK (charges IS NULL OR orders.sum_of(charges) = total_paise) NOT VALID,
    ADD CONSTRAINT orders_refunded CHECK (refunded_paise BETWEEN 0 AND total_paise) NOT VALID;

-- Money that went back, each refund once: written while its order is locked.
CREATE TABLE orders.refunds (
    order_id     uuid        NOT NULL REFERENCES orders.orders,
    refund_id    text        NOT NULL,
    payment_id   uuid        NOT NULL,
    amount_paise bigint      NOT NULL CHECK (amount_paise > 0),
    -- [[product, pieces, paise]]; empty when it was for the order as a whole.
    lines        jsonb       NOT NULL CHECK (jsonb_typeof(lines) = 'array'),
    reason       text,
    refunded_at  timestamptz NOT NULL,
    PRIMARY KEY (order_id, refund_id)
);

-- As orders.place of 0001, with the bill in one piece: {subtotal, deliveryFee, discount, tax, rounding, total, charges}.
CREATE FUNCTION orders.place(
    p_user uuid, p_session uuid, p_route text, p_key text, p_fingerprint bytea,
    p_order uuid, p_payment uuid, p_method text, p_payment_status text, p_address text, p_slot text, p_note text,
    p_scheduled timestamptz, p_horizon interval, p_delivery interval, p_payment_window interval,
    p_products uuid[], p_quantities integer[], p_prices bigint[],
    p_positions integer[], p_names text[], p_images text[], p_units text[], p_bill jsonb,
    p_event_ids uuid[], p_event_types text[], p_versions integer[], p_aggregate_types text[], p_aggregate_ids text[],
    p_event_payloads text[], p_metadata text, p_mark text, p_answer text,
    OUT was_replayed boolean, OUT answer_status integer, OUT answer_body text, OUT stock_levels integer[]
) LANGUAGE plpgsql AS $$
DECLARE
    v_now    timestamptz;
    v_today  timestamptz;
    v_due    timestamptz;
    v_number text;
    v_total  bigint := (p_bill ->> 'total')::bigint;
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
        tax_paise, rounding_paise, total_paise, charges, address, scheduled_for, estimated_delivery, delivery_slot, note,
        created_at, expires_at
    ) VALUES (
        p_order, p_user, v_number, 'PENDING', p_method, p_payment_status, (p_bill ->> 'subtotal')::bigint,
        (p_bill ->> 'deliveryFee')::bigint, (p_bill ->> 'discount')::bigint, (p_bill ->> 'tax')::bigint,
        (p_bill ->> 'rounding')::bigint, v_total, p_bill -> 'charges', p_address::jsonb, p_scheduled, v_due, p_slot, p_note,
        v_now, CASE WHEN p_payment IS NOT NULL THEN v_now + p_payment_window END
    );
    INSERT INTO orders.items (order_id, position, product_id, name, image, unit, unit_price_paise, quantity)
    SELECT p_order, t.position, t.product, t.name, t.image, t.unit, t.price, t.quantity
    FROM unnest(p_positions, p_products, p_names, p_images, p_units, p_prices, p_quantities)
         AS t(position, product, name, image, unit, price, quantity);
    INSERT INTO orders.events (order_id, event_type, new_status, actor_type, actor_id, created_at)
    VALUES (p_order, 'order_created', 'PENDING', 'user', p_user, v_now);
    IF p_payment IS NOT NULL THEN
        INSERT INTO orders.payments (id, order_id, method, amount_paise, status, created_at)
        VALUES (p_payment, p_order, p_method, v_total, p_payment_status, v_now);
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
