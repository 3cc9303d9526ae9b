--[[
  May a rule close one more scope? So many within an hour at most; one it has closed in this hour already is free.

  Input:
    KEYS[1]  scopes the rule has closed: sorted set, member = scope key, score = ms (this server's clock)

    ARGV[1]  scope key
    ARGV[2]  scopes at most
    ARGV[3]  the hour, ms

  Output: nothing where it may, and is counted; else the scopes that were closed, each with its time
]]
local key = KEYS[1]
local hour = tonumber(ARGV[3])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('ZREMRANGEBYSCORE', key, '-inf', now - hour)
if not redis.call('ZSCORE', key, ARGV[1]) and redis.call('ZCARD', key) >= tonumber(ARGV[2]) then
  return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
end
redis.call('ZADD', key, now, ARGV[1])
redis.call('PEXPIRE', key, hour)
return {}
