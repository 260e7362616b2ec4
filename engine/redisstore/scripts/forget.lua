-- forget deletes an ended run that the archive has.
-- ARGV 3 run 4 its dedupe digest or ''
--@head
--@lib
local run = ARGV[3]
if redis.call('EXISTS', P .. 'z:' .. run) == 0 then return 0 end
for _, m in ipairs(redis.call('SMEMBERS', P .. 'y:' .. run)) do -- its caps
  local name = string.sub(m, 2)
  redis.call('UNLINK', P .. 'c:' .. name, P .. 'U:' .. name)
end
redis.call('DEL', P .. 'z:' .. run, P .. 'y:' .. run)
redis.call('ZREM', P .. 'lg', 'r' .. run)
if ARGV[4] ~= '' then redis.call('HDEL', P .. 'dd', ARGV[4]) end
redis.call('ZADD', P .. 'lg', number(), 'y' .. run)
redis.call('ZADD', P .. 'xt', now, 'y' .. run)
return 1
