-- run does to a run what another partition asks for.
-- ARGV 3 run 4 'grant': its wide key is its own. 'cancel'. 'begun?': if it is not
--      there it never will be 5 how long ended runs keep their answers
-- Answers {'1' if the run is there or never will be, 'ended' if that is over,
-- outbox}.
--@head
--@lib
local run = ARGV[3]
local s = redis.call('HMGET', P .. 's:' .. run, 'st', 'en')
if not s[1] then
  if redis.call('EXISTS', P .. 'z:' .. run, P .. 'rq:dead ' .. run) > 0 then return { '1', 'ended', outbox } end
  if ARGV[4] == 'begun?' then redis.call('SET', P .. 'rq:dead ' .. run, '1', 'PX', 86400000) end
  return { '', '', outbox }
end
if s[2] then return { '1', 'ended', outbox } end
if ARGV[4] == 'grant' and s[1] ~= 'queued' then return { '1', '', outbox } end
if ARGV[4] == 'grant' then
  begins(run)
elseif ARGV[4] == 'cancel' then
  cancel(run, 'cancel', tonumber(ARGV[5]))
end
number()
return { '1', '', outbox }
