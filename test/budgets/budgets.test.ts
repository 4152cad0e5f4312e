// Budgets: reserve under every cap at once, settle, release, expire; what is refused and with which code; what is told.
import { beforeAll, describe, expect, it } from 'vitest';
import type { BudgetScope } from '../../src/budgets/schema.ts';
import { useDatabase } from '../support/database.ts';
import { codeOf, createNode, operator, setBudget, things, token } from './world.ts';

const database = useDatabase();
const { postgres, db } = database;
const { budgets } = createNode(postgres);
const make = things(database);

const reserve = (scopes: BudgetScope[], amounts: Record<string, bigint>, expiresInSeconds = 60) =>
  budgets.reserve({ scopes, amounts, expiresInSeconds });
const held = async (scopes: BudgetScope[], amounts: Record<string, bigint>) => {
  const outcome = await reserve(scopes, amounts);
  if ('exceeded' in outcome || outcome.reservationId === null) throw new Error('nothing was reserved');
  return outcome.reservationId;
};
const used = async (scope: BudgetScope) =>
  (await budgets.state([scope])).map((state) => [state.meter, state.used, state.reserved]);
const eventsOf = async (budgetId: string) =>
  db('audit_events').where({ target_id: budgetId }).orderBy('id').pluck('type');

beforeAll(async () => {
  await budgets.addMeter({ name: 'pages', sentence: 'Pages that were printed.' }, operator);
});

