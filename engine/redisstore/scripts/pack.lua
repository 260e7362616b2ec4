-- pack replaces what is kept of an ended run by one record.
-- ARGV 3 run 4 position and number of facts of its root, as the record has them 5 record
-- Answers 1, or 0 where the run is not as the record says.
--@head
local run = ARGV[3]
local k = P .. 's:' .. run
local s = redis.call('HMGET', k, 'en', 'h', 'r', 'z', 'bg', 'c')
if not s[1] or s[2] ~= ARGV[4] then
  redis.call('ZREM', P .. 'pk', run)
  return 0
end
local request, kept = s[3] or '', s[4] or ''
redis.call('SET', P .. 'z:' .. run, #request .. ':' .. request .. #kept .. ':' .. kept .. #s[5] .. ':' .. s[5] .. #s[1] .. ':' .. s[1] .. #(s[6] or '') .. ':' .. (s[6] or '') .. ARGV[5])
for _, m in ipairs(redis.call('SMEMBERS', P .. 'y:' .. run)) do
  local name = string.sub(m, 2)
  if string.sub(m, 1, 1) == 'o' then
    redis.call('UNLINK', P .. 'o:' .. run .. ':' .. name, P .. 'i:' .. run .. ':' .. name, P .. 'e:' .. run .. ':' .. name)
    redis.call('SREM', P .. 'y:' .. run, m)
  end
end
redis.call('UNLINK', k, P .. 'w:' .. run)
redis.call('ZREM', P .. 'pk', run)
return 1
