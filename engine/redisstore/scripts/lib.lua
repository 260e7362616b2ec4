-- What several scripts do. They check everything before they write: from the
-- first write on nothing here can raise.
local function text(n) return string.format('%.0f', n) end
local function net(s) return #s .. ':' .. s end

local function skey(run, path)
  if path == '' then return P .. 's:' .. run end
  return P .. 's:' .. run .. ':' .. path
end

local function okey(run, open) return P .. 'o:' .. run .. ':' .. open end

-- facts answers how many facts a strand has, of its field h.
local function facts(h) return tonumber(string.match(h or '0 0', ' (%d+)')) end

-- number takes the next number of the partition.
local function number()
  if touch then
    redis.call('HSET', KEYS[1], 't', when)
    touch = false
  end
  return redis.call('HINCRBY', KEYS[1], 'q', 1)
end

-- bump tells followers that a run stands otherwise than before.
local function bump(run)
  redis.call('HSET', P .. 's:' .. run, 'la', when)
  redis.call('ZADD', P .. 'lg', number(), 'r' .. run)
end

local function audit(body)
  redis.call('XADD', P .. 'au', text(number()) .. '-0', 't', when, 'b', body)
end

-- tells reports whether who waits for work is to be told of a lane: 1 of every
-- one, 0 of none, else of those that stand there.
local function tells(lane)
  local w = meta[4]
  return w ~= '0' and (not w or w == '1' or string.find(w, lane, 2, true) ~= nil)
end

-- push makes a strand due. Who waits for work is told: not of every strand, only
-- of the first in a lane since a claim has left nothing there. All are told, so
-- all claim again and say anew what they wait for.
local function push(run, path, lane)
  redis.call('RPUSH', P .. 'q' .. lane, run .. ':' .. path)
  if tells(lane) then
    meta[4] = '0'
    redis.call('HSET', KEYS[1], 'w', '0')
    redis.call('PUBLISH', string.match(P, '^(.-){') .. 'wake', string.match(P, '{(%x+)}'))
  end
end

-- wake makes a waiting strand due.
local function wake(run, path, lane)
  local k = skey(run, path)
  redis.call('HSET', k, 'i', '1', 'a', when)
  redis.call('HDEL', k, 'd', 'o')
  redis.call('ZREM', P .. 't', run .. ':' .. path)
  redis.call('SREM', P .. 'h', run .. ':' .. path)
  redis.call('HDEL', P .. 'w:' .. run, path)
  redis.call('HINCRBY', P .. 's:' .. run, 'ac', 1)
  push(run, path, lane)
end

-- begins lets a queued run begin.
local function begins(run)
  local k = P .. 's:' .. run
  local s = redis.call('HMGET', k, 'st', 'ln')
  if s[1] ~= 'queued' then return end
  redis.call('HSET', k, 'st', 'running')
  wake(run, '', s[2])
  bump(run)
end

local outbox = {}

-- send writes into the outbox what another partition has to hear.
local function send(id, message)
  redis.call('HSET', P .. 'ob', id, when .. ' ' .. message)
  outbox[#outbox + 1] = id
  outbox[#outbox + 1] = message
end

-- release gives the concurrency key of a run back, to who has waited longest.
local function release(run, key, wide)
  if not key then return end
  if wide == '1' then
    send('f:' .. run, net('free') .. net(key) .. net(run))
    return
  end
  local k = P .. 'k:' .. key
  redis.call('LREM', k, 1, run)
  local next = redis.call('LINDEX', k, 0)
  if next then begins(next) end
end

-- ends ends a run, of which everything else is written. It is packed so much
-- later.
local function ends(run, status, keep)
  local k = P .. 's:' .. run
  local s = redis.call('HMGET', k, 'ck', 'cw')
  redis.call('HSET', k, 'st', status, 'en', when, 'ac', '0')
  redis.call('ZADD', P .. 'pk', now + keep, run)
  bump(run)
  release(run, s[1], s[2])
end

local ranks = { [''] = 0, cancel = 1, terminate = 2 }

-- wakeAll makes the waiting strands of a run due, so many at once; the others
-- follow with the next claims.
local function wakeAll(run, lane)
  local w = redis.call('HKEYS', P .. 'w:' .. run)
  for i = 1, math.min(#w, 100) do wake(run, w[i], lane) end
  if #w > 100 then
    redis.call('SADD', P .. 'cw', run)
  else
    redis.call('SREM', P .. 'cw', run)
  end
end

-- cancel marks a run, if the mark says more than the one it has. One that has not
-- begun ends.
local function cancel(run, mark, keep)
  local k = P .. 's:' .. run
  local s = redis.call('HMGET', k, 'st', 'c', 'ln', 'en')
  if not s[1] or s[4] or ranks[mark] <= ranks[s[2] or ''] then return end
  redis.call('HSET', k, 'c', mark)
  if s[1] == 'queued' then
    redis.call('HSET', k, 'i', '5', 'O', 'cancelled', 'a', when)
    redis.call('HDEL', k, 'd')
    redis.call('ZREM', P .. 't', run .. ':')
    ends(run, 'cancelled', keep)
    return
  end
  wakeAll(run, s[3])
  bump(run)
end

-- held answers a strand as its holder gets it: run, path, token, its fields, and
-- of a child the mark of the run, the mark under which it was opened, its item,
-- and the strands around it with the number of their facts, innermost first.
-- What is known of these already may be given.
local function held(run, path, token, fields, mark, under, parent)
  fields = fields or redis.call('HGETALL', skey(run, path))
  if path == '' then return { run, path, token, fields } end
  local open, index = string.match(path, '^(.*)%[(%d+)%]$')
  mark = mark or redis.call('HGET', P .. 's:' .. run, 'c') or ''
  if not parent then
    local o = redis.call('HMGET', okey(run, open), 'u', 'p')
    under, parent = o[1] or '', o[2] or ''
  end
  local item = redis.call('HGET', P .. 'i:' .. run .. ':' .. open, index)
  local around = {}
  while parent do
    around[#around + 1] = parent
    around[#around + 1] = facts(redis.call('HGET', skey(run, parent), 'h'))
    open = string.match(parent, '^(.*)%[%d+%]$')
    parent = open and (redis.call('HGET', okey(run, open), 'p') or '')
  end
  return { run, path, token, fields, mark, under, item, around }
end
