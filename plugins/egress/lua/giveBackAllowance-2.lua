--[[
  Gives back messages of a shared warm-up allowance that were taken and not sent.

  Input:
    KEYS[1]  messages of the day that are taken: string
    KEYS[2]  due time of the pace in ms: string

    ARGV[1]  messages given back
    ARGV[2]  interval of the pace, ms

  Output: messages of the day that are taken
]]
local unused = tonumber(ARGV[1])
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local left = math.max(0, used - unused)
if used > 0 then redis.call('SET', KEYS[1], left, 'KEEPTTL') end
local due = redis.call('GET', KEYS[2])
if due then redis.call('SET', KEYS[2], string.format('%.17g', due - unused * tonumber(ARGV[2])), 'KEEPTTL') end
return left
