-- settle writes what a holder says of its strand and what comes of it.
-- ARGV 3 run 4 path 5 token 6 seq 7 request 8 highest fact number it knows
--      9 number of facts 10 facts 11 '1': an intent 12 mark under which it acts
--      13 why a cap elsewhere refuses, or '' 14 what follows: '' | y | w | o | e
--      15..18 of that. w: time or '' for ever, what for, '1': or the end of a
--      freeze. o: path, count, window, '1': failfast. e: outcome, result, token
--      of the next strand, how long an ended run keeps its answers
--      19 number of audit records, they; number of takes, 5 each (caps.lua);
--      number of documents, 2 each (outbox); number of runs, of each: id,
--      playbook, subject, dedupe digest, edition, mode, lane, head, after, number
--      of audit records, they
-- Answers {0} lost, {2, now, facts, mark, why} refused,
-- {1, now, facts, holds, mark, signals, next, outbox, runs} or, where nothing but
-- facts was said and nothing was unknown, {3, now, facts}; a repeat is answered
-- {4, …} as {1, …}.
--@head
local run, path, token, request = ARGV[3], ARGV[4], ARGV[5], ARGV[7]
local sk = P .. 's:' .. run
if path ~= '' then sk = sk .. ':' .. path end
local s = redis.call('HMGET', sk, 'i', 'k', 'p', 'n', 'r', 'a', 'x', 'T', 'w', 'L', 'c', 'z')
local mark = s[11]
if path ~= '' then mark = redis.call('HGET', P .. 's:' .. run, 'c') end
mark = mark or ''
local repeated = s[5] == request
if s[1] and not repeated and (s[1] ~= '2' or s[2] ~= token or s[3] ~= ARGV[6]) then return { 0 } end
local n = tonumber(s[4] or '0')
local at = tonumber(s[6] or '0')
if now < at and at - now <= 60000000 then now = at end

-- What comes along.
local takes, runs = {}, {}
local a = 19
local audits, auditsAt = tonumber(ARGV[a]), a + 1
a = a + 1 + audits
for i = 1, tonumber(ARGV[a]) do
  takes[i] = { ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], ARGV[a + 5] }
  a = a + 5
end
a = a + 1
local docs, docsAt = tonumber(ARGV[a]), a + 1
a = a + 1 + 2 * docs
for i = 1, tonumber(ARGV[a]) do
  runs[i] = a + 1
  a = a + 10 + tonumber(ARGV[a + 10])
end

local refused = ''
local fresh, reserveAll
if s[1] and not repeated then
  if #takes > 0 and refused == '' then
--@caps
    local over
    fresh, over = fits(takes)
    reserveAll = reserve
    if over then refused = 'cap ' .. over end
  end
  if ARGV[13] ~= '' then refused = ARGV[13] end
  if ARGV[11] == '1' and frozen then refused = 'frozen' end
  if ARGV[11] == '1' and mark ~= '' and mark ~= ARGV[12] then refused = 'cancelled' end
  if refused ~= '' then return { 2, string.format('%.0f', now), n, mark, refused } end
end

-- Nearly all of them: the holder goes on and knows everything.
local seen, count = tonumber(ARGV[8]), tonumber(ARGV[9])
if s[1] and not repeated and ARGV[14] == '' and #runs == 0 and docs == 0 and n == seen then
  local when = string.format('%.0f', now)
  local kept = when .. ' ' .. (n + count) .. ' 1 ' .. mark
  if count > 0 then
    redis.call('HSET', sk, 'p', ARGV[6] + 1, 'n', n + count, 'a', when, 'r', request, 'z', kept, 'f' .. (n + 1), when .. ' ' .. count .. ' h ' .. ARGV[10])
  else
    redis.call('HSET', sk, 'p', ARGV[6] + 1, 'a', when, 'r', request, 'z', kept)
  end
  if s[7] and s[7] ~= '0' then redis.call('HSET', sk, 'x', 0) end
  if s[9] then redis.call('HDEL', sk, 'w') end
  if mark ~= (s[8] or '') then redis.call('HSET', sk, 'T', mark) end
  if touch then redis.call('HSET', KEYS[1], 't', now) end
  if fresh then reserveAll(fresh) end
  local q = redis.call('HINCRBY', KEYS[1], 'q', 1 + audits)
  for i = 1, audits do
    redis.call('XADD', P .. 'au', string.format('%.0f-0', q - audits + i), 't', when, 'b', ARGV[auditsAt + i - 1])
  end
  return { 3, when, n + count, mark, q }
end
--@lib

local open, index = string.match(path, '^(.*)%[(%d+)%]$')

