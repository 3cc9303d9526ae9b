-- Publishes a warm-up document if nobody else has in between.
--
-- KEYS[1]  the document (string)
-- ARGV[1]  the text the publisher has seen; empty = none
-- ARGV[2]  last moment at which this may happen, ms on this server's clock: a command that was held up in a stopped
--          server must not surprise an operator who has long been told that it failed
-- ARGV[3]  the new document
-- ARGV[4]  its version
-- ARGV[5]  channel to notify
--
-- Answers 'published', 'conflict' or 'late'.

local clock = redis.call('TIME')
if tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000) > tonumber(ARGV[2]) then
  return 'late'
end
local found = redis.pcall('GET', KEYS[1])
if type(found) ~= 'string' then
  found = ''
end
if found ~= ARGV[1] then
  return 'conflict'
end
redis.call('SET', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[5], ARGV[4])
return 'published'
