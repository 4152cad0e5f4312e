// Without the database nothing that has a budget, or may have one, is let through.
import { afterAll, describe, expect, it } from 'vitest';
import { createKnownBudgets } from '../../src/budgets/known.ts';
import { createChanges } from '../../src/platform/changes.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createPostgres, isDatabaseUnavailable } from '../../src/platform/database/postgres.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { useDatabase } from '../support/database.ts';
import { freePort } from '../support/gatehouse.ts';
import { createNode, setBudget, token } from './world.ts';

const database = useDatabase();
const away = createPostgres({
  url: `postgres://nobody@127.0.0.1:${await freePort()}/nothing`,
  poolMax: 2,
  statementTimeoutSeconds: 2,
  applicationName: 'gatehouse test',
});
afterAll(() => away.close());

const isAway = async (attempt: Promise<unknown>) => {
  try {
    return { allowed: await attempt };
  } catch (error) {
    return isDatabaseUnavailable(error);
  }
};

describe('C10: with the database lost', () => {
  it.each(['money', 'tokens', 'requests'])(
    'a reservation on %s is refused, and so is all else',
    async (meter) => {
      const { budgets } = createNode(away);
      const asked = { scopes: [token()], amounts: { [meter]: 1n } };
      expect(await isAway(budgets.reserve({ ...asked, expiresInSeconds: 60 }))).toBe(true);
      expect(await isAway(budgets.spend(asked))).toBe(true);
      expect(await isAway(budgets.settle('rsv_00000000000000000000000000', { [meter]: 1n }))).toBe(true);
      expect(await isAway(budgets.hasAny(asked.scopes))).toBe(true);
    },
  );

  it('who is known to have no budget goes on, but only as long as a new one could not have been missed', async () => {
    const { db, postgres } = database;
    const connection = createPostgres({
      url: database.databaseUrl(),
      poolMax: 2,
      statementTimeoutSeconds: 2,
      applicationName: 'gatehouse test',
    });
    const changes = createChanges({ db: connection.db, log: silentLog });
    const heard = { silence: 0 };
    const known = createKnownBudgets({
      db: connection.db,
      changes: { on: changes.on, silence: () => heard.silence },
      clock: systemClock,
    });
    const [with_, without] = [token(), token()];
    await setBudget(createNode(postgres).budgets, with_);
    expect([await known.hasAny([with_]), await known.hasAny([without])]).toEqual([true, false]);
    await connection.close();
    expect([await known.hasAny([with_]), await known.hasAny([without])]).toEqual([true, false]);
    heard.silence = 5_000;
    expect((await Promise.allSettled([known.hasAny([without])]))[0]?.status).toBe('rejected');
    expect((await db('budgets').select('id')).length).toBe(1);
  });
});
