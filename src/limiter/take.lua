-- Takes ARGV[1] from every bucket in KEYS, or nothing from any. ARGV[2i], ARGV[2i+1]: capacity of KEYS[i] and what comes
-- back in a minute. The clock is this server's, so that nodes need not agree on theirs.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local amount = tonumber(ARGV[1])
local levels, longest, short = {}, 0, 0
for i, key in ipairs(KEYS) do
    local capacity, rate = tonumber(ARGV[2 * i]), math.max(tonumber(ARGV[2 * i + 1]), 1) / 60000
    local state = redis.call('HMGET', key, 'level', 'at')
    local level = capacity
    if state[1] and state[2] then
        level = math.min(capacity, tonumber(state[1]) + math.max(0, now - tonumber(state[2])) * rate)
    end
    levels[i] = level
    if level < amount then
        local wait = math.ceil((amount - level) / rate)
        if wait > longest then
            longest, short = wait, i
        end
    end
end
for i, key in ipairs(KEYS) do
    if short == 0 then
        levels[i] = levels[i] - amount
    end
    local capacity, rate = tonumber(ARGV[2 * i]), math.max(tonumber(ARGV[2 * i + 1]), 1) / 60000
    redis.call('HSET', key, 'level', string.format('%.3f', levels[i]), 'at', string.format('%.0f', now))
    -- Full by then, which is what a bucket that does not exist is.
    redis.call('PEXPIRE', key, math.ceil(capacity / rate) + 1000)
end
return { short, longest, math.floor(math.max(levels[1], 0)) }
