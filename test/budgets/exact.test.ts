// Exactly as much as a budget allows: fifty workers on two server processes without Redis, one of them killed in the middle.
import { beforeAll, describe, expect, it } from 'vitest';
import type { BudgetScope } from '../../src/budgets/schema.ts';
import { useCluster } from '../support/cluster.ts';
import { type Machine, machine } from '../support/management.ts';
import { setBudget, things } from './world.ts';

// Nothing listens there: budgets know no Redis.
const cluster = useCluster({ size: 2, settings: { REDIS_URL: 'redis://127.0.0.1:1' } });
const make = things(cluster.database);
const made: { caller?: Machine } = {};

beforeAll(async () => {
  made.caller = await machine(cluster);
});

const WORKERS = 50;

async function post(
  origin: string,
  path: string,
  body: unknown,
): Promise<{ status: number; body: Answer } | undefined> {
  const response = await fetch(`${origin}/api/v1/budgets/reservations${path}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${made.caller?.token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  }).catch(() => undefined);
  if (response === undefined) return undefined;
  const text = await response.text().catch(() => '');
  return text === '' ? undefined : { status: response.status, body: JSON.parse(text) };
}

interface Answer {
  id?: string;
  code?: string;
}

const reserve = (origin: string, scope: BudgetScope, expiresInSeconds: number) =>
  post(origin, '', { scopes: [scope], amounts: { money: 1 }, expiresInSeconds });

/** Each worker asks one after the other, in turn at each of the origins, until `run` has enough. */
async function atOnce(
  run: (origin: string) => Promise<boolean>,
  origins: () => readonly string[],
): Promise<void> {
  const workers = Array.from({ length: WORKERS }, async (_, worker) => {
    for (let turn = worker; ; turn += 1) {
      const some = origins();
      if (!(await run(some[turn % some.length] ?? ''))) return;
    }
  });
  await Promise.all(workers);
}

describe('C9 C10: a budget', () => {
  it('lets through exactly what it allows, under fifty workers on two processes', async () => {
    const [account, other] = [await make.account(), await make.organization()];
    const { budgets } = cluster.services;
    const key = await make.key(account, undefined, other.id);
    const child = await make.key(account, key, other.id);
    await make.member(other, account);
    // Three caps at once; the one in the middle is the tight one.
    await setBudget(budgets, child, { meter: 'money', limit: 10_000 });
    await setBudget(budgets, key, { meter: 'money', limit: 500, window: 'month' });
    await setBudget(budgets, other, { meter: 'money', limit: 20_000, window: 'month' });
    const statuses: number[] = [];
    let left = 800;
    await atOnce(
      async (origin) => {
        left -= 1;
        if (left < 0) return false;
        statuses.push((await reserve(origin, child, 600))?.status ?? 0);
        return true;
      },
      () => cluster.origins,
    );

    expect(statuses.filter((status) => status === 201)).toHaveLength(500);
    expect(statuses.filter((status) => status === 402)).toHaveLength(300);
    const states = await budgets.state(await budgets.chainOf(child));
    expect(states.map(({ used, reserved }) => used + reserved)).toEqual([500n, 500n, 500n]);
    expect(await budgets.verify()).toEqual([]);
  });

  it('is exact after a process was killed in the middle', async () => {
    const account = await make.account();
    const { budgets } = cluster.services;
    const { id } = await setBudget(budgets, account, { meter: 'money', limit: 400 });
    let settled = 0;
    let killed = false;
    const spendOne = async (origin: string) => {
      const reserved = await reserve(origin, account, 3);
      if (reserved?.status === 402) return false;
      if (reserved?.status !== 201) return true;
      const done = await post(origin, `/${reserved.body.id}/settle`, {});
      if (done?.status === 200) settled += 1;
      if (settled > 100 && !killed) {
        killed = true;
        cluster.processes[1]?.child.kill('SIGKILL');
      }
      return true;
    };
    await atOnce(spendOne, () => (killed ? cluster.origins.slice(0, 1) : cluster.origins));
    expect(await budgets.verify()).toEqual([]);

    // What the killed process had reserved and nobody settles is given back, and may be used by others.
    await new Promise((resolve) => setTimeout(resolve, 3_500));
    await atOnce(spendOne, () => cluster.origins.slice(0, 1));
    const state = await budgets.stateOf(id);
    expect(state).toMatchObject({ used: 400n, reserved: 0n, remaining: 0n });
    // A settlement whose answer the death of the process swallowed counts as well.
    expect(settled).toBeLessThanOrEqual(400);
    expect(settled).toBeGreaterThan(400 - WORKERS);
    expect(await budgets.verify()).toEqual([]);
  }, 60_000);
});
