// D3: every key is on its own. Ending one ends what was made from it and from its sub-keys, here at once and elsewhere within
// seconds, also when no message comes through; no other key is touched.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IssuedKey } from '../../src/api-keys/api-keys.ts';
import { createApp } from '../../src/app.ts';
import { type Listener, listen } from '../../src/platform/http/server.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createServices, type Services } from '../../src/services.ts';
import { freePort, testConfig, useGatehouse } from '../support/gatehouse.ts';
import { operator } from '../support/people.ts';
import { byOperator, createWorld, tokenForKey, type World } from './machines.ts';

const MASTER_KEY = randomBytes(32).toString('base64');
const gatehouse = useGatehouse({ settings: { MASTER_KEY } });
const deaf: { services?: Services; listener?: Listener; origin: string } = { origin: '' };

// A second node that no message reaches: all it has is its look each second.
beforeAll(async () => {
  const port = await freePort();
  const config = testConfig({ MASTER_KEY, ISSUER: gatehouse.issuer, PORT: String(port) });
  const postgres = { ...gatehouse.database.postgres, listen: () => ({ stop: async () => {} }) };
  const services = await createServices(config, { postgres, log: silentLog });
  await services.changes.start();
  services.audit.start();
  deaf.services = services;
  deaf.listener = await listen(createApp(services).callback, { host: '127.0.0.1', port, log: silentLog });
  deaf.origin = `http://127.0.0.1:${port}`;
});
afterAll(async () => {
  await deaf.listener?.stop(1);
  await deaf.services?.audit.stop();
  await deaf.services?.changes.stop();
});

interface Family {
  readonly world: World;
  readonly key: IssuedKey;
  /** Tokens of the key and of its sub-key, and those strings themselves. */
  readonly ending: readonly string[];
  /** Of another key of the same owner, and of a second sub-key of it. */
  readonly staying: readonly string[];
}

async function family(format: 'jwt' | 'opaque'): Promise<Family> {
  const world = await createWorld(gatehouse, format);
  const key = await world.key();
  const owner = { kind: 'account' as const, id: key.key.accountId ?? '' };
  const child = await world.key({ parentId: key.key.id, permissions: ['notes:read'] });
  const grandchild = await world.key({ parentId: child.key.id, permissions: ['notes:read'] });
  const other = await world.key({ owner });
  const sub = await world.key({ parentId: other.key.id });
  const tokens = (keys: readonly IssuedKey[]) => Promise.all(keys.map((one) => world.tokenOf(one)));
  return {
    world,
    key,
    ending: [...(await tokens([key, child, grandchild])), key.secret, child.secret, grandchild.secret],
    staying: [...(await tokens([other, sub])), other.secret, sub.secret],
  };
}

async function active({ world, ending, staying }: Family, origin: string) {
  const ask = async (texts: readonly string[]) =>
    (await Promise.all(texts.map((text) => world.introspect(text, origin)))).map((told) => told.active);
  return { ending: await ask(ending), staying: await ask(staying) };
}

const all = (length: number, value: boolean) => Array.from({ length }, () => value);

type End = (family: Family) => Promise<unknown>;

describe('D3: isolation by key', () => {
  it.each<[string, 'jwt' | 'opaque', End]>([
    ['revoked', 'jwt', ({ key }) => gatehouse.services.apiKeys.revoke(key.key.id, null, byOperator)],
    ['revoked', 'opaque', ({ key }) => gatehouse.services.apiKeys.revoke(key.key.id, null, byOperator)],
    ['disabled', 'jwt', ({ key }) => gatehouse.services.apiKeys.disable(key.key.id, byOperator)],
  ])(
    'a key that is %s takes its tokens (%s) and its sub-keys with it, and no other key',
    async (_, format, end) => {
      const one = await family(format);
      await expect
        .poll(() => active(one, deaf.origin), { timeout: 5000 })
        .toEqual({
          ending: all(6, true),
          staying: all(4, true),
        });
      expect(await active(one, gatehouse.issuer)).toEqual({ ending: all(6, true), staying: all(4, true) });

      await end(one);
      const endedAt = performance.now();
      const wanted = { ending: all(6, false), staying: all(4, true) };
      expect(await active(one, gatehouse.issuer)).toEqual(wanted);
      await expect.poll(() => active(one, deaf.origin), { timeout: 6000, interval: 50 }).toEqual(wanted);

      expect(performance.now() - endedAt).toBeLessThan(5000);
    },
  );

  it('a string that was rotated away takes its tokens with it, and none of the new string', async () => {
    const world = await createWorld(gatehouse);
    const key = await world.key();
    const before = await world.tokenOf(key);
    const rotated = await gatehouse.services.apiKeys.rotate(key.key.id, { overlapSeconds: 2 }, byOperator);
    const after = await world.tokenOf(rotated);
    const during = await world.introspect(before);
    await delay(2100);

    expect([during.active, (await world.introspect(before)).active]).toEqual([true, false]);
    expect((await world.introspect(after)).active).toBe(true);
    expect((await tokenForKey(gatehouse.issuer, key.secret)).status).toBe(401);
  });

  it('an owner who is suspended takes all keys with them, until they are reinstated', async () => {
    const one = await family('jwt');
    const { services } = gatehouse;
    const ownerId = one.key.key.accountId ?? '';
    await services.accounts.suspend(ownerId as never, null, operator);
    const suspended = await active(one, gatehouse.issuer);
    await services.accounts.reinstate(ownerId as never, operator);

    expect(suspended).toEqual({ ending: all(6, false), staying: all(4, false) });
    expect(await active(one, gatehouse.issuer)).toEqual({ ending: all(6, true), staying: all(4, true) });
  });

  it('is nothing at userinfo, alive or not: a key is no person', async () => {
    const one = await family('opaque');
    const statuses = await Promise.all(
      one.ending.map(
        async (text) =>
          (await fetch(`${gatehouse.issuer}/userinfo`, { headers: { authorization: `Bearer ${text}` } }))
            .status,
      ),
    );

    expect(statuses).toEqual(Array.from({ length: 6 }, () => 401));
  });
});
