-- forget deletes an ended run that the archive has.
-- ARGV 3 run 4 its dedupe digest or ''
--@head
--@lib
local run = ARGV[3]
if redis.call('EXISTS', P .. 'z:' .. run) == 0 then return 0 end
redis.call('DEL', P .. 'z:' .. run)
redis.call('ZREM', P .. 'ex', run)
redis.call('ZREM', P .. 'lg', 'r' .. run)
if ARGV[4] ~= '' then redis.call('HDEL', P .. 'dd', ARGV[4]) end
redis.call('ZADD', P .. 'lg', number(), 'y' .. run)
redis.call('ZADD', P .. 'xt', now, 'y' .. run)
return 1
