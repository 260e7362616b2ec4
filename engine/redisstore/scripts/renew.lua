-- renew makes leases last from now.
-- ARGV 3 how long 4.. of each: run, path, token
-- Answers {now, number, '1' if frozen, of each lost: false, else the mark of its run}.
--@head
local answers = {}
for i = 4, #ARGV, 3 do
  local run, path = ARGV[i], ARGV[i + 1]
  local k = P .. 's:' .. run
  if path ~= '' then k = k .. ':' .. path end
  local s = redis.pcall('HMGET', k, 'h', 'k')
  local mark = false
  if s.err then
    mark = '' -- another program's: whoever settles finds out
  elseif s[2] == ARGV[i + 2] then
    redis.call('ZADD', P .. 'l', now + ARGV[3], run .. ':' .. path)
    redis.call('HSET', k, 'L', ARGV[3])
    mark = redis.pcall('HGET', P .. 's:' .. run, 'c') or ''
    if type(mark) == 'table' then mark = '' end
  end
  answers[#answers + 1] = mark
end
if touch then redis.call('HSET', KEYS[1], 't', when) end
return { when, redis.call('HGET', KEYS[1], 'q') or '0', frozen and '1' or '', answers }
