// The queue of logout notices: at once, again with growing pauses for a day, never twice at a time, and in nobody's way.
import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { describe, expect, it, vi } from 'vitest';
import { pauseSeconds } from '../../src/lib/sending/pauses.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createServices } from '../../src/services.ts';
import { createLogoutQueue, type LogoutQueueDeps } from '../../src/sessions/logout-queue.ts';
import { insertNotices } from '../../src/sessions/logout-store.ts';
import { eventsOf, relyingParty } from '../flows/relying-party.ts';
import { testConfig, useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator } from '../support/people.ts';
import { useReceiver } from '../support/receiver.ts';

const gatehouse = useGatehouse({ settings: { OUTGOING_PRIVATE_NETWORK: 'allow' } });
const receiver = useReceiver();
const all = { limit: 100, cursor: null };
const within = { timeout: 8000, interval: 20 };

async function app(path: string) {
  return relyingParty(gatehouse, {
    backchannelLogoutUri: `${receiver.origin}${path}`,
    backchannelLogoutSessionRequired: true,
    firstParty: true,
  });
}

/** A session in which this app takes part was ended by an operator. */
async function ended(path: string) {
  const person = await createPerson(gatehouse.services);
  const party = await app(path);
  await party.signIn(person);
  const { items } = await gatehouse.services.sessions.list({ accountId: person.id }, all);
  await gatehouse.services.sessions.end(items[0]?.id ?? '', operator);
  return { person, clientId: party.client.id };
}

async function deliveryOf(clientId: string) {
  const { items } = await gatehouse.services.sessions.listDeliveries({ clientId }, all);
  return items[0];
}

const db = () => gatehouse.database.db;
const makeDue = (clientId: string) =>
  db()('logout_deliveries').where({ client_id: clientId }).update({ next_attempt_at: db().fn.now() });
const told = (path: string) => receiver.received.filter((one) => one.path === path);

describe('a notice', () => {
  it('is delivered at once, and noted', async () => {
    const begun = Date.now();
    const { clientId } = await ended('/at-once');
    await vi.waitFor(() => expect(told('/at-once')).toHaveLength(1), within);

    expect((told('/at-once')[0]?.at ?? 0) - begun).toBeLessThan(3000);
    await vi.waitFor(
      async () => expect(await deliveryOf(clientId)).toMatchObject({ state: 'delivered', attempts: 1 }),
      within,
    );
  });

  it('is sent again after a failure, each time with a token of its own', async () => {
    receiver.broken.add('/later');
    const { clientId } = await ended('/later');
    await vi.waitFor(
      async () =>
        expect(await deliveryOf(clientId)).toMatchObject({
          state: 'waiting',
          attempts: 1,
          lastError: 'http_500',
        }),
      within,
    );
    receiver.broken.delete('/later');
    await makeDue(clientId);
    await vi.waitFor(async () => expect((await deliveryOf(clientId))?.state).toBe('delivered'), within);

    const tokens = told('/later').map(({ token }) => decodeJwt(token));
    expect(new Set(tokens.map(({ jti }) => jti)).size).toBe(2);
    expect(tokens.map(({ sid }) => sid)[0]).toBe(tokens.map(({ sid }) => sid)[1]);
  });

  it('is given up after a day, stays visible, and is sent again when an operator says so', async () => {
    receiver.broken.add('/given-up');
    const { clientId } = await ended('/given-up');
    const failures = async () =>
      (await eventsOf(gatehouse.services, { clientId, type: 'backchannel-logout.failed' })).map(
        ({ details }) => details,
      );
    // An attempt is counted when it begins: the event says that it has ended.
    await vi.waitFor(async () => expect(await failures()).toMatchObject([{ givenUp: false }]), within);
    await db()('logout_deliveries')
      .where({ client_id: clientId })
      .update({ give_up_at: db().raw(`now() - interval '1 second'`), next_attempt_at: db().fn.now() });
    await vi.waitFor(async () => expect((await deliveryOf(clientId))?.state).toBe('failed'), within);
    expect(await failures()).toMatchObject([{ givenUp: false }, { givenUp: true }]);
    expect(await gatehouse.services.sessions.countDeliveries()).toMatchObject({ failed: 1 });

    receiver.broken.delete('/given-up');
    await gatehouse.services.sessions.retryDelivery((await deliveryOf(clientId))?.id ?? '', operator);
    await vi.waitFor(async () => expect((await deliveryOf(clientId))?.state).toBe('delivered'), within);
  });

  it('is not sent again once it was delivered', async () => {
    const { clientId } = await ended('/done');
    await vi.waitFor(async () => expect((await deliveryOf(clientId))?.state).toBe('delivered'), within);
    const retry = gatehouse.services.sessions.retryDelivery((await deliveryOf(clientId))?.id ?? '', operator);

    await expect(retry).rejects.toMatchObject({ code: 'logout_delivery_not_found' });
  });

  it('goes with its client', async () => {
    receiver.broken.add('/removed');
    const { clientId } = await ended('/removed');
    await vi.waitFor(async () => expect((await deliveryOf(clientId))?.attempts).toBe(1), within);
    await gatehouse.services.clients.remove(clientId, operator);

    expect(await deliveryOf(clientId)).toBeUndefined();
  });

  it('is not written when the end is rolled back', async () => {
    const person = await createPerson(gatehouse.services);
    const party = await app('/rolled-back');
    await party.signIn(person);
    const { items } = await gatehouse.services.sessions.list({ accountId: person.id }, all);
    const broken = gatehouse.services.postgres.transaction(async (trx) => {
      await gatehouse.services.oidc.state.endSession(trx, items[0]?.id ?? '');
      throw new Error('after all not');
    });

    await expect(broken).rejects.toThrow('after all not');
    expect(await deliveryOf(party.client.id)).toBeUndefined();
  });
});

