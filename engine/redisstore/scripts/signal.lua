-- signal tells a run or one of its strands something from outside.
-- ARGV 3 run 4 path 5 request 6 '1': a word 7 the word 8 number of facts that
--      was seen, '' whatever it is 9 mark or '' 10 how long ended runs keep their
--      answers 11 number of audit records, they
-- Answers {'ok', now, number of the fact, outbox} or {why not, of what}.
--@head
--@lib
local run, path = ARGV[3], ARGV[4]
local kept = redis.call('GET', P .. 'rq:' .. ARGV[5])
if kept then
  local when, n = string.match(kept, '^(%d+) (%d+)$')
  return { 'ok', when, tonumber(n), outbox }
end
local root = redis.call('HMGET', P .. 's:' .. run, 'st', 'en', 'ln')
if not root[1] then
  return { redis.call('EXISTS', P .. 'z:' .. run) == 1 and 'ended' or 'unknown', 'run' }
end
if root[2] then return { 'ended', 'run' } end

local n = 0
local word = ARGV[6] == '1'
local k = skey(run, path)
local s = redis.call('HMGET', k, 'i', 'h')
if word then
  if not s[1] then
    local open, index = string.match(path, '^(.*)%[(%d+)%]$')
    local opened = open and tonumber(redis.call('HGET', okey(run, open), 'n') or '0') or 0
    if opened <= tonumber(index or '0') then return { 'unknown', 'strand' } end
    if redis.call('HEXISTS', P .. 'e:' .. run .. ':' .. open, index) == 1 then return { 'ended', 'strand' } end
  elseif s[1] == '5' then
    return { 'ended', 'strand' }
  end
  n = facts(s[2])
  if ARGV[9] == '' and ARGV[8] ~= '' and tonumber(ARGV[8]) ~= n then return { 'conflict', text(n) } end
  n = n + 1
  redis.call('HSET', k, 'f' .. n, when .. ' 1 s ' .. ARGV[7], 'h', string.match(s[2] or '0', '^%d+') .. ' ' .. n)
  if not s[1] then redis.call('HSET', k, 'i', '1', 'a', when) end
  if s[1] == '3' then
    wake(run, path, root[3])
    bump(run)
  end
end
if ARGV[9] ~= '' then cancel(run, ARGV[9], tonumber(ARGV[10])) end
for i = 12, 11 + tonumber(ARGV[11]) do audit(ARGV[i]) end
redis.call('SET', P .. 'rq:' .. ARGV[5], when .. ' ' .. n, 'PX', 3600000)
number()
return { 'ok', when, n, outbox }
