-- note appends records to the audit log.
-- ARGV 3 request 4.. the records
--@head
--@lib
if redis.call('SET', P .. 'rq:' .. ARGV[3], '1', 'NX', 'PX', 60000) then
  for i = 4, #ARGV do audit(ARGV[i]) end
end
return 0
