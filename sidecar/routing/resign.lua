-- Gives the leadership back, if it is the candidate's.
--
-- KEYS[1]  who leads
-- ARGV[1]  id of the candidate
--
-- Answers 1 where it was given back, else 0.

if redis.pcall('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
