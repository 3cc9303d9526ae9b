--[[
  Renews the leases one worker holds in a lane. They stand for connections that are open, so they count even where
  this server has forgotten them (it was restarted, or was away while the worker went by local limits).

  Input:
    KEYS[1]  leases of the lane: sorted set, member = lease id, score = expiry in ms
    KEYS[2]  leases of all lanes of the provider, the same; touched only where there is a total cap

    ARGV[1]  time to live of a lease, ms
    ARGV[2]  connections allowed in all lanes of the provider; 0 = no cap
    ARGV[3…] lease ids held

  Output: how many of them this server had forgotten
]]
local ttl = tonumber(ARGV[1])

local time = redis.call('TIME')
local expiry = time[1] * 1000 + math.floor(time[2] / 1000) + ttl

local forgotten = 0
local sets = tonumber(ARGV[2]) > 0 and 2 or 1
for index = 3, #ARGV do
  forgotten = forgotten + redis.call('ZADD', KEYS[1], expiry, ARGV[index])
  if sets == 2 then redis.call('ZADD', KEYS[2], expiry, ARGV[index]) end
end
for set = 1, sets do redis.call('PEXPIRE', KEYS[set], ttl * 2) end
return forgotten
