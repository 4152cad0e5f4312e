// Engine state of many requests in one statement, while connections are cut, rows are held by others and rows are bad:
// every request hears of its own thing only, and what can be used once is used once.
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Adapter } from 'oidc-provider';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { createStateStore } from '../../src/oidc/adapter/adapter.ts';
import { createSealing } from '../../src/oidc/adapter/sealing.ts';
import { createSpent } from '../../src/oidc/adapter/spent.ts';
import { createTokenRows } from '../../src/oidc/adapter/token-rows.ts';
import { noClientAdapter } from '../../src/oidc/client-source.ts';
import { withOrigin } from '../../src/platform/origin.ts';
import { hashToken } from '../../src/platform/secrets/tokens.ts';
import { createTimings } from '../../src/platform/telemetry/timings.ts';
import { useDatabase } from '../support/database.ts';

const { db, databaseUrl } = useDatabase();
const rows = createTokenRows(db, 'oidc_tokens');
const model = 'RefreshToken';

function newRow() {
  const id = randomUUID();
  return {
    id,
    idHash: hashToken(id),
    model,
    grantId: null,
    accountId: null,
    clientId: null,
    userCodeHash: null,
    payload: Buffer.from(`payload of ${id}`),
    lifetimeSeconds: 600,
  } as const;
}

async function saved(count: number) {
  const made = Array.from({ length: count }, newRow);
  await Promise.all(made.map((row) => rows.save(row, undefined)));
  return made;
}

/** Somebody who holds rows for a moment each, two at a time in any order, as an end of an account does. */
async function disturb(hashes: readonly Buffer[], until: () => boolean, table: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl() });
  client.on('error', () => {});
  await client.connect();
  const any = () => hashes[Math.floor(Math.random() * hashes.length)];
  while (!until()) {
    await client.query('begin');
    try {
      for (let turn = 0; turn < 2; turn += 1) {
        await client.query(`select 1 from ${table} where id_hash = $1 for update`, [any()]);
        await delay(2);
      }
      await client.query('commit');
    } catch {
      await client.query('rollback');
    }
  }
  await client.end();
}

/** Cuts the connections of the pool, a few at a time. */
async function cut(until: () => boolean): Promise<void> {
  const client = new Client({ connectionString: databaseUrl() });
  await client.connect();
  while (!until()) {
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'gatehouse test' and random() < 0.5`,
    );
    await delay(15);
  }
  await client.end();
}

it('counts the statements of many requests for none but those that wait for them, the first one included', async () => {
  const store = createStateStore(
    { db, sealing: createSealing(randomBytes(32)), refreshGraceSeconds: 10, sessionAbsoluteSeconds: 3600 },
    noClientAdapter,
  );
  const timings = createTimings(false);
  const origin = { requestId: 'first', address: null, userAgent: null, timings };
  const sessions = await withOrigin(origin, async () => {
    // As the engine makes it: when a request first asks for one.
    const adapter = (store.factory as (name: string) => Adapter)('Session');
    await adapter.find('nobody');
    return adapter;
  });
  const ownWaits = timings.count('database');
  await Promise.all(['a', 'b', 'c'].map((id) => sessions.find(id)));

  expect(timings.count('database')).toBe(ownWaits);
});

describe('state of many requests at once', () => {
  it('is found by each request as its own, while connections are cut', async () => {
    const made = await saved(200);
    let done = false;
    const cutting = cut(() => done);
    let found = 0;
    for (let round = 0; round < 10; round += 1) {
      const answers = await Promise.allSettled(made.map(({ idHash }) => rows.find(model, idHash)));
      for (const [at, one] of answers.entries()) {
        if (one.status === 'rejected') continue;
        found += 1;
        expect(one.value?.payload.toString()).toBe(`payload of ${made[at]?.id}`);
      }
    }
    done = true;
    await cutting;

    expect(found).toBeGreaterThan(0);
  }, 60_000);

  it.each([
    ['connections are cut', true, false],
    ['others hold the rows', false, true],
    ['both', true, true],
  ])(
    'is used once at most, and answered as used only when it was, while %s',
    async (_, cutIt, holdIt) => {
      const made = await saved(60);
      let done = false;
      const noise = [
        ...(cutIt ? [cut(() => done)] : []),
        ...(holdIt
          ? [1, 2].map(() =>
              disturb(
                made.map(({ idHash }) => idHash),
                () => done,
                'oidc_tokens',
              ),
            )
          : []),
      ];
      const wins = new Map<string, number>();
      const unsure = new Set<string>();
      const uses = made.flatMap((row) => [row, row, row]).sort(() => Math.random() - 0.5);
      await Promise.all(
        uses.map(async ({ id, idHash }) => {
          await delay(Math.random() * 300);
          const used = await rows.consume(model, idHash).catch(() => undefined);
          if (used === undefined) unsure.add(id);
          if (used) wins.set(id, (wins.get(id) ?? 0) + 1);
        }),
      );
      done = true;
      await Promise.all(noise);
      // A connection that was cut may be handed out once more.
      await db.raw('select 1').catch(() => {});

      for (const { id, idHash } of made) {
        const stored = await rows.find(model, idHash);
        expect(wins.get(id) ?? 0).toBeLessThanOrEqual(1);
        if (wins.get(id)) expect(stored?.consumedAt).toBeInstanceOf(Date);
        else if (!unsure.has(id))
          expect.unreachable(`nobody used ${id}, and nobody was refused by a failure`);
      }
      if (!cutIt) expect(unsure.size).toBe(0);
    },
    60_000,
  );

  it('that is marked as spent by many nodes at once is spent by one', async () => {
    const nodes = [createSpent(db), createSpent(db), createSpent(db)];
    const made = Array.from({ length: 80 }, newRow);
    const stored = createTokenRows(db, 'oidc_transients');
    await Promise.all(
      made.slice(0, 40).map((row) => stored.save({ ...row, model: 'AuthorizationCode' }, undefined)),
    );
    let done = false;
    const holding = disturb(
      made.slice(0, 40).map(({ idHash }) => idHash),
      () => done,
      'oidc_transients',
    );
    const wins = await Promise.all(
      made.map(async ({ idHash }) => {
        const takes = await Promise.all(nodes.map((node) => node.take(idHash, 60)));
        return takes.filter(Boolean).length;
      }),
    );
    done = true;
    await holding;

    expect(wins).toEqual(made.map(() => 1));
  }, 60_000);

  it('is saved although the row of another in the same statement cannot be', async () => {
    const made = Array.from({ length: 30 }, newRow);
    const bad = { ...newRow(), clientId: 'a\0b' };
    const outcomes = await Promise.allSettled([...made, bad].map((row) => rows.save(row, undefined)));

    expect(outcomes.map(({ status }) => status)).toEqual([...made.map(() => 'fulfilled'), 'rejected']);
    for (const row of made) expect(await rows.find(model, row.idHash)).toBeDefined();
  });
});
