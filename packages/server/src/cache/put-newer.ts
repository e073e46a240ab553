import { createHash } from 'node:crypto'

/**
 * Puts items unless Redis holds one of a higher `asOf` for the key: an instance that is behind would otherwise
 * replace what the others believe by what they do not. KEYS: names; ARGV: seconds to live, then `asOf` and text of
 * each. The text begins with its `asOf`, so that the script need not read values. Whatever else lies under a name,
 * of any type, is replaced.
 */
export const PUT_NEWER = `
for i, name in ipairs(KEYS) do
  local held = redis.pcall('GETRANGE', name, 0, 16)
  local heldAsOf = type(held) == 'string' and tonumber(string.match(held, '^%d+'))
  if not heldAsOf or heldAsOf <= tonumber(ARGV[2 * i]) then
    redis.call('SET', name, ARGV[2 * i + 1], 'EX', ARGV[1])
  end
end
`

/** What Redis calls it once it has seen it. */
export const PUT_NEWER_SHA1 = createHash('sha1').update(PUT_NEWER).digest('hex')
