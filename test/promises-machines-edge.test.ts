// The promises of the source documents on keys for programs, in the words of those documents: their paths, field names,
// headers and commands, copied from their text.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { decodeJwt } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { asOperator } from '../src/api-keys/api-keys.ts';
import { commands as keyCommands } from '../src/api-keys/commands.ts';
import { program } from '../src/cli.ts';
import { commands as compromiseCommands } from '../src/compromise/commands.ts';
import { bind, runCommandLine } from '../src/platform/command-line/run.ts';
import { useGatehouse } from './support/gatehouse.ts';
import { callsBy, type Machine, machine } from './support/management.ts';
import { createPerson, operator } from './support/people.ts';
import { testTerminal } from './support/terminal.ts';

const run = promisify(execFile);
const gatehouse = useGatehouse({ settings: { LIMIT_ADMIN_WRITE_PER_MINUTE: '100000' } });
const made: {
  all?: Machine;
  admin?: string;
  audience?: string;
  newAdminKey?: () => Promise<{ secret: string }>;
} = {};
const call = callsBy(gatehouse, () => {
  if (!made.all) throw new Error('the machine is made before the tests');
  return made.all;
});

beforeAll(async () => {
  const { services } = gatehouse;
  made.all = await machine(gatehouse);
  const admin = await createPerson(services, { admin: true });
  const owner = { kind: 'account', id: admin.id } as const;
  // A key makes none that outlasts it, and the document wants one for the whole of next year.
  const expiresAt = new Date(Date.now() + 729 * 86_400_000).toISOString();
  const input = { name: 'Admin Key', permissions: ['*:*'], owner, expiresAt };
  made.newAdminKey = () => services.apiKeys.create(input, asOperator(operator));
  made.admin = (await made.newAdminKey()).secret;
  made.audience = 'https://quantonium.example.com';
  const permissions = ['api:read', 'api:write', 'api:admin'].map((name) => ({
    name,
    sentence: `May ${name}.`,
  }));
  await services.apis.create({ audience: made.audience, name: 'Quantonium', permissions }, operator);
});

/** "API Endpoints" of the document on key authentication, line by line. */
const endpoints = `
- \`POST /api/auth/token\` - Get JWT token using API key
- \`GET /api/auth/keys\` - List all keys (admin only)
- \`POST /api/auth/keys\` - Create a new key (admin only)
- \`POST /api/auth/keys/{key_id}/revoke\` - Revoke a key (admin only)
- \`POST /api/auth/keys/{key_id}/rotate\` - Rotate a key (admin only)
- \`GET /api/auth/profile\` - Get current key profile
`;
const documented = [...endpoints.matchAll(/`(\w+) (\S+)` - (.*)/g)].map(
  ([, method = '', path = '', says = '']) => ({
    method,
    path,
    says,
  }),
);

const endpoint = (says: RegExp) => {
  const found = documented.find((one) => says.test(one.says));
  if (found === undefined) throw new Error('the document has no such line');
  return found;
};

