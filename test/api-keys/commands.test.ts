// gatehouse key …, as a person and a script see it.
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { commands } from '../../src/api-keys/commands.ts';
import { bind, runCommandLine } from '../../src/platform/command-line/run.ts';
import { createApi, createPerson } from '../support/people.ts';
import { useNodes } from './world.ts';

const nodes = useNodes({ API_KEY_MAXIMUM_LIFETIME_DAYS: '0' });

async function run(...words: string[]) {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  const open = async () => ({ services: nodes.services, close: async () => {} });
  const groups = { key: 'Keys.', 'key pepper': 'The pepper.' };
  const program = { name: 'gatehouse', summary: '', version: '0', groups, commands: bind(commands, open) };
  const code = await runCommandLine(program, words, streams);
  const out = String(streams.stdout.read() ?? '');
  const error = String(streams.stderr.read() ?? '');
  const json = words.includes('--json') && code === 0 ? JSON.parse(out) : undefined;
  return { code, out, error, json };
}

const create = (...more: string[]) =>
  run(
    'key',
    'create',
    '--name',
    'Deploys',
    '--permission',
    'notes:read',
    '--account',
    nodes.admin().id,
    ...more,
  );
const good = async (secret: string) =>
  'key' in (await nodes.services.apiKeys.authenticate(secret, { address: null }));

describe('gatehouse key', () => {
  it('D7: creates, lists, shows, rotates and revokes a key; its string is shown once', async () => {
    const created = await create();
    const secret = /gth_\S+/.exec(created.out)?.[0] ?? '';
    const id = /key_\S+/.exec(created.out)?.[0] ?? '';
    expect(await good(secret)).toBe(true);
    const [listed, shown] = [await run('key', 'list', '--search', 'deploys'), await run('key', 'show', id)];
    expect(listed.out).toContain(id);
    expect(shown.out).toContain('permissions  notes:read');
    expect(`${listed.out}${shown.out}`).not.toContain('gth_');
    const rotated = await run('key', 'rotate', id, '--now', '--json');
    expect([await good(secret), await good(rotated.json.secret)]).toEqual([false, true]);
    expect((await run('key', 'revoke', id)).code).toBe(2);
    expect(await run('key', 'revoke', id, '--yes', '--reason', 'rolled out')).toMatchObject({ code: 0 });
    expect(await good(rotated.json.secret)).toBe(false);
    expect((await run('key', 'show', id)).out).toContain('rolled out');
    expect((await run('key', 'list', '--state', 'revoked', '--json')).json.items).toHaveLength(1);
  });

  it('takes the owner by mail address, and the organization by its word', async () => {
    const { accounts, organizations } = nodes.services;
    const { email } = (await accounts.find(nodes.admin().id)) ?? { email: null };
    const { id } = await organizations.create(
      { slug: 'acme', name: 'Acme' },
      { kind: 'operator', id: 'test' },
    );
    await organizations.addMember(id, nodes.admin().id, { kind: 'operator', id: 'test' });
    const made = await run(
      'key',
      'create',
      '--name',
      'Theirs',
      '--permission',
      'notes:read',
      '--account',
      email ?? '',
      '--organization',
      'acme',
      '--json',
    );

    expect(made.json).toMatchObject({ accountId: nodes.admin().id, organizationId: id });
    expect(await create('--account', 'nobody@example.com')).toMatchObject({ code: 3 });
  });

  it('names what nobody may give', async () => {
    const { id } = await createPerson(nodes.services);
    const refused = await create('--account', id, '--permission', 'accounts:delete');

    expect(refused).toMatchObject({ code: 4 });
    expect(refused.error).toMatch(/permissions: .*accounts:delete/);
  });

  it('says until when an old secret works', async () => {
    const { json } = await create('--json');
    const { out } = await run('key', 'rotate', json.id, '--overlap', '60');

    expect(out).toMatch(/secret {7}kse_\w+\nsecret {7}kse_\w+, until \d{4}-/);
  });

  it('sets and changes everything that a key has', async () => {
    const { audience } = await createApi(nodes.services);
    const lists = ['--api', audience, '--allow-address', '192.0.2.0/24', '--constraint', 'model=small,large'];
    const more = [
      '--limit',
      '100/hour+10',
      '--claim',
      'tier=gold',
      '--claim',
      'seats=3',
      '--notes',
      'ours',
      '--expires',
      'never',
    ];
    const { json } = await create(...lists, ...more, '--json');
    expect(json).toMatchObject({
      apis: [audience],
      allowedAddresses: ['192.0.2.0/24'],
      constraints: { model: ['small', 'large'] },
      rateLimits: [{ permits: 100, per: 'hour', burst: 10 }],
      claims: { tier: 'gold', seats: 3 },
      notes: 'ours',
      expiresAt: null,
    });
    const emptied = [
      '--api',
      '',
      '--allow-address',
      '',
      '--constraint',
      '',
      '--limit',
      '',
      '--claim',
      '',
      '--notes',
      '',
    ];
    const changed = await run('key', 'change', json.id, '--name', 'Bare', ...emptied, '--json');
    expect(changed.json).toMatchObject({
      ...{
        name: 'Bare',
        apis: null,
        allowedAddresses: null,
        constraints: {},
        rateLimits: [],
        claims: {},
        notes: null,
      },
    });
    expect((await run('key', 'disable', json.id)).out).toContain('state        disabled');
    expect((await run('key', 'enable', json.id)).out).toContain('state        active');
  });

  it('makes sub-keys and shows a family', async () => {
    const { json: parent } = await create('--json');
    const { json: child } = await run(
      ...['key', 'create', '--name', 'Agent', '--permission', 'notes:read', '--parent', parent.id, '--json'],
    );
    expect(child).toMatchObject({ parentId: parent.id, depth: 1 });
    const family = await run('key', 'show', parent.id, '--family', '--json');
    expect(family.json.items.map(({ id }: { id: string }) => id)).toEqual([parent.id, child.id]);
  });

  it('rotates the pepper, and shows what is under which', async () => {
    await run('key', 'pepper', 'rotate');
    expect((await run('key', 'pepper', 'list')).out).toMatch(/^2 +yes/m);
  });

  it('says what is wrong', async () => {
    expect(await run('key', 'create', '--name', 'x')).toMatchObject({ code: 2 });
    expect(await run('key', 'revoke', '--yes')).toMatchObject({ code: 2 });
    expect((await create('--limit', '5/fortnight')).error).toContain('--limit takes a rate');
    expect((await create('--allow-address', '192.0.2.0/99')).error).toContain('allowedAddresses');
    expect((await run('key', 'show', 'key_none')).error).toContain('There is no such API key');
    expect((await create('--limit', '-5/hour')).code).toBe(2);
  });
});
