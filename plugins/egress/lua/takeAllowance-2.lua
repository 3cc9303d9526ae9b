--[[
  Takes messages of a day's warm-up allowance that several lanes share. Where one lane has it for itself the admission
  script counts it; this is the same rule for a count that lies in another slot than the lanes.

  Input:
    KEYS[1]  messages of the day that are taken: string
    KEYS[2]  due time of the pace in ms (this server's clock): string

    ARGV[1]  messages wanted
    ARGV[2]  number up to which the day's allowance may be used
    ARGV[3]  interval of the pace, ms
    ARGV[4]  its tolerance, ms

  Output: { taken, used, wait }
    wait  ms until the pace lets the next message go; 0 = at once
]]
local wanted, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local interval, tolerance = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local due = tonumber(redis.call('GET', KEYS[2]) or '0')
local taken = 0
while taken < wanted and used < limit and due - tolerance <= now do
  due = math.max(due, now) + interval
  used = used + 1
  taken = taken + 1
end
if taken > 0 then
  redis.call('SET', KEYS[1], used, 'PX', 259200000)
  redis.call('SET', KEYS[2], string.format('%.17g', due), 'PX', math.ceil(due - now) + 1000)
end
return { taken, used, math.ceil(math.max(0, due - tolerance - now)) }