async function ask(says: RegExp, by: Record<string, string>, more: { body?: unknown; keyId?: string } = {}) {
  const { method, path } = endpoint(says);
  const answer = await fetch(`${gatehouse.issuer}${path.replace('{key_id}', more.keyId ?? '')}`, {
    method,
    headers: { ...by, ...(more.body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    ...(more.body === undefined ? {} : { body: JSON.stringify(more.body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are looked into
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as any };
}

const key = (secret: string | undefined) => ({ 'X-API-Key': secret ?? '' });
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
const service = { name: 'Production API Key', permissions: 'api:read api:write' };

describe('D7: the requests of the document on key authentication', () => {
  it('D7 create, use, list, rotate and revoke a key, with those paths and field names', async () => {
    const created = await ask(/Create a new key/, key(made.admin), { body: service });
    expect(created).toMatchObject({
      status: 201,
      body: { name: service.name, permissions: service.permissions, admin: false, active: true },
    });
    const { api_key: secret, key_id: keyId } = created.body;

    // "JWT Token Flow", steps 1 to 4.
    const issued = await ask(/Get JWT token/, key(secret));
    expect(issued).toMatchObject({ status: 200, body: { token_type: 'Bearer', expires_in: 600 } });
    expect(issued.headers.get('cache-control')).toBe('no-store');
    expect(decodeJwt(issued.body.token)).toMatchObject({
      sub: keyId,
      client_id: keyId,
      aud: made.audience,
      scope: service.permissions,
    });
    expect(await gatehouse.services.oidc.tokens.inspect(issued.body.token)).toMatchObject({
      apiKeyId: keyId,
    });
    expect(await ask(/profile/, key(secret))).toMatchObject({
      status: 200,
      body: { key_id: keyId, name: service.name, permissions: service.permissions, admin: false },
    });

    const listed = await ask(/List all keys/, key(made.admin));
    expect(listed.body.keys.map((one: { key_id: string }) => one.key_id)).toContain(keyId);
    expect(JSON.stringify(listed.body)).not.toContain(secret.slice(31));

    // "Seamless key rotation with immediate revocation of old keys".
    const rotated = await ask(/Rotate a key/, key(made.admin), { keyId });
    expect(rotated).toMatchObject({ status: 200, body: { key_id: keyId } });
    expect(await ask(/Get JWT token/, key(secret))).toMatchObject({ status: 401 });
    expect(await gatehouse.services.oidc.tokens.inspect(issued.body.token)).toHaveProperty('refused');
    expect(await ask(/Get JWT token/, key(rotated.body.api_key))).toMatchObject({ status: 200 });

    const reason = { reason: 'no longer needed' };
    const revoked = await ask(/Revoke a key/, key(made.admin), { keyId, body: reason });
    expect(revoked).toMatchObject({ status: 200, body: { active: false, revoked_reason: reason.reason } });
    expect(await ask(/Get JWT token/, key(rotated.body.api_key))).toMatchObject({ status: 401 });
  });

  it('D7 rotate with an overlap where one is asked for', async () => {
    const { body: one } = await ask(/Create a new key/, key(made.admin), { body: service });
    await ask(/Rotate a key/, key(made.admin), { keyId: one.key_id, body: { overlap_seconds: 60 } });
    expect(await ask(/Get JWT token/, key(one.api_key))).toMatchObject({ status: 200 });
  });

  it('D7 make an admin key, whose token opens the admin routes', async () => {
    const { body: one } = await ask(/Create a new key/, key(made.admin), {
      body: { name: 'Admin Key', admin: true },
    });
    expect(one).toMatchObject({ admin: true, permissions: '*:*' });
    const { body: issued } = await ask(/Get JWT token/, key(one.api_key));
    expect(decodeJwt(issued.token).aud).toBe(`${gatehouse.issuer}/api`);
    expect(await ask(/List all keys/, bearer(issued.token))).toMatchObject({ status: 200 });
    expect(await ask(/profile/, bearer(issued.token))).toMatchObject({
      body: { key_id: one.key_id, admin: true },
    });
  });

  it('D7 are for admins only where the document says so, and only for who shows a key', async () => {
    const { body: plain } = await ask(/Create a new key/, key(made.admin), { body: service });
    const { body: other } = await ask(/Create a new key/, key(made.admin), { body: service });
    for (const { says } of documented.filter((one) => one.says.includes('(admin only)'))) {
      const line = new RegExp(says.replace(/[()]/g, '\\$&'));
      const more = { keyId: other.key_id, ...(says.startsWith('Create') ? { body: service } : {}) };
      expect(await ask(line, key(plain.api_key), more)).toMatchObject({
        status: 403,
        body: { code: 'permission_denied' },
      });
    }
    for (const { says } of documented) {
      const line = new RegExp(says.replace(/[()]/g, '\\$&'));
      for (const by of [{}, key(`${plain.api_key.slice(0, -1)}!`), bearer('nothing')]) {
        const refused = await ask(line, by, { keyId: other.key_id });
        expect(refused).toMatchObject({ status: 401, body: { code: 'authentication_required' } });
        expect(refused.headers.get('content-type')).toContain('application/problem+json');
      }
    }
    expect(await ask(/Get JWT token/, key(other.api_key))).toMatchObject({ status: 200 });
  });

  it('D7 give no more than the maker holds, and say what is wrong', async () => {
    const reader = await ask(/Create a new key/, key(made.admin), {
      body: { name: 'maker', permissions: 'api-keys:create api:read' },
    });
    const by = key(reader.body.api_key);
    expect(await ask(/Create a new key/, by, { body: service })).toMatchObject({
      status: 403,
      body: { code: 'api_key_permission_not_held' },
    });
    expect(await ask(/Create a new key/, by, { body: { name: 'more', admin: true } })).toMatchObject({
      status: 403,
    });
    for (const body of [
      { name: 'none' },
      { name: 'none', permissions: ' ' },
      { ...service, permissions: 'nonsense' },
    ]) {
      expect(await ask(/Create a new key/, key(made.admin), { body })).toMatchObject({ status: 400 });
    }
    for (const body of [{ scope: 'api:admin' }, { audience: 'https://unknown.example.com' }, { other: 1 }]) {
      const { body: one } = await ask(/Create a new key/, key(made.admin), { body: service });
      expect(await ask(/Get JWT token/, key(one.api_key), { body })).toMatchObject({
        status: 400,
        body: { code: 'request_invalid' },
      });
    }
    const unknown = `key_${'0'.repeat(26)}`;
    expect(await ask(/Revoke a key/, key(made.admin), { keyId: unknown })).toMatchObject({
      status: 404,
      body: { code: 'api_key_not_found' },
    });
  });

  it('D1 show the key once, and keep nothing of it but a keyed hash, found by its prefix', async () => {
    const { body: one } = await ask(/Create a new key/, key(made.admin), { body: service });
    const secret = one.api_key.slice(31);
    const { rows } = await gatehouse.database.postgres.db.raw(
      `select table_name from information_schema.tables where table_schema = current_schema() and table_type = 'BASE TABLE'`,
    );
    for (const { table_name: table } of rows) {
      const found = await gatehouse.database.postgres.db.raw(
        'select count(*) from ?? as row where row::text like ?',
        [table, `%${secret}%`],
      );
      expect([table, Number(found.rows[0].count)]).toEqual([table, 0]);
    }
    const kept = await gatehouse.database.postgres.db('api_key_secrets').where({ key_id: one.key_id });
    expect(kept).toMatchObject([{ hash: expect.any(Buffer) }]);
    expect(kept[0].hash).toHaveLength(32);
    expect(one.api_key).toContain(one.key_id.slice('key_'.length));
  });

  it('D9 follow the steps for a compromised key: revoke, review, rotate all admin keys, new keys for services', async () => {
    const { body: stolen } = await ask(/Create a new key/, key(made.admin), { body: service });
    await ask(/Get JWT token/, { ...key(stolen.api_key), 'User-Agent': 'thief/1' });
    const one = await ask(/Create a new key/, key(made.admin), { body: { name: 'Admin Key', admin: true } });
    const answer = await fetch(`${gatehouse.issuer}/api/v1/api-keys/${stolen.key_id}/compromised`, {
      method: 'POST',
      headers: { ...key(one.body.api_key), 'Content-Type': 'application/json' },
      body: JSON.stringify({ rotate: true }),
    });
    // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are looked into
    const report = (await answer.json()) as any;
    expect(report).toMatchObject({
      revoked: [stolen.key_id],
      activity: { tokensIssued: 1, userAgents: [{ value: 'thief/1' }] },
    });
    expect(await ask(/profile/, key(stolen.api_key))).toMatchObject({ status: 401 });
    // Even the one that asked: its new string is in the answer.
    expect(await ask(/profile/, key(one.body.api_key))).toMatchObject({ status: 401 });
    const renewed = report.rotated.find(({ keyId }: { keyId: string }) => keyId === one.body.key_id);
    expect(await ask(/profile/, key(renewed.secret))).toMatchObject({ status: 200, body: { admin: true } });
    made.admin = renewed.secret;
  });

  it('D6 leave events with the id of the key, the request, the address and the program', async () => {
    const { body: one } = await ask(/Create a new key/, key(made.admin), { body: service });
    const issued = await ask(/Get JWT token/, { ...key(one.api_key), 'User-Agent': 'quantonium/5' });
    const { items } = await gatehouse.services.audit.list(
      { clientId: one.key_id, type: 'token.issued' },
      { limit: 5, cursor: null },
    );
    expect(items).toMatchObject([
      {
        actor: { kind: 'client', id: one.key_id },
        requestId: issued.headers.get('x-request-id'),
        address: expect.stringMatching(/^(127\.0\.0\.1|::1)$/),
        userAgent: 'quantonium/5',
      },
    ]);
  });
});

/** "CLI Commands" and "First-Time Setup" of the same document; only the name of the program is ours. */
const cli = `
# Create an admin key
python -m auth.cli create --name "Admin Key" --admin --permissions "api:read api:write api:admin"
# Create a new API key
python -m auth.cli create --name "Production API Key" --permissions "api:read api:write"
# List all keys
python -m auth.cli list
# Rotate a key
python -m auth.cli rotate --id KEY_ID
# View audit logs
python -m auth.cli logs --id KEY_ID
# Revoke a key
python -m auth.cli revoke --id KEY_ID
`;

describe('D7: the commands of the document on key authentication', () => {
  const open = async () => ({ services: gatehouse.services, close: async () => {} });
  const bound = [...bind(keyCommands, open), ...bind(compromiseCommands, open)];
  const line = (says: RegExp) => {
    const [, words = ''] = new RegExp(`# ${says.source}\\npython -m auth\\.cli (.*)`).exec(cli) ?? [];
    return [...words.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  };

  async function typed(says: RegExp, keyId = '') {
    const terminal = testTerminal();
    terminal.type('y\n');
    const words = line(says).map((word) => (word === 'KEY_ID' ? keyId : word));
    const code = await runCommandLine({ ...program, commands: bound }, ['key', ...words], terminal);
    expect([code, terminal.err()]).toEqual([0, expect.not.stringContaining('error')]);
    return terminal.out();
  }

  it('D7 make, list, rotate, look into and revoke keys', async () => {
    const secretIn = (out: string) => /gth_\w{65}/.exec(out)?.[0] ?? '';
    expect(await ask(/profile/, key(secretIn(await typed(/Create an admin key/))))).toMatchObject({
      body: { admin: true },
    });
    const secret = secretIn(await typed(/Create a new API key/));
    const { body } = await ask(/profile/, key(secret));
    expect(body).toMatchObject({ name: service.name, permissions: service.permissions });
    expect(await typed(/List all keys/)).toContain(body.key_id);
    const next = secretIn(await typed(/Rotate a key/, body.key_id));
    expect(await ask(/profile/, key(next))).toMatchObject({ status: 200 });
    expect(await typed(/View audit logs/, body.key_id)).toMatch(/api-key\.rotated[\s\S]*api-key\.created/);
    await typed(/Revoke a key/, body.key_id);
    for (const ended of [secret, next])
      expect(await ask(/profile/, key(ended))).toMatchObject({ status: 401 });
  });
});

describe('E2: the requests of the document on authentication', () => {
  const curl = `
curl -X POST http://localhost:8000/api/v1/api-keys \\
  -H "Authorization: Bearer YOUR_JWT_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "Production API Key",
    "scopes": ["detection:read", "detection:write", "health:read"],
    "expires_at": "2024-12-31T23:59:59Z"
  }'
`;

  const asAdmin = async () => {
    const { secret = '' } = (await made.newAdminKey?.()) ?? {};
    const { body } = await ask(/Get JWT token/, key(secret));
    return curl.replace('http://localhost:8000', gatehouse.issuer).replace('YOUR_JWT_TOKEN', body.token);
  };

  it('E2 make a key by that very command, but for a year that is still to come', async () => {
    const year = new Date().getUTCFullYear() + 1;
    const { stdout } = await run('sh', ['-c', (await asAdmin()).replace('2024', String(year))]);
    const created = JSON.parse(stdout);
    expect(created).toMatchObject({
      name: 'Production API Key',
      permissions: ['detection:read', 'detection:write', 'health:read'],
      expiresAt: `${year}-12-31T23:59:59.000Z`,
      active: true,
    });

    // The client class of "Usage": X-API-Key and Content-Type on every request, whatever its method.
    const headers = { 'X-API-Key': created.secret, 'Content-Type': 'application/json' };
    const profile = await fetch(`${gatehouse.issuer}/api/auth/profile`, { method: 'GET', headers });
    expect(await profile.json()).toMatchObject({ key_id: created.id });
    const refused = await fetch(`${gatehouse.issuer}/api/v1/accounts`, { method: 'GET', headers });
    expect(refused.status).toBe(403);
  });

  it('E2 refuse an end that is over, naming the field', async () => {
    const { stdout } = await run('sh', ['-c', await asAdmin()]);
    expect(JSON.parse(stdout)).toMatchObject({ status: 400, code: 'api_key_invalid' });
  });

  it('E2 take it from administrators only', async () => {
    const weak = await machine(gatehouse, ['api-keys:read']);
    const body = { name: 'Production API Key', scopes: ['detection:read'] };
    expect(await call('POST', '/api-keys', { token: weak.token, body })).toMatchObject({ status: 403 });
  });
});
