--[[
  A worker says that it is alive and learns how many are.

  Input:
    KEYS[1]  workers: sorted set, member = worker id, score = last heartbeat in ms (this server's clock)

    ARGV[1]  worker id
    ARGV[2]  ms after which a silent worker is forgotten

  Output: workers alive, this one included
]]
local key = KEYS[1]
local silence = tonumber(ARGV[2])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('ZADD', key, now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - silence)
redis.call('PEXPIRE', key, silence * 2)
return redis.call('ZCARD', key)
