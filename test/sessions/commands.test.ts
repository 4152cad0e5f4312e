// gatehouse session, grant and logout, as an operator and a script see them.
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { bind, runCommandLine } from '../../src/platform/command-line/run.ts';
import { commands } from '../../src/sessions/commands.ts';
import { relyingParty } from '../flows/relying-party.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson } from '../support/people.ts';

const gatehouse = useGatehouse();

async function run(...words: string[]) {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  streams.stdin.end('');
  const open = async () => ({ services: gatehouse.services, close: async () => {} });
  const groups = { session: 'Sessions.', grant: 'Grants.', logout: 'Notices.' };
  const program = { name: 'gatehouse', summary: '', version: '0', groups, commands: bind(commands, open) };
  const code = await runCommandLine(program, words, streams);
  return { code, out: String(streams.stdout.read() ?? ''), error: String(streams.stderr.read() ?? '') };
}

async function signedIn() {
  const person = await createPerson(gatehouse.services);
  const app = await relyingParty(gatehouse, {
    firstParty: true,
    backchannelLogoutUri: 'http://127.0.0.1:9/nobody',
  });
  const { tokens } = await app.signIn(person);
  return { person, app, tokens };
}

const json = async (...words: string[]) => JSON.parse((await run(...words, '--json')).out);

it('session end ends everything of an account, of a client, of both, and says how much it was', async () => {
  const { person, app } = await signedIn();
  const other = await signedIn();
  const third = await signedIn();

  expect(await json('session', 'end', '--account', person.id, '--yes')).toMatchObject({
    sessions: 1,
    grants: 1,
  });
  expect(await json('session', 'end', '--client', app.client.id, '--yes')).toMatchObject({ sessions: 0 });
  expect(await json('session', 'end', '--client', other.app.client.id, '--yes')).toMatchObject({ grants: 1 });
  const both = ['--account', third.person.id, '--client', third.app.client.id, '--yes'];
  expect(await json('session', 'end', ...both)).toMatchObject({ sessions: 1, grants: 1 });
});

it('session end --everyone goes alone, asks, and ends all there is', async () => {
  await signedIn();
  expect((await run('session', 'end', '--everyone', '--account', 'x', '--yes')).code).toBe(2);
  expect((await run('session', 'end')).code).toBe(2);
  expect((await run('session', 'end', '--everyone')).code).not.toBe(0);
  expect((await json('session', 'list')).items).not.toEqual([]);

  await json('session', 'end', '--everyone', '--yes');
  expect((await json('session', 'list')).items).toEqual([]);
  expect((await json('grant', 'list')).items).toEqual([]);
});

it('session list shows those in which a client takes part', async () => {
  const { person, app } = await signedIn();
  await signedIn();
  const { items } = await json('session', 'list', '--client', app.client.id);

  expect(items).toMatchObject([{ accountId: person.id }]);
});

it('grant list shows what was allowed, and grant revoke ends one', async () => {
  const { person, app } = await signedIn();
  const { items } = await json('grant', 'list', '--account', person.id);
  expect(items).toMatchObject([{ clientId: app.client.id, scopes: ['openid', 'email'] }]);
  expect((await run('grant', 'revoke', items[0].id)).code).toBe(0);

  expect((await json('grant', 'list', '--account', person.id)).items).toEqual([]);
  expect((await run('grant', 'revoke', items[0].id)).error).toContain('There is no such grant');
});

it('logout list shows what waits and why, and logout retry makes it due', async () => {
  const { person, app } = await signedIn();
  await json('session', 'end', '--account', person.id, '--yes');
  const { items } = await json('logout', 'list', '--client', app.client.id, '--state', 'waiting');

  expect(items).toMatchObject([{ accountId: person.id, state: 'waiting' }]);
  expect((await run('logout', 'retry', items[0].id)).code).toBe(0);
  expect((await run('logout', 'retry', 'lod_none')).code).not.toBe(0);
  expect((await run('logout', 'list', '--state', 'lost')).code).toBe(2);
});

it('lists go on where a page ended', async () => {
  const { person } = await signedIn();
  const app = await relyingParty(gatehouse, { firstParty: true });
  await app.signIn(person);
  const first = await json('session', 'list', '--account', person.id, '--limit', '1');
  const next = await json(
    'session',
    'list',
    '--account',
    person.id,
    '--limit',
    '1',
    '--cursor',
    first.nextCursor,
  );

  expect(new Set([first.items[0].id, next.items[0].id]).size).toBe(2);
  expect(next.nextCursor).toBeNull();
});
