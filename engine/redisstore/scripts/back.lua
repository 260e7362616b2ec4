-- back begins a new epoch of a partition that has gone back, and freezes effects
-- there until a person has looked.
-- ARGV 3 new version 4 why
--@head
--@lib
redis.call('HSET', KEYS[1], 'v', ARGV[3], 'fz', '1', 'fb', 'stanch', 'fr', ARGV[4], 'fa', when)
number()
return 0
