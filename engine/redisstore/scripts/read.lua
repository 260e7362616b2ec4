-- read answers what is kept of a run, piece by piece.
-- ARGV 3 run 4 what: 'run', or the path of a window 5, 6 children from and before
--      7 '1': only how they ended
-- run answers {fields of the root, packed record or false, windows: {path, its
-- parent, how many children were opened}}, a window of each child {index, its end
-- or false, its fields, its item}.
--@head
local run = ARGV[3]
if ARGV[4] == 'run' then
  local windows = {}
  for _, m in ipairs(redis.call('SMEMBERS', P .. 'y:' .. run)) do
    if string.sub(m, 1, 1) == 'o' then
      local open = string.sub(m, 2)
      local o = redis.call('HMGET', P .. 'o:' .. run .. ':' .. open, 'p', 'n')
      if o[2] then windows[#windows + 1] = { open, o[1], o[2] } end
    end
  end
  return { redis.call('HGETALL', P .. 's:' .. run), redis.call('GET', P .. 'z:' .. run), windows }
end
local open, children = ARGV[4], {}
for i = tonumber(ARGV[5]), tonumber(ARGV[6]) - 1 do
  local ended = redis.call('HGET', P .. 'e:' .. run .. ':' .. open, i)
  local fields, item = {}, false
  if ARGV[7] ~= '1' then
    if not ended then fields = redis.call('HGETALL', P .. 's:' .. run .. ':' .. open .. '[' .. i .. ']') end
    item = redis.call('HGET', P .. 'i:' .. run .. ':' .. open, i)
  end
  children[#children + 1] = { i, ended, fields, item }
end
return children
