-- follow answers what has changed after a number, oldest first.
-- ARGV 3 number 4 at most so many of each kind
-- Answers {now, number of the partition, number up to which deletions are
-- forgotten, changes: {number, name, what is there}, audit: {number, time, body}}.
--@head
local changes = {}
local log = redis.call('ZRANGEBYSCORE', P .. 'lg', '(' .. ARGV[3], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[4])
for i = 1, #log, 2 do
  local member = log[i]
  local kind, name = string.sub(member, 1, 1), string.sub(member, 2)
  local what = {}
  if kind == 'r' then
    what = redis.pcall('HMGET', P .. 's:' .. name, 'pb', 'sb', 'ed', 'md', 'hd', 'bg', 'qd', 'st', 'c', 'en', 'ac', 'la', 'i', 'd')
    if what.err then
      what = { '' } -- another program's
    elseif what[1] then
      what[15] = redis.call('HVALS', P .. 'w:' .. name)
    else
      what = { redis.call('GET', P .. 'z:' .. name) }
    end
  elseif kind == 'd' then
    what = redis.call('HMGET', P .. 'd:' .. name, 'b', 'v', 'a', 'x')
  elseif kind == 'x' then
    what = { redis.call('ZSCORE', P .. 'xt', member) }
  end
  changes[#changes + 1] = { log[i + 1], member, what }
end
local audit = {}
for _, e in ipairs(redis.call('XRANGE', P .. 'au', '(' .. ARGV[3] .. '-0', '+', 'COUNT', ARGV[4])) do
  audit[#audit + 1] = { string.match(e[1], '^%d+'), e[2][2], e[2][4] }
end
local m = redis.call('HMGET', KEYS[1], 'q', 'tr')
return { when, m[1] or '0', m[2] or '0', changes, audit }
