// gatehouse client, api and signing-keys …, as a person and a script see them.
import { PassThrough } from 'node:stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { commands as apiCommands } from '../../src/apis/commands.ts';
import { commands as clientCommands } from '../../src/clients/commands.ts';
import { bind, runCommandLine } from '../../src/platform/command-line/run.ts';
import { commands as keyCommands } from '../../src/signing-keys/commands.ts';
import { useDatabase } from '../support/database.ts';
import { createNode, createTestClock } from './support.ts';

const { postgres } = useDatabase();
const clock = createTestClock();
const node = createNode(postgres, clock);

beforeAll(async () => {
  node.clients.start();
  await node.apis.start();
  await node.signingKeys.start();
  await run('api', 'create', '--audience', 'https://orders.example', '--name', 'Orders', ...permissions);
});

const permissions = [
  '--permission',
  'orders:read=See your orders.',
  '--permission',
  'orders:create=Make orders.',
];

async function run(...words: string[]) {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  const open = async () => ({ services: node, close: async () => {} });
  const program = {
    name: 'gatehouse',
    summary: '',
    version: '0',
    groups: { client: 'Clients.', api: 'APIs.', 'signing-keys': 'Keys.' },
    commands: [...bind(clientCommands, open), ...bind(apiCommands, open), ...bind(keyCommands, open)],
  };
  const code = await runCommandLine(program, words, streams);
  const out = String(streams.stdout.read() ?? '');
  const error = String(streams.stderr.read() ?? '');
  const json = words.includes('--json') && code === 0 ? JSON.parse(out) : undefined;
  return { code, out, error, json };
}

const webClient = [
  'client',
  'create',
  '--kind',
  'web',
  '--name',
  'Shop',
  '--redirect-uri',
  'https://shop.example/cb',
];

describe('client', () => {
  it('is created with its APIs, shows its id and its secret once, and can be changed and deleted', async () => {
    const apis = ['--api', 'https://orders.example=orders:read,orders:create', '--first-party'];
    const created = await run(...webClient, ...apis, '--json');
    expect(created.json).toMatchObject({
      firstParty: true,
      apis: [{ audience: 'https://orders.example', permissions: ['orders:read', 'orders:create'] }],
      secret: expect.stringMatching(/^ghcs_/),
    });
    const { id, secret } = created.json;
    const changed = await run(
      'client',
      'change',
      id,
      '--first-party',
      'no',
      '--logo-uri',
      'https://a.example/l.svg',
      '--json',
    );
    expect(changed.json).toMatchObject({
      firstParty: false,
      logoUri: 'https://a.example/l.svg',
      apis: created.json.apis,
    });
    expect((await run('client', 'change', id, '--logo-uri', '', '--api', '', '--json')).json).toMatchObject({
      logoUri: null,
      apis: [],
    });
    const shown = await run('client', 'show', id);
    expect(shown.out).toContain('https://shop.example/cb');
    expect(shown.out).not.toContain(secret);
    expect((await run('client', 'list', '--search', 'sho', '--json')).json.items).toHaveLength(1);
    expect((await run('client', 'delete', id, '--yes')).code).toBe(0);
    expect((await run('client', 'show', id)).code).toBe(3);
  });

  it('asks for recent sign-ins, where 0 means each time, and no longer', async () => {
    const life = ['--default-max-age', '0', '--session-idle', '600', '--session-absolute', '3600'];
    const { json } = await run(...webClient, ...life, '--json');
    expect(json).toMatchObject({
      defaultMaxAgeSeconds: 0,
      sessionIdleSeconds: 600,
      sessionAbsoluteSeconds: 3600,
    });
    const none = ['--default-max-age', '', '--session-idle', '0'];
    const changed = await run('client', 'change', json.id, ...none, '--json');
    expect(changed.json).toMatchObject({
      defaultMaxAgeSeconds: null,
      sessionIdleSeconds: null,
      sessionAbsoluteSeconds: 3600,
    });
    const wrong = await run('client', 'change', json.id, '--default-max-age', 'soon');
    expect([wrong.code, wrong.error]).toEqual([2, expect.stringContaining('a number of seconds')]);
  });

  it('has limits and claims of its own, and loses them', async () => {
    const limits = ['--limit', '100/second', '--limit', '5000/hour+50'];
    const created = await run(...webClient, ...limits, '--claims', '{"tier": "gold"}', '--json');
    expect(created.json).toMatchObject({
      claims: { tier: 'gold' },
      rateLimits: [
        { permits: 100, per: 'second' },
        { permits: 5000, per: 'hour', burst: 50 },
      ],
    });
    const { id, version } = created.json;
    const same = await run('client', 'change', id, ...limits, '--json');
    expect(same.json.version).toBe(version);
    const changed = await run('client', 'change', id, '--limit', '', '--claims', '', '--json');
    expect(changed.json).toMatchObject({ claims: {}, rateLimits: [] });
    expect((await run('client', 'change', id, '--limit', 'often')).error).toContain('100/second');
    expect((await run('client', 'change', id, '--claims', '[1]')).error).toContain('a JSON object');
    expect((await run('client', 'change', id, '--claims', '{"sub": "admin"}')).error).toContain(
      'claim of the server',
    );
  });

  it('says what is wrong with which field, and ends with the code for a wrong command line', async () => {
    const wrong = await run(
      'client',
      'create',
      '--kind',
      'web',
      '--name',
      'x',
      '--redirect-uri',
      'http://a.example/',
    );
    expect(wrong.code).toBe(2);
    expect(wrong.error).toContain('must use https');
    expect((await run(...webClient, '--jwks', '{')).code).toBe(2);
    expect((await run(...webClient, '--scope', 'admin')).code).toBe(2);
  });

  it('rotates a secret with an overlap', async () => {
    const { id, secret } = (await run(...webClient, '--json')).json;
    const until = new Date(clock.now().getTime() + 60_000).toISOString();
    const added = (await run('client', 'add-secret', id, '--retire-others-at', until, '--json')).json;
    expect(await node.clients.secretMatches(id, secret)).toBe(true);
    expect(await node.clients.secretMatches(id, added.secret)).toBe(true);
    expect((await run('client', 'retire-secret', id, added.secretId)).code).toBe(0);
    expect(await node.clients.secretMatches(id, added.secret)).toBe(false);
    expect((await run('client', 'secrets', id, '--json')).json).toHaveLength(2);
    expect((await run('client', 'secrets', id)).out).not.toContain('ghcs_');
  });
});

