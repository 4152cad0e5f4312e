// Many callers on several nodes, over the same budgets in every order: nobody waits in a circle, and every cap holds.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { BudgetScope } from '../../src/budgets/schema.ts';
import { createPostgres } from '../../src/platform/database/postgres.ts';
import { useDatabase } from '../support/database.ts';
import { createNode, setBudget, things } from './world.ts';

const database = useDatabase();
const make = things(database);
const pools = Array.from({ length: 3 }, () =>
  createPostgres({
    url: database.databaseUrl(),
    poolMax: 4,
    statementTimeoutSeconds: 20,
    applicationName: 'gatehouse test',
  }),
);
const nodes = pools.map((postgres) => createNode(postgres).budgets);
afterAll(() => Promise.all(pools.map((postgres) => postgres.close())));

const scopes: BudgetScope[] = [];
const LIMIT = 300;
beforeAll(async () => {
  for (let count = 0; count < 6; count += 1) scopes.push(await make.account());
  for (const scope of scopes) {
    for (const window of ['hour', 'month'] as const)
      await setBudget(nodes[0] ?? createNode(database.postgres).budgets, scope, { window, limit: LIMIT });
  }
});

/** The same numbers in every run. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

it('reserves, settles and releases in every order', async () => {
  const used = new Map(scopes.map(({ id }) => [id, 0]));
  const workers = Array.from({ length: 48 }, async (_, worker) => {
    const random = createRandom(worker + 1);
    const pick = () => nodes[random(nodes.length)] ?? createNode(database.postgres).budgets;
    for (let turn = 0; turn < 15; turn += 1) {
      const some = [...scopes].sort(() => random(3) - 1).slice(0, 1 + random(4));
      const wanted = BigInt(1 + random(9));
      const reserved = await pick().reserve({
        scopes: some,
        amounts: { requests: wanted },
        expiresInSeconds: 600,
      });
      if ('exceeded' in reserved || reserved.reservationId === null) continue;
      if (random(4) === 0) {
        await pick().release(reserved.reservationId);
        continue;
      }
      const actual = BigInt(random(Number(wanted) + 1));
      await pick().settle(reserved.reservationId, { requests: actual });
      for (const { id } of some) used.set(id, (used.get(id) ?? 0) + Number(actual));
    }
  });
  await Promise.all(workers);

  const [node] = nodes;
  const states = (await node?.state(scopes)) ?? [];
  expect(states).toHaveLength(12);
  for (const state of states) {
    expect(state.reserved).toBe(0n);
    expect(Number(state.used)).toBe(used.get(state.scope.id));
    expect(Number(state.used)).toBeLessThanOrEqual(LIMIT);
  }
  expect(await node?.verify()).toEqual([]);
  // At least one cap was really met, or the test would show nothing.
  const { rows } = await database.db.raw(
    'select count(*)::int as met from budget_windows where exceeded_at is not null',
  );
  expect(rows[0].met).toBeGreaterThan(0);
  const stats = await database.db.raw(
    'select deadlocks::int from pg_stat_database where datname = current_database()',
  );
  expect(stats.rows[0].deadlocks).toBe(0);
}, 60_000);
