// What time does to keys: notices ahead of an end, the note of it, removal, and when a key was last used.
import { describe, expect, it } from 'vitest';
import type { Services } from '../../src/services.ts';
import { atTheMachine, useNodes } from './world.ts';

const nodes = useNodes({ API_KEY_RETENTION_DAYS: '10' });
const DAY = 86_400;
const inDays = (days: number) => new Date(Date.now() + skew * 1000 + days * DAY * 1000);
let skew = 0;
const pass = (seconds: number) => {
  skew += seconds;
  nodes.pass(seconds);
};
const run = async (name: string, services: Services = nodes.services) => {
  await services.jobs.find((job) => job.name === name)?.run();
};
const eventsOf = async (id: string) => {
  const { items } = await nodes.services.audit.list({ targetId: id }, { limit: 20, cursor: null });
  return items
    .filter(({ type }) => type.startsWith('api-key.expir'))
    .map(({ type, details }) => (type === 'api-key.expiring' ? details.days : type))
    .toReversed();
};

describe('the end of a key', () => {
  it('D4: is told of 30, 7 and 1 day ahead and when it is there, once each, by whichever node looks', async () => {
    const other = await nodes.node();
    const { key } = await nodes.key({ expiresAt: inDays(40) });
    const both = () => Promise.all([run('api-keys-expiry'), run('api-keys-expiry', other)]);
    const told: unknown[] = [];
    for (const days of [9, 2, 20, 5, 3, 0.5, 1, 1]) {
      pass(days * DAY);
      await both();
      await both();
      told.push((await eventsOf(key.id)).at(-1));
    }
    expect(await eventsOf(key.id)).toEqual([30, 7, 1, 'api-key.expired']);
    expect(told).toEqual([undefined, 30, 30, 7, 1, 1, 'api-key.expired', 'api-key.expired']);
  });

  it('is told of once when a key is made shortly before it, and anew when it is moved', async () => {
    const { key } = await nodes.key({ expiresAt: inDays(0.9) });
    await run('api-keys-expiry');
    expect(await eventsOf(key.id)).toEqual([1]);
    await nodes.services.apiKeys.change(key.id, { expiresAt: inDays(6) }, atTheMachine);
    await run('api-keys-expiry');
    await run('api-keys-expiry');
    expect(await eventsOf(key.id)).toEqual([1, 7]);
  });

  it('is followed by removal, with the family; what works and what has just ended stays', async () => {
    const { db } = nodes.database;
    const revoked = await nodes.key();
    const child = await nodes.key({ parentId: revoked.key.id });
    const expired = await nodes.key({ expiresAt: inDays(1) });
    const working = await nodes.key();
    const rotated = await nodes.key();
    await nodes.services.apiKeys.rotate(rotated.key.id, { overlapSeconds: 0 }, atTheMachine);
    await nodes.services.apiKeys.revoke(revoked.key.id, null, atTheMachine);
    pass(9 * DAY);
    await run('api-keys-expiry');
    await run('api-keys-retention');
    const there = async () => {
      const ids = [revoked, child, expired, working, rotated].map(({ key }) => key.id);
      const rows: string[] = await db('api_keys').whereIn('id', ids).pluck('id');
      return ids.map((id) => rows.includes(id));
    };
    expect(await there()).toEqual([true, true, true, true, true]);
    pass(2.5 * DAY);
    await run('api-keys-retention');
    expect(await there()).toEqual([false, false, false, true, true]);
    expect(await db('api_key_secrets').where({ key_id: rotated.key.id })).toHaveLength(1);
    const [old] = await db('api_key_secrets').where({ id: rotated.secretId });
    expect(old).toBeUndefined();
  });
});

describe('the last use of a key', () => {
  const uses = async (id: string) =>
    nodes.database
      .db('api_keys')
      .where({ id })
      .first('last_used_at', 'last_used_address', 'last_used_user_agent');

  it('is written once a minute at most, all of them in one statement', async () => {
    const { apiKeys } = nodes.services;
    const keys = await Promise.all(Array.from({ length: 20 }, () => nodes.key()));
    const statements: string[] = [];
    const note = ({ sql }: { sql: string }) => {
      if (sql.includes('last_used_at')) statements.push(sql);
    };
    nodes.database.db.on('query', note);
    const from = (address: string) => ({ address, userAgent: 'robot/1.0' });
    for (const { key } of keys) {
      for (let turn = 0; turn < 50; turn += 1) apiKeys.used(key, from('192.0.2.1'));
    }
    await apiKeys.stop();
    for (const { key } of keys) apiKeys.used(key, from('192.0.2.2'));
    await apiKeys.stop();
    nodes.database.db.removeListener('query', note);
    expect(statements).toHaveLength(1);
    const [{ key: first }] = keys as [(typeof keys)[number]]; // twenty were made
    const { id } = first;
    expect(await uses(id)).toMatchObject({
      last_used_address: '192.0.2.1',
      last_used_user_agent: 'robot/1.0',
    });
    pass(60);
    apiKeys.used(first, from('192.0.2.3'));
    await apiKeys.stop();
    expect(await uses(id)).toMatchObject({ last_used_address: '192.0.2.3' });
  });

  it('is written once a minute at most by two nodes together, and changes no version', async () => {
    const other = await nodes.node();
    const { key } = await nodes.key();
    pass(60);
    nodes.services.apiKeys.used(key, { address: '192.0.2.1', userAgent: null });
    await nodes.services.apiKeys.stop();
    other.apiKeys.used(key, { address: '192.0.2.2', userAgent: null });
    await other.apiKeys.stop();
    expect(await uses(key.id)).toMatchObject({ last_used_address: '192.0.2.1' });
    expect(await nodes.services.apiKeys.find(key.id, atTheMachine)).toMatchObject({ version: 1 });
  });
});

describe('the limits of a key', () => {
  it('A3: are exact under 50 askers at two nodes', async () => {
    const other = await nodes.node();
    const { key } = await nodes.key({ rateLimits: [{ permits: 20, per: 'hour' }] });
    const verdicts = await Promise.all(
      Array.from({ length: 50 }, async (_, turn) => {
        const { apiKeys } = turn % 2 ? other : nodes.services;
        const known = await apiKeys.known(key.id);
        return known && apiKeys.takePermits(known);
      }),
    );
    expect(verdicts.filter((of) => of?.every(({ allowed }) => allowed))).toHaveLength(20);
    expect(verdicts.find((of) => of?.at(-1)?.allowed === false)?.at(-1)).toMatchObject({
      per: 'hour',
      remaining: 0,
    });
  });
});
