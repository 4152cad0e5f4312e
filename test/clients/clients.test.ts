// The registry of clients: registering, changing, removing, listing, and the look-up that requests do.
import { Provider } from 'oidc-provider';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NewClient } from '../../src/clients/clients.ts';
import { useDatabase } from '../support/database.ts';
import { codeOf, createNode, createTestClock, eventsOf, operator } from './support.ts';

const { postgres, db } = useDatabase();
const clock = createTestClock();
const node = createNode(postgres, clock);
const { apis, clients } = node;

const web = (change: Partial<NewClient> = {}): NewClient => ({
  kind: 'web',
  name: 'Shop',
  redirectUris: ['https://shop.example/callback'],
  ...change,
});

beforeAll(async () => {
  clients.start();
  await apis.start();
  await apis.create(
    {
      audience: 'https://orders.example',
      name: 'Orders',
      permissions: [
        { name: 'orders:read', sentence: 'See orders.' },
        { name: 'orders:create', sentence: 'Make orders.' },
      ],
    },
    operator,
  );
});

describe('register', () => {
  it('shows the secret once and keeps no trace of it', async () => {
    const { client, secret } = await clients.register(web(), operator);
    expect(secret).toMatch(/^ghcs_[A-Za-z0-9_-]{43}$/);
    expect(client.id).toMatch(/^cli_/);
    const tables = ['clients', 'client_secrets', 'audit_events'];
    const rows = await Promise.all(
      tables.map((table) => db.raw(`select to_jsonb(t)::text as text from ${table} t`)),
    );
    const bytes = Buffer.from(secret ?? '').toString('hex');
    for (const { text } of rows.flatMap((result) => result.rows)) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(bytes);
    }
    expect((await eventsOf(db, client.id)).map(({ type }) => type)).toEqual(['client.created']);
  });

  it.each(['spa', 'native'] as const)('makes no secret for a %s client', async (kind) => {
    const redirectUris = ['https://app.example/'];
    expect((await clients.register({ kind, name: 'App', redirectUris }, operator)).secret).toBeNull();
  });

  it('takes a chosen id once', async () => {
    const input = web({ id: 'the-shop' });
    const codes = await Promise.all([1, 2, 3].map(() => codeOf(clients.register(input, operator))));
    expect(codes.sort()).toEqual(['client_id_taken', 'client_id_taken', 'fulfilled']);
  });

  it.each([
    'acc_00000000000000000000000000',
    'key_00000000000000000000000000',
    'ACC_x',
    'ab',
    '',
    'a b c',
    'a/b/c',
    '../x',
    'a\u0000b',
    'ü-client',
    'x'.repeat(129),
  ])('refuses the id %j', async (id) => {
    expect(await codeOf(clients.register(web({ id }), operator))).toBe('client_id_invalid');
  });

  it('says which redirect URI is wrong and why', async () => {
    const redirectUris = ['https://shop.example/callback', 'http://shop.example/callback'];
    await expect(clients.register(web({ redirectUris }), operator)).rejects.toMatchObject({
      code: 'redirect_uri_invalid',
      details: { fields: { 'redirectUris.1': expect.stringContaining('https') } },
    });
  });

  it.each<[string, Partial<NewClient>]>([
    ['an unknown API', { apis: [{ audience: 'https://nobody.example', permissions: ['*'] }] }],
    [
      'a permission that the API does not have',
      { apis: [{ audience: 'https://orders.example', permissions: ['orders:delete'] }] },
    ],
    ['an API named with a null byte', { apis: [{ audience: 'https://\u0000', permissions: [] }] }],
    ['a scope that the server does not have', { scopes: ['openid', 'admin'] as never }],
    ['a logo that a browser would run', { logoUri: 'javascript:alert(1)' }],
    ['an origin with a path', { corsOrigins: ['https://a.example/x'] }],
    ['a name with a line break', { name: 'a\nb' }],
    ['a name of 10,000 characters', { name: 'x'.repeat(10_000) }],
    ['a field that does not exist', { system: true } as object],
  ])('refuses %s', async (_what, change) => {
    expect(await codeOf(clients.register(web(change), operator))).toBe('client_metadata_invalid');
  });

  it('takes part in the transaction of its caller', async () => {
    const rolledBack = postgres.transaction(async (trx) => {
      await clients.register(web({ id: 'undone' }), operator, trx);
      throw new Error('undo');
    });
    await expect(rolledBack).rejects.toThrow('undo');
    expect(await clients.find('undone')).toBeUndefined();
  });

  it('stores HTML and SQL as the text that it is', async () => {
    const name = `<script>alert(1)</script>'); drop table clients; --`;
    const { client } = await clients.register(web({ name }), operator);
    expect((await clients.find(client.id))?.name).toBe(name);
  });
});

