#!lua
-- restored begins a new epoch of a partition and gives back what was held.
-- KEYS[1] its meta key. ARGV 1 version that it has 2 version that it gets
-- Answers {1, strands that were held, more} or {0, version that it has}.
local P = string.sub(KEYS[1], 1, -2)
local v = redis.call('HGET', KEYS[1], 'v') or ''
if v ~= ARGV[1] then return { 0, v } end
local some = redis.call('ZRANGE', P .. 'l', 0, 99)
for _, me in ipairs(some) do
  local run, path = string.sub(me, 1, 23), string.sub(me, 25)
  local k = P .. 's:' .. run
  if path ~= '' then k = k .. ':' .. path end
  redis.call('ZREM', P .. 'l', me)
  if redis.call('HGET', k, 'i') == '2' then
    redis.call('HSET', k, 'i', 1)
    redis.call('HDEL', k, 'k')
    redis.call('RPUSH', P .. 'q' .. (redis.call('HGET', P .. 's:' .. run, 'ln') or '0'), me)
  end
end
if #some < 100 then redis.call('HSET', KEYS[1], 'v', ARGV[2]) end
return { 1, #some, #some < 100 and 0 or 1 }
