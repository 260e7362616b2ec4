-- get reads documents of a kind.
-- ARGV 3 kind 4 key 5 '1': this one, else those after it in the order of keys
--      6 at most so many
-- Answers {now, of each: key, body, version, when it was written, when it ends}.
--@head
local keys = { ARGV[4] }
if ARGV[5] ~= '1' then
  keys = redis.call('ZRANGEBYLEX', P .. 'di:' .. ARGV[3], '(' .. ARGV[4], '+', 'LIMIT', 0, ARGV[6])
end
local found = {}
for _, key in ipairs(keys) do
  local d = redis.call('HMGET', P .. 'd:' .. ARGV[3] .. '\0' .. key, 'b', 'v', 'a', 'x')
  if d[2] then found[#found + 1] = { key, d[1], d[2], d[3], d[4] or '' } end
end
return { when, found }
