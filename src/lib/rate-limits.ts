// Limits that a key or a client brings along: their shape, and how people write them.
import { z } from 'zod';

const windows = ['second', 'minute', 'hour'] as const;
const WINDOW_SECONDS = { second: 1, minute: 60, hour: 3600 } as const;
/** The counters remember no longer (platform/limits/key-limits.ts). */
const LONGEST_BURST_SECONDS = 7200;

const rateLimit = z
  .strictObject({
    permits: z.int().min(1).max(10_000_000).describe('How many in one window.'),
    per: z.enum(windows),
    burst: z
      .int()
      .min(1)
      .max(10_000_000)
      .optional()
      .describe('How many at once after a pause; permits unless told.'),
  })
  .refine(
    ({ permits: limit, per, burst = limit }) =>
      (burst / limit) * WINDOW_SECONDS[per] <= LONGEST_BURST_SECONDS,
    'has a burst that takes longer than two hours to come back',
  );

export const rateLimits = z
  .array(rateLimit)
  .max(3)
  .refine(
    (list) => new Set(list.map(({ per }) => per)).size === list.length,
    'must not have two for the same window',
  );

export type RateLimit = z.output<typeof rateLimits>[number];

/** As people write it: 100/second, 600/minute, 5000/hour+50 with a burst of 50; undefined when it is none. */
export function parseRateLimit(text: string): RateLimit | undefined {
  const [, permits, unit, burst] = /^(\d{1,9})\/(second|minute|hour)(?:\+(\d{1,9}))?$/.exec(text) ?? [];
  const per = windows.find((name) => name === unit);
  if (permits === undefined || per === undefined) return undefined;
  return { permits: Number(permits), per, ...(burst === undefined ? {} : { burst: Number(burst) }) };
}
