-- phase: pre
-- The trace that set a message off (https://www.w3.org/TR/trace-context), so that its sending joins it.

ALTER TABLE notifications.deliveries ADD COLUMN traceparent text;
