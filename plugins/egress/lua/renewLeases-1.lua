--[[
  Renews the leases one worker holds in a lane. They stand for connections that are open, so they count even where
  this server has forgotten them (it was restarted, or was away while the worker went by local limits).

  Input:
    KEYS[1]  leases of the lane: sorted set, member = lease id, score = expiry in ms

    ARGV[1]  time to live of a lease, ms
    ARGV[2…] lease ids held

  Output: how many of them this server had forgotten
]]
local key = KEYS[1]
local ttl = tonumber(ARGV[1])

local time = redis.call('TIME')
local expiry = time[1] * 1000 + math.floor(time[2] / 1000) + ttl

local forgotten = 0
for index = 2, #ARGV do forgotten = forgotten + redis.call('ZADD', key, expiry, ARGV[index]) end
redis.call('PEXPIRE', key, ttl * 2)
return forgotten
