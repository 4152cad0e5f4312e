// The registry of APIs: rules, system APIs, protection from deletion while in use, and the snapshot.
import { beforeAll, describe, expect, it } from 'vitest';
import type { NewApi } from '../../src/apis/apis.ts';
import { codeOf, createNode, createTestClock, eventsOf, operator } from '../clients/support.ts';
import { useDatabase } from '../support/database.ts';

const { postgres, db } = useDatabase();
const clock = createTestClock();
const node = createNode(postgres, clock);
const { apis, clients } = node;
let made = 0;

function orders(change: Partial<NewApi> = {}): NewApi {
  made += 1;
  const permissions = [{ name: 'orders:read', sentence: 'See your orders.' }];
  return { audience: `https://orders-${made}.example`, name: 'Orders', permissions, ...change };
}

beforeAll(async () => {
  await apis.start();
  clients.start();
});

describe('create', () => {
  it('registers an API with defaults, finds it, knows it at once and writes it down', async () => {
    const api = await apis.create(orders(), operator);
    expect(api).toMatchObject({
      tokenFormat: 'jwt',
      tokenLifetimeSeconds: 600,
      signingAlgorithm: 'ES256',
      ownerClientId: null,
      system: false,
      version: 1,
    });
    expect(await apis.find(api.id)).toEqual(api);
    expect(await apis.findByAudience(api.audience)).toEqual(api);
    expect(apis.known(api.audience)).toEqual(api);
    expect(await eventsOf(db, api.id)).toEqual([{ type: 'api.created', actor_kind: 'operator' }]);
  });

  it('keeps what tokens say, and tells from memory what everyone holds: the same object until it changes', async () => {
    const before = apis.everyone();
    const api = await apis.create(
      orders({
        tokenClaims: ['roles', 'org_id', 'roles'],
        claims: { tier: 'gold', 'https://x.example/a': [1] },
      }),
      operator,
    );
    expect(api.permissions).toEqual([{ name: 'orders:read', sentence: 'See your orders.', everyone: false }]);
    expect([api.tokenClaims, api.claims]).toEqual([
      ['org_id', 'roles'],
      { tier: 'gold', 'https://x.example/a': [1] },
    ]);
    expect(apis.everyone()).toBe(before);
    const permissions = [{ name: 'orders:read', sentence: 'See your orders.', everyone: true }];
    await apis.change(api.id, { permissions }, operator);
    expect(apis.everyone().texts).toEqual(['orders:read']);
    await apis.change(api.id, { permissions: [] }, operator);
    expect(apis.everyone().texts).toEqual([]);
    // What is said again in another order of keys is no change.
    const { version } = await apis.change(
      api.id,
      { claims: { 'https://x.example/a': [1], tier: 'gold' } },
      operator,
    );
    expect(version).toBe(3);
  });

  it('refuses an audience that another API has, whoever comes first', async () => {
    const input = orders();
    const codes = await Promise.all([1, 2, 3].map(() => codeOf(apis.create(input, operator))));
    expect(codes.filter((code) => code === 'fulfilled')).toHaveLength(1);
    expect(codes.filter((code) => code === 'api_audience_taken')).toHaveLength(2);
  });

  it.each([
    ['an audience with a fragment', { audience: 'https://a.example/#x' }, 'api_invalid'],
    ['a relative audience', { audience: '/api' }, 'api_invalid'],
    ['an empty name', { name: ' ' }, 'api_invalid'],
    ['a claim of the server itself', { claims: { sub: 'admin' } }, 'api_invalid'],
    ['a claim with a name that is none', { claims: { '': 1 } }, 'api_invalid'],
    ['claims beyond what fits into a header', { claims: { tier: 'x'.repeat(3000) } }, 'api_invalid'],
    ['a name with a null byte', { name: 'a\u0000b' }, 'api_invalid'],
    ['a name of 10,000 characters', { name: 'x'.repeat(10_000) }, 'api_invalid'],
    ['a lifetime of zero', { tokenLifetimeSeconds: 0 }, 'api_invalid'],
    ['a lifetime of a year', { tokenLifetimeSeconds: 31_536_000 }, 'api_invalid'],
    [
      'a permission without action',
      { permissions: [{ name: 'orders', sentence: 'x' }] },
      'permission_invalid',
    ],
    ['a permission like a scope', { permissions: [{ name: 'openid', sentence: 'x' }] }, 'permission_invalid'],
    ['a permission without sentence', { permissions: [{ name: 'a:b', sentence: '' }] }, 'api_invalid'],
    [
      'a permission twice',
      {
        permissions: [
          { name: 'a:b', sentence: 'x' },
          { name: 'a:b', sentence: 'y' },
        ],
      },
      'api_invalid',
    ],
  ])('refuses %s', async (_what, change, code) => {
    expect(await codeOf(apis.create(orders(change), operator))).toBe(code);
  });

  it('takes part in the transaction of its caller', async () => {
    const input = orders();
    const rolledBack = postgres.transaction(async (trx) => {
      await apis.create(input, operator, trx);
      throw new Error('undo');
    });
    await expect(rolledBack).rejects.toThrow('undo');
    expect(await apis.findByAudience(input.audience)).toBeUndefined();
  });
});

describe('find', () => {
  it.each(['', 'x', "api_' or 1=1", 'api_\u0000', 'acc_00000000000000000000000000'])(
    'knows nothing of %j',
    async (id) => {
      expect(await apis.find(id)).toBeUndefined();
      expect(await apis.findByAudience(id)).toBeUndefined();
    },
  );
});