-- signals answers those after the number that the holder knows.
local function signals(fields, from, to)
  local found = {}
  for i = from + 1, to do
    local f = fields and fields['f' .. i] or (not fields and redis.call('HGET', sk, 'f' .. i))
    if f and string.match(f, '^%d+ %d+ s ') then
      found[#found + 1] = i
      found[#found + 1] = f
    end
  end
  return found
end

-- again answers what the same request was answered before.
local function again(kept, fields)
  local when, facts, holds, m, rest = string.match(kept, '^(%d+) (%d+) (%d) (%a*)(.*)$')
  local begun = {}
  local next
  local names, handed = string.match(rest, '^|([^|]*)|?(.*)$')
  for name in string.gmatch(names or '', '%S+') do begun[#begun + 1] = name end
  local to, seq, where = string.match(handed or '', '^(%S+) (%d+) (.*)$')
  if to then next = { held(run, where, to), seq } end
  return { 4, when, tonumber(facts), tonumber(holds), m, signals(fields, seen, tonumber(facts) - count), next or false, outbox, begun }
end

if repeated then return again(s[12]) end
if not s[1] then -- it has ended, or was never there
  local ended = open and redis.call('HGET', P .. 'e:' .. run .. ':' .. open, index)
  if ended then
    local parts, i = {}, 1
    while i <= #ended do
      local size, from = string.match(ended, '^(%d+):()', i)
      parts[#parts + 1] = string.sub(ended, from, from + size - 1)
      i = from + size
    end
    if parts[6] == request then
      local fields = {}
      for k = 8, #parts - 1, 2 do fields[parts[k]] = parts[k + 1] end
      return again(parts[7], fields)
    end
  elseif path == '' then
    local packed = redis.call('GETRANGE', P .. 'z:' .. run, 0, 511)
    local size, from = string.match(packed, '^(%d+):()')
    if size and string.sub(packed, from, from + size - 1) == request then
      local size2, from2 = string.match(packed, '^(%d+):()', from + size)
      return again(string.sub(packed, from2, from2 + size2 - 1), {})
    end
  end
  return { 0 }
end

local root = redis.call('HMGET', P .. 's:' .. run, 'sb', 'ln')
local subject, lane = root[1], root[2]
for _, r in ipairs(runs) do
  if ARGV[r + 2] ~= subject then
    return redis.error_reply('STANCHREFUSED begin: the run is about "' .. subject .. '", what it begins about "' .. ARGV[r + 2] .. '": it has to be the same')
  end
end
if ARGV[14] == 'o' and redis.call('EXISTS', okey(run, ARGV[15])) == 1 then
  return redis.error_reply('STANCHREFUSED Open: the run has a strand ' .. ARGV[15] .. '[0] already')
end

-- From here on everything is written.
local unknown = signals(nil, seen, n)
if fresh then reserveAll(fresh) end
for i = 1, audits do audit(ARGV[auditsAt + i - 1]) end
for i = 1, docs do send(ARGV[docsAt + 2 * i - 2], ARGV[docsAt + 2 * i - 1]) end

local begun = {}
for i, r in ipairs(runs) do
  local id, dedupe, after = ARGV[r], ARGV[r + 3], tonumber(ARGV[r + 8])
  begun[i] = dedupe ~= '' and redis.call('HGET', P .. 'dd', dedupe) or id
  if begun[i] == id then
    local k = P .. 's:' .. id
    redis.call('HSET', k, 'pb', ARGV[r + 1], 'sb', subject, 'ed', ARGV[r + 4], 'md', ARGV[r + 5], 'ln', ARGV[r + 6], 'hd', ARGV[r + 7],
      'bg', now, 'a', now, 'p', 0, 'n', 0)
    if dedupe ~= '' then
      redis.call('HSET', P .. 'dd', dedupe, id)
      redis.call('HSET', k, 'dd', dedupe)
    end
    if after > 0 then
      redis.call('HSET', k, 'st', 'queued', 'i', 0, 'qd', 1, 'd', now + after)
      redis.call('ZADD', P .. 't', now + after, id .. ':')
    else
      redis.call('HSET', k, 'st', 'running', 'i', 1, 'ac', 1)
      push(id, '', ARGV[r + 6])
    end
    bump(id)
    for j = 1, tonumber(ARGV[r + 9]) do audit(ARGV[r + 9 + j]) end
  end
end

local me, facts, holds = run .. ':' .. path, n + count, 0
if count > 0 then
  redis.call('HSET', sk, 'f' .. (n + 1), text(now) .. ' ' .. count .. ' h ' .. ARGV[10])
end
redis.call('HSET', sk, 'p', ARGV[6] + 1, 'n', facts, 'a', now, 'r', request, 'x', 0, 'T', mark)
redis.call('HDEL', sk, 'w')

-- lets lets go of the lease.
local function lets(state)
  redis.call('ZREM', P .. 'l', me)
  redis.call('HDEL', sk, 'k')
  redis.call('HSET', sk, 'i', state)
end

-- leases leases what comes next to this holder.
local function leases(where)
  redis.call('HSET', skey(run, where), 'i', 2, 'k', ARGV[17], 'L', s[10], 'T', mark, 'a', now)
  redis.call('ZADD', P .. 'l', now + s[10], run .. ':' .. where)
end

-- child ends a child: with the next one of its window, or with the join. It
-- answers what its holder gets for it, with the position of that.
local function child()
  local o = redis.call('HMGET', okey(run, open), 'p', 'c', 'n', 'f', 't', 'u')
  local stopped = o[5] == '1' or (ARGV[15] == 'failed' and o[4] == '1') or (mark ~= '' and mark ~= o[6])
  local begunChildren = tonumber(o[3])
  if not stopped and begunChildren < tonumber(o[2]) then
    local where = open .. '[' .. o[3] .. ']'
    redis.call('HSET', okey(run, open), 'n', begunChildren + 1)
    redis.call('HSET', skey(run, where), 'p', 0, 'n', 0)
    leases(where)
    return where, '0'
  end
  if stopped and o[5] ~= '1' then redis.call('HSET', okey(run, open), 't', 1) end
  if redis.call('HLEN', P .. 'e:' .. run .. ':' .. open) + 1 < begunChildren then
    if redis.call('HINCRBY', P .. 's:' .. run, 'ac', -1) == 0 then bump(run) end
    return
  end
  redis.call('HSET', skey(run, o[1]), 'w', open)
  leases(o[1])
  return o[1], redis.call('HGET', skey(run, o[1]), 'p')
end

local where, seq
local follows = ARGV[14]
if follows == '' then
  holds = 1
elseif follows == 'y' then
  lets(1)
  push(run, path, lane)
elseif follows == 'w' then
  local time = tonumber(ARGV[15])
  if #unknown > 0 or (mark ~= (s[8] or '') and mark ~= '' and mark ~= ARGV[12]) then
    holds = 1 -- there is news
  elseif (ARGV[17] == '1' and not frozen) or (time and time <= 0) then
    lets(1)
    push(run, path, lane)
  else
    lets(3)
    if ARGV[16] ~= '' then redis.call('HSET', sk, 'o', ARGV[16]) end
    if time then
      redis.call('HSET', sk, 'd', now + time)
      redis.call('ZADD', P .. 't', now + time, me)
    end
    if ARGV[17] == '1' then
      redis.call('HSET', sk, 'h', 1)
      redis.call('SADD', P .. 'h', me)
    end
    redis.call('HSET', P .. 'w:' .. run, path, ARGV[16])
    redis.call('HINCRBY', P .. 's:' .. run, 'ac', -1)
    bump(run)
  end
elseif follows == 'o' then
  local first = math.min(tonumber(ARGV[16]), tonumber(ARGV[17]))
  if mark ~= '' and mark ~= ARGV[12] then first = 0 end
  redis.call('HSET', okey(run, ARGV[15]), 'p', path, 'c', ARGV[16], 'n', first, 'f', ARGV[18], 't', 0, 'u', ARGV[12])
  redis.call('SADD', P .. 'y:' .. run, 'o' .. ARGV[15])
  if first == 0 then
    lets(1)
    redis.call('HSET', sk, 'w', ARGV[15])
    push(run, path, lane)
  else
    lets(4)
    redis.call('HINCRBY', P .. 's:' .. run, 'ac', first - 1)
    for i = 0, first - 1 do push(run, ARGV[15] .. '[' .. i .. ']', lane) end
  end
elseif path == '' then
  lets(5)
  redis.call('HSET', sk, 'O', ARGV[15], 'R', ARGV[16])
  ends(run, ARGV[15], redis.call('EXISTS', P .. 'y:' .. run) == 1 and tonumber(ARGV[18]) or 0)
else
  redis.call('ZREM', P .. 'l', me)
  where, seq = child()
end

local kept = text(now) .. ' ' .. facts .. ' ' .. holds .. ' ' .. mark
if #begun > 0 or where then kept = kept .. '|' .. table.concat(begun, ' ') end
if where then kept = kept .. '|' .. ARGV[17] .. ' ' .. seq .. ' ' .. where end
if follows == 'e' and path ~= '' then
  local parts = { net(ARGV[15]), net(ARGV[16]), net(text(ARGV[6] + 1)), net(text(facts)), net(text(now)), net(request), net(kept) }
  local fields = redis.call('HGETALL', sk)
  for i = 1, #fields, 2 do
    if string.byte(fields[i]) == 102 then -- f
      parts[#parts + 1] = net(fields[i])
      parts[#parts + 1] = net(fields[i + 1])
    end
  end
  redis.call('HSET', P .. 'e:' .. run .. ':' .. open, index, table.concat(parts))
  redis.call('DEL', sk)
else
  redis.call('HSET', sk, 'z', kept)
end
return { 1, text(now), facts, holds, mark, unknown, where and { held(run, where, ARGV[17]), seq } or false, outbox, begun, number() }
