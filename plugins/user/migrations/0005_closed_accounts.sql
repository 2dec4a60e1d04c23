-- phase: post
-- Accounts that earlier code closed without asking for an erasure: their owners asked for it too (RELIABILITY 4.15).
SELECT kernel.request_erasure(a.id, 'user', '24 hours') FROM users.accounts a WHERE NOT a.is_active;
