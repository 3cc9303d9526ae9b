--[[
  Writes one entry of a map that all workers share, where it still is what the writer has read; forgets what has ended.

  Input:
    KEYS[1]  entries: hash, name -> text
    KEYS[2]  ends: sorted set, member = name, score = ms (this server's clock) at which the entry is forgotten
    KEYS[3]  sequence: string, number of the last change

    ARGV[1]  name
    ARGV[2]  text the writer has read; empty = none
    ARGV[3]  new text
    ARGV[4]  ms from now after which the entry is forgotten
    ARGV[5]  entries kept at most: what ends first gives way
    ARGV[6]  channel on which the change is told, as `<number> <writer> <name>`
    ARGV[7]  writer

  Output: { written, text, number }
    written  1, or 0 where the text is not what was read
    text     what is there; empty = nothing
    number   of the last change
]]
local entries, ends, sequence = KEYS[1], KEYS[2], KEYS[3]
local name = ARGV[1]

local there = redis.call('HGET', entries, name) or ''
if there ~= ARGV[2] then return { 0, there, tonumber(redis.call('GET', sequence) or '0') } end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('HSET', entries, name, ARGV[3])
redis.call('ZADD', ends, now + tonumber(ARGV[4]), name)

local over = redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, 50)
local surplus = redis.call('ZCARD', ends) - #over - tonumber(ARGV[5])
if surplus > 0 then over = redis.call('ZRANGE', ends, 0, #over + surplus - 1) end
for _, one in ipairs(over) do
  redis.call('HDEL', entries, one)
  redis.call('ZREM', ends, one)
end

local number = redis.call('INCR', sequence)
redis.call('PUBLISH', ARGV[6], number .. ' ' .. ARGV[7] .. ' ' .. name)
return { 1, ARGV[3], number }
