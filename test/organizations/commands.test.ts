// gatehouse org … and team …, as a person and a script see them.
import { describe, expect, it } from 'vitest';
import { commands } from '../../src/organizations/commands.ts';
import { bind, runCommandLine } from '../../src/platform/command-line/run.ts';
import { createWorld } from '../credentials/world.ts';
import { useDatabase } from '../support/database.ts';
import { testTerminal } from '../support/terminal.ts';
import { createNode, createPeople } from './world.ts';

const database = useDatabase();
const { accounts } = createWorld(database.postgres);
const { organizations } = createNode(database);
const person = createPeople(database);

async function run(...words: string[]) {
  const terminal = testTerminal('');
  const program = {
    name: 'gatehouse',
    summary: '',
    version: '0',
    groups: { org: 'Organizations.', team: 'Teams.', user: 'People.' },
    commands: bind(commands, async () => ({ services: { accounts, organizations }, close: async () => {} })),
  };
  const code = await runCommandLine(program, words, terminal);
  const json = words.includes('--json') && code === 0 ? JSON.parse(terminal.out()) : undefined;
  return { code, out: terminal.out(), error: terminal.err(), json };
}

describe('org and team', () => {
  it('do the whole of it by words that people know: slugs, names, mail addresses', async () => {
    const account = await person('Grace');
    const email = (await accounts.find(account))?.email ?? '';
    const made = await run(
      ...['org', 'create', 'acme', '--name', 'Acme', '--permission', 'notes:read', '--json'],
    );
    expect(made.json).toMatchObject({ slug: 'acme', permissions: ['notes:read'], timeZone: 'UTC' });
    const changed = await run('org', 'change', 'acme', '--time-zone', 'Europe/Vienna');
    expect(changed.out).toContain('Europe/Vienna');
    expect((await run('org', 'list')).out).toContain('acme');
    expect((await run('org', 'add-member', 'acme', email)).out).toContain(`${email} is a member of acme.`);
    expect((await run('org', 'members', 'acme')).out).toContain(account);
    expect((await run('team', 'create', 'acme', 'Crew')).code).toBe(0);
    expect((await run('team', 'add-member', 'acme', 'crew', email)).out).toContain('is in Crew.');
    expect((await run('team', 'members', 'acme', 'Crew')).out).toContain('Grace');
    expect((await run('team', 'list', 'acme', '--json')).json.items).toHaveLength(1);
    expect((await run('user', 'organizations', email)).out).toMatch(/acme.*Crew/);
    expect((await run('team', 'change', 'acme', 'Crew', '--name', 'Staff')).out).toContain('Staff');
    expect((await run('team', 'show', 'acme', 'Staff', '--json')).json).toMatchObject({
      name: 'Staff',
      version: 2,
    });
    expect((await run('team', 'remove-member', 'acme', 'Staff', email)).out).toContain('is not in Staff.');
    expect((await run('team', 'delete', 'acme', 'Staff', '--yes')).out).toContain('is deleted');
    expect((await run('org', 'remove-member', 'acme', email)).out).toContain('is not a member of acme.');
    const suspended = await run('org', 'suspend', 'acme', '--reason', 'unpaid', '--json');
    expect(suspended.json.status).toBe('suspended');
    expect((await run('org', 'reinstate', 'acme', '--json')).json.status).toBe('active');
    expect((await run('org', 'delete', 'acme', '--yes')).out).toContain('is deleted');
    expect((await run('org', 'show', 'acme')).error).toContain('no such organization');
  });

  it('say what is wrong, and delete nothing that nobody confirmed', async () => {
    await run('org', 'create', 'bolt', '--name', 'Bolt');
    expect((await run('org', 'create', 'Bolt!', '--name', 'x')).error).toContain('lower-case');
    expect((await run('org', 'create', 'bolt', '--name', 'x')).error).toContain('already has this slug');
    expect((await run('org', 'change', 'bolt', '--time-zone', '+01:00')).error).toContain('Europe/Vienna');
    expect((await run('team', 'show', 'bolt', 'nobody')).error).toContain('no such team');
    expect((await run('org', 'delete', 'bolt')).error).toContain('--yes');
    expect((await run('org', 'show', 'bolt')).code).toBe(0);
  });
});
