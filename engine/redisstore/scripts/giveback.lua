-- giveback makes strands due whose holder ends in peace.
-- ARGV 3.. of each: run, path, token
--@head
--@lib
for i = 3, #ARGV, 3 do
  local run, path = ARGV[i], ARGV[i + 1]
  local k = skey(run, path)
  local lane = redis.pcall('HGET', P .. 's:' .. run, 'ln')
  if type(lane) == 'string' and redis.pcall('HGET', k, 'k') == ARGV[i + 2] then
    redis.call('ZREM', P .. 'l', run .. ':' .. path)
    redis.call('HSET', k, 'i', '1')
    redis.call('HDEL', k, 'k')
    push(run, path, lane)
  end
end
return 0
