// Who may touch whom is judged by how things are when the change happens, not by how they were when it was asked for.
import { describe, expect, it } from 'vitest';
import { useGatehouse } from '../support/gatehouse.ts';
import { type Call, callsBy, type Machine, machine, type Reply } from '../support/management.ts';
import { createClient, createPerson } from '../support/people.ts';

const gatehouse = useGatehouse();
const few = ['clients:update', 'clients:delete', 'accounts:update', 'accounts:delete'];
const made: { helper?: Machine } = {};

async function call(method: string, path: string, request: Call): Promise<Reply> {
  made.helper ??= await machine(gatehouse, few);
  const { helper } = made;
  return callsBy(gatehouse, () => helper)(method, path, request);
}

/** Sends the request while the row is being changed: it looked at the row before, and acts on it after. */
async function during(change: [string, string, unknown[]], ask: () => Promise<Reply>): Promise<Reply> {
  const [table, set, values] = change;
  const { db } = gatehouse.database;
  const trx = await db.transaction();
  await trx.raw(`update ${table} set ${set} where id = ?`, values as string[]);
  const answer = ask();
  await expect
    .poll(
      async () => {
        const { rows } = await db.raw(
          `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        return rows.length;
      },
      { timeout: 10_000 },
    )
    .toBeGreaterThan(0);
  await trx.commit();
  return answer;
}

const any = { headers: { 'If-Match': '*' } };

describe('an account that becomes an administrator in the meantime', () => {
  it.each<[string, (id: string) => Promise<Reply>]>([
    ['changed', (id) => call('PATCH', `/accounts/${id}`, { ...any, body: { username: `u${id.slice(-9)}` } })],
    ['suspended', (id) => call('POST', `/accounts/${id}/suspend`, {})],
    ['reinstated', (id) => call('POST', `/accounts/${id}/reinstate`, {})],
    ['deleted', (id) => call('DELETE', `/accounts/${id}`, any)],
  ])('is not %s by whoever may not make administrators', async (_what, ask) => {
    await createPerson(gatehouse.services, { admin: true });
    const { id } = await createPerson(gatehouse.services);
    const reply = await during(['accounts', 'admin = true', [id]], () => ask(id));
    expect([reply.status, reply.body?.code]).toEqual([403, 'permission_denied']);
    expect(await gatehouse.services.accounts.find(id)).toMatchObject({ status: 'active', version: 1 });
  });
});

describe('a client that gets more permissions in the meantime', () => {
  it.each<[string, (id: string, secret: string) => Promise<Reply>]>([
    ['changed', (id) => call('PATCH', `/clients/${id}`, { ...any, body: { name: 'Mine' } })],
    ['deleted', (id) => call('DELETE', `/clients/${id}`, any)],
    ['given a secret', (id) => call('POST', `/clients/${id}/secrets`, { body: {} })],
    ['robbed of a secret', (id, secret) => call('DELETE', `/clients/${id}/secrets/${secret}`, {})],
  ])('is not %s by whoever has fewer', async (_what, ask) => {
    const { client } = await createClient(gatehouse.services, { kind: 'machine' });
    const [secret] = await gatehouse.services.clients.listSecrets(client.id);
    const apis = JSON.stringify([{ audience: `${gatehouse.issuer}/api`, permissions: ['*'] }]);
    const reply = await during(['clients', 'apis = ?', [apis, client.id]], () =>
      ask(client.id, secret?.id ?? ''),
    );
    expect([reply.status, reply.body?.code]).toEqual([403, 'permission_denied']);
    expect(await gatehouse.services.clients.listSecrets(client.id)).toEqual([secret]);
  });
});
