-- phase: pre
-- An order of the cart is of the cart as it stands: ordered from two devices at once, it is one order. The orders.place of
-- the version before this goes on.

-- As orders.place of 0003, but for p_whole_cart: the lines are those of the cart, and it must hold just them still.
-- The cart comes before the stock: who is refused there holds up nobody else, and hears of the cart and not of the stock
-- that their own other device took. Refusals: those of 0001, and CART_CHANGED.
CREATE FUNCTION orders.place(
    p_user uuid, p_session uuid, p_route text, p_key text, p_fingerprint bytea,
    p_order uuid, p_payment uuid, p_method text, p_payment_status text, p_address text, p_slot text, p_note text,
    p_scheduled timestamptz, p_horizon interval, p_delivery interval, p_payment_window interval,
    p_products uuid[], p_quantities integer[], p_prices bigint[],
    p_positions integer[], p_names text[], p_images text[], p_units text[], p_bill jsonb, p_whole_cart boolean,
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
    IF p_whole_cart THEN
        PERFORM carts.take_all(p_user, p_products, p_quantities);
    ELSE
        PERFORM carts.take_lines(p_user, p_products, p_quantities);
    END IF;
    stock_levels := products.take_stock(p_products, p_quantities, p_prices, p_order);
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
