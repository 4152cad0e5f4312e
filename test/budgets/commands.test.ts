// gatehouse budget …, gatehouse usage … and gatehouse key usage, as a person and a script see them.
import { describe, expect, it } from 'vitest';
import { commands as budgetCommands } from '../../src/budgets/commands.ts';
import { bind, runCommandLine } from '../../src/platform/command-line/run.ts';
import { commands as usageCommands } from '../../src/usage/commands.ts';
import { useDatabase } from '../support/database.ts';
import { testTerminal } from '../support/terminal.ts';
import { createNode, things } from './world.ts';

const database = useDatabase();
const { budgets, usage } = createNode(database.postgres);
const make = things(database);

async function run(...words: string[]) {
  const terminal = testTerminal('');
  const open = async () => ({ services: { budgets, usage }, close: async () => {} });
  const program = {
    name: 'gatehouse',
    summary: '',
    version: '0',
    groups: { budget: 'Budgets.', usage: 'Usage.', key: 'Keys.' },
    commands: [...bind(budgetCommands, open), ...bind(usageCommands, open)],
  };
  const code = await runCommandLine(program, words, terminal);
  const json = words.includes('--json') && code === 0 ? JSON.parse(terminal.out()) : undefined;
  return { code, out: terminal.out(), error: terminal.err(), json };
}

describe('budget', () => {
  it('is set, shown, changed, corrected and removed', async () => {
    const { id: organization } = await make.organization('Europe/Vienna');
    const words = ['--organization', organization, '--meter', 'money', '--window', 'month'];
    const set = await run(
      'budget',
      'set',
      ...words,
      '--limit',
      '5000000',
      '--soft-limit',
      '4000000',
      '--json',
    );
    expect(set.json).toMatchObject({ limit: 5_000_000, state: { used: 0, remaining: 5_000_000 } });
    const id: string = set.json.id;
    expect((await run('budget', 'list', '--organization', organization)).out).toContain(id);
    expect((await run('budget', 'change', id, '--soft-limit', '')).out).toContain('soft limit  none');
    expect((await run('budget', 'adjust', id, '77')).out).toContain('used        77, 0 reserved');
    expect((await run('budget', 'show', id)).out).toContain('begins anew');
    expect((await run('budget', 'check')).out).toContain('All counters are the sums of their entries.');
    expect((await run('budget', 'remove', id, '--yes')).code).toBe(0);
    expect((await run('budget', 'show', id)).error).toContain('There is no such budget.');
  });

  it('says what is wrong with it', async () => {
    const words = ['budget', 'set', '--meter', 'miles', '--window', 'day', '--limit', '1'];
    expect((await run(...words)).error).toContain('Say whose budget it is');
    expect((await run(...words, '--token', 'a', '--key', 'b')).error).toContain('A budget is of one thing');
    expect((await run(...words, '--token', 'a')).error).toContain('There is no such meter.');
    const negative = ['budget', 'set', '--meter', 'money', '--window', 'day', '--limit=-1', '--token', 'a'];
    expect((await run(...negative)).error).toContain('whole number');
  });

  it('may be on a meter of ones own', async () => {
    await run('budget', 'add-meter', 'pages', 'Pages that were printed.');
    expect((await run('budget', 'meters')).out).toContain('Pages that were printed.');
    expect(
      (await run('budget', 'set', '--token', 't', '--meter', 'pages', '--window', 'day', '--limit', '3'))
        .code,
    ).toBe(0);
    expect((await run('budget', 'remove-meter', 'pages')).error).toContain(
      'There are budgets on this meter.',
    );
  });

  it('check fails when the counters are not the sums of their entries', async () => {
    const { id } = await make.account();
    const set = await run(
      'budget',
      'set',
      '--account',
      id,
      '--meter',
      'tokens',
      '--window',
      'total',
      '--limit',
      '9',
      '--json',
    );
    await budgets.adjust(set.json.id, 3, { kind: 'operator', id: 'test' });
    await database.db('budget_windows').where({ budget_id: set.json.id }).update({ used: 4 });
    const { code, out } = await run('budget', 'check');
    expect([code, out.includes(set.json.id)]).toEqual([1, true]);
  });
});

describe('usage', () => {
  it('is shown for a key, for everybody, and as comma-separated values', async () => {
    usage.count({ apiKeyId: 'key_1', accountId: 'acc_1' }, 'verify', { tokens: 5n });
    await usage.flush();
    expect((await run('key', 'usage', 'key_1')).out).toMatch(/key_1.*verify.*tokens\s+5/);
    expect((await run('key', 'usage', 'key_1', '--csv')).out.trim().split('\n')).toHaveLength(3);
    expect((await run('usage', 'list', '--subject-kind', 'account', '--json')).json.items).toHaveLength(2);
    expect((await run('usage', 'export', '--by', 'day')).out).toContain(
      'T00:00:00.000Z,account,acc_1,,verify,tokens,5',
    );
    expect((await run('usage', 'export', '--json')).error).toContain('Comma-separated values are no JSON');
    expect((await run('key', 'usage', 'key_none')).out).toContain('Nothing was used.');
  });
});
