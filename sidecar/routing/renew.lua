-- Takes or keeps the leadership.
--
-- KEYS[1]  who leads (string, expires)
-- ARGV[1]  id of the candidate
-- ARGV[2]  how long a term lasts, ms
--
-- Answers 1 where the candidate leads now, else 0.

local leader = redis.pcall('GET', KEYS[1])
if leader == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
if type(leader) == 'string' then
  if redis.call('PTTL', KEYS[1]) >= 0 then
    return 0
  end
end
-- Nobody leads, or something is written there that never expires and so is not a leader's.
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