describe('change', () => {
  it('checks the whole registration again', async () => {
    const { client } = await clients.register(web(), operator);
    expect(await codeOf(clients.change(client.id, { redirectUris: [] }, operator))).toBe(
      'client_metadata_invalid',
    );
    expect(await codeOf(clients.change(client.id, { authMethod: 'none' }, operator))).toBe(
      'client_metadata_invalid',
    );
    const apis = [{ audience: 'https://orders.example', permissions: ['orders:read'] }];
    expect(await clients.change(client.id, { apis }, operator)).toMatchObject({ apis, version: 2 });
  });

  it('refuses a change of an older version', async () => {
    const { client } = await clients.register(web(), operator);
    const changes = ['one', 'two'].map((name) =>
      codeOf(clients.change(client.id, { name, version: 1 }, operator)),
    );
    expect((await Promise.all(changes)).sort()).toEqual(['fulfilled', 'version_conflict']);
  });

  it('makes a disabled client unknown at once, and known again when it is active', async () => {
    const { client, secret } = await clients.register(web(), operator);
    expect(await clients.secretMatches(client.id, secret ?? '')).toBe(true);
    await clients.change(client.id, { status: 'disabled' }, operator);
    expect(await clients.known(client.id)).toBeUndefined();
    expect(await clients.secretMatches(client.id, secret ?? '')).toBe(false);
    await clients.change(client.id, { status: 'active' }, operator);
    expect(await clients.secretMatches(client.id, secret ?? '')).toBe(true);
  });
});

describe('remove', () => {
  it('ends what the client had, forgets it as an owner, and frees its id', async () => {
    const { client, secret } = await clients.register(web({ id: 'owner' }), operator);
    const api = await apis.create(
      { audience: 'urn:owned:api', name: 'Owned', ownerClientId: 'owner' },
      operator,
    );
    await clients.remove(client.id, operator);
    expect(node.ended).toContain('owner');
    expect(await apis.find(api.id)).toMatchObject({ ownerClientId: null, version: 2 });
    expect(apis.known('urn:owned:api')?.ownerClientId).toBeNull();
    expect(await clients.known('owner')).toBeUndefined();
    await clients.register(web({ id: 'owner' }), operator);
    expect(await clients.secretMatches('owner', secret ?? '')).toBe(false);
    expect(await codeOf(clients.remove('nobody', operator))).toBe('client_not_found');
  });
});

describe('ensureSystem', () => {
  const input = { id: 'gatehouse-test', kind: 'native', name: 'Command line', scopes: ['openid'] } as const;
  const grantTypes: NewClient['grantTypes'] = ['urn:ietf:params:oauth:grant-type:device_code'];

  it('registers once when several nodes start together, follows the program, and is protected', async () => {
    const nodes = [1, 2, 3].map(() => createNode(postgres, clock));
    const made = await Promise.all(
      nodes.map((each) => each.clients.ensureSystem({ ...input, scopes: [...input.scopes], grantTypes })),
    );
    expect(made.map(({ version }) => version)).toEqual([1, 1, 1]);
    const renamed = await clients.ensureSystem({
      ...input,
      name: 'CLI',
      scopes: [...input.scopes],
      grantTypes,
    });
    expect(renamed).toMatchObject({ name: 'CLI', version: 2, system: true });
    expect(await codeOf(clients.remove(input.id, operator))).toBe('client_protected');
    expect(await codeOf(clients.change(input.id, { name: 'x' }, operator))).toBe('client_protected');
  });
});

