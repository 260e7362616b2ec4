-- Caps. Of each, c: target -> how many effects hold it, C: effect -> its
-- targets, each with the time until which it counts (12 and 16 bytes), U: those
-- that run out.
local function entries(name, effect)
  return redis.call('HGET', P .. 'C:' .. name, effect) or ''
end

-- drop takes one target of an effect back.
local function drop(name, effect, target)
  local kept = {}
  local all = entries(name, effect)
  for i = 1, #all, 28 do
    if string.sub(all, i, i + 11) ~= target then
      kept[#kept + 1] = string.sub(all, i, i + 27)
    elseif redis.call('HINCRBY', P .. 'c:' .. name, target, -1) <= 0 then
      redis.call('HDEL', P .. 'c:' .. name, target)
    end
  end
  redis.call('ZREM', P .. 'U:' .. name, effect .. '\0' .. target)
  if #kept == 0 then
    redis.call('HDEL', P .. 'C:' .. name, effect)
  else
    redis.call('HSET', P .. 'C:' .. name, effect, table.concat(kept))
  end
end

-- counted answers how many targets are reserved now, what has run out aside: of
-- that so much goes with each act.
local function counted(name)
  local over = redis.call('ZRANGEBYSCORE', P .. 'U:' .. name, '-inf', now, 'LIMIT', 0, 100)
  for _, m in ipairs(over) do
    drop(name, string.sub(m, 1, #m - 13), string.sub(m, -12))
  end
  return redis.call('HLEN', P .. 'c:' .. name)
end

-- fits answers what has to be reserved for takes, or the name of the cap that
-- one of them does not fit. A take is {name, limit, effect, window, targets}.
local function fits(takes)
  local fresh, added, counts = {}, {}, {}
  for _, t in ipairs(takes) do
    local name, effect = t[1], t[3]
    if not counts[name] then counts[name], added[name] = counted(name), {} end
    local mine, own, new = {}, {}, 0
    local all = entries(name, effect)
    for i = 1, #all, 28 do mine[string.sub(all, i, i + 11)] = true end
    for i = 1, #t[5], 12 do
      local target = string.sub(t[5], i, i + 11)
      if not own[target] then
        own[target] = true
        if not mine[target] then
          new = new + 1
          fresh[#fresh + 1] = { name, effect, target, t[4] }
          if redis.call('HEXISTS', P .. 'c:' .. name, target) == 0 then added[name][target] = true end
        end
      end
    end
    local more = 0
    for _ in pairs(added[name]) do more = more + 1 end
    if (new > 0 or #t[5] == 0) and counts[name] + more > tonumber(t[2]) then return nil, name end
  end
  return fresh
end

-- reserve reserves what fits. The caps of a run are remembered, to be forgotten
-- with it.
local function reserve(fresh, run)
  for _, f in ipairs(fresh) do
    local name, effect, target, window = f[1], f[2], f[3], tonumber(f[4])
    if run and string.sub(name, 1, #run) == run then redis.call('SADD', P .. 'y:' .. run, 'c' .. name) end
    local till = 0
    if window > 0 then
      till = now + window
      redis.call('ZADD', P .. 'U:' .. name, till, effect .. '\0' .. target)
    end
    redis.call('HSET', P .. 'C:' .. name, effect, entries(name, effect) .. target .. string.format('%016.0f', till))
    redis.call('HINCRBY', P .. 'c:' .. name, target, 1)
  end
end
