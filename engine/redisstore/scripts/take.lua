-- take reserves targets under caps, or gives back what was.
-- ARGV 3 'take': 4.. takes of 5 (caps.lua). 'back': 4 name, 5 effect.
--      'drop': 4.. of each: name, effect, target
-- take answers {'' or the cap that one does not fit, of each name how many are
-- reserved, of each that is new: name, effect, target}; the others how many are
-- reserved under the first name.
--@head
--@caps
if ARGV[3] == 'take' then
  local takes, counts = {}, {}
  for i = 4, #ARGV, 5 do takes[#takes + 1] = { ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4] } end
  local caps, over, fresh = fits(takes)
  if caps then reserve(caps) end
  for i, t in ipairs(takes) do counts[i] = tonumber(redis.call('HGET', ckey(t[1]), '#') or '0') end
  return { over or '', counts, fresh or {} }
end
if ARGV[3] == 'back' then
  local all = redis.call('HGET', ckey(ARGV[4]), 'e' .. ARGV[5]) or ''
  for i = 1, #all, 28 do drop(ARGV[4], ARGV[5], string.sub(all, i, i + 11)) end
else
  for i = 4, #ARGV, 3 do drop(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
end
return { '', { tonumber(redis.call('HGET', ckey(ARGV[4]), '#') or '0') }, {} }
