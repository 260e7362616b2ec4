-- Caps. Of each one hash: '#' how many targets are reserved, 'w' if some run out,
-- t and a target: how many effects hold it, e and an effect: its targets, each
-- with the time until which it counts (12 and 16 bytes). U: those that run out.
local function ckey(name) return P .. 'c:' .. name end

-- drop takes one target of an effect back.
local function drop(name, effect, target)
  local k, kept, held = ckey(name), {}, false
  local all = redis.call('HGET', k, 'e' .. effect) or ''
  for i = 1, #all, 28 do
    if string.sub(all, i, i + 11) ~= target then
      kept[#kept + 1] = string.sub(all, i, i + 27)
    else
      held = true
    end
  end
  if not held then return end
  if redis.call('HINCRBY', k, 't' .. target, -1) <= 0 then
    redis.call('HDEL', k, 't' .. target)
    redis.call('HINCRBY', k, '#', -1)
  end
  redis.call('ZREM', P .. 'U:' .. name, effect .. '\0' .. target)
  if #kept == 0 then
    redis.call('HDEL', k, 'e' .. effect)
  else
    redis.call('HSET', k, 'e' .. effect, table.concat(kept))
  end
end

-- expire takes back what has run out, so much with each act.
local function expire(name)
  for _, m in ipairs(redis.call('ZRANGEBYSCORE', P .. 'U:' .. name, '-inf', when, 'LIMIT', 0, 100)) do
    drop(name, string.sub(m, 1, #m - 13), string.sub(m, -12))
  end
end

-- fits answers the caps as they are with takes reserved, or the name of the cap
-- that one of them does not fit. A take is {name, limit, effect, window, targets}.
-- What is new is in fresh: name, effect, target of each.
local function fits(takes)
  local caps, fresh = {}, {}
  for _, take in ipairs(takes) do
    local name, effect, targets = take[1], take[3], take[5]
    local k, c = ckey(name), caps[name]
    local ids, seen, want = {}, {}, { '#', 'w', 'e' .. effect }
    for i = 1, #targets, 12 do
      local id = string.sub(targets, i, i + 11)
      if not seen[id] then
        seen[id] = true
        ids[#ids + 1] = id
        want[#want + 1] = 't' .. id
      end
    end
    local s = redis.call('HMGET', k, unpack(want))
    if not c then
      if s[2] then
        expire(name)
        s = redis.call('HMGET', k, unpack(want))
      end
      c = { count = tonumber(s[1] or '0'), new = not s[1], holders = {}, entries = {}, window = {} }
      caps[name] = c
    end
    local all = c.entries[effect] or s[3] or ''
    local mine, new, grows = {}, {}, 0
    for i = 1, #all, 28 do mine[string.sub(all, i, i + 11)] = true end
    for i, id in ipairs(ids) do
      if not mine[id] then
        new[#new + 1] = id
        c.holders[id] = c.holders[id] or tonumber(s[3 + i] or '0')
        if c.holders[id] == 0 then grows = grows + 1 end
      end
    end
    if (#new > 0 or #ids == 0) and c.count + grows > tonumber(take[2]) then return nil, name end
    c.count = c.count + grows
    local till = tonumber(take[4]) > 0 and now + take[4] or 0
    for _, id in ipairs(new) do
      c.holders[id] = c.holders[id] + 1
      all = all .. id .. string.format('%016.0f', till)
      if till > 0 then c.window[#c.window + 1] = { till, effect .. '\0' .. id } end
      fresh[#fresh + 1] = name
      fresh[#fresh + 1] = effect
      fresh[#fresh + 1] = id
    end
    if #new > 0 then c.entries[effect] = all end
  end
  return caps, nil, fresh
end

-- reserve writes caps as fits has answered them. Those of a run are remembered,
-- to be forgotten with it.
local function reserve(caps, run)
  for name, c in pairs(caps) do
    local f = { '#', c.count }
    for effect, all in pairs(c.entries) do
      f[#f + 1] = 'e' .. effect
      f[#f + 1] = all
    end
    for id, n in pairs(c.holders) do
      f[#f + 1] = 't' .. id
      f[#f + 1] = n
    end
    if #f > 2 then
      for _, w in ipairs(c.window) do
        redis.call('ZADD', P .. 'U:' .. name, w[1], w[2])
        redis.call('HSET', ckey(name), 'w', '1')
      end
      for i = 1, #f, 1000 do redis.call('HSET', ckey(name), unpack(f, i, math.min(i + 999, #f))) end
      if run and c.new and string.sub(name, 1, #run) == run then redis.call('SADD', P .. 'y:' .. run, 'c' .. name) end
    end
  end
end
