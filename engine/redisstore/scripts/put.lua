-- put writes a document, or deletes one.
-- ARGV 3 kind 4 key 5 version that was seen, '' whatever it is 6 body 7 how long
--      it lasts, 0 for ever 8 '' or a name under which it is done once
--      9 '1': delete 10 how long that name is known, in milliseconds
-- Answers {version} or {0, version that it has}.
--@head
local kind, key = ARGV[3], ARGV[4]
local name = kind .. '\0' .. key
local d = P .. 'd:' .. name
local did = P .. 'rq:put ' .. ARGV[8]
local old = redis.call('HMGET', d, 'v', 'x')
local done = ARGV[8] ~= '' and redis.call('GET', did)
if done then return { done } end
local shown = old[1]
if not shown or (old[2] and tonumber(old[2]) <= now) then shown = '0' end
if ARGV[9] == '1' and not old[1] then return { '0' } end
if ARGV[5] ~= '' and ARGV[5] ~= shown and not (ARGV[9] == '1' and shown == '0') then return { 0, shown } end

local q = redis.call('HINCRBY', KEYS[1], 'q', 1)
if touch then redis.call('HSET', KEYS[1], 't', when) end
if ARGV[9] == '1' then
  redis.call('DEL', d)
  redis.call('ZREM', P .. 'di:' .. kind, key)
  redis.call('ZREM', P .. 'dx', name)
  redis.call('ZREM', P .. 'lg', 'd' .. name)
  redis.call('ZADD', P .. 'lg', q, 'x' .. name)
  redis.call('ZADD', P .. 'xt', now, 'x' .. name)
  if ARGV[8] ~= '' then redis.call('SET', did, '0', 'PX', ARGV[10]) end
  return { string.format('%.0f', q) }
end
redis.call('HSET', d, 'b', ARGV[6], 'v', q, 'a', when)
if tonumber(ARGV[7]) > 0 then
  redis.call('HSET', d, 'x', string.format('%.0f', now + ARGV[7]))
  redis.call('ZADD', P .. 'dx', now + ARGV[7], name)
elseif old[2] then
  redis.call('HDEL', d, 'x')
  redis.call('ZREM', P .. 'dx', name)
end
redis.call('ZADD', P .. 'di:' .. kind, 0, key)
redis.call('ZADD', P .. 'lg', q, 'd' .. name)
redis.call('ZREM', P .. 'lg', 'x' .. name)
redis.call('ZREM', P .. 'xt', 'x' .. name)
if ARGV[8] ~= '' then redis.call('SET', did, string.format('%.0f', q), 'PX', ARGV[10]) end
return { string.format('%.0f', q) }
