// In-process listeners: at least once, in spite of late commits, crashes, failures and a restored database.
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Audit, type AuditEvent, createAudit, type NewEvent } from '../../src/audit/audit.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { useDatabase } from '../support/database.ts';

const { postgres, db } = useDatabase();
const running: Audit[] = [];

beforeEach(async () => {
  await db('audit_events').delete();
  await db('audit_listeners').delete();
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((audit) => audit.stop()));
});

function newAudit(): Audit {
  const audit = createAudit({ postgres, log: silentLog, clock: systemClock });
  running.push(audit);
  return audit;
}

function about(accountId: string, type: NewEvent['type'] = 'account.changed'): NewEvent {
  return { type, actor: { kind: 'system', id: null }, outcome: 'success', accountId };
}

/** A listener that notes the accounts it heard of. */
function noting(name: string, types: 'all' | NewEvent['type'][] = 'all') {
  const heard: string[] = [];
  const run = async (events: AuditEvent[]) => {
    heard.push(...events.map(({ accountId }) => accountId ?? ''));
  };
  return { heard, listener: { name, types, run } };
}

const soon = { timeout: 8000, interval: 20 };

describe('a listener', () => {
  test('hears of committed events of its types, and of nothing else', async () => {
    const audit = newAudit();
    const { heard, listener } = noting('deletions', ['account.deleted']);
    audit.listen(listener);
    audit.start();
    await audit.append(about('acc_1'));
    await audit.append(about('acc_2', 'account.deleted'));
    const undone = postgres.transaction(async (trx) => {
      await audit.record(trx, about('acc_3', 'account.deleted'));
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    await postgres.transaction((trx) => audit.record(trx, about('acc_4', 'account.deleted')));
    await vi.waitFor(() => expect(heard).toEqual(['acc_2', 'acc_4']), soon);
  });

  test('hears of an event within a moment of the write on its own node', async () => {
    const audit = newAudit();
    const { heard, listener } = noting('quick');
    audit.listen(listener);
    audit.start();
    await audit.append(about('acc_0'));
    await vi.waitFor(() => expect(heard).toContain('acc_0'), soon);
    const begun = performance.now();
    await audit.append(about('acc_1'));
    await vi.waitFor(() => expect(heard).toContain('acc_1'), { ...soon, interval: 5 });
    expect(performance.now() - begun).toBeLessThan(600);
  });

  test('misses no event of a transaction that began first and commits last', async () => {
    const audit = newAudit();
    const { heard, listener } = noting('late');
    audit.listen(listener);
    audit.start();
    const slow = await db.transaction();
    await audit.record(slow, about('slow'));
    await postgres.transaction((trx) => audit.record(trx, about('fast')));
    // The listener has had its chance to run past the lower sequence number.
    await delay(1500);
    await slow.commit();
    await vi.waitFor(() => expect([...heard].sort()).toEqual(['fast', 'slow']), soon);
    await delay(1200);
    expect(heard).toHaveLength(2);
  });

  test('hears again what it was given when the process dies before the cursor is saved', async () => {
    const dying = newAudit();
    let given: AuditEvent[] = [];
    dying.listen({
      name: 'crash',
      types: 'all',
      run: (events) => {
        given = events;
        return new Promise(() => {});
      },
    });
    dying.start();
    await dying.append(about('acc_1'));
    await vi.waitFor(() => expect(given).toHaveLength(1), soon);
    // The lease of the dead process runs out.
    await db('audit_listeners').update({ leased_until: '-infinity', leased_by: 'dead' });

    const next = newAudit();
    const { heard, listener } = noting('crash');
    next.listen(listener);
    next.start();
    await vi.waitFor(() => expect(heard).toEqual(['acc_1']), soon);
  });

  test('is retried when it throws, with a pause, and skips nothing', async () => {
    const audit = newAudit();
    const calls: number[] = [];
    const heard: string[] = [];
    audit.listen({
      name: 'flaky',
      types: 'all',
      run: async (events) => {
        calls.push(performance.now());
        if (calls.length <= 2) throw new Error('not now');
        heard.push(...events.map(({ accountId }) => accountId ?? ''));
      },
    });
    audit.start();
    await audit.append(about('acc_1'));
    await audit.append(about('acc_2'));
    await vi.waitFor(() => expect(heard.slice(0, 2)).toEqual(['acc_1', 'acc_2']), soon);
    const [first = 0, second = 0, third = 0] = calls;
    expect(second - first).toBeGreaterThan(900);
    expect(third - second).toBeGreaterThan(1900);
  });

  test('that fails or hangs changes no outcome and holds up no other listener', async () => {
    const audit = newAudit();
    const { heard, listener } = noting('well');
    audit.listen({ name: 'throws', types: 'all', run: () => Promise.reject(new Error('always')) });
    audit.listen({ name: 'hangs', types: 'all', run: () => delay(3000) });
    audit.listen(listener);
    audit.start();
    const begun = performance.now();
    for (let number = 0; number < 20; number += 1) await audit.append(about(`acc_${number}`));
    expect(performance.now() - begun).toBeLessThan(2000);
    await vi.waitFor(() => expect(heard).toHaveLength(20), soon);
  });

  test('runs on one of two nodes at a time', async () => {
    const heard: string[] = [];
    let atWork = 0;
    let most = 0;
    const run = async (events: AuditEvent[]) => {
      atWork += 1;
      most = Math.max(most, atWork);
      await delay(50);
      heard.push(...events.map(({ accountId }) => accountId ?? ''));
      atWork -= 1;
    };
    const nodes = [newAudit(), newAudit()];
    for (const node of nodes) {
      node.listen({ name: 'shared', types: 'all', run });
      node.start();
    }
    for (let number = 0; number < 30; number += 1) await nodes[number % 2]?.append(about(`acc_${number}`));
    await vi.waitFor(() => expect(heard).toHaveLength(30), soon);
    expect(most).toBe(1);
    expect(new Set(heard).size).toBe(30);
  });

  test('that is new is not given the past', async () => {
    const audit = newAudit();
    await audit.append(about('before'));
    await delay(20);
    const { heard, listener } = noting('newcomer');
    audit.listen(listener);
    await audit.append(about('after'));
    audit.start();
    await vi.waitFor(() => expect(heard).toEqual(['after']), soon);
  });

  test('goes on after the database was restored into a cluster that counts its transactions anew', async () => {
    const audit = newAudit();
    const { heard, listener } = noting('restored');
    await audit.append(about('delivered'));
    await audit.append(about('undelivered'));
    // As a dump of a busier cluster would leave it: transactions and the cursor lie in this cluster's future.
    await db.raw(`update audit_events set transaction_id = '900000000001' where account_id = 'delivered'`);
    await db.raw(`update audit_events set transaction_id = '900000000002' where account_id = 'undelivered'`);
    await db.raw(`
      insert into audit_listeners (name, transaction_id, sequence)
      select 'restored', transaction_id, sequence from audit_events where account_id = 'delivered'`);
    audit.listen(listener);
    audit.start();
    await vi.waitFor(() => expect(heard).toEqual(['undelivered']), soon);
    await audit.append(about('new'));
    await vi.waitFor(() => expect(heard).toEqual(['undelivered', 'new']), soon);
    await delay(1500);
    expect(heard).toHaveLength(2);
  });
});
