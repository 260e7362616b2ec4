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

-- fits answers what has to be reserved for takes, or the name of the cap that
-- one of them does not fit. A take is {name, limit, effect, window, targets}.
local function fits(takes)
  local fresh, added, counts = {}, {}, {}
  for _, t in ipairs(takes) do
    local name, effect = t[1], t[3]
    local k = ckey(name)
    local s = redis.call('HMGET', k, '#', 'w', 'e' .. effect)
    if s[2] then
      expire(name)
      s = redis.call('HMGET', k, '#', 'w', 'e' .. effect)
    end
    counts[name] = counts[name] or tonumber(s[1] or '0')
    added[name] = added[name] or {}
    local mine, own, new, all = {}, {}, 0, s[3] or ''
    for i = 1, #all, 28 do mine[string.sub(all, i, i + 11)] = true end
    for i = 1, #t[5], 12 do
      local target = string.sub(t[5], i, i + 11)
      if not own[target] then
        own[target] = true
        if not mine[target] then
          new = new + 1
          fresh[#fresh + 1] = { name, effect, target, t[4], not s[1] }
          if redis.call('HEXISTS', k, 't' .. target) == 0 then added[name][target] = true end
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
    local k, till = ckey(name), 0
    if run and f[5] and string.sub(name, 1, #run) == run then redis.call('SADD', P .. 'y:' .. run, 'c' .. name) end
    if window > 0 then
      till = now + window
      redis.call('ZADD', P .. 'U:' .. name, till, effect .. '\0' .. target)
      redis.call('HSET', k, 'w', '1')
    end
    local all = redis.call('HGET', k, 'e' .. effect) or ''
    redis.call('HSET', k, 'e' .. effect, all .. target .. string.format('%016.0f', till))
    if redis.call('HINCRBY', k, 't' .. target, 1) == 1 then redis.call('HINCRBY', k, '#', 1) end
  end
end
