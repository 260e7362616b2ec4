-- key keeps who holds a wide concurrency key and who waits for it.
-- ARGV 3 'ask', 'again' or 'look': 4 key 5 run 6 queue | skip | replace. 'free': 4 key 5 run.
-- ask answers {'held' | 'queued' | 'busy', outbox, holder}, free {'', outbox}. look
-- asks for nothing: it answers as ask, or 'none' for a run that has no place there.
-- 'again' asks for one that had a place: none it gets that is replaced.
-- 'doubt': 4 key 5 run that holds it and is not to be found.
--@head
--@lib
local list, run = P .. 'k:' .. ARGV[4], ARGV[5]
if ARGV[3] == 'free' then
  local first = redis.call('LINDEX', list, 0)
  redis.call('LREM', list, 1, run)
  redis.call('HDEL', P .. 'ob', 'v:' .. run, 'g:' .. run)
  local next = redis.call('LINDEX', list, 0)
  if next and first == run then send('g:' .. next, net('grant') .. net(next) .. net(ARGV[4])) end
  number()
  return { '', outbox }
end
if ARGV[3] == 'doubt' then
  if redis.call('LINDEX', list, 0) == run then
    redis.call('HSETNX', P .. 'ob', 'v:' .. run, when .. ' ' .. net('begun?') .. net(run) .. net(ARGV[4]))
  end
  return { '', outbox }
end
local live = redis.call('LRANGE', list, 0, -1)
for i, r in ipairs(live) do
  if r == run then return { i == 1 and 'held' or 'queued', outbox, live[1] } end
end
if ARGV[3] == 'look' then return { 'none', outbox } end
if ARGV[3] == 'again' then
  local replaced = 'x:' .. run .. ':'
  for _, id in ipairs(redis.call('HKEYS', P .. 'ob')) do
    if string.sub(id, 1, #replaced) == replaced then return { 'none', outbox } end
  end
end
if #live > 0 and (ARGV[6] == 'skip' or (ARGV[6] == 'queue' and #live > 100)) then return { 'busy', outbox, live[1] } end
if #live > 0 and ARGV[6] == 'replace' then
  for i = #live, 1, -1 do
    if i > 1 then redis.call('LREM', list, 1, live[i]) end
    send('x:' .. live[i] .. ':' .. run, net('cancel') .. net(live[i]))
  end
end
redis.call('RPUSH', list, run)
-- Should who asks not come to begin the run, it is found out and the key freed.
redis.call('HSET', P .. 'ob', 'v:' .. run, when .. ' ' .. net('begun?') .. net(run) .. net(ARGV[4]))
number()
return { #live == 0 and 'held' or 'queued', outbox }