describe('a reservation', () => {
  it('is let through under every cap of the chain or under none', async () => {
    const organization = await make.organization();
    const account = await make.account();
    const parent = await make.key(account, undefined, organization.id);
    const child = await make.key(account, parent, organization.id);
    await setBudget(budgets, organization, { limit: 100 });
    await setBudget(budgets, parent, { limit: 5 });
    await setBudget(budgets, child, { limit: 3 });
    const chain = [child, parent, account, organization];

    const first = await reserve(chain, { requests: 3n });
    const second = await reserve(chain, { requests: 1n });
    const sibling = await reserve([parent, account, organization], { requests: 3n });

    expect(first).toMatchObject({ remaining: [{ remaining: 0n }, { remaining: 2n }, { remaining: 97n }] });
    expect(second).toMatchObject({ exceeded: { scope: child, limit: 3n, reserved: 3n } });
    expect(sibling).toMatchObject({ exceeded: { scope: parent, limit: 5n } });
    expect(await used(organization)).toEqual([['requests', 0n, 3n]]);
  });

  it('counts what was really used when it is settled, and gives the rest back', async () => {
    const scope = token();
    await setBudget(budgets, scope, { meter: 'tokens', limit: 1000 });
    const id = await held([scope], { tokens: 800n });
    expect(await reserve([scope], { tokens: 300n })).toHaveProperty('exceeded');

    expect(await budgets.settle(id, { tokens: 250n })).toMatchObject([{ used: 250n, reserved: 0n }]);
    expect(await reserve([scope], { tokens: 300n })).toHaveProperty('remaining.0.remaining', 450n);
  });

  it('may be settled with more than it held: that counts, and the next one is refused', async () => {
    const scope = token();
    const { id } = await setBudget(budgets, scope, { meter: 'money', limit: 1000 });
    const reservation = await held([scope], { money: 900n });
    expect(await budgets.settle(reservation, { money: 1500n })).toMatchObject([
      { used: 1500n, remaining: 0n },
    ]);
    expect(await reserve([scope], { money: 0n })).toMatchObject({ exceeded: { used: 1500n, limit: 1000n } });
    expect(await eventsOf(id)).toEqual(['budget.created', 'budget.exceeded']);
  });

  it('settles a meter that is left out with what was reserved, also one without a budget', async () => {
    const scope = token();
    await setBudget(budgets, scope, { meter: 'money' });
    const id = await held([scope], { money: 4n, tokens: 900n });
    expect(await budgets.settle(id, { tokens: 7n })).toMatchObject([{ meter: 'money', used: 4n }]);
  });

  it('is given back when it is released', async () => {
    const scope = token();
    await setBudget(budgets, scope);
    const id = await held([scope], { requests: 10n });
    await budgets.release(id);
    expect(await used(scope)).toEqual([['requests', 0n, 0n]]);
  });

  it('ends once: settled, released and unknown ones have codes of their own', async () => {
    const scope = token();
    await setBudget(budgets, scope);
    const [settled, released] = [
      await held([scope], { requests: 1n }),
      await held([scope], { requests: 1n }),
    ];
    await budgets.settle(settled, {});
    await budgets.release(released);
    expect(await codeOf(budgets.settle(settled, {}))).toBe('reservation_settled');
    expect(await codeOf(budgets.release(settled))).toBe('reservation_settled');
    expect(await codeOf(budgets.settle(released, {}))).toBe('reservation_released');
    expect(await codeOf(budgets.settle('rsv_00000000000000000000000000', {}))).toBe('reservation_not_found');
    expect(await used(scope)).toEqual([['requests', 1n, 0n]]);
  });

  it('is settled once, however many try at the same time', async () => {
    const scope = token();
    await setBudget(budgets, scope);
    const id = await held([scope], { requests: 5n });
    const others = createNode(postgres).budgets;
    const codes = await Promise.all(
      Array.from({ length: 20 }, (_, turn) =>
        codeOf((turn % 2 === 0 ? budgets : others).settle(id, { requests: 2n })),
      ),
    );
    expect(codes.filter((code) => code === 'fulfilled')).toHaveLength(1);
    expect(await used(scope)).toEqual([['requests', 2n, 0n]]);
  });

  it('that is not settled in time gives back what it held, at the latest when somebody needs it', async () => {
    let now = new Date();
    const { budgets } = createNode(postgres, () => now);
    const scope = token();
    await setBudget(budgets, scope, { expiresAt: '2099-01-01T00:00:00Z' });
    const outcome = await budgets.reserve({
      scopes: [scope],
      amounts: { requests: 10n },
      expiresInSeconds: 30,
    });
    expect(await budgets.spend({ scopes: [scope], amounts: { requests: 1n } })).toHaveProperty('exceeded');
    now = new Date(now.getTime() + 31_000);
    expect(await budgets.spend({ scopes: [scope], amounts: { requests: 10n } })).toHaveProperty('remaining');
    const id = 'reservationId' in outcome ? String(outcome.reservationId) : '';
    expect(await codeOf(budgets.settle(id, { requests: 10n }))).toBe('reservation_expired');
    expect(await used(scope)).toEqual([['requests', 10n, 0n]]);
  });

  it('that is settled late is refused before the job has come by, and given back at once', async () => {
    let now = new Date();
    const { budgets } = createNode(postgres, () => now);
    const scope = token();
    await setBudget(budgets, scope);
    const outcome = await budgets.reserve({
      scopes: [scope],
      amounts: { requests: 4n },
      expiresInSeconds: 5,
    });
    now = new Date(now.getTime() + 6_000);
    const id = 'reservationId' in outcome ? String(outcome.reservationId) : '';
    expect(await codeOf(budgets.settle(id, {}))).toBe('reservation_expired');
    expect(await used(scope)).toEqual([['requests', 0n, 0n]]);
  });

  it('concerns nobody without a budget, and needs no settling', async () => {
    expect(await reserve([token()], { requests: 1n })).toEqual({ reservationId: null, remaining: [] });
    const scope = token();
    await setBudget(budgets, scope, { meter: 'money' });
    expect(await reserve([scope], { requests: 1n })).toEqual({ reservationId: null, remaining: [] });
  });

  it('names the budget that is the last to begin anew, and when', async () => {
    const scope = token();
    for (const window of ['hour', 'month', 'day'] as const)
      await setBudget(budgets, scope, { window, limit: 1 });
    await budgets.spend({ scopes: [scope], amounts: { requests: 1n } });
    const outcome = await reserve([scope], { requests: 1n });
    expect(outcome).toMatchObject({ exceeded: { window: 'month', used: 1n, limit: 1n } });
  });
});

describe('amounts', () => {
  const bad: [string, unknown][] = [
    ['negative', -1n],
    ['negative', -1],
    ['fractional', 1.5],
    ['huge', 2n ** 63n],
    ['huge', 1e300],
    ['beyond what JSON holds exactly', 2 ** 53],
    ['not a number', Number.NaN],
    ['of words', 'ten'],
    ['hexadecimal', '0x10'],
    ['nothing', null],
  ];
  it.each(bad)('that are %s are refused (%s)', async (_what, amount) => {
    const scope = token();
    await setBudget(budgets, scope);
    const id = await held([scope], { requests: 1n });
    // `as`: what comes from outside is anything.
    const amounts = { requests: amount as bigint };
    expect(await codeOf(reserve([scope], amounts))).toBe('amount_invalid');
    expect(await codeOf(budgets.spend({ scopes: [scope], amounts }))).toBe('amount_invalid');
    expect(await codeOf(budgets.settle(id, amounts))).toBe('amount_invalid');
    expect(await used(scope)).toEqual([['requests', 0n, 1n]]);
  });

  it('may not add up to more than can be counted', async () => {
    const scope = token();
    await setBudget(budgets, scope, { limit: null, softLimit: 1 });
    const most = BigInt(Number.MAX_SAFE_INTEGER);
    await budgets.spend({ scopes: [scope], amounts: { requests: most } });
    expect(await codeOf(budgets.spend({ scopes: [scope], amounts: { requests: 1n } }))).toBe(
      'amount_invalid',
    );
    const id = await held([scope], { requests: 0n });
    expect(await codeOf(budgets.settle(id, { requests: 1n }))).toBe('amount_invalid');
    expect(await codeOf(budgets.settle(id, { requests: 0n }))).toBe('fulfilled');
  });
});

