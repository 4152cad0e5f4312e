// gatehouse user …, as a person and a script see it.
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { commands as accountCommands } from '../../src/accounts/commands.ts';
import { commands as credentialCommands } from '../../src/credentials/commands.ts';
import { bind, runCommandLine } from '../../src/platform/command-line/run.ts';
import { useDatabase } from '../support/database.ts';
import { createWorld, from, PASSWORD } from './world.ts';

const { postgres, db } = useDatabase();
const world = createWorld(postgres);

async function run(words: string[], input = '') {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  streams.stdin.end(input);
  const open = async () => ({ services: { ...world, postgres }, close: async () => {} });
  const program = {
    name: 'gatehouse',
    summary: '',
    version: '0',
    groups: { user: 'People.' },
    commands: [...bind(accountCommands, open), ...bind(credentialCommands, open)],
  };
  const code = await runCommandLine(program, words, streams);
  return { code, out: String(streams.stdout.read() ?? ''), error: String(streams.stderr.read() ?? '') };
}

const signIn = (identifier: string, password: string) =>
  from('192.0.2.9', () => world.credentials.verify('password', { identifier, password }));

it('user create prints the id alone, and the person can sign in', async () => {
  const words = [
    'user',
    'create',
    '--email',
    'cli@example.com',
    '--name',
    'Cli',
    '--admin',
    '--password-stdin',
  ];
  const { code, out } = await run(words, `${PASSWORD}\n`);
  expect(code).toBe(0);
  expect(out).toMatch(/^acc_[0-9a-z]{26}\n$/);
  expect(await signIn('cli@example.com', PASSWORD)).toMatchObject({ kind: 'ok', account: { admin: true } });
  const event = await db('audit_events')
    .where({ type: 'account.created', account_id: out.trim() })
    .first('actor_kind');
  expect(event?.actor_kind).toBe('operator');
});

it('user create leaves no account behind when the password is refused', async () => {
  const { code, error } = await run(['user', 'create', '--username', 'weak', '--password-stdin'], 'short\n');
  expect(code).not.toBe(0);
  expect(error).toContain('too short');
  expect(await world.accounts.findByIdentifier('weak')).toBeUndefined();
});

it('user create needs a name to sign in by', async () => {
  expect((await run(['user', 'create', '--without-password'])).code).toBe(2);
});

it('user show says what stands against the sign-in, without the password', async () => {
  await run(['user', 'create', '--username', 'shown', '--password-stdin'], PASSWORD);
  for (let time = 0; time < 5; time += 1) await signIn('shown', 'wrong');
  const { code, out } = await run(['user', 'show', 'shown', '--json']);
  expect(code).toBe(0);
  const view = JSON.parse(out);
  expect(view).toMatchObject({ username: 'shown', password: 'set', status: 'active' });
  expect(Date.parse(view.lockedUntil)).toBeGreaterThan(Date.now());
  expect(out).not.toContain('argon2');
  expect((await run(['user', 'show', 'shown'])).out).toContain('lockedUntil');
});

it('user release lets a waiting person try again', async () => {
  expect((await signIn('shown', PASSWORD)).kind).toBe('locked');
  const { out } = await run(['user', 'release', 'SHOWN', '--json']);
  expect(JSON.parse(out)).toMatchObject({ released: true });
  expect((await signIn('shown', PASSWORD)).kind).toBe('ok');
  expect(JSON.parse((await run(['user', 'release', '--address', '192.0.2.9', '--json'])).out)).toMatchObject({
    released: false,
  });
  expect((await run(['user', 'release'])).code).toBe(2);
});

it('user change sets what is given and empties what is given empty', async () => {
  const change = async (...more: string[]) =>
    JSON.parse((await run(['user', 'change', 'shown', ...more, '--json'])).out);
  const changed = await change('--name', 'Grace', '--locale', 'de-AT', '--email-verified', 'no');
  expect(changed).toMatchObject({ name: 'Grace', locale: 'de-AT', username: 'shown', admin: false });
  expect(await change('--name', '')).toMatchObject({
    name: null,
    locale: 'de-AT',
    version: changed.version + 1,
  });
  expect((await run(['user', 'change', 'shown', '--admin', 'perhaps'])).code).toBe(2);
});

it('user suspend, reinstate and set-password do what they say', async () => {
  await run(['user', 'suspend', 'shown', '--reason', 'left']);
  expect((await signIn('shown', PASSWORD)).kind).toBe('refused');
  await run(['user', 'reinstate', 'shown']);
  const next = 'a second lamp on the pier';
  expect((await run(['user', 'set-password', 'shown', '--password-stdin'], next)).code).toBe(0);
  expect((await signIn('shown', next)).kind).toBe('ok');
});

it('user set-password ends what is signed in, or leaves it with --keep-sessions', async () => {
  const { id } = (await world.accounts.findByIdentifier('shown')) ?? { id: 'nobody' };
  const ends = () => world.ended.filter((ended) => ended === id).length;
  const before = ends();
  await run(
    ['user', 'set-password', 'shown', '--password-stdin', '--keep-sessions'],
    'a third lamp on the pier',
  );
  expect(ends()).toBe(before);
  await run(['user', 'set-password', 'shown', '--password-stdin'], 'a fourth lamp on the pier');
  expect(ends()).toBe(before + 1);
});

it('user list pages and filters', async () => {
  const { out, error } = await run(['user', 'list', '--limit', '1']);
  expect(out).toContain('shown');
  expect(error).toContain('--cursor ');
  const page = JSON.parse((await run(['user', 'list', '--search', 'cli@', '--json'])).out);
  expect(page.items.map((item: { email: string }) => item.email)).toEqual(['cli@example.com']);
  expect((await run(['user', 'list', '--status', 'gone'])).code).toBe(2);
});

it('user delete asks first, and protects the last administrator', async () => {
  expect((await run(['user', 'delete', 'shown'])).code).toBe(2);
  expect((await run(['user', 'delete', 'shown', '--yes'])).code).toBe(0);
  expect(await world.accounts.findByIdentifier('shown')).toBeUndefined();
  const { code, error } = await run(['user', 'delete', 'cli@example.com', '--yes']);
  expect(code).not.toBe(0);
  expect(error).toContain('last administrator');
  expect((await run(['user', 'show', 'nobody'])).code).not.toBe(0);
});
