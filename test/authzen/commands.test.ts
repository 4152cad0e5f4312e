// gatehouse access resource …, as a person and a script see it.
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { commands } from '../../src/authzen/commands.ts';
import { bind, runCommandLine } from '../../src/platform/command-line/run.ts';
import { operator, tag, useDecisions } from './world.ts';

const world = useDecisions();

async function run(words: string[], input = '') {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  streams.stdin.end(input);
  const open = async () => ({ services: world, close: async () => {} });
  const groups = { access: 'Access.', 'access resource': 'Resources.' };
  const program = { name: 'gatehouse', summary: '', version: '0', groups, commands: bind(commands, open) };
  const code = await runCommandLine(program, ['access', 'resource', ...words], streams);
  const out = String(streams.stdout.read() ?? '');
  return { code, out, error: String(streams.stderr.read() ?? '') };
}

describe('gatehouse access resource', () => {
  it('sets, lists and removes', async () => {
    const set = await run([
      'set',
      'todo',
      '1',
      '--property',
      'owner=anna=b',
      '--properties',
      '{"done":false}',
    ]);
    expect([set.code, set.out]).toEqual([0, expect.stringContaining('{"done":false,"owner":"anna=b"}')]);
    const list = await run(['list', '--type', 'todo', '--json']);
    expect(JSON.parse(list.out).items).toMatchObject([
      { type: 'todo', id: '1', properties: { done: false, owner: 'anna=b' } },
    ]);
    expect((await run(['list'])).out).toContain('anna=b');
    expect((await run(['remove', 'todo', '1', '--yes'])).out).toContain('Removed todo:1.');
    expect((await run(['list'])).out).toContain('No resources.');
    expect(await run(['remove', 'todo', '1', '--yes'])).toMatchObject({
      code: 3,
      error: expect.stringContaining('There is no such registered resource.'),
    });
  });

  it('imports any number from standard input, and says which line is not right', async () => {
    const lines = Array.from({ length: 1500 }, (_none, at) => JSON.stringify({ type: 'line', id: `${at}` }));
    const first = await run(['import'], `${lines.join('\n')}\n\n`);
    expect([first.code, first.out.trim()]).toEqual([0, 'Registered 1500, changed 0, left 0 as they are.']);
    const again = await run(['import', '--json'], lines.slice(0, 2).join('\n'));
    expect(JSON.parse(again.out)).toEqual({ made: 0, changed: 0, unchanged: 2 });
    const wrong = await run(['import'], `${lines[0]}\n[1]\n`);
    expect([wrong.code, wrong.error]).toEqual([2, expect.stringContaining('line 2')]);
  });

  it('knows an organization by its slug', async () => {
    const slug = `o-${tag()}`;
    const { id } = await world.organizations.create({ slug, name: 'O' }, operator);
    await run(['set', 'plan', '1', '--organization', slug]);
    expect(await world.resources.find({ organizationId: id, type: 'plan', id: '1' })).toMatchObject({
      version: 1,
    });
    expect((await run(['set', 'plan', '1', '--organization', 'nothing'])).code).toBe(3);
  });

  it.each([
    [['set', 'todo', '1', '--property', 'owner']],
    [['set', 'todo', '1', '--properties', '[]']],
    [['set', 'todo', '1', '--properties', '{']],
  ])('says how it is done when it is done wrong: %j', async (words) => {
    const { code, error } = await run(words);
    expect([code, error]).toEqual([2, expect.stringMatching(/--propert(y|ies) takes/)]);
  });
});