describe('meters', () => {
  it('that nobody registered are refused, when set, reserved and settled', async () => {
    const scope = token();
    expect(await codeOf(setBudget(budgets, scope, { meter: 'miles' }))).toBe('meter_unknown');
    expect(await codeOf(reserve([scope], { miles: 1n }))).toBe('meter_unknown');
    expect(await codeOf(reserve([scope], { toString: 1n }))).toBe('meter_unknown');
    await setBudget(budgets, scope);
    const id = await held([scope], { requests: 1n });
    expect(await codeOf(budgets.settle(id, { miles: 1n }))).toBe('meter_not_reserved');
  });

  it('are registered by operators, and removed when no budget is on them', async () => {
    const scope = token();
    const budget = await setBudget(budgets, scope, { meter: 'pages', limit: 2 });
    expect(await reserve([scope], { pages: 3n })).toMatchObject({ exceeded: { meter: 'pages' } });
    expect(await codeOf(budgets.removeMeter('pages', operator))).toBe('meter_in_use');
    await budgets.remove(budget.id, operator);
    await budgets.addMeter({ name: 'sheets', sentence: 'Sheets.' }, operator);
    expect(await codeOf(budgets.addMeter({ name: 'sheets', sentence: 'Again.' }, operator))).toBe(
      'meter_taken',
    );
    expect(await codeOf(budgets.addMeter({ name: 'money', sentence: 'Mine.' }, operator))).toBe(
      'meter_taken',
    );
    expect(await codeOf(budgets.addMeter({ name: 'Two Words', sentence: 'x' }, operator))).toBe(
      'request_invalid',
    );
    await budgets.removeMeter('sheets', operator);
    expect(await codeOf(budgets.removeMeter('sheets', operator))).toBe('meter_not_found');
    expect(await codeOf(budgets.removeMeter('money', operator))).toBe('meter_protected');
  });
});

describe('soft limits', () => {
  it('refuse nothing, and are told of once in each window', async () => {
    let now = new Date('2026-05-10T10:00:00Z');
    const { budgets } = createNode(postgres, () => now);
    const organization = await make.organization();
    const { id } = await setBudget(budgets, organization, { window: 'day', softLimit: 2, limit: null });
    const spend = () => budgets.spend({ scopes: [organization], amounts: { requests: 1n } });
    await spend();
    expect(await spend()).toMatchObject({ remaining: [{ softLimitReached: false, remaining: null }] });
    expect(await spend()).toMatchObject({ remaining: [{ softLimitReached: true, used: 3n }] });
    await spend();
    expect(await eventsOf(id)).toEqual(['budget.created', 'budget.soft-limit-reached']);
    now = new Date('2026-05-11T00:00:00Z');
    for (let turn = 0; turn < 4; turn += 1) await spend();
    expect((await eventsOf(id)).filter((type) => type === 'budget.soft-limit-reached')).toHaveLength(2);
  });

  it('stand below the hard one', async () => {
    expect(await codeOf(setBudget(budgets, token(), { limit: 5, softLimit: 6 }))).toBe('budget_invalid');
    expect(await codeOf(setBudget(budgets, token(), { limit: null, softLimit: null }))).toBe(
      'budget_invalid',
    );
  });
});

describe('a refusal', () => {
  it('is told of once in each window', async () => {
    const scope = token();
    const { id } = await setBudget(budgets, scope, { limit: 1 });
    await Promise.all(Array.from({ length: 30 }, () => reserve([scope], { requests: 1n })));
    await reserve([scope], { requests: 1n });
    expect(await eventsOf(id)).toEqual(['budget.created', 'budget.exceeded']);
  });
});

