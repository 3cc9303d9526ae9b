--[[
  Gives one lease of a lane back, and the message of the day's allowance that was taken with it and never sent.
  Releasing what is not held (released before, or expired) changes nothing and tells nobody.

  Input:
    KEYS[1]  leases of the lane: sorted set, member = lease id, score = expiry in ms
    KEYS[2]  leases of all lanes of the provider, the same
    KEYS[3]  messages of the day's warm-up allowance that are taken: string

    ARGV[1]  lease id
    ARGV[2]  connections allowed in the lane
    ARGV[3]  connections allowed in all lanes of the provider; 0 = no cap
    ARGV[4]  messages of the allowance to give back, 0 or 1
    ARGV[5]  channel on which waiting workers listen
    ARGV[6]  the lane, for what they are told

  Output: 1 = released, 0 = was not held. Workers are told only where the lane, or the provider, was full: elsewhere
  nobody can be waiting for this slot.
]]
local id, lane = ARGV[1], ARGV[6]
local held = redis.call('ZCARD', KEYS[1])
local heldTotal = redis.call('ZCARD', KEYS[2])
local released = redis.call('ZREM', KEYS[1], id)
local releasedTotal = redis.call('ZREM', KEYS[2], id)
if released == 0 then return 0 end

if ARGV[4] == '1' and tonumber(redis.call('GET', KEYS[3]) or '0') > 0 then redis.call('DECR', KEYS[3]) end
local totalCap = tonumber(ARGV[3])
if totalCap > 0 and releasedTotal == 1 and heldTotal >= totalCap then
  redis.call('PUBLISH', ARGV[5], 'vacated ' .. lane)
elseif held >= tonumber(ARGV[2]) then
  redis.call('PUBLISH', ARGV[5], 'freed ' .. lane)
end
return 1
