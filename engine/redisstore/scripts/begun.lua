-- begun answers the run that a request, or a dedupe key, has begun.
-- ARGV 3 run 4 dedupe digest or ''
-- Answers {run, 1 if this request made it, when it begun} or {''}.
--@head
--@packed
local known = begunAt(ARGV[3])
if known then return { ARGV[3], 1, known } end
local other = ARGV[4] ~= '' and redis.call('HGET', P .. 'dd', ARGV[4])
if other then return { other, 0, begunAt(other) or '0' } end
return { '', 0, '0' }
