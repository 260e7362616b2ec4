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

local run, key, action, wide = ARGV[3], ARGV[11], ARGV[12], ARGV[14]
local s = P .. 's:' .. run
if redis.call('EXISTS', s, P .. 'z:' .. run) == 1 then return { run, 1, begunAt(run), outbox } end
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
  local live = redis.call('LLEN', list)
  if live > 0 then
    if action == 'skip' or (action == 'queue' and live > 100) then return { '', 0, when, outbox } end
    status = 'queued'
    if action == 'replace' then -- the holder, which is the oldest, last: nobody takes its key over
      local runs = redis.call('LRANGE', list, 0, -1)
      for i = #runs, 1, -1 do cancel(runs[i], 'cancel', tonumber(ARGV[15])) end
    end
  end
  redis.call('RPUSH', list, run)
end
local f = { 'pb', ARGV[4], 'sb', ARGV[5], 'ed', ARGV[7], 'md', ARGV[8], 'ln', ARGV[9], 'hd', ARGV[10],
  'bg', when, 'st', status, 'a', when, 'h', '0 0', 'la', when }
local function set(name, value)
  f[#f + 1] = name
  f[#f + 1] = value
end
if key ~= '' then
  set('ck', key)
  if wide ~= '' then set('cw', '1') end
end
if ARGV[6] ~= '' then
  redis.call('HSET', P .. 'dd', ARGV[6], run)
  set('dd', ARGV[6])
end
if status == 'queued' then
  set('i', '0')
  set('qd', '1')
  if wide ~= '' then redis.call('SADD', P .. 'qw', run) end
  if after > 0 then
    set('d', text(now + after))
    redis.call('ZADD', P .. 't', now + after, run .. ':')
  end
else
  set('i', '1')
  set('ac', '1')
  push(run, '', ARGV[9])
end
redis.call('HSET', s, unpack(f))
redis.call('ZADD', P .. 'lg', number(), 'r' .. run)
for i = 17, 16 + tonumber(ARGV[16]) do audit(ARGV[i]) end
return { run, 1, when, outbox }