describe('an address in the private network', () => {
  it('is not asked, and the notice says why', async () => {
    const services = gatehouse.services;
    const sent = await closedNetwork(services);

    expect(sent).toEqual({ kind: 'failed', reason: 'address_private' });
    expect(told('/private')).toEqual([]);
  });
});

/** The same database, seen by a server to which the private network is closed. */
async function closedNetwork(services: typeof gatehouse.services) {
  const party = await app('/private');
  const config = testConfig({
    PORT: new URL(gatehouse.issuer).port,
    KEYS_DIRECTORY: services.config.secrets.keysDirectory,
    OUTGOING_PRIVATE_NETWORK: 'refuse',
  });
  const other = await createServices(config, { postgres: services.postgres, log: silentLog });
  return other.oidc.sendLogout({ clientId: party.client.id, accountId: 'acc_1', sid: 'sid-1' });
}

/** The queue with senders of the test's own, several of them on one database like several nodes. */
function queueWith(send: LogoutQueueDeps['send']) {
  const { postgres, audit } = gatehouse.services;
  return createLogoutQueue({ postgres, audit, log: silentLog, send });
}

/** Notices to clients that the running server has no part in: its own queue stands still meanwhile. */
async function withStoppedServer(run: () => Promise<void>): Promise<void> {
  await gatehouse.services.sessions.stop();
  try {
    await run();
  } finally {
    await db()('logout_deliveries').where('client_id', 'like', 'test-%').delete();
    gatehouse.services.sessions.start();
  }
}

const notices = (clientId: string, count: number) =>
  Array.from({ length: count }, () => ({ clientId, accountId: 'acc_x', sid: randomUUID() }));

