-- Publishes a routing document if nobody else has in between.
--
-- KEYS[1]  the current document (string)
-- KEYS[2]  documents published before (list, newest first)
-- ARGV[1]  version the publisher has seen; 0 = none, or one that cannot be read
-- ARGV[2]  last moment at which this may happen, ms on this server's clock: a command that was held up in a stopped
--          server must not surprise an operator who has long been told that it failed
-- ARGV[3]  the new document
-- ARGV[4]  its version
-- ARGV[5]  channel to notify
-- ARGV[6]  how many documents the history keeps
--
-- Answers {'published', version}, {'conflict', version found} or {'late', 0}.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
if now > tonumber(ARGV[2]) then
  return { 'late', 0 }
end

local found = 0
local before = redis.pcall('GET', KEYS[1])
if type(before) == 'string' then
  local readable, document = pcall(cjson.decode, before)
  if readable and type(document) == 'table' and type(document.version) == 'number' then
    found = document.version
  end
end
if found ~= tonumber(ARGV[1]) then
  return { 'conflict', tostring(found) }
end

if redis.call('TYPE', KEYS[2]).ok ~= 'list' then
  redis.call('DEL', KEYS[2])
end
if found > 0 then
  redis.call('LPUSH', KEYS[2], before)
  redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[6]) - 1)
end
redis.call('SET', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[5], ARGV[4])
return { 'published', ARGV[4] }