describe('change', () => {
  it('changes what is named, keeps the rest, and names the fields in the event', async () => {
    const api = await apis.create(orders(), operator);
    const changed = await apis.change(api.id, { tokenFormat: 'opaque', name: undefined }, operator);
    expect(changed).toMatchObject({ tokenFormat: 'opaque', name: 'Orders', version: 2 });
    expect(apis.known(api.audience)?.tokenFormat).toBe('opaque');
    const event = await db('audit_events')
      .select('details')
      .where({ target_id: api.id, type: 'api.changed' })
      .first();
    expect(event?.details.fields).toEqual(['tokenFormat']);
  });

  it('refuses a change of an older version, so that two operators do not overwrite each other', async () => {
    const api = await apis.create(orders(), operator);
    const changes = ['one', 'two'].map((name) => codeOf(apis.change(api.id, { name, version: 1 }, operator)));
    expect((await Promise.all(changes)).sort()).toEqual(['fulfilled', 'version_conflict']);
  });

  it('does not change the audience', async () => {
    const api = await apis.create(orders(), operator);
    const change = { audience: 'https://other.example' } as object;
    expect(await codeOf(apis.change(api.id, change, operator))).toBe('api_invalid');
  });

  it('writes nothing when nothing changes', async () => {
    const api = await apis.create(orders(), operator);
    expect((await apis.change(api.id, { name: 'Orders' }, operator)).version).toBe(1);
    expect(await eventsOf(db, api.id)).toHaveLength(1);
  });
});

describe('remove', () => {
  it('removes an API that no client refers to', async () => {
    const api = await apis.create(orders(), operator);
    await apis.remove(api.id, operator);
    expect(await apis.find(api.id)).toBeUndefined();
    expect(apis.known(api.audience)).toBeUndefined();
    expect(await codeOf(apis.remove(api.id, operator))).toBe('api_not_found');
  });

  it('refuses while a client refers to it', async () => {
    const api = await apis.create(orders(), operator);
    const entitlement = [{ audience: api.audience, permissions: ['orders:read'] }];
    const { client } = await clients.register({ name: 'x', kind: 'machine', apis: entitlement }, operator);
    expect(await codeOf(apis.remove(api.id, operator))).toBe('api_in_use');
    await clients.remove(client.id, operator);
    await apis.remove(api.id, operator);
  });

  it('never leaves a client with an API that is gone, when both happen at once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const api = await apis.create(orders(), operator);
      const entitlement = [{ audience: api.audience, permissions: ['*'] }];
      const codes = await Promise.all([
        codeOf(apis.remove(api.id, operator)),
        codeOf(clients.register({ name: 'x', kind: 'machine', apis: entitlement }, operator)),
      ]);
      expect([
        ['fulfilled', 'client_metadata_invalid'],
        ['api_in_use', 'fulfilled'],
      ]).toContainEqual(codes);
    }
  });
});

describe('ensureSystem', () => {
  const input = {
    audience: 'https://gatehouse.example/api',
    name: 'Management API',
    permissions: [{ name: 'clients:read', sentence: 'See clients.' }],
  };

  it('registers the API once when several nodes start together, and follows the permissions of a newer release', async () => {
    const nodes = [1, 2, 3].map(() => createNode(postgres, clock));
    const registered = await Promise.all(nodes.map((each) => each.apis.ensureSystem(input)));
    expect(new Set(registered.map((api) => api.id)).size).toBe(1);
    const permissions = [...input.permissions, { name: 'clients:update', sentence: 'Change clients.' }];
    const updated = await apis.ensureSystem({ ...input, permissions });
    expect(updated).toMatchObject({ id: registered[0]?.id, version: 2, system: true, permissions });
    expect((await apis.ensureSystem({ ...input, permissions })).version).toBe(2);
  });

  it('protects it from deletion and from changes of what the program relies on', async () => {
    const api = await apis.ensureSystem(input);
    expect(await codeOf(apis.remove(api.id, operator))).toBe('api_protected');
    expect(await codeOf(apis.change(api.id, { permissions: [] }, operator))).toBe('api_protected');
    expect(await codeOf(apis.change(api.id, { tokenLifetimeSeconds: 120 }, operator))).toBe('fulfilled');
  });
});

describe('a system API that the program no longer has', () => {
  it('can be removed: the management API of a former issuer', async () => {
    const former = { audience: 'https://former.example/api', name: 'Management API', permissions: [] };
    const api = await createNode(postgres, clock).apis.ensureSystem(former);
    expect(await codeOf(apis.remove(api.id, operator))).toBe('fulfilled');
  });
});

describe('the snapshot', () => {
  it('brings a change to another node', async () => {
    const other = createNode(postgres, clock);
    await other.apis.start();
    const api = await apis.create(orders(), operator);
    expect(other.apis.known(api.audience)).toBeUndefined();
    await other.changes.poll();
    expect(other.apis.known(api.audience)).toEqual(api);
  });
});

describe('list', () => {
  it('pages through everything once, in the order of registration', async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await apis.list({ limit: 3, cursor });
      seen.push(...page.items.map((api) => api.id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    const all = await db('apis').select('id').orderBy('id');
    expect(seen).toEqual(all.map(({ id }) => id));
  });

  it('refuses a cursor that it did not give', async () => {
    expect(await codeOf(apis.list({ limit: 3, cursor: 'x' }))).toBe('request_invalid');
  });
});