describe('several nodes', () => {
  it('share the work, and send nothing twice', async () => {
    await withStoppedServer(async () => {
      const sent: (string | null)[] = [];
      const nodes = [1, 2, 3].map(() =>
        queueWith(async ({ sid }) => {
          sent.push(sid);
          return { kind: 'delivered' };
        }),
      );
      const wanted = notices('test-shared', 200);
      await insertNotices(db(), wanted);
      for (const node of nodes) node.start();
      await vi.waitFor(() => expect(sent.length).toBeGreaterThanOrEqual(200), { timeout: 20_000 });
      await Promise.all(nodes.map((node) => node.stop()));

      expect(sent.toSorted()).toEqual(wanted.map(({ sid }) => sid).toSorted());
    });
  }, 30_000);

  it('that end in the middle leave their notices to the others', async () => {
    await withStoppedServer(async () => {
      await insertNotices(db(), notices('test-lease', 1));
      await db()('logout_deliveries')
        .where({ client_id: 'test-lease' })
        .update({ attempts: 1, next_attempt_at: db().raw(`now() + interval '1 second'`) });
      const sent: string[] = [];
      const node = queueWith(async ({ clientId }) => {
        sent.push(clientId);
        return { kind: 'delivered' };
      });
      node.start();
      await vi.waitFor(() => expect(sent).toEqual(['test-lease']), within);
      await node.stop();
    });
  });
});

describe('a client that hangs', () => {
  it('does not delay the others, however much waits for it', async () => {
    await withStoppedServer(async () => {
      const sent: string[] = [];
      let hanging = 0;
      let mostHanging = 0;
      const node = queueWith(async ({ clientId }) => {
        if (clientId !== 'test-hangs') {
          sent.push(clientId);
          return { kind: 'delivered' };
        }
        hanging += 1;
        mostHanging = Math.max(mostHanging, hanging);
        await new Promise((resolve) => setTimeout(resolve, 1500));
        hanging -= 1;
        return { kind: 'failed', reason: 'timeout' };
      });
      await insertNotices(db(), notices('test-hangs', 500));
      node.start();
      await vi.waitFor(() => expect(hanging).toBeGreaterThan(0), within);
      const begun = Date.now();
      await insertNotices(db(), notices('test-well', 40));
      await vi.waitFor(() => expect(sent).toHaveLength(40), within);

      expect(Date.now() - begun).toBeLessThan(5000);
      expect(mostHanging).toBeLessThanOrEqual(8);
      await node.stop();
    });
  }, 30_000);
});

describe('the pauses', () => {
  it('grow from a quarter of a minute to two hours, with some chance, and fill about a day', () => {
    const middle = Array.from({ length: 20 }, (_, index) => pauseSeconds(index + 1, () => 0.5));
    expect(middle.slice(0, 4)).toEqual([15, 45, 135, 405]);
    expect(middle.at(-1)).toBe(7200);
    expect(pauseSeconds(1, () => 0)).toBeLessThan(pauseSeconds(1, () => 1));
    const attempts = middle.findIndex((_, index) => sum(middle.slice(0, index)) > 24 * 3600);
    expect(attempts).toBeGreaterThan(10);
  });
});

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

describe('the clean-up', () => {
  it('removes what was delivered a week ago and given up a month ago, and nothing else', async () => {
    const days: [state: string, days: number][] = [
      ['delivered', 6],
      ['delivered', 8],
      ['failed', 8],
      ['failed', 31],
    ];
    for (const [state, age] of days) {
      await db()('logout_deliveries').insert({
        id: `lod_${state}_${age}`,
        client_id: 'test-old',
        account_id: 'acc_x',
        state,
        give_up_at: db().fn.now(),
        finished_at: db().raw('now() - make_interval(days => ?)', [age]),
      });
    }
    const job = gatehouse.services.jobs.find(({ name }) => name === 'logout-deliveries-expiry');
    await job?.run();

    expect(await db()('logout_deliveries').where({ client_id: 'test-old' }).pluck('id')).toEqual(
      expect.arrayContaining(['lod_delivered_6', 'lod_failed_8']),
    );
    expect(await db()('logout_deliveries').where({ client_id: 'test-old' })).toHaveLength(2);
  });
});
