-- claim fires timers, takes over what lost workers held, and leases what is due.
-- ARGV 3 so many at most 4 how long a lease lasts 5 token, of which each lease
--      gets its own 6 '1': take over 7 '1': look after what expires, too
--      8 how long ended runs keep their answers 9 worker 10 '1': asked again,
--      because the answer was not heard 11 so many of each lane at most, or ''
-- Answers {now, number, '1' if frozen, '1' if more would have been in lanes that
-- have room left, next timer or '', next lease end or '', strands, outbox,
-- keys that are another program's or gone, the lanes in which more is due than
-- there was room for}.
--@head
--@lib

local max = tonumber(ARGV[3])
local some = math.min(math.max(2 * max, 32), 128)

-- parts answers run and path of a strand's name in an index.
local function parts(me) return string.sub(me, 1, 23), string.sub(me, 25) end

local damaged = {}

-- broken notes a key that is another program's or gone, and has the strand looked
-- at again a minute later.
local function broken(key, me)
  damaged[#damaged + 1] = key
  redis.call('ZREM', P .. 't', me)
  redis.call('SREM', P .. 'h', me)
  if redis.call('EXISTS', key) == 1 then
    redis.call('ZADD', P .. 'l', now + 60000000, me)
  else
    redis.call('ZREM', P .. 'l', me)
  end
end

-- laneOf answers the lane of a strand's run, nothing where the strand or its run
-- cannot be read.
local function laneOf(me, run, path)
  local k = skey(run, path)
  if path ~= '' and type(redis.pcall('HGET', k, 'i')) == 'table' then return broken(k, me) end
  k = skey(run, '')
  local lane = redis.pcall('HGET', k, 'ln')
  if type(lane) ~= 'string' then return broken(k, me) end
  return lane
end

if ARGV[6] == '1' then
  for _, me in ipairs(redis.call('ZRANGEBYSCORE', P .. 'l', '-inf', now, 'LIMIT', 0, some)) do
    local run, path = parts(me)
    local lane = laneOf(me, run, path)
    if lane then
      redis.call('ZREM', P .. 'l', me)
      local k = skey(run, path)
      redis.call('HSET', k, 'i', '1', 'j', '1')
      redis.call('HDEL', k, 'k')
      redis.call('HINCRBY', k, 'x', 1)
      push(run, path, lane)
    end
  end
end

for _, me in ipairs(redis.call('ZRANGEBYSCORE', P .. 't', '-inf', now, 'LIMIT', 0, some)) do
  local run, path = parts(me)
  local lane = laneOf(me, run, path)
  if lane and redis.call('HGET', skey(run, path), 'i') == '0' then
    begins(run)
  elseif lane then
    wake(run, path, lane)
    bump(run)
  end
end

if not frozen then
  for _, me in ipairs(redis.call('SRANDMEMBER', P .. 'h', 32)) do
    local run, path = parts(me)
    local lane = laneOf(me, run, path)
    if lane then
      wake(run, path, lane)
      bump(run)
    end
  end
end

local marked = redis.call('SRANDMEMBER', P .. 'cw')
if marked then
  local lane = redis.pcall('HGET', P .. 's:' .. marked, 'ln')
  if type(lane) == 'string' then
    wakeAll(marked, lane)
    bump(marked)
  else
    redis.call('SREM', P .. 'cw', marked)
  end
end

-- remove deletes a document and says so in the stream.
local function remove(name)
  local kind, key = string.match(name, '^(%Z*)%z(.*)$')
  redis.call('DEL', P .. 'd:' .. name)
  redis.call('ZREM', P .. 'di:' .. kind, key)
  redis.call('ZREM', P .. 'dx', name)
  redis.call('ZREM', P .. 'lg', 'd' .. name)
  redis.call('ZADD', P .. 'lg', number(), 'x' .. name)
  redis.call('ZADD', P .. 'xt', now, 'x' .. name)
end

if ARGV[7] == '1' then
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', P .. 'dx', '-inf', now, 'LIMIT', 0, 100)) do remove(name) end
  local month = now - 30 * 86400 * 1000000
  local old = redis.call('ZRANGEBYSCORE', P .. 'xt', '-inf', month, 'LIMIT', 0, 100)
  for _, name in ipairs(old) do
    local q = redis.call('ZSCORE', P .. 'lg', name)
    if q then redis.call('HSET', KEYS[1], 'tr', math.max(tonumber(q), tonumber(redis.call('HGET', KEYS[1], 'tr') or '0'))) end
    redis.call('ZREM', P .. 'lg', name)
    redis.call('ZREM', P .. 'xt', name)
  end
end

-- The lanes are drawn 8:4:2:1.
local draws = '010201030102010'
local cursor = tonumber(redis.call('HGET', KEYS[1], 'dr') or '0')
local left, over, total = {}, '', 0
local room = string.gmatch(ARGV[11], '%d+')
for lane = 0, 3 do
  local due = redis.call('LLEN', P .. 'q' .. lane)
  left[lane] = math.min(due, tonumber(room() or due))
  total = total + left[lane]
  if left[lane] < due then over = over .. lane end
end
local strands, names = {}, {}
local memo = P .. 'rq:claim ' .. ARGV[9]
local before = ARGV[10] == '1' and redis.call('GET', memo)
if before and string.sub(before, 1, #ARGV[5]) == ARGV[5] then
  local n = 0
  for me in string.gmatch(string.sub(before, #ARGV[5] + 1), '%d+:(%Z+)%z') do
    local run, path = parts(me)
    local token = ARGV[5] .. n
    n = n + 1
    if redis.pcall('HGET', skey(run, path), 'k') == token then strands[#strands + 1] = held(run, path, token) end
  end
  max = 0
end
while #strands < max and total > 0 do
  local lane = tonumber(string.sub(draws, cursor + 1, cursor + 1))
  cursor = (cursor + 1) % #draws
  if left[lane] > 0 then
    left[lane], total = left[lane] - 1, total - 1
    local me = redis.call('LPOP', P .. 'q' .. lane)
    local run, path = parts(me)
    local k, token = skey(run, path), ARGV[5] .. #strands
    local fields, mark = redis.pcall('HGETALL', k), ''
    if path == '' then
      for i = 1, #fields, 2 do
        if fields[i] == 'c' then mark = fields[i + 1] end
      end
    else
      mark = redis.pcall('HGET', P .. 's:' .. run, 'c') or ''
    end
    if fields.err or (path == '' and #fields == 0) then
      broken(k, me)
    elseif type(mark) == 'table' then
      broken(skey(run, ''), me)
    else
      if #fields == 0 then
        fields = { 'h', '0 0', 'a', when }
        redis.call('HSET', k, 'h', '0 0', 'a', when)
      end
      redis.call('HSET', k, 'i', '2', 'k', token, 'L', ARGV[4], 'T', mark)
      redis.call('ZADD', P .. 'l', now + ARGV[4], me)
      strands[#strands + 1] = held(run, path, token, fields, mark)
      names[#names + 1] = #me .. ':' .. me .. '\0'
    end
  end
end
if #names > 0 then
  redis.call('HSET', KEYS[1], 'dr', cursor)
  redis.call('SET', memo, ARGV[5] .. table.concat(names), 'PX', 60000)
end
if touch then redis.call('HSET', KEYS[1], 't', when) end
if total == 0 and meta[4] ~= '1' then
  -- We are to be told of all lanes but those of which something is left: who has
  -- no room there comes when there is. All others were told of it already.
  local w = 'l'
  for lane = 0, 3 do
    if not string.find(over, lane, 1, true) then w = w .. lane end
  end
  w = w == 'l0123' and '1' or w == 'l' and '0' or w
  if w ~= meta[4] then redis.call('HSET', KEYS[1], 'w', w) end
end

local waits = {}
if redis.call('HLEN', P .. 'ob') > 0 then
  local some = redis.call('HRANDFIELD', P .. 'ob', 16, 'WITHVALUES')
  for i = 1, #some, 2 do
    local when, message = string.match(some[i + 1], '^(%d+) (.*)$')
    if now - when > 2000000 or now < tonumber(when) then
      waits[#waits + 1] = some[i]
      waits[#waits + 1] = message
    end
  end
end
local timer = redis.call('ZRANGE', P .. 't', 0, 0, 'WITHSCORES')
local lease = redis.call('ZRANGE', P .. 'l', 0, 0, 'WITHSCORES')
return { when, redis.call('HGET', KEYS[1], 'q') or '0', frozen and '1' or '', total > 0 and '1' or '', timer[2] or '', lease[2] or '', strands, waits, damaged, over }
