-- Writes one suppressed recipient if its entry is still what the writer has read.
--
-- KEYS[1]   bucket (hash)
-- ARGV[1]   first value of the entry as read; empty = there was none
-- ARGV[2]   how many fields an entry may take
-- ARGV[3…]  all of those fields, in order
-- then      the values of the new entry, one for each field it takes; none = the entry goes
--
-- Answers 1 where it was written, 0 where somebody else was quicker.

local first = redis.call('HGET', KEYS[1], ARGV[3]) or ''
if first ~= ARGV[1] then
  return 0
end

local width = tonumber(ARGV[2])
local written, gone = {}, {}
for index = 1, width do
  local field = ARGV[2 + index]
  local value = ARGV[2 + width + index]
  if value then
    table.insert(written, field)
    table.insert(written, value)
  else
    table.insert(gone, field)
  end
end
if #written > 0 then
  redis.call('HSET', KEYS[1], unpack(written))
end
if #gone > 0 then
  redis.call('HDEL', KEYS[1], unpack(gone))
end
return 1
