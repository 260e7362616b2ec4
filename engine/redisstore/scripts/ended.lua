-- ended answers ended runs that are to be packed, at most ARGV[3].
--@head
return redis.call('ZRANGEBYSCORE', P .. 'pk', '-inf', when, 'LIMIT', 0, ARGV[3])
