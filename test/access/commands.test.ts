// gatehouse role … and access …, as a person and a script see them.
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands } from '../../src/access/commands.ts';
import { bind, runCommandLine } from '../../src/platform/command-line/run.ts';
import { operator } from '../clients/support.ts';
import { useDatabase } from '../support/database.ts';
import { createAccessNode } from './world.ts';

const { postgres } = useDatabase();
const node = createAccessNode(postgres);
beforeAll(node.start);
afterAll(() => node.changes.stop());

async function run(...words: string[]) {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  const open = async () => ({ services: node, close: async () => {} });
  const program = {
    name: 'gatehouse',
    summary: '',
    version: '0',
    groups: { role: 'Roles.', access: 'Access.' },
    commands: bind(commands, open),
  };
  const code = await runCommandLine(program, words, streams);
  const out = String(streams.stdout.read() ?? '');
  const error = String(streams.stderr.read() ?? '');
  const json = words.includes('--json') && code === 0 ? JSON.parse(out) : undefined;
  return { code, out, error, json };
}

describe('role', () => {
  it('is made of permissions and parents by name, shown, changed, listed and removed', async () => {
    const made = await run(
      'role',
      'create',
      'writer',
      '--permission',
      'files:write',
      '--parent',
      'viewer',
      '--json',
    );
    expect(made.json).toMatchObject({ name: 'writer', permissions: ['files:write'] });
    const shown = await run('role', 'show', 'writer');
    expect(shown.out).toContain('inherits       viewer');
    expect(shown.out).toContain('permission     files:write');
    await run('role', 'change', 'writer', '--parent', '', '--description', 'Writes.');
    expect((await run('role', 'show', 'writer', '--json')).json).toMatchObject({
      parents: [],
      description: 'Writes.',
    });
    expect((await run('role', 'list')).out).toMatch(/writer.*files:write/);
    expect((await run('role', 'remove', 'writer', '--yes')).out).toContain('Removed writer.');
    expect((await run('role', 'show', 'writer')).error).toContain('There is no such role');
  });

  it('is assigned by what people call somebody, listed, and taken away', async () => {
    const person = await node.person();
    const place = await node.organization();
    await node.organizations.addMember(place.id, person.id, operator);
    await run('role', 'create', 'helper', '--permission', 'files:read');
    expect((await run('role', 'assign', 'helper', person.email ?? '')).out).toContain('has the role helper.');
    const inside = await run('role', 'assign', 'helper', person.username ?? '', '--organization', place.slug);
    expect(inside.out).toContain(`has the role helper in ${place.id}.`);
    const members = await run('role', 'members', 'helper', '--json');
    expect(members.json.items.map((one: { organizationId: string }) => one.organizationId)).toEqual([
      null,
      place.id,
    ]);
    expect((await run('role', 'remove', 'helper', '--yes')).error).toContain('The role is assigned.');
    await run('role', 'unassign', 'helper', person.id);
    expect((await run('role', 'members', 'helper', '--json')).json.items).toHaveLength(1);
    expect((await run('role', 'remove', 'helper', '--with-assignments', '--yes')).code).toBe(0);
  });

  it('asks which one is meant when an account and a client have the same name', async () => {
    const { username, id } = await node.person();
    await node.clients.register({ id: username ?? '', name: 'Same', kind: 'machine' }, operator);
    const mistake = await run('role', 'assign', 'viewer', username ?? '');
    expect([mistake.code, mistake.error]).toEqual([2, expect.stringContaining(`account:${username}`)]);
    expect((await run('role', 'assign', 'viewer', `account:${username}`, '--json')).json.subjectId).toBe(id);
    expect((await run('role', 'assign', 'viewer', 'nobody-at-all')).error).toContain(
      'There is no such account',
    );
  });

  it('says of a permission that is none what is wrong with it', async () => {
    const refused = await run('role', 'create', 'broken', '--permission', 'files:read:a::b');
    expect(refused.error).toContain('must not have an empty segment');
  });
});

describe('access', () => {
  it('explains from which role by which team something is allowed, and why something is not', async () => {
    const person = await node.person();
    const place = await node.organization();
    const team = await node.organizations.createTeam(place.id, { name: 'Support' }, operator);
    await node.organizations.addMember(place.id, person.id, operator);
    await node.organizations.addTeamMember(place.id, team.id, person.id, operator);
    await run(
      'role',
      'create',
      'support',
      '--permission',
      'tickets:read',
      '--permission',
      'tickets:close:@owner',
    );
    await run('role', 'assign', 'support', team.id);
    const at = ['--organization', place.slug];
    const explain = (...words: string[]) => run('access', 'explain', person.email ?? '', ...words);
    expect((await explain('read', 'tickets:7', ...at)).out).toBe(
      'Allowed.\n  tickets:read from role support (in team Support).\n',
    );
    expect((await explain('close', 'tickets:7', ...at, '--property', 'owner=somebody')).out).toBe(
      'Not allowed.\n  tickets:close:@owner from role support (in team Support) needs the subject to be the owner of the resource, and it is not.\n',
    );
    expect((await explain('close', 'tickets:7', ...at, '--property', `owner=${person.email}`)).out).toContain(
      'Allowed.',
    );
    expect((await explain('read', 'tickets:7')).out).toBe(
      'Not allowed.\n  The subject holds no permission for tickets:read.\n',
    );
    expect(await explain('read', 'tickets/7')).toMatchObject({ code: 2 });
    const json = await run('access', 'explain', person.id, 'read', 'tickets', ...at, '--json');
    expect(json.json).toMatchObject({ allowed: true, reasons: [{ code: 'permitted' }] });
    expect((await run('access', 'list', person.id, ...at)).out).toMatch(
      /tickets:read +role support \(in team Support\)/,
    );
    expect((await run('access', 'list', team.id)).code).toBe(2);
  });
});
