-- settle writes what a holder says of its strand and what comes of it.
-- ARGV 3 run 4 path 5 token 6 position and number of facts that it knows, as the
--      field h has them 7 request 8 the same after it 9 field of its facts, '' for
--      none 10 they, behind ' ' and their number 11 '' if that is all, else:
--      12 '1': an intent 13 mark under which it acts 14 why a cap elsewhere
--      refuses, or '' 15 what follows: '' | y | w | o | e
--      16..19 of that. w: time or '' for ever, what for, '1': or the end of a
--      freeze. o: path, count, window, f: failfast, i: its items were written
--      under this request (items.lua). e: outcome, result, token
--      of the next strand, how long an ended run keeps its answers
--      20 packed run or '' 21 number of audit records, they; number of takes, 5
--      each (caps.lua); number of documents, 2 each (outbox); number of runs, of
--      each: id, playbook, subject, dedupe digest, edition, mode, lane, head,
--      after, number of audit records, they
-- Answers {0} lost, {2, now, facts, mark, why} refused,
-- {1, now, facts, holds, mark, signals, next, outbox, runs, number} or, where
-- nothing but facts was said and nothing was unknown, {3, now, number}; a repeat
-- is answered {4, …} as {1, …}, without a number.
--@head
local run, path, token, request = ARGV[3], ARGV[4], ARGV[5], ARGV[7]
local sk = P .. 's:' .. run
local s, mark
if path == '' then
  s = redis.call('HMGET', sk, 'k', 'h', 'r', 'j', 'c')
  mark = s[5] or ''
else
  sk = sk .. ':' .. path
  s = redis.call('HMGET', sk, 'k', 'h', 'r', 'j')
  mark = redis.call('HGET', P .. 's:' .. run, 'c') or ''
end
local repeated = s[3] == request
local knows = s[2] == ARGV[6]

-- Nearly all of them: the holder goes on, knows everything, and says facts.
if ARGV[11] == '' and knows and s[1] == token and mark == '' and not s[4] and not repeated then
  if ARGV[9] ~= '' then
    redis.call('HSET', sk, 'h', ARGV[8], 'r', request, 'z', when, ARGV[9], when .. ARGV[10])
  else
    redis.call('HSET', sk, 'h', ARGV[8], 'r', request, 'z', when)
  end
  if touch then redis.call('HSET', KEYS[1], 't', when) end
  return { 3, when, redis.call('HINCRBY', KEYS[1], 'q', 1) }
end

local position, seen = string.match(ARGV[6], '^(%d+) (%d+)$')
local count = tonumber(string.match(ARGV[10], '^ (%d+)') or '0')
local at, facts0 = string.match(s[2] or '', '^(%d+) (%d+)$')
local n = tonumber(facts0 or '0')
seen = tonumber(seen)
if s[2] and not repeated and (s[1] ~= token or at ~= position) then return { 0 } end

-- What comes along.
local more = ARGV[11] ~= ''
local intent, under, refused, follows = more and ARGV[12] == '1', ARGV[13] or '', ARGV[14] or '', ARGV[15] or ''
local takes, runs = {}, {}
local audits, auditsAt, docs, docsAt = 0, 0, 0, 0
if more then
  local a = 21
  audits, auditsAt = tonumber(ARGV[a]), a + 1
  a = a + 1 + audits
  for i = 1, tonumber(ARGV[a]) do
    takes[i] = { ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], ARGV[a + 5] }
    a = a + 5
  end
  a = a + 1
  docs, docsAt = tonumber(ARGV[a]), a + 1
  a = a + 1 + 2 * docs
  for i = 1, tonumber(ARGV[a]) do
    runs[i] = a + 1
    a = a + 10 + tonumber(ARGV[a + 10])
  end
end

local fresh, reserveAll
if s[2] and not repeated then
  if #takes > 0 then
--@caps
    local over
    fresh, over = fits(takes)
    reserveAll = reserve
    if over and refused == '' then refused = 'cap ' .. over end
  end
  if intent and frozen then refused = 'frozen' end
  if intent and mark ~= '' and mark ~= under then refused = 'cancelled' end
  if refused ~= '' then return { 2, when, n, mark, refused } end
