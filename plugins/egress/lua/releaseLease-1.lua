--[[
  Gives one lease of a lane back. Releasing what is not held (released before, or expired) changes nothing and tells
  nobody.

  Input:
    KEYS[1]  leases of the lane: sorted set, member = lease id, score = expiry in ms

    ARGV[1]  lease id
    ARGV[2]  connection limit of the lane
    ARGV[3]  channel on which waiting workers listen
    ARGV[4]  what to tell them

  Output: 1 = released, 0 = was not held. They are told only where the lane was full: elsewhere nobody can be waiting
  for this slot.
]]
local key = KEYS[1]
local held = redis.call('ZCARD', key)
local released = redis.call('ZREM', key, ARGV[1])
if released == 1 and held >= tonumber(ARGV[2]) then redis.call('PUBLISH', ARGV[3], ARGV[4]) end
return released
