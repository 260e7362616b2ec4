-- freeze changes the freeze of a partition.
-- ARGV 3 request 4 '1': freeze, '0': thaw 5 by 6 reason 7 number of audit
--      records, they
-- Answers {on, by, reason, at, how many still wait for the thaw}.
--@head
--@lib
local kept = redis.call('GET', P .. 'rq:' .. ARGV[3])
if kept then
  local on, at, size, rest = string.match(kept, '^(%d) (%d+) (%d+):(.*)$')
  return { on, string.sub(rest, 1, size), string.sub(rest, size + 1), at, 0 }
end
redis.call('HSET', KEYS[1], 'fz', ARGV[4], 'fb', ARGV[5], 'fr', ARGV[6], 'fa', when)
frozen = ARGV[4] == '1'
if not frozen then
  for _, me in ipairs(redis.call('SRANDMEMBER', P .. 'h', 100)) do
    local run, path = string.sub(me, 1, 23), string.sub(me, 25)
    local lane = redis.pcall('HGET', P .. 's:' .. run, 'ln')
    if type(lane) == 'string' and type(redis.pcall('HGET', skey(run, path), 'i')) == 'string' then
      wake(run, path, lane)
      bump(run)
    end
  end
end
for i = 8, 7 + tonumber(ARGV[7]) do audit(ARGV[i]) end
number()
redis.call('SET', P .. 'rq:' .. ARGV[3], ARGV[4] .. ' ' .. when .. ' ' .. net(ARGV[5]) .. ARGV[6], 'PX', 3600000)
return { ARGV[4], ARGV[5], ARGV[6], when, redis.call('SCARD', P .. 'h') }
