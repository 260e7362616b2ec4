-- ended answers ended runs that are to be packed, or whose time is over.
-- ARGV 3 'pk' | 'ex' 4 for how long they have to have been there 5 at most so many
--@head
return redis.call('ZRANGEBYSCORE', P .. ARGV[3], '-inf', now - ARGV[4], 'LIMIT', 0, ARGV[5])
