-- items writes items of a window before it is opened: they become its own by the
-- act that opens it. Should that never come, they go after a day.
-- ARGV 3 request of that act 4 number of the first 5.. items
--@head
local k = P .. 'it:' .. ARGV[3]
for i = 5, #ARGV do redis.call('HSET', k, ARGV[4] + i - 5, ARGV[i]) end
redis.call('PEXPIRE', k, 86400000)
return 1
