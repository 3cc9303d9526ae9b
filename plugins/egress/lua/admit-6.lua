--[[
  Admission to one lane (source x provider): messages for connections that are held, then leases for new connections
  with their first message. Each takes everything it needs (lease, a token of every pace, one message of the day's
  allowance) or nothing; each list is served from the first until one is refused. Leases that have expired are gone
  before anything is counted. Asking again for an id that is held renews it and takes nothing. The rule is
  core/lane/admission.ts; a test drives both side by side.

  Input:
    KEYS[1]  leases of the lane: sorted set, member = lease id, score = expiry in ms (this server's clock)
    KEYS[2]  leases of all lanes of the provider, the same; touched only where there is a total cap
    KEYS[3]  paces of the lane: hash, pace name -> due time in ms, fractions kept
    KEYS[4]  paces of the provider, the same
    KEYS[5]  meter of the lane: hash, number of a span of 5 s -> messages accepted in it
    KEYS[6]  messages of the day's warm-up allowance that are taken: string; touched only where there is a limit

    ARGV[1]  time to live of a lease, ms
    ARGV[2]  connections allowed in the lane; 0 = closed
    ARGV[3]  connections allowed in all lanes of the provider; 0 = no cap
    ARGV[4]  number up to which the day's allowance may be used; -1 = no limit
    ARGV[5]  messages wanted on connections that are held
    ARGV[6]  messages accepted since this worker asked last, for the meter
    ARGV[7]  channel on which the other workers listen; empty = do not tell them
    ARGV[8]  who asks, for what is told: `<worker> <lane>`
    ARGV[9]  number of paces, then 4 for each: kind (l = lane, t = total; m = message, c = connection), name, interval,
             tolerance (both in ms); where there is a limit of the day its own pace is the last
    ARGV[…]  lease ids wanted, in order

  Output: { granted, messages, wait, open, minute, used, full, pacing }
    granted   how many of the ids, from the first, are held now
    messages  how many of the messages may go
    wait      ms after which asking again may help; 0 = nothing was refused, -1 = only a release can help
    open      connections of the lane
    minute    messages of the lane accepted in the last minute
    used      messages of the day's allowance that are taken
    full      what the last lease was refused for: 1 = the lane's cap, 2 = the total, 0 = neither
    pacing    ms until the pace of the day's allowance lets the next message go
]]
local lane, total, meter, allowance = KEYS[1], KEYS[2], KEYS[5], KEYS[6]
local ttl, laneCap, totalCap = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local dayLimit, accepted = tonumber(ARGV[4]), tonumber(ARGV[6])
local never = math.huge

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('ZREMRANGEBYSCORE', lane, '-inf', now)
local open = redis.call('ZCARD', lane)
local openTotal = 0
if totalCap > 0 then
  redis.call('ZREMRANGEBYSCORE', total, '-inf', now)
  openTotal = redis.call('ZCARD', total)
end

local used, usedBefore = 0, 0
if dayLimit >= 0 then
  used = tonumber(redis.call('GET', allowance) or '0')
  usedBefore = used
end

local paces = {}
local firstId = 10 + 4 * tonumber(ARGV[9])
for at = 10, firstId - 1, 4 do
  local kind = ARGV[at]
  local key = KEYS[string.sub(kind, 1, 1) == 'l' and 3 or 4]
  paces[#paces + 1] = {
    key = key,
    name = ARGV[at + 1],
    everyMessage = string.sub(kind, 2, 2) == 'm',
    due = tonumber(redis.call('HGET', key, ARGV[at + 1]) or '0'),
    interval = tonumber(ARGV[at + 2]),
    tolerance = tonumber(ARGV[at + 3]),
  }
end

-- Each of these answers the ms to wait; nil = taken.
local function take(connection)
  if dayLimit >= 0 and used >= dayLimit then return never end
  local wait = 0
  for _, pace in ipairs(paces) do
    if pace.everyMessage or connection then wait = math.max(wait, pace.due - pace.tolerance - now) end
  end
  if wait > 0 then return math.ceil(wait) end
  for _, pace in ipairs(paces) do
    if pace.everyMessage or connection then
      pace.due = math.max(pace.due, now) + pace.interval
      pace.taken = true
    end
  end
  used = used + 1
end

local function untilExpiry(leases)
  local soonest = redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')[2]
  return soonest and soonest - now or never
end

local full = 0
local function lease(id)
  if not redis.call('ZSCORE', lane, id) then
    if open >= laneCap then
      full = 1
      return untilExpiry(lane)
    end
    if totalCap > 0 and openTotal >= totalCap then
      full = 2
      return untilExpiry(total)
    end
    local refused = take(true)
    if refused then return refused end
    open = open + 1
    openTotal = openTotal + 1
  end
  redis.call('ZADD', lane, now + ttl, id)
  if totalCap > 0 then redis.call('ZADD', total, now + ttl, id) end
end

local wait = never
local refusedAny = false

local messages = 0
local wanted = tonumber(ARGV[5])
while messages < wanted do
  local refused
  if laneCap == 0 then refused = never else refused = take(false) end
  if refused then
    refusedAny = true
    wait = refused
    break
  end
  messages = messages + 1
end

local granted = 0
local ids = #ARGV - firstId + 1
while granted < ids do
  local refused = lease(ARGV[firstId + granted])
  if refused then
    refusedAny = true
    wait = math.min(wait, refused)
    break
  end
  granted = granted + 1
end

if granted > 0 then
  redis.call('PEXPIRE', lane, ttl * 2)
  if totalCap > 0 then redis.call('PEXPIRE', total, ttl * 2) end
end
-- What is due is past when it expires, and says nothing more.
for _, pace in ipairs(paces) do
  if pace.taken then
    redis.call('HSET', pace.key, pace.name, string.format('%.17g', pace.due))
    local left = math.ceil(pace.due - now) + 1000
    if redis.call('PTTL', pace.key) < left then redis.call('PEXPIRE', pace.key, left) end
  end
end
if dayLimit >= 0 and used > usedBefore then redis.call('SET', allowance, used, 'PX', 259200000) end

local span = math.floor(now / 5000)
if accepted > 0 then
  redis.call('HINCRBY', meter, span, accepted)
  redis.call('PEXPIRE', meter, 65000)
end
local minute = 0
local counts = redis.call('HGETALL', meter)
for at = 1, #counts, 2 do
  -- Of the oldest span only the part counts that is less than a minute old.
  local part = math.min(1, tonumber(counts[at]) + 13 - now / 5000)
  if part > 0 then minute = minute + part * counts[at + 1] else redis.call('HDEL', meter, counts[at]) end
end

if full > 0 and ARGV[7] ~= '' then
  local what = full == 1 and 'wanted ' or 'crowded '
  redis.call('PUBLISH', ARGV[7], what .. (ids - granted) .. ' ' .. ARGV[8])
end
if not refusedAny then wait = 0 elseif wait == never then wait = -1 end
if dayLimit < 0 then used = 0 end
local pacing = 0
local last = paces[#paces]
if dayLimit >= 0 and last then pacing = math.ceil(math.max(0, last.due - last.tolerance - now)) end
return { granted, messages, wait, open, math.floor(minute + 0.5), used, full, pacing }
