-- acked takes messages that were delivered out of the outbox.
-- ARGV 3.. their names
--@head
return redis.call('HDEL', P .. 'ob', unpack(ARGV, 3))
