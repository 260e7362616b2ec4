
-- packedHead answers the first fields of a packed run: the last request of its
-- root, the answer to it, when the run begun, when it ended; or nothing.
local function packedHead(run)
  local head, i, parts = redis.call('GETRANGE', P .. 'z:' .. run, 0, 511), 1, {}
  for _ = 1, 4 do
    local size, from = string.match(head, '^(%d+):()', i)
    if not size then return {} end
    i = from + size
    parts[#parts + 1] = string.sub(head, from, i - 1)
  end
  return parts
end

-- begunAt answers when a run that is kept was begun, live or packed.
local function begunAt(run)
  return redis.call('HGET', P .. 's:' .. run, 'bg') or packedHead(run)[3]
end
