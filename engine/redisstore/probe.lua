#!lua
-- probe tries commands. KEYS[1] is the meta key of a partition.
-- ARGV of each command: number of its words, they
-- Answers of each that is refused: its name, why.
local refused, i = {}, 1
while i <= #ARGV do
  local n = tonumber(ARGV[i])
  local reply = redis.pcall(unpack(ARGV, i + 1, i + n))
  if type(reply) == 'table' and reply.err then
    refused[#refused + 1] = ARGV[i + 1]
    refused[#refused + 1] = reply.err
    if i == 1 then break end -- what is written could not be taken away
  end
  i = i + n + 1
end
return refused
