// The walk of a search through its candidates: nobody is left out and nobody twice, however little one request looks at.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gather } from '../../src/authzen/search.ts';

/** Numbers as candidates, in windows of which some hold nothing that is worth a look. */
function haystack(
  needles: ReadonlySet<number>,
  size: number,
  { window, mostLooks }: { window: number; mostLooks: number },
) {
  const keyOf = (number: number) => String(number).padStart(5, '0');
  return {
    mostLooks,
    keyOf,
    async next(after: string) {
      const from = after === '' ? 0 : Number(after) + 1;
      const seen = Array.from({ length: Math.min(window, size - from) }, (_none, at) => from + at);
      const last = seen.at(-1);
      const worth = seen.filter((number) => needles.has(number) || number % 3 === 0);
      return { candidates: worth, last: seen.length < window || last === undefined ? null : keyOf(last) };
    },
    look: async (number: number) => (needles.has(number) ? number : undefined),
  };
}

describe('gathering', () => {
  it('ends with everything that is there, once and in order, and no page is too long', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat({ max: 399 })),
        fc.nat({ max: 400 }),
        fc.record({ window: fc.integer({ min: 1, max: 150 }), mostLooks: fc.integer({ min: 1, max: 300 }) }),
        fc.integer({ min: 1, max: 50 }),
        async (some, size, bounds, limit) => {
          const needles = new Set(some.filter((number) => number < size));
          const found: number[] = [];
          let after: string | null = '';
          while (after !== null) {
            const step: Awaited<ReturnType<typeof gather<number, number>>> = await gather(
              haystack(needles, size, bounds),
              { after, limit },
            );
            expect(step.found.length).toBeLessThanOrEqual(limit);
            expect(step.after === null || step.after > after).toBe(true);
            found.push(...step.found);
            after = step.after;
          }
          expect(found).toEqual([...needles].sort((a, b) => a - b));
        },
      ),
      { numRuns: 300 },
    );
  });
});
