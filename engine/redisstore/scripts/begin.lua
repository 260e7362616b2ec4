-- begin starts a run unless its dedupe key did so before.
-- ARGV 3 run 4 playbook 5 subject 6 dedupe digest or '' 7 edition 8 mode 9 lane 10 head
--      11 key or '' 12 queue | skip | replace 13 after 14 '' or, with a wide key,
--      running | queued, as its partition has said 15 how long ended runs keep
--      their answers 16 number of audit records, they
-- Answers {run, 1 if this request made it, when it begun} or {} while the key is
-- held, and the outbox.
--@head
--@lib
--@packed
local run, key, when, wide = ARGV[3], ARGV[11], ARGV[12], ARGV[14]
local known = begunAt(run)
if known then return { run, 1, known, outbox } end
if ARGV[6] ~= '' then
  local other = redis.call('HGET', P .. 'dd', ARGV[6])
  if other then return { other, 0, begunAt(other) or '0', outbox } end
end
if wide ~= '' and redis.call('EXISTS', P .. 'rq:dead ' .. run) == 1 then return { '', -1, '0', outbox } end

local status, after = 'running', tonumber(ARGV[13])
local list = P .. 'k:' .. key
if after > 0 then
  status = 'queued'
elseif wide ~= '' then
  status = wide
elseif key ~= '' then
  local live = redis.call('LRANGE', list, 0, -1)
  if #live > 0 then
    if when == 'skip' or (when == 'queue' and #live > 100) then return { '', 0, text(now), outbox } end
    status = 'queued'
    if when == 'replace' then -- the holder, which is the oldest, last: nobody takes its key over
      for i = #live, 1, -1 do cancel(live[i], 'cancel', tonumber(ARGV[15])) end
    end
  end
  redis.call('RPUSH', list, run)
end
local s = P .. 's:' .. run
redis.call('HSET', s, 'pb', ARGV[4], 'sb', ARGV[5], 'ed', ARGV[7], 'md', ARGV[8], 'ln', ARGV[9], 'hd', ARGV[10],
  'bg', now, 'st', status, 'a', now, 'p', 0, 'n', 0)
if key ~= '' then redis.call('HSET', s, 'ck', key, 'cw', wide == '' and '0' or '1') end
if ARGV[6] ~= '' then
  redis.call('HSET', P .. 'dd', ARGV[6], run)
  redis.call('HSET', s, 'dd', ARGV[6])
end
if status == 'queued' then
  redis.call('HSET', s, 'i', 0, 'qd', 1)
  if after > 0 then
    redis.call('HSET', s, 'd', now + after)
    redis.call('ZADD', P .. 't', now + after, run .. ':')
  end
else
  redis.call('HSET', s, 'i', 1, 'ac', 1)
  push(run, '', ARGV[9])
end
bump(run)
for i = 17, 16 + tonumber(ARGV[16]) do audit(ARGV[i]) end
return { run, 1, text(now), outbox }
