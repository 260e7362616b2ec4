-- frozen answers the freeze of a partition: on, by, reason, at, and the
-- time.
--@head
local f = redis.call('HMGET', KEYS[1], 'fz', 'fb', 'fr', 'fa')
return { f[1] or '0', f[2] or '', f[3] or '', f[4] or '0', when }
