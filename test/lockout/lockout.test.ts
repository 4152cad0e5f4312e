// The lockout on the database: counting ahead, taking back, addresses, and rows that expire.
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createAudit } from '../../src/audit/audit.ts';
import { createLockout } from '../../src/lockout/lockout.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { withOrigin } from '../../src/platform/origin.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { useDatabase } from '../support/database.ts';

const { postgres, db } = useDatabase();
const settings = {
  freeAttempts: 3,
  accountFreeAttempts: 6,
  addressFreeAttempts: 9,
  baseDelaySeconds: 10,
  maximumDelaySeconds: 40,
};

function setUp() {
  let offset = 0;
  const clock = { now: () => new Date(Date.now() + offset) };
  const audit = createAudit({ postgres, log: silentLog, clock: systemClock });
  const lockout = createLockout({ postgres, audit, clock, identifierKey: randomBytes(32), settings });
  return {
    lockout,
    pass: (seconds: number) => {
      offset += seconds * 1000;
    },
    reserve: (typed: string, address: string | null = '192.0.2.1') =>
      withOrigin({ requestId: null, address, userAgent: null }, () => lockout.reserve(typed)),
  };
}

type Reserve = ReturnType<typeof setUp>['reserve'];

async function allowed(reserve: Reserve, typed: string, address?: string | null) {
  const reservation = await reserve(typed, address);
  if (reservation.kind !== 'allowed') throw new Error('locked');
  return reservation.attempt;
}

describe('an attempt', () => {
  it('counts until it is settled, and says when it was the last free one', async () => {
    const { reserve } = setUp();
    expect((await allowed(reserve, 'ada')).lastFreeAt).toEqual([]);
    await allowed(reserve, 'ada');
    expect((await allowed(reserve, 'ada')).lastFreeAt).toEqual(['pair']);
    expect(await reserve('ADA ')).toEqual({ kind: 'locked', retryAfterSeconds: 10 });
  });

  it('that is locked counts nowhere', async () => {
    const { lockout, reserve, pass } = setUp();
    for (let time = 0; time < 3; time += 1) await allowed(reserve, 'ada');
    for (let time = 0; time < 10; time += 1) await reserve('ada');
    expect((await lockout.standing('ada')).failures).toBe(3);
    pass(11);
    await allowed(reserve, 'ada');
    expect((await lockout.standing('ada')).failures).toBe(4);
  });

  it('waits longer after each failure, up to the maximum', async () => {
    const { reserve, pass } = setUp();
    await allowed(reserve, 'ada');
    await allowed(reserve, 'ada');
    const waits: number[] = [];
    for (let time = 0; time < 5; time += 1) {
      await allowed(reserve, 'ada');
      const reservation = await reserve('ada');
      if (reservation.kind === 'locked') waits.push(reservation.retryAfterSeconds);
      pass(41);
    }
    expect(waits).toEqual([10, 20, 40, 40, 40]);
  });

  it('that is taken back was never made', async () => {
    const { lockout, reserve } = setUp();
    for (let time = 0; time < 10; time += 1) await lockout.takeBack(await allowed(reserve, 'ada'));
    expect(await lockout.standing('ada')).toEqual({ failures: 0, blockedUntil: null });
    for (let time = 0; time < 3; time += 1) await allowed(reserve, 'ada');
    expect((await reserve('ada')).kind).toBe('locked');
  });

  it('that is settled together with a change stays a failure when that touched nothing', async () => {
    const { lockout, reserve } = setUp();
    const also = (rows: number) => ({
      name: `test_${rows}`,
      sql: (condition: string) => `also as (select 1 from generate_series(1, ${rows}) where ${condition})`,
      bindings: {},
    });
    const attempt = await allowed(reserve, 'with');
    expect(await lockout.succeeded(attempt, also(0))).toBe(false);
    expect((await lockout.standing('with')).failures).toBe(1);
    expect(await lockout.succeeded(attempt, also(1))).toBe(true);
    expect((await lockout.standing('with')).failures).toBe(0);
  });

  it('without an address is held against the name, and against no address', async () => {
    const { reserve } = setUp();
    for (let name = 0; name < 20; name += 1) await allowed(reserve, `n${name}`, null);
    for (let time = 0; time < 3; time += 1) await allowed(reserve, 'ada', null);
    expect((await reserve('ada', null)).kind).toBe('locked');
  });

  it('by IPv4 is the same when the address is written as IPv6', async () => {
    const { reserve } = setUp();
    for (let time = 0; time < 3; time += 1) await allowed(reserve, 'ada', '::ffff:192.0.2.50');
    expect((await reserve('ada', '192.0.2.50')).kind).toBe('locked');
  });

  it('by a name that nobody can have is counted like every other', async () => {
    const { reserve } = setUp();
    for (let time = 0; time < 3; time += 1) await allowed(reserve, 'a\0 b\u202e');
    expect((await reserve('a\0 b\u202e')).kind).toBe('locked');
  });

  it('among 50 in parallel is allowed as often as it is free', async () => {
    const { reserve } = setUp();
    const kinds = (await Promise.all(Array.from({ length: 50 }, () => reserve('ada')))).map(
      ({ kind }) => kind,
    );
    expect(kinds.filter((kind) => kind === 'allowed')).toHaveLength(3);
  });
});

