// Keys on two server processes that share a database: what is ended on one is dead there at once and on the other within
// seconds, with messages between them or without; and a key that is rotated with an overlap loses no call on either.
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import type { IssuedKey } from '../../src/api-keys/api-keys.ts';
import { useCluster } from '../support/cluster.ts';
import { type Machine, machine } from '../support/management.ts';
import { createPerson, operator } from '../support/people.ts';
import { giveRole } from '../support/roles.ts';
import { createWorld, tokenForKey, type World } from './machines.ts';

const LATEST_MILLISECONDS = 5_000;
const OVERLAP_SECONDS = 4;
const WORKERS = 4;

const wide = ['ADMIN_READ', 'ADMIN_WRITE'].map((name) => [`LIMIT_${name}_PER_MINUTE`, '1000000']);
const cluster = useCluster({ size: 2, settings: Object.fromEntries(wide) });
const made: { caller?: Machine; world?: World } = {};

beforeAll(async () => {
  made.caller = await machine(cluster);
  made.world = await createWorld(cluster);
  // Nobody takes away, or makes a secret for, more than they hold.
  await giveRole(cluster.services, { kind: 'client', id: made.caller.clientId }, ['notes:*']);
  // Made beside the running servers: they hear of it within a second.
  await delay(1_200);
});

const world = () => {
  if (made.world === undefined) throw new Error('the world is made before the tests');
  return made.world;
};
const first = () => cluster.origins[0] ?? '';
const second = () => cluster.origins[1] ?? '';

