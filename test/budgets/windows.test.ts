// Windows of budgets: where they begin and end in the time zone of the organization, also when its clocks are changed.
import { describe, expect, it } from 'vitest';
import type { BudgetWindow } from '../../src/budgets/schema.ts';
import { useDatabase } from '../support/database.ts';
import { createNode, setBudget, things } from './world.ts';

const database = useDatabase();
const make = things(database);

async function windowAt(instant: string, window: BudgetWindow, timeZone: string | null): Promise<string[]> {
  const { budgets } = createNode(database.postgres, () => new Date(instant));
  const scope = timeZone === null ? await make.account() : await make.organization(timeZone);
  const { id } = await setBudget(budgets, scope, { window });
  const state = await budgets.stateOf(id);
  return [state?.windowStart.toISOString() ?? '', state?.resetAt?.toISOString() ?? 'never'];
}

describe('a window', () => {
  it.each<[string, string, BudgetWindow, string | null, string, string]>([
    // what, at, window, zone, from, to
    [
      'is in UTC without an organization',
      '2026-05-10T22:30:00Z',
      'day',
      null,
      '2026-05-10T00:00',
      '2026-05-11T00:00',
    ],
    [
      'is in its time zone',
      '2026-05-10T22:30:00Z',
      'day',
      'Europe/Vienna',
      '2026-05-10T22:00',
      '2026-05-11T22:00',
    ],
    [
      'lasts 23 hours in spring',
      '2026-03-29T12:00:00Z',
      'day',
      'Europe/Vienna',
      '2026-03-28T23:00',
      '2026-03-29T22:00',
    ],
    [
      'lasts 25 hours in autumn',
      '2026-10-25T12:00:00Z',
      'day',
      'Europe/Vienna',
      '2026-10-24T22:00',
      '2026-10-25T23:00',
    ],
    [
      'begins where there is no midnight',
      '2026-04-24T10:00:00Z',
      'day',
      'Africa/Cairo',
      '2026-04-23T22:00',
      '2026-04-24T21:00',
    ],
    [
      'is one hour the first time it is half past two',
      '2026-10-25T00:30:00Z',
      'hour',
      'Europe/Vienna',
      '2026-10-25T00:00',
      '2026-10-25T01:00',
    ],
    [
      'and another one the second time',
      '2026-10-25T01:30:00Z',
      'hour',
      'Europe/Vienna',
      '2026-10-25T01:00',
      '2026-10-25T02:00',
    ],
    [
      'is one hour before the clocks go forward',
      '2026-03-29T00:30:00Z',
      'hour',
      'Europe/Vienna',
      '2026-03-29T00:00',
      '2026-03-29T01:00',
    ],
    [
      'and the next one after that',
      '2026-03-29T01:10:00Z',
      'hour',
      'Europe/Vienna',
      '2026-03-29T01:00',
      '2026-03-29T02:00',
    ],
    [
      'begins at the local hour',
      '2026-05-10T10:10:00Z',
      'hour',
      'Asia/Kolkata',
      '2026-05-10T09:30',
      '2026-05-10T10:30',
    ],
    [
      'is the month that it is there',
      '2026-01-31T23:30:00Z',
      'month',
      'Europe/Vienna',
      '2026-01-31T23:00',
      '2026-02-28T23:00',
    ],
    [
      'and not the one that it is elsewhere',
      '2026-01-31T22:30:00Z',
      'month',
      'Europe/Vienna',
      '2025-12-31T23:00',
      '2026-01-31T23:00',
    ],
    [
      'is a month with a change of the clocks',
      '2026-03-15T00:00:00Z',
      'month',
      'Europe/Vienna',
      '2026-02-28T23:00',
      '2026-03-31T22:00',
    ],
    [
      'has a day more in a leap year',
      '2028-02-29T23:59:59Z',
      'month',
      'UTC',
      '2028-02-01T00:00',
      '2028-03-01T00:00',
    ],
    [
      'is behind UTC in the west',
      '2026-08-01T03:00:00Z',
      'month',
      'America/New_York',
      '2026-07-01T04:00',
      '2026-08-01T04:00',
    ],
  ])('%s (%s, %s, %s)', async (_what, at, window, zone, from, to) => {
    expect(await windowAt(at, window, zone)).toEqual([`${from}:00.000Z`, `${to}:00.000Z`]);
  });

  it('of everything never ends', async () => {
    expect((await windowAt('2026-05-10T22:30:00Z', 'total', 'Europe/Vienna'))[1]).toBe('never');
  });

  it('that is new begins with nothing, and those before it stay to be seen', async () => {
    let now = new Date('2026-10-24T21:59:59Z');
    const { budgets } = createNode(database.postgres, () => now);
    const organization = await make.organization('Europe/Vienna');
    const { id } = await setBudget(budgets, organization, { window: 'day', limit: 2 });
    const spend = () => budgets.spend({ scopes: [organization], amounts: { requests: 2n } });
    expect(await spend()).toHaveProperty('remaining');
    expect(await spend()).toHaveProperty('exceeded.resetAt', new Date('2026-10-24T22:00:00Z'));
    now = new Date('2026-10-24T22:00:00Z');
    expect(await spend()).toHaveProperty('remaining');
    // The 25 hours of this day are one window.
    now = new Date('2026-10-25T22:59:59Z');
    expect(await spend()).toHaveProperty('exceeded.resetAt', new Date('2026-10-25T23:00:00Z'));
    const first = await budgets.windows(id, { limit: 1, cursor: null });
    const second = await budgets.windows(id, { limit: 1, cursor: first.nextCursor });
    expect(
      [...first.items, ...second.items].map(({ windowStart, used }) => [windowStart.toISOString(), used]),
    ).toEqual([
      ['2026-10-24T22:00:00.000Z', 2n],
      ['2026-10-23T22:00:00.000Z', 2n],
    ]);
    expect(second.nextCursor).toBeNull();
  });

  it('that has begun lasts until its end, also when the organization moves to another time zone', async () => {
    let now = new Date('2026-05-10T12:00:00Z');
    const { budgets } = createNode(database.postgres, () => now);
    const organization = await make.organization('Europe/Vienna');
    await setBudget(budgets, organization, { window: 'day', limit: 2 });
    const spend = () => budgets.spend({ scopes: [organization], amounts: { requests: 2n } });
    await spend();
    await database.db('organizations').where({ id: organization.id }).update({ time_zone: 'Asia/Tokyo' });
    expect(await spend()).toHaveProperty('exceeded.resetAt', new Date('2026-05-10T22:00:00Z'));
    now = new Date('2026-05-10T22:00:00Z');
    expect(await spend()).toHaveProperty('remaining.0.resetAt', new Date('2026-05-11T15:00:00Z'));
  });

  it('that has ended takes what is settled late: it was reserved there', async () => {
    let now = new Date('2026-05-10T23:59:50Z');
    const { budgets } = createNode(database.postgres, () => now);
    const account = await make.account();
    const { id } = await setBudget(budgets, account, { window: 'day', meter: 'tokens', limit: 100 });
    const held = await budgets.reserve({ scopes: [account], amounts: { tokens: 80n }, expiresInSeconds: 60 });
    now = new Date('2026-05-11T00:00:10Z');
    const reservationId = 'reservationId' in held ? String(held.reservationId) : '';
    expect(await budgets.settle(reservationId, { tokens: 70n })).toMatchObject([
      { used: 70n, windowStart: new Date('2026-05-10T00:00:00Z') },
    ]);
    expect(await budgets.stateOf(id)).toMatchObject({ used: 0n, reserved: 0n });
  });
});

