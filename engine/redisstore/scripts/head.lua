-- Every script begins so: KEYS[1] names its partition, ARGV[1] the version of the
-- keys with the epoch of the partition, ARGV[2] the time in microseconds where a
-- test says it, else ''. The time of a partition does not go back, unless the
-- clock was set back by more than a minute. It is carried as a text: making one
-- of a number costs more than most commands.
local P = string.sub(KEYS[1], 1, -2)
local meta = redis.call('HMGET', KEYS[1], 'v', 't', 'fz', 'w')
if meta[1] ~= ARGV[1] then
  return redis.error_reply('STANCH ' .. (meta[1] or 'gone'))
end
local when = ARGV[2]
if when == '' then
  local t = redis.call('TIME')
  when = t[1] .. string.sub('000000' .. t[2], -6)
end
local now = tonumber(when)
local last = tonumber(meta[2] or '0')
if now < last and last - now <= 60000000 then now, when = last, meta[2] end
local touch = now - last > 1000000 or now < last
local frozen = meta[3] == '1'
