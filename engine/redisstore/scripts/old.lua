-- old answers runs that ended before a time, of the next so many changes.
-- ARGV 3 number of the change to go on after 4 how many changes 5 for how long runs
--      have to have ended
-- Answers {number of the last change, '' after all, runs}.
--@head
--@packed
local log = redis.call('ZRANGEBYSCORE', P .. 'lg', '(' .. ARGV[3], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[4])
local runs = {}
for i = 1, #log, 2 do
  if string.sub(log[i], 1, 1) == 'r' then
    local ended = packedHead(string.sub(log[i], 2))[4]
    if ended and now - tonumber(ended) >= tonumber(ARGV[5]) then runs[#runs + 1] = string.sub(log[i], 2) end
  end
end
return { #log == 2 * ARGV[4] and log[#log] or '', runs }
