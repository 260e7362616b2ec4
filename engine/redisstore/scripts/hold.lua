-- hold takes, renews or gives back a named lease.
-- ARGV 3 name 4 holder 5 how long, 0 gives it back
-- Answers the token, 0 where somebody else holds it or it was given back.
--@head
local k = P .. 'H:' .. ARGV[3]
local h = redis.call('HMGET', k, 'h', 'n', 'u')
local mine, long = h[1] == ARGV[4], tonumber(ARGV[5])
if not mine and h[1] and h[1] ~= '' and tonumber(h[3]) > now then return 0 end
if long <= 0 then
  if mine then redis.call('HSET', k, 'h', '', 'u', 0) end
  return 0
end
local token = tonumber(h[2] or '0')
if not mine then token = token + 1 end
redis.call('HSET', k, 'h', ARGV[4], 'n', token, 'u', now + long)
return token
