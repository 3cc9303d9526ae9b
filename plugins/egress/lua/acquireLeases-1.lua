--[[
  Takes leases of one lane, as many of those asked for as the connection limit allows. Leases that have expired are
  gone before anything is counted. Asking again for an id that is held (the first answer was lost) renews it and
  counts it once.

  Input:
    KEYS[1]  leases of the lane: sorted set, member = lease id, score = expiry in ms (this server's clock)

    ARGV[1]  connection limit of the lane
    ARGV[2]  time to live of a lease, ms
    ARGV[3]  channel on which the other workers listen; empty = do not tell them
    ARGV[4]  text before, and
    ARGV[5]  after the number of missing leases, told where not all are granted
    ARGV[6…] lease ids wanted, in order

  Output: { granted, wait }
    granted  how many of the ids, from the first, are held now
    wait     where not all are: ms until the next lease of the lane expires; else 0
]]
local key = KEYS[1]
local limit = tonumber(ARGV[1])
local ttl = tonumber(ARGV[2])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
local held = redis.call('ZCARD', key)

local granted = 0
for index = 6, #ARGV do
  local known = redis.call('ZSCORE', key, ARGV[index])
  if not known then
    if held >= limit then break end
    held = held + 1
  end
  redis.call('ZADD', key, now + ttl, ARGV[index])
  granted = granted + 1
end
if granted > 0 then redis.call('PEXPIRE', key, ttl * 2) end

local wait = 0
local missing = #ARGV - 5 - granted
if missing > 0 then
  local soonest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if soonest[2] then wait = math.max(1, soonest[2] - now) end
  if ARGV[3] ~= '' then redis.call('PUBLISH', ARGV[3], ARGV[4] .. missing .. ARGV[5]) end
end
return { granted, wait }