describe('budgets of an organization', () => {
  it('count only what happens there', async () => {
    const [here, there] = [await make.organization(), await make.organization()];
    const account = await make.account();
    await make.member(here, account);
    await setBudget(budgets, account, { organizationId: here.id, limit: 1 });
    expect(await reserve([account, here], { requests: 2n })).toHaveProperty('exceeded');
    expect(await reserve([account, there], { requests: 2n })).toHaveProperty('remaining', []);
    expect(await reserve([account], { requests: 2n })).toHaveProperty('remaining', []);
  });

  it('are set by its own people for what belongs to it, and for nothing else', async () => {
    const [mine, other] = [await make.organization(), await make.organization()];
    const [member, stranger] = [await make.account(), await make.account()];
    await make.member(mine, member);
    const theirKey = await make.key(other);
    const own = await make.key(mine);
    const globalKey = await make.key(stranger);
    const within = mine.id;
    const set = (scope: BudgetScope, organizationId?: string) =>
      codeOf(
        budgets.set(
          { scope, meter: 'money', window: 'day', limit: 1, ...(organizationId ? { organizationId } : {}) },
          operator,
          { within },
        ),
      );
    for (const scope of [member, own, token(), await make.team(mine)])
      expect(await set(scope)).toBe('fulfilled');
    for (const scope of [other, stranger, theirKey, globalKey, await make.team(other)])
      expect(await set(scope)).toBe('budget_scope_not_found');
    expect(await set(member, other.id)).toBe('budget_scope_not_found');
    // What it may use as a whole is not for itself to say.
    expect(await set(mine)).toBe('organization_bound');
    const { items } = await budgets.list({ organizationId: mine.id }, { limit: 50, cursor: null });
    expect(items).toHaveLength(4);
    const [first] = items;
    expect(await budgets.find(first?.id ?? '', other.id)).toBeUndefined();
  });

  it('and no others are reserved under by callers that are bound to it', async () => {
    const [mine, other] = [await make.organization(), await make.organization()];
    await setBudget(budgets, other, { limit: 0 });
    await setBudget(budgets, mine, { limit: 5 });
    const outcome = await budgets.reserve({
      scopes: [mine, other],
      amounts: { requests: 1n },
      within: mine.id,
      expiresInSeconds: 60,
    });
    expect(outcome).toMatchObject({ remaining: [{ scope: mine }] });
    const id = 'reservationId' in outcome ? String(outcome.reservationId) : '';
    expect(await codeOf(budgets.settle(id, {}, { within: other.id }))).toBe('reservation_not_found');
    expect(await codeOf(budgets.settle(id, {}, { within: mine.id }))).toBe('fulfilled');
  });
});

describe('sub-keys', () => {
  it('are given no more than the keys they were made from, and may be left without a limit of their own', async () => {
    const account = await make.account();
    const parent = await make.key(account);
    const child = await make.key(account, parent);
    const grandchild = await make.key(account, child);
    await setBudget(budgets, parent, { window: 'day', limit: 100 });
    expect(await codeOf(setBudget(budgets, grandchild, { window: 'day', limit: 101 }))).toBe('budget_wider');
    expect(await codeOf(setBudget(budgets, grandchild, { window: 'day', limit: 100 }))).toBe('fulfilled');
    expect(await codeOf(setBudget(budgets, grandchild, { window: 'month', limit: 101 }))).toBe('fulfilled');
    const wanted = [{ meter: 'requests', window: 'day' as const, limit: 101 }];
    expect(await codeOf(budgets.assertNarrower(db, child.id, wanted))).toBe('budget_wider');
    const budget = await setBudget(budgets, child, { window: 'day', limit: 90 });
    expect(await codeOf(budgets.change(budget.id, { limit: 101 }, operator))).toBe('budget_wider');
  });

  it('are stopped by a parent whose budget became smaller than theirs', async () => {
    const account = await make.account();
    const parent = await make.key(account);
    const child = await make.key(account, parent);
    const { id } = await setBudget(budgets, parent, { limit: 100 });
    await setBudget(budgets, child, { limit: 50 });
    await budgets.change(id, { limit: 3 }, operator);
    const chain = await budgets.chainOf(child);
    expect(chain).toEqual([child, parent, account]);
    expect(await reserve(chain, { requests: 4n })).toMatchObject({ exceeded: { scope: parent } });
  });

  it('are found with all that stands above them', async () => {
    const organization = await make.organization();
    const team = await make.team(organization);
    const account = await make.account();
    await make.member(organization, account, team);
    const key = await make.key(account, undefined, organization.id);
    expect(await budgets.chainOf(key)).toEqual([key, account, team, organization]);
    expect(await budgets.chainOf(account, organization.id)).toEqual([account, team, organization]);
  });
});

