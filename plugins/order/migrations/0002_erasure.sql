-- phase: pre
-- When an order was made to tell nobody who it was for (RELIABILITY 4.15). NULL: it still does.
ALTER TABLE orders.orders ADD COLUMN erased_at timestamptz;
