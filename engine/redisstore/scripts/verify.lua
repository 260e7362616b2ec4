-- verify counts those positions that are not settled though it was said that they
-- are. ARGV 3.. of each: run, path, position
-- Answers {how many, number of the partition}.
--@head
local missing = 0
for i = 3, #ARGV, 3 do
  local run, path = ARGV[i], ARGV[i + 1]
  local k = P .. 's:' .. run
  if path ~= '' then k = k .. ':' .. path end
  local h = redis.pcall('HGET', k, 'h')
  if type(h) == 'table' then -- another program's: that is told elsewhere
  elseif h then
    if tonumber(string.match(h, '^%d+')) < tonumber(ARGV[i + 2]) then missing = missing + 1 end
  elseif redis.call('EXISTS', P .. 'z:' .. run) == 0 then
    local open, index = string.match(path, '^(.*)%[(%d+)%]$')
    if not open or redis.call('HEXISTS', P .. 'e:' .. run .. ':' .. open, index) == 0 then missing = missing + 1 end
  end
end
return { missing, redis.call('HGET', KEYS[1], 'q') or '0' }
