-- draw takes a call's units of a budget, or tells what the API has said of it.
-- Of a budget: hash b: t and the length of a window: what was used of it, as
-- parts and units, u no calls until, p its pace as of c, y and who: how many of
-- them wait, s the units of all that wait; bw of who waits: units and who; bq
-- their order, bx until when they are expected.
-- ARGV 3 name 4 request 5 units or '0' 6 lag of its lane 7 who 8 pause 9 '1': one
--      was refused 10 how often the pace is cut 11 to what part 12 its least
--      13 what comes back each µs 14 grace at least 15 at most 16 what it takes of
--      a window, as time 17 parts of a window 18 units to be given back 19 of what
--      was drawn then 20.. of each window: its length, the most that may be used
--      before the call's turn has come, and at all. Times in µs.
-- Answers {now, '1': go on, wait, how many are ahead, pace}.
--@head
local name, request, units, who = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[7]
local b, bw, bq, bx = P .. 'b:' .. name, P .. 'bw:' .. name, P .. 'bq:' .. name, P .. 'bx:' .. name

local function leave(r)
  local its, by = string.match(redis.call('HGET', bw, r) or '', '^(%d+) (.*)$')
  if not its then return end
  redis.call('ZREM', bq, r)
  redis.call('ZREM', bx, r)
  redis.call('HDEL', bw, r)
  redis.call('HINCRBY', b, 's', -its)
  if redis.call('HINCRBY', b, 'y' .. by, -1) <= 0 then redis.call('HDEL', b, 'y' .. by) end
end
for _, r in ipairs(redis.call('ZRANGEBYSCORE', bx, '-inf', now, 'LIMIT', 0, 100)) do leave(r) end

local want = { 'u', 'p', 'c', 's', 'y' .. who }
for i = 20, #ARGV, 3 do want[#want + 1] = 't' .. ARGV[i] end
local s = redis.call('HMGET', b, unpack(want))
local paused, cut = tonumber(s[1] or '0'), tonumber(s[3] or '0')
local pace = math.min(1, tonumber(s[2] or '1') + (now - cut) * tonumber(ARGV[13]))
if tonumber(ARGV[8]) > 0 then
  paused = math.max(paused, now + tonumber(ARGV[8]))
  redis.call('HSET', b, 'u', string.format('%.0f', paused))
end
if ARGV[9] == '1' and now - cut >= tonumber(ARGV[10]) then
  pace = math.max(pace * tonumber(ARGV[11]), tonumber(ARGV[12]))
  redis.call('HSET', b, 'p', string.format('%.6f', pace), 'c', when)
end
if touch then redis.call('HSET', KEYS[1], 't', when) end
local tell = string.format('%.6f', pace)

-- A window's use is 'part units part units …', the oldest part first.
local back, parts = tonumber(ARGV[18]), tonumber(ARGV[17])
if back > 0 then
  for i = 20, #ARGV, 3 do
    local drawn = string.format('%.0f', math.floor(tonumber(ARGV[19]) / (tonumber(ARGV[i]) / parts)))
    local log = string.gsub(s[6 + (i - 20) / 3] or '', '(%d+) (%d+)', function(part, n)
      if part == drawn then return part .. ' ' .. string.format('%.0f', math.max(0, tonumber(n) - back)) end
    end)
    if log ~= '' then redis.call('HSET', b, 't' .. ARGV[i], log) end
  end
end
if units == 0 then return { when, '', math.max(0, paused - now), redis.call('ZCARD', bq), tell } end

local turn = tonumber(redis.call('ZSCORE', bq, request) or nil)
local new = not turn
if new then turn = now + tonumber(ARGV[6]) + tonumber(s[5] or '0') * tonumber(ARGV[16]) end
local all = redis.call('ZCARD', bq)
local ahead = all > 0 and redis.call('ZCOUNT', bq, '-inf', '(' .. string.format('%.0f', turn)) or 0
local before = all > 0 and ahead * tonumber(s[4] or '0') / all or 0

local wait, used = paused - now, {}
for i = 20, #ARGV, 3 do
  local per = tonumber(ARGV[i])
  local most = math.max(units, math.floor((turn > now and ARGV[i + 1] or ARGV[i + 2]) * pace))
  local length = per / parts
  local this, sum, log = math.floor(now / length), 0, {}
  for part, n in string.gmatch(s[6 + (i - 20) / 3] or '', '(%d+) (%d+)') do
    part, n = tonumber(part), tonumber(n)
    if (part + 1) * length + per > now then
      sum = sum + n
      log[#log + 1] = { part, n }
    end
  end
  local over = sum + before + units - most
  for _, l in ipairs(log) do
    if over <= 0 then break end
    over = over - l[2]
    wait = math.max(wait, (l[1] + 1) * length + per - now)
  end
  if over > 0 then wait = math.max(wait, per + over / most * per) end
  if #log > 0 and log[#log][1] >= this then
    log[#log][2] = log[#log][2] + units
  else
    log[#log + 1] = { this, units }
  end
  local texts = {}
  for n, l in ipairs(log) do texts[n] = string.format('%.0f %.0f', l[1], l[2]) end
  used[#used + 1] = 't' .. ARGV[i]
  used[#used + 1] = table.concat(texts, ' ')
end
if wait <= 0 then
  if not new then leave(request) end
  redis.call('HSET', b, unpack(used))
  return { when, '1', 0, ahead, tell }
end
wait = math.ceil(wait / 1000) * 1000
if new then
  redis.call('ZADD', bq, string.format('%.0f', turn), request)
  redis.call('HSET', bw, request, ARGV[5] .. ' ' .. who)
  redis.call('HINCRBY', b, 's', units)
  redis.call('HINCRBY', b, 'y' .. who, 1)
end
local till = now + wait + tonumber(ARGV[14]) + math.min(wait / 2, tonumber(ARGV[15]))
redis.call('ZADD', bx, string.format('%.0f', till), request)
return { when, '', wait, ahead, tell }
