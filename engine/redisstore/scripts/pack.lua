-- pack replaces what is kept of an ended run by one record.
-- ARGV 3 run 4 number of facts of its root, as the record has it 5 record 6.. caps
--      that are the run's own
-- Answers 1, or 0 where the run is not as the record says.
--@head
local run = ARGV[3]
local k = P .. 's:' .. run
local s = redis.call('HMGET', k, 'en', 'n', 'r', 'z', 'bg')
if not s[1] or s[2] ~= ARGV[4] then
  redis.call('ZREM', P .. 'pk', run)
  return 0
end
local request, kept = s[3] or '', s[4] or ''
redis.call('SET', P .. 'z:' .. run, #request .. ':' .. request .. #kept .. ':' .. kept .. #s[5] .. ':' .. s[5] .. ARGV[5])
for _, m in ipairs(redis.call('SMEMBERS', P .. 'y:' .. run)) do
  local open = string.sub(m, 2)
  redis.call('UNLINK', P .. 'o:' .. run .. ':' .. open, P .. 'i:' .. run .. ':' .. open, P .. 'e:' .. run .. ':' .. open)
end
redis.call('UNLINK', k, P .. 'y:' .. run, P .. 'w:' .. run)
for i = 6, #ARGV do redis.call('UNLINK', P .. 'c:' .. ARGV[i], P .. 'C:' .. ARGV[i], P .. 'U:' .. ARGV[i]) end
redis.call('ZREM', P .. 'pk', run)
redis.call('ZADD', P .. 'ex', now, run)
return 1