describe('rows', () => {
  it('are deleted when nothing depends on them any longer', async () => {
    await db('sign_in_attempts').delete();
    const { lockout, reserve, pass } = setUp();
    const [job] = lockout.jobs();
    await allowed(reserve, 'failed', '192.0.2.60');
    await lockout.succeeded(await allowed(reserve, 'succeeded', '192.0.2.61'));
    await job?.run();
    // Pair, name and address of the first; pair and address of the second.
    expect(await db('sign_in_attempts')).toHaveLength(5);
    pass(3601);
    await job?.run();
    // The name of the first, the pair of the second.
    expect(await db('sign_in_attempts')).toHaveLength(2);
    pass(3 * 86_400);
    await job?.run();
    // The address from which somebody signed in stays known for a month.
    expect(await db('sign_in_attempts')).toHaveLength(1);
    pass(30 * 86_400);
    await job?.run();
    expect(await db('sign_in_attempts')).toHaveLength(0);
  });

  it('of addresses that change with every attempt are gone after an hour, but for the name', async () => {
    await db('sign_in_attempts').delete();
    const { lockout, reserve, pass } = setUp();
    for (let host = 1; host <= 5; host += 1) await allowed(reserve, 'ada', `198.51.100.${host}`);
    expect(await db('sign_in_attempts')).toHaveLength(11);
    pass(3601);
    await lockout.jobs()[0]?.run();
    expect(await db('sign_in_attempts')).toHaveLength(1);
    expect((await lockout.standing('ada')).failures).toBe(5);
  });

  it('stay an hour for each failure, and two days once there was a delay', async () => {
    await db('sign_in_attempts').delete();
    const { lockout, reserve, pass } = setUp();
    const run = () => lockout.jobs()[0]?.run();
    const rowsOfPair = () => db('sign_in_attempts').where({ failures: 2 }).andWhereRaw(`address <> ''`);
    await allowed(reserve, 'ada');
    await allowed(reserve, 'ada');
    pass(2 * 3600 - 1);
    await run();
    expect(await rowsOfPair()).toHaveLength(2);
    pass(2);
    await run();
    expect(await rowsOfPair()).toHaveLength(0);

    for (let time = 0; time < 3; time += 1) await allowed(reserve, 'grace');
    pass(2 * 86_400 - 10);
    await run();
    // The pair that was locked, and the two names.
    expect(await db('sign_in_attempts').whereRaw(`address <> ''`)).toHaveLength(1);
    pass(20);
    await run();
    expect(await db('sign_in_attempts')).toHaveLength(0);
  });
});
