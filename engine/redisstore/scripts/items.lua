-- items writes items of a window before it is opened.
-- ARGV 3 run 4 path of the window 5 number of the first 6.. items
--@head
if redis.call('EXISTS', P .. 'o:' .. ARGV[3] .. ':' .. ARGV[4]) == 1 then return 0 end
if redis.call('EXISTS', P .. 's:' .. ARGV[3]) == 0 then return 0 end
redis.call('SADD', P .. 'y:' .. ARGV[3], 'o' .. ARGV[4])
for i = 6, #ARGV do
  redis.call('HSET', P .. 'i:' .. ARGV[3] .. ':' .. ARGV[4], ARGV[5] + i - 6, ARGV[i])
end
return 1