describe('the retention', () => {
  it('removes windows and entries past their time, and carries on what is still counted', async () => {
    let now = new Date('2024-01-10T12:00:00Z');
    const { budgets } = createNode(database.postgres, () => now);
    const { db } = database;
    const account = await make.account();
    const day = await setBudget(budgets, account, { window: 'day' });
    const total = await setBudget(budgets, account, { window: 'total', limit: 1000 });
    for (let turn = 0; turn < 3; turn += 1)
      await budgets.spend({ scopes: [account], amounts: { requests: 2n } });
    const held = await budgets.reserve({
      scopes: [account],
      amounts: { requests: 1n },
      expiresInSeconds: 60,
    });
    await budgets.release('reservationId' in held ? String(held.reservationId) : '');

    now = new Date('2026-01-10T12:00:00Z');
    const job = budgets.jobs().find(({ name }) => name === 'budgets-retention');
    await job?.run();

    const left = await db('budget_entries')
      .whereIn('budget_id', [day.id, total.id])
      .select('budget_id', 'kind', 'used');
    expect(left).toEqual([{ budget_id: total.id, kind: 'carry', used: '6' }]);
    expect(await db('budget_windows').where({ budget_id: day.id })).toEqual([]);
    expect(await db('budget_reservations').whereRaw(`budget_ids && ?::text[]`, [[day.id]])).toEqual([]);
    expect(await budgets.stateOf(total.id)).toMatchObject({ used: 6n });
    expect(await budgets.verify()).toEqual([]);
  });

  it('removes the budgets of tokens that have ended', async () => {
    let now = new Date();
    const { budgets } = createNode(database.postgres, () => now);
    const { id } = await setBudget(budgets, { kind: 'token', id: 'ended' });
    now = new Date(now.getTime() + 86_400_001);
    await budgets
      .jobs()
      .find(({ name }) => name === 'budgets-retention')
      ?.run();
    expect(await budgets.find(id)).toBeUndefined();
  });
});
