-- phase: pre
-- The session in which a device was registered last: pushes go to it while that is open. Null for one that was registered
-- before sessions were kept, which gets them as before.

ALTER TABLE notifications.devices ADD COLUMN session_id uuid;
