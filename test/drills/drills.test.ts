// The two quickest drills, so that the harness itself stays whole; `npm run drills` runs all of them for longer.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needs } from '../support/tools.ts';
import { type Cast, castOf } from './cast.ts';
import { runDrill } from './drill.ts';
import { faults } from './faults.ts';
import { startWorld, type World } from './world.ts';

const PACE = { beforeMilliseconds: 1_500, afterMilliseconds: 1_500 };

describe.skipIf(needs('nginx', 'redis-server'))('two nodes with two workers each behind nginx', () => {
  const here: { world?: World; cast?: Cast } = {};
  beforeAll(async () => {
    here.world = await startWorld({ smallDisk: false });
    here.cast = await castOf(here.world, { victims: 20 });
  }, 120_000);
  afterAll(() => here.world?.end(), 30_000);

  it.each(['worker-killed', 'keys-rotated'])(
    'lose nothing and let nothing be used twice: %s',
    {
      timeout: 90_000,
    },
    async (id) => {
      const fault = faults.find((one) => one.id === id);
      if (!fault || !here.world || !here.cast) throw new Error('the servers run only while tests run');
      const result = await runDrill(here.world, here.cast, fault, PACE);
      expect([result.lost, result.twice]).toEqual([[], []]);
      expect(result.answered.ok).toBeGreaterThan(50);
      expect(result.usedOnce).toBeGreaterThan(0);
      if (result.planned) expect(result.kinds).toEqual([]);
    },
  );
});
