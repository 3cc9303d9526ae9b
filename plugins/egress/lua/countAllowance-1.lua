--[[
  Counts messages of a day's warm-up allowance that were sent while Redis was away, each worker by its share.

  Input:
    KEYS[1]  messages of the day that are taken: string
    ARGV[1]  messages sent

  Output: messages of the day that are taken
]]
local used = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], 259200000)
return used
