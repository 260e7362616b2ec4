-- begunAt answers when a run that is kept was begun, live or packed.
local function begunAt(run)
  local at = redis.call('HGET', P .. 's:' .. run, 'bg')
  if at then return at end
  local head, i = redis.call('GETRANGE', P .. 'z:' .. run, 0, 511), 1
  for _ = 1, 3 do
    local size, from = string.match(head, '^(%d+):()', i)
    if not size then return false end
    i = from + size
    at = string.sub(head, from, i - 1)
  end
  return at
end