end

-- An intent, or a result with its record, of a holder that goes on.
if more and follows == '' and #runs == 0 and docs == 0 and knows and mark == '' and not s[4] and s[2] and not repeated then
  if ARGV[9] ~= '' then
    redis.call('HSET', sk, 'h', ARGV[8], 'r', request, 'z', when, ARGV[9], when .. ARGV[10])
  else
    redis.call('HSET', sk, 'h', ARGV[8], 'r', request, 'z', when)
  end
  if touch then redis.call('HSET', KEYS[1], 't', when) end
  if fresh then reserveAll(fresh, run) end
  local q = redis.call('HINCRBY', KEYS[1], 'q', 1 + audits)
  for i = 1, audits do
    redis.call('XADD', P .. 'au', string.format('%.0f-0', q - audits + i), 't', when, 'b', ARGV[auditsAt + i - 1])
  end
  return { 3, when, q }
end
--@lib
--@packed

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
  local time, total, holds, m, rest = string.match(kept, '^(%d+) (%d+) (%d) (%a*)(.*)$')
  if not time then return { 4, kept, seen + count, 1, '', {}, false, outbox, {} } end
  local begun = {}
  local next
  local names, handed = string.match(rest, '^|([^|]*)|?(.*)$')
  for name in string.gmatch(names or '', '%S+') do begun[#begun + 1] = name end
  local to, seq, where = string.match(handed or '', '^(%S+) (%d+) (.*)$')
  if to then next = { held(run, where, to), seq } end
  return { 4, time, tonumber(total), tonumber(holds), m, signals(fields, seen, tonumber(total) - count), next or false, outbox, begun }
end

if repeated then return again(redis.call('HGET', sk, 'z')) end
if not s[2] then -- it has ended, or was never there
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
    local packed = packedHead(run)
    if packed[1] == request then return again(packed[2], {}) end
  end
  return { 0 }
end

local root = redis.call('HMGET', P .. 's:' .. run, 'sb', 'ln', 'ck', 'cw', 'bg')
local subject, lane = root[1], root[2]
if not lane then return { 0 } end -- somebody has deleted the run
for _, r in ipairs(runs) do
  if ARGV[r + 2] ~= subject then
    return redis.error_reply('STANCHREFUSED begin: the run is about "' .. subject .. '", what it begins about "' .. ARGV[r + 2] .. '": it has to be the same')
  end
end
if follows == 'o' and redis.call('EXISTS', okey(run, ARGV[16])) == 1 then
  return redis.error_reply('STANCHREFUSED Open: the run has a strand ' .. ARGV[16] .. '[0] already')
end
local items = follows == 'o' and string.find(ARGV[19], 'i', 1, true)
if items and redis.call('EXISTS', P .. 'it:' .. request) == 0 then
  return redis.error_reply('STANCHREFUSED Open: the items of ' .. ARGV[16] .. ' are not there')
end

-- From here on everything is written.
local unknown = signals(nil, seen, n)
if fresh then reserveAll(fresh, run) end
for i = 1, audits do audit(ARGV[auditsAt + i - 1]) end
for i = 1, docs do send(ARGV[docsAt + 2 * i - 2], ARGV[docsAt + 2 * i - 1]) end

local begun = {}
for i, r in ipairs(runs) do
  local id, dedupe, after = ARGV[r], ARGV[r + 3], tonumber(ARGV[r + 8])
  begun[i] = dedupe ~= '' and redis.call('HGET', P .. 'dd', dedupe) or id
  if begun[i] == id then
    local k = P .. 's:' .. id
    redis.call('HSET', k, 'pb', ARGV[r + 1], 'sb', subject, 'ed', ARGV[r + 4], 'md', ARGV[r + 5], 'ln', ARGV[r + 6], 'hd', ARGV[r + 7],
      'bg', when, 'a', when, 'h', '0 0')
    if dedupe ~= '' then
      redis.call('HSET', P .. 'dd', dedupe, id)
      redis.call('HSET', k, 'dd', dedupe)
    end
    if after > 0 then
      redis.call('HSET', k, 'st', 'queued', 'i', '0', 'qd', '1', 'd', text(now + after))
      redis.call('ZADD', P .. 't', now + after, id .. ':')
    else
      redis.call('HSET', k, 'st', 'running', 'i', '1', 'ac', '1')
      push(id, '', ARGV[r + 6])
    end
    bump(id)
    for j = 1, tonumber(ARGV[r + 9]) do audit(ARGV[r + 9 + j]) end
  end
end

local me, total, holds = run .. ':' .. path, n + count, 0

-- A child that ends: the next one of its window follows, or the join. What it
-- was goes into the record of its window.
if follows == 'e' and path ~= '' then
  local o = redis.call('HMGET', okey(run, open), 'p', 'c', 'n', 'f', 't', 'u')
  local fields = redis.call('HGETALL', sk)
  local lease, parts = nil, {}
  for i = 1, #fields, 2 do
    if fields[i] == 'L' then
      lease = fields[i + 1]
    elseif string.byte(fields[i]) == 102 then -- f
      parts[#parts + 1] = net(fields[i])
      parts[#parts + 1] = net(fields[i + 1])
    end
  end
  if ARGV[9] ~= '' then
    parts[#parts + 1] = net('f' .. (n + 1))
    parts[#parts + 1] = net(when .. ARGV[10])
  end
  local stopped = o[5] == '1' or (ARGV[16] == 'failed' and o[4] == '1') or (mark ~= '' and mark ~= o[6])
  local where, seq, next
  local opened = tonumber(o[3])
  if not stopped and opened < tonumber(o[2]) then
    where, seq = open .. '[' .. o[3] .. ']', '0'
    redis.call('HSET', okey(run, open), 'n', opened + 1)
    redis.call('HSET', skey(run, where), 'h', '0 0', 'i', '2', 'k', ARGV[18], 'L', lease, 'T', mark, 'a', when)
    next = held(run, where, ARGV[18], { 'h', '0 0', 'a', when }, mark, o[6], o[1])
  else
    if stopped and o[5] ~= '1' then redis.call('HSET', okey(run, open), 't', '1') end
    if redis.call('HLEN', P .. 'e:' .. run .. ':' .. open) + 1 < opened then
      if redis.call('HINCRBY', P .. 's:' .. run, 'ac', -1) == 0 then bump(run) end
    else
      where = o[1]
      redis.call('HSET', skey(run, where), 'w', open, 'j', '1', 'i', '2', 'k', ARGV[18], 'L', lease, 'T', mark, 'a', when)
      seq = string.match(redis.call('HGET', skey(run, where), 'h'), '^%d+')
      next = held(run, where, ARGV[18])
    end
  end
  local kept = when .. ' ' .. total .. ' 0 ' .. mark
  if #begun > 0 or where then kept = kept .. '|' .. table.concat(begun, ' ') end
  if where then kept = kept .. '|' .. ARGV[18] .. ' ' .. seq .. ' ' .. where end
  redis.call('HSET', P .. 'e:' .. run .. ':' .. open, index,
    net(ARGV[16]) .. net(ARGV[17]) .. net(text(position + 1)) .. net(text(total)) .. net(when) .. net(request) .. net(kept) .. table.concat(parts))
  redis.call('DEL', sk)
  redis.call('ZREM', P .. 'l', me)
  if where then redis.call('ZADD', P .. 'l', now + lease, run .. ':' .. where) end
  return { 1, when, total, 0, mark, unknown, next and { next, seq } or false, outbox, begun, number() }
end

-- A run that ends, of which its holder knows everything, is packed at once.
local plain = follows == 'e' and ARGV[20] ~= '' and n == seen and #begun == 0
for _, m in ipairs(plain and redis.call('SMEMBERS', P .. 'y:' .. run) or {}) do plain = plain and string.sub(m, 1, 1) ~= 'o' end
if plain then
  local kept = when .. ' ' .. total .. ' 0 ' .. mark
  redis.call('SET', P .. 'z:' .. run, net(request) .. net(kept) .. net(root[5]) .. net(when) .. net(mark) .. ARGV[20])
  redis.call('UNLINK', sk, P .. 'w:' .. run)
  redis.call('ZREM', P .. 'l', me)
  redis.call('ZADD', P .. 'lg', number(), 'r' .. run)
  release(run, root[3], root[4])
  return { 1, when, total, 0, mark, {}, false, outbox, {}, number() }
end

local told = redis.call('HGET', sk, 'T') or ''
if count > 0 then
  redis.call('HSET', sk, 'f' .. (n + 1), when .. ARGV[10])
end
redis.call('HSET', sk, 'h', (position + 1) .. ' ' .. total, 'a', when, 'r', request, 'T', mark)
if s[4] then redis.call('HDEL', sk, 'j', 'w', 'x') end

-- lets lets go of the lease.
local function lets(state)
  redis.call('ZREM', P .. 'l', me)
  redis.call('HDEL', sk, 'k')
  redis.call('HSET', sk, 'i', state)
end

if follows == '' then
  holds = 1
elseif follows == 'y' then
  lets('1')
  push(run, path, lane)
elseif follows == 'w' then
  local time = tonumber(ARGV[16])
  if #unknown > 0 or (mark ~= told and mark ~= '' and mark ~= under) then
    holds = 1 -- there is news
  elseif (ARGV[18] == '1' and not frozen) or (time and time <= 0) then
    lets('1')
    push(run, path, lane)
  else
    lets('3')
    if ARGV[17] ~= '' then redis.call('HSET', sk, 'o', ARGV[17]) end
    if time then
      redis.call('HSET', sk, 'd', text(now + time))
      redis.call('ZADD', P .. 't', now + time, me)
    end
    if ARGV[18] == '1' then redis.call('SADD', P .. 'h', me) end
    redis.call('HSET', P .. 'w:' .. run, path, ARGV[17])
    redis.call('HINCRBY', P .. 's:' .. run, 'ac', -1)
    bump(run)
  end
elseif follows == 'o' then
  local first = math.min(tonumber(ARGV[17]), tonumber(ARGV[18]))
  if mark ~= '' and mark ~= under then first = 0 end
  redis.call('HSET', okey(run, ARGV[16]), 'p', path, 'c', ARGV[17], 's', ARGV[18], 'n', first,
    'f', string.find(ARGV[19], 'f', 1, true) and '1' or '0', 't', '0', 'u', under)
  if items then
    redis.call('RENAME', P .. 'it:' .. request, P .. 'i:' .. run .. ':' .. ARGV[16])
    redis.call('PERSIST', P .. 'i:' .. run .. ':' .. ARGV[16])
  end
  redis.call('SADD', P .. 'y:' .. run, 'o' .. ARGV[16])
  if first == 0 then
    lets('1')
    redis.call('HSET', sk, 'w', ARGV[16], 'j', '1')
    push(run, path, lane)
  else
    lets('4')
    redis.call('HINCRBY', P .. 's:' .. run, 'ac', first - 1)
    local names = {}
    for i = 0, first - 1 do
      names[#names + 1] = run .. ':' .. ARGV[16] .. '[' .. i .. ']'
      if #names == 500 then
        redis.call('RPUSH', P .. 'q' .. lane, unpack(names))
        names = {}
      end
    end
    if #names > 1 then redis.call('RPUSH', P .. 'q' .. lane, unpack(names, 1, #names - 1)) end
    if #names > 0 then push(run, string.sub(names[#names], #run + 2), lane) end
  end
else
  lets('5')
  redis.call('HSET', sk, 'O', ARGV[16], 'R', ARGV[17])
  ends(run, ARGV[16], tonumber(ARGV[19]))
end

local kept = when .. ' ' .. total .. ' ' .. holds .. ' ' .. mark
if #begun > 0 then kept = kept .. '|' .. table.concat(begun, ' ') end
redis.call('HSET', sk, 'z', kept)
return { 1, when, total, holds, mark, unknown, false, outbox, begun, number() }