describe('known', () => {
  it('gives metadata that the engine takes, for every kind', async () => {
    const provider = new Provider('http://localhost', {
      clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
      subjectTypes: ['public', 'pairwise'],
      scopes: ['openid', 'offline_access', 'profile', 'email'],
      pairwiseIdentifier: () => 'x',
      features: {
        deviceFlow: { enabled: true },
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
      },
    });
    const inputs: NewClient[] = [
      web({ subjectType: 'pairwise', requirePar: true, dpopBound: true }),
      web({ authMethod: 'private_key_jwt', jwksUri: 'https://shop.example/jwks' }),
      { kind: 'spa', name: 'Page', redirectUris: ['https://page.example/', 'http://localhost:3000/'] },
      { kind: 'native', name: 'App', redirectUris: ['com.example.app:/callback', 'http://127.0.0.1/'] },
      { kind: 'machine', name: 'Machine' },
    ];
    const validate = (provider.Client as unknown as { validate(metadata: object): Promise<void> }).validate;
    for (const input of inputs) {
      const { client } = await clients.register(input, operator);
      const known = await clients.known(client.id);
      await expect(validate.call(provider.Client, known?.metadata ?? {})).resolves.toBeUndefined();
    }
  });

  it('answers from memory, with the same object', async () => {
    const { client } = await clients.register(web(), operator);
    const known = await clients.known(client.id);
    await db('clients').where({ id: client.id }).update({ name: 'behind its back' });
    expect(await clients.known(client.id)).toBe(known);
  });

  it('keeps the object of a client when another one changes, so that the engine need not build it again', async () => {
    const { client } = await clients.register(web(), operator);
    const known = await clients.known(client.id);
    await clients.register(web(), operator);
    expect(await clients.known(client.id)).toBe(known);
  });

  it('shows a change that another node made, after one look', async () => {
    const other = createNode(postgres, clock);
    other.clients.start();
    await other.changes.poll();
    const { client } = await clients.register(web(), operator);
    expect((await other.clients.known(client.id))?.client.name).toBe('Shop');
    await clients.change(client.id, { name: 'Market' }, operator);
    expect((await other.clients.known(client.id))?.client.name).toBe('Shop');
    await other.changes.poll();
    expect((await other.clients.known(client.id))?.client.name).toBe('Market');
  });

  it('finds a client on another node that had asked for it too early', async () => {
    const other = createNode(postgres, clock);
    other.clients.start();
    expect(await other.clients.known('comes-later')).toBeUndefined();
    await clients.register(web({ id: 'comes-later' }), operator);
    await other.changes.poll();
    expect(await other.clients.known('comes-later')).toBeDefined();
  });

  it.each(['', "x' or 1=1 --", 'a\u0000b', 'x'.repeat(10_000), '__proto__'])(
    'knows nothing of %j',
    async (id) => {
      expect(await clients.known(id)).toBeUndefined();
      expect(await clients.find(id)).toBeUndefined();
      expect(await clients.secretMatches(id, 'x')).toBe(false);
    },
  );
});

describe('list', () => {
  it('pages through everything once, by kind, status and beginning of the name', async () => {
    await clients.register({ kind: 'machine', name: '100%_sure' }, operator);
    await clients.register({ kind: 'machine', name: '100 per cent' }, operator);
    const machines = await clients.list({ kind: 'machine', status: 'active' }, { limit: 200, cursor: null });
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await clients.list({ kind: 'machine', status: 'active' }, { limit: 1, cursor });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(machines.items.map(({ id }) => id));
    const found = await clients.list({ search: '100%' }, { limit: 10, cursor: null });
    expect(found.items.map(({ name }) => name)).toEqual(['100%_sure']);
    expect((await clients.list({ search: 'x\u0000' }, { limit: 10, cursor: null })).items).toEqual([]);
    expect(await codeOf(clients.list({}, { limit: 10, cursor: '%' }))).toBe('request_invalid');
  });
});