describe('setting', () => {
  it('takes the place of the budget of the same meter and window, and keeps what was counted', async () => {
    const scope = await make.account();
    const first = await setBudget(budgets, scope, { limit: 5 });
    await budgets.spend({ scopes: [scope], amounts: { requests: 4n } });
    const again = await budgets.set({ scope, meter: 'requests', window: 'total', limit: 9 }, operator);
    expect(again).toMatchObject({ created: false, budget: { id: first.id, limit: 9n, version: 2 } });
    expect(await budgets.stateOf(first.id)).toMatchObject({ used: 4n, remaining: 5n });
    expect(
      (await budgets.set({ scope, meter: 'requests', window: 'total', limit: 9 }, operator)).budget.version,
    ).toBe(2);
  });

  it('goes on with it once, however many set it at the same time', async () => {
    const scope = await make.account();
    const results = await Promise.all(Array.from({ length: 8 }, () => setBudget(budgets, scope)));
    expect(new Set(results.map(({ id }) => id)).size).toBe(1);
  });

  it('needs something that is there', async () => {
    for (const kind of ['account', 'client', 'api-key', 'team', 'organization'] as const)
      expect(await codeOf(setBudget(budgets, { kind, id: 'acc_00000000000000000000000000' }))).toBe(
        'budget_scope_not_found',
      );
  });

  it('ends with what it limits', async () => {
    const account = await make.account();
    const key = await make.key(account);
    const ofAccount = await setBudget(budgets, account);
    const ofKey = await setBudget(budgets, key);
    const id = await held([key, account], { requests: 1n });
    await db('accounts').where({ id: account.id }).delete();
    expect([await budgets.find(ofAccount.id), await budgets.find(ofKey.id)]).toEqual([undefined, undefined]);
    expect(await budgets.settle(id, {})).toEqual([]);
  });

  it('of a version that is over is refused', async () => {
    const { id } = await setBudget(budgets, token());
    await budgets.change(id, { limit: 11, version: 1 }, operator);
    expect(await codeOf(budgets.change(id, { limit: 12, version: 1 }, operator))).toBe('version_conflict');
    expect(await codeOf(budgets.remove(id, operator, 1))).toBe('version_conflict');
  });
});

describe('a correction', () => {
  it('says what counts as used from now on, and is in the ledger', async () => {
    const scope = token();
    const { id } = await setBudget(budgets, scope, { limit: 5 });
    await budgets.spend({ scopes: [scope], amounts: { requests: 5n } });
    expect(await budgets.adjust(id, 1, operator)).toMatchObject({ used: 1n, remaining: 4n });
    expect(await codeOf(budgets.adjust(id, -1, operator))).toBe('amount_invalid');
    expect(await eventsOf(id)).toContain('budget.adjusted');
  });
});

describe('whether anybody has a budget', () => {
  it('is known at once on the node that set it, and on others when they hear of it', async () => {
    const [one, other] = [createNode(postgres), createNode(postgres)];
    await Promise.all([one.changes.poll(), other.changes.poll()]);
    const scope = token();
    expect([await one.budgets.hasAny([scope]), await other.budgets.hasAny([scope])]).toEqual([false, false]);
    const { id } = await setBudget(one.budgets, scope);
    expect(await one.budgets.hasAny([scope])).toBe(true);
    expect(await other.budgets.hasAny([scope])).toBe(false);
    await other.changes.poll();
    expect(await other.budgets.hasAny([scope])).toBe(true);
    await one.budgets.remove(id, operator);
    expect(await one.budgets.hasAny([scope])).toBe(false);
  });

  it('costs no statement once it is known', async () => {
    const node = createNode(postgres);
    await node.changes.poll();
    const scopes = [await make.account(), token()];
    await node.budgets.hasAny(scopes);
    const statements: unknown[] = [];
    const note = ({ sql }: { sql: string }) => statements.push(sql);
    db.on('query', note);
    await node.budgets.hasAny(scopes);
    await node.budgets.reserve({ scopes, amounts: { requests: 1n }, expiresInSeconds: 5 });
    db.off('query', note);
    expect(statements).toEqual([]);
  });
});

it('the counters are the sums of their entries, after all of the above', async () => {
  expect(await budgets.verify()).toEqual([]);
  await db('budget_windows').limit(1).update({ used: 123_456 });
  expect((await budgets.verify()).length).toBeGreaterThan(0);
});