async function manage(origin: string, method: string, path: string, body?: unknown) {
  const response = await fetch(`${origin}/api/v1${path}`, {
    method,
    headers: { Authorization: `Bearer ${made.caller?.token}`, 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

const verify = async (
  origin: string,
  credential: string,
  permissions: readonly string[] = [],
  api = world().audience,
) => (await manage(origin, 'POST', '/verify', { credential, permissions, api })).body;

/** Every way in which a key is used: itself, for a token, and by a token it was given before. */
async function uses(origin: string, { secret }: Pick<IssuedKey, 'secret'>, token: string) {
  const [itself, asked, before, told] = await Promise.all([
    verify(origin, secret),
    tokenForKey(origin, secret),
    verify(origin, token),
    world().introspect(token, origin),
  ]);
  return [itself.active, asked.status === 200, before.active, told.active];
}

/** Milliseconds until every use fails for good: none of the looks that follow sees one that is let through. */
async function deadAfter(look: () => Promise<unknown[]>, since: number): Promise<number> {
  let dead = 0;
  for (let quiet = 0; quiet < 10; ) {
    const isDead = (await look()).every((one) => one === false);
    if (!isDead && performance.now() - since > 3 * LATEST_MILLISECONDS) return Number.POSITIVE_INFINITY;
    if (quiet === 0) dead = performance.now() - since;
    quiet = isDead ? quiet + 1 : 0;
  }
  return dead;
}

/** Cuts every connection that listens for messages, again and again, so that none comes through. */
async function withoutMessages<T>(run: () => Promise<T>): Promise<T> {
  const { db } = cluster.database.postgres;
  const state = { over: false, cut: 0 };
  const cutting = (async () => {
    while (!state.over) {
      const { rows } = await db.raw(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'listen %'`,
      );
      state.cut += rows.length;
      await delay(5);
    }
  })();
  try {
    await delay(100);
    const result = await run();
    expect(state.cut).toBeGreaterThan(0);
    return result;
  } finally {
    state.over = true;
    await cutting;
  }
}

const buses: [string, <T>(run: () => Promise<T>) => Promise<T>][] = [
  ['with messages', (run) => run()],
  ['without one message', withoutMessages],
];

describe.each(buses)('%s between the processes', (how, within) => {
  it('a key that is revoked on one is dead there at once, and on the other in 5 s', async () => {
    const key = await world().key();
    const other = await world().key();
    const [token, otherToken] = [await world().tokenOf(key), await world().tokenOf(other)];
    for (const origin of cluster.origins) {
      expect(await uses(origin, key, token)).toEqual([true, true, true, true]);
    }
    await within(async () => {
      const since = performance.now();
      const traffic = deadAfter(() => uses(second(), key, token), since);
      const { status } = await manage(first(), 'POST', `/api-keys/${key.key.id}/revoke`, {});
      expect(status).toBeLessThan(300);
      expect(await uses(first(), key, token)).toEqual([false, false, false, false]);
      expect(await traffic).toBeLessThan(LATEST_MILLISECONDS);
    });
    for (const origin of cluster.origins) {
      expect(await uses(origin, other, otherToken)).toEqual([true, true, true, true]);
    }
  });

  it('a role that is taken away on one is gone from keys and their tokens, there at once, on the other in 5 s', async () => {
    const person = await createPerson(cluster.services);
    const subject = { kind: 'account', id: person.id } as const;
    const { audience } = await cluster.services.apis.create(
      {
        audience: `https://purges-${how.replaceAll(' ', '-')}.example.com`,
        name: 'Purges',
        permissions: [
          { name: 'notes:read', sentence: 'Read your notes.', everyone: true },
          { name: 'notes:purge', sentence: 'Purge your notes.', everyone: false },
        ],
      },
      operator,
    );
    const { name } = await giveRole(cluster.services, subject, ['notes:purge']);
    // The servers hear of an API that was made beside them within a second.
    await delay(1_200);
    const permissions = ['notes:read', 'notes:purge'];
    const key = await world().key({ owner: subject, permissions, apis: [audience] });
    const fields = { resource: audience, scope: permissions.join(' ') };
    const token = await world().tokenOf(key, fields);
    const role = (await manage(first(), 'GET', `/roles?name=${name}`)).body.items[0];
    const holds = async (origin: string) => {
      const may = async (credential: string) =>
        (await verify(origin, credential, ['notes:purge'], audience)).active;
      const asked = await tokenForKey(origin, key.secret, fields);
      const gets = String(asked.body.scope).includes('notes:purge');
      return [await may(key.secret), await may(token), gets];
    };
    for (const origin of cluster.origins) expect(await holds(origin)).toEqual([true, true, true]);

    await within(async () => {
      const since = performance.now();
      const traffic = deadAfter(() => holds(second()), since);
      const path = `/roles/${role.id}/assignments/account/${person.id}`;
      expect((await manage(first(), 'DELETE', path)).status).toBe(204);
      expect(await holds(first())).toEqual([false, false, false]);
      expect(await traffic).toBeLessThan(LATEST_MILLISECONDS);
    });
    for (const origin of cluster.origins) {
      expect((await verify(origin, key.secret, ['notes:read'], audience)).active).toBe(true);
    }
  });
});

it('a key that is rotated with an overlap loses no call on either, and its old string dies on both', async () => {
  const key = await world().key();
  const current = { secret: key.secret };
  const failed: string[] = [];
  const load = { over: false, calls: 0 };
  const workers = Array.from({ length: WORKERS }, async (_, worker) => {
    for (let turn = worker; !load.over; turn += 1) {
      const origin = cluster.origins[turn % 2] ?? '';
      const { secret } = current;
      const [asked, token] = await Promise.all([verify(origin, secret), tokenForKey(origin, secret)]);
      if (asked.active !== true) failed.push(`verify ${asked.code}`);
      if (token.status !== 200) failed.push(`token ${token.status}`);
      const told = await verify(cluster.origins[(turn + 1) % 2] ?? '', String(token.body.access_token));
      if (told.active !== true) failed.push(`its token elsewhere ${told.code}`);
      load.calls += 3;
    }
  });
  await delay(1_000);
  const body = { overlapSeconds: OVERLAP_SECONDS };
  const rotated = await manage(first(), 'POST', `/api-keys/${key.key.id}/rotate`, body);
  const deadline = performance.now() + OVERLAP_SECONDS * 1000;
  // Users of it change over one after the other; a part of the overlap goes by before they do.
  await delay(1_500);
  current.secret = rotated.body.secret;
  await delay(deadline - performance.now() + 300);
  load.over = true;
  await Promise.all(workers);

  expect([rotated.status, failed]).toEqual([201, []]);
  expect(load.calls).toBeGreaterThan(50);
  for (const origin of cluster.origins) {
    expect((await verify(origin, key.secret)).active).toBe(false);
    expect((await tokenForKey(origin, key.secret)).status).toBe(401);
    expect((await verify(origin, current.secret)).active).toBe(true);
  }
}, 60_000);
