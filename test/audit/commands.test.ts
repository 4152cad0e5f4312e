// gatehouse audit …, as a person and a script see it.
import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { createAudit } from '../../src/audit/audit.ts';
import { commands } from '../../src/audit/commands.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { bind, runCommandLine } from '../../src/platform/command-line/run.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { useDatabase } from '../support/database.ts';

const { postgres } = useDatabase();
const audit = createAudit({ postgres, log: silentLog, clock: systemClock });

beforeAll(async () => {
  const actor = { kind: 'account', id: 'acc_admin' } as const;
  await audit.append({ type: 'account.suspended', actor, outcome: 'success', accountId: 'acc_1' });
  await audit.append({ type: 'client.created', actor, outcome: 'success', clientId: 'app' });
  audit.refuse('form', 'cross_site');
  await audit.stop();
});

function start(...words: string[]) {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  const bound = bind(commands, async () => ({ services: { audit }, close: async () => {} }));
  const program = {
    name: 'gatehouse',
    summary: '',
    version: '0',
    groups: { audit: 'The ledger.' },
    commands: bound,
  };
  const code = runCommandLine(program, words, streams);
  const text = (stream: PassThrough) => String(stream.read() ?? '');
  return { code, out: () => text(streams.stdout), error: () => text(streams.stderr) };
}

test('audit list shows a table', async () => {
  const { code, out } = start('audit', 'list', '--account', 'acc_1');
  expect(await code).toBe(0);
  const text = out();
  expect(text).toContain('account.suspended');
  expect(text).not.toContain('client.created');
});

test('audit list --json prints one value with items and the next cursor, which leads to the next page', async () => {
  const first = start('audit', 'list', '--json', '--limit', '1');
  expect(await first.code).toBe(0);
  const page = JSON.parse(first.out());
  expect(page.items).toHaveLength(1);
  const second = start('audit', 'list', '--json', '--limit', '1', '--cursor', page.nextCursor);
  await second.code;
  expect(JSON.parse(second.out()).items[0].id).not.toBe(page.items[0].id);
});

test.each([
  [['audit', 'list', '--type', 'nothing.happened']],
  [['audit', 'list', '--type', 'nothing.*']],
  [['audit', 'list', '--limit', '0']],
  [['audit', 'list', '--outcome', 'maybe']],
  [['audit', 'list', '--from', 'yesterday']],
  [['audit', 'list', '--follow', '--json']],
])('refuses %j as a mistake of usage', async (words) => {
  expect(await start(...words).code).toBe(2);
});

test('audit export writes one JSON value per line, the oldest first', async () => {
  const { code, out } = start('audit', 'export');
  expect(await code).toBe(0);
  const lines = out().trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).type)).toEqual(['account.suspended', 'client.created']);
});

test('audit export --json writes one JSON value', async () => {
  const { code, out } = start('audit', 'export', '--json');
  expect(await code).toBe(0);
  expect(JSON.parse(out()).map((event: { type: string }) => event.type)).toEqual([
    'account.suspended',
    'client.created',
  ]);
});

test('audit refusals shows the counts', async () => {
  const { code, out } = start('audit', 'refusals', '--kind', 'form');
  expect(await code).toBe(0);
  expect(out()).toMatch(/1\s+form\s+cross_site\s+unknown/);
});

test('audit list --follow shows new events once', async () => {
  const { out } = start('audit', 'list', '--follow');
  await delay(200);
  await audit.append({ type: 'api.created', actor: { kind: 'operator', id: 'root' }, outcome: 'success' });
  await delay(3500);
  expect(out().match(/api\.created/g)).toHaveLength(1);
});