describe('api', () => {
  it('is found by its audience, changed, listed and deleted', async () => {
    const audience = 'https://other.example';
    await run('api', 'create', '--audience', audience, '--name', 'Other', '--token-format', 'opaque');
    const changed = await run(
      'api',
      'change',
      audience,
      '--token-lifetime',
      '60',
      '--owner',
      'some-client',
      '--json',
    );
    expect(changed.json).toMatchObject({
      tokenFormat: 'opaque',
      tokenLifetimeSeconds: 60,
      ownerClientId: 'some-client',
    });
    expect((await run('api', 'change', audience, '--owner', '', '--json')).json.ownerClientId).toBeNull();
    expect((await run('api', 'list')).out).toContain(audience);
    expect((await run('api', 'show', 'https://orders.example')).out).toContain('See your orders.');
    expect((await run('api', 'delete', audience, '--yes')).code).toBe(0);
    expect((await run('api', 'show', audience)).code).toBe(3);
  });

  it('refuses a permission that is not one', async () => {
    const wrong = await run('api', 'change', 'https://orders.example', '--permission', 'orders=x');
    expect(wrong.code).toBe(2);
    expect(wrong.error).toContain('resource:action');
  });
});

describe('signing-keys', () => {
  it('are listed without private parts, rotated, and refused when too young unless forced', async () => {
    const before = (await run('signing-keys', 'list', '--json')).json;
    expect(before).toHaveLength(4);
    expect(JSON.stringify(before)).not.toMatch(/"d"|private/i);
    expect((await run('signing-keys', 'rotate', '--algorithm', 'ES256', '--json')).json).toHaveLength(5);
    expect((await run('signing-keys', 'rotate', '--algorithm', 'ES256')).code).toBe(4);
    expect((await run('signing-keys', 'rotate', '--algorithm', 'ES256', '--force')).code).toBe(0);
  });
});
