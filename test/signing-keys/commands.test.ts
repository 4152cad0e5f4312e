// gatehouse signing-keys …: what a person is told about a key that leaked.
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { bind, runCommandLine } from '../../src/platform/command-line/run.ts';
import { commands } from '../../src/signing-keys/commands.ts';
import { createNode, createTestClock } from '../clients/support.ts';
import { useDatabase } from '../support/database.ts';

const { postgres } = useDatabase();
const { signingKeys } = createNode(postgres, createTestClock());

async function run(...words: string[]) {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  const open = async () => ({ services: { signingKeys }, close: async () => {} });
  const groups = { 'signing-keys': 'Keys.' };
  const program = { name: 'gatehouse', summary: '', version: '0', groups, commands: bind(commands, open) };
  const code = await runCommandLine(program, ['signing-keys', ...words], streams);
  return { code, out: String(streams.stdout.read() ?? ''), error: String(streams.stderr.read() ?? '') };
}

it('withdraw says to rotate first, and --rotate does both', async () => {
  await signingKeys.start();
  const kid = signingKeys.snapshot()[0]?.kid ?? '';
  const refused = await run('withdraw', '--', kid);
  expect(refused.code).not.toBe(0);
  expect(refused.error).toContain('Rotate first');
  const { code, out } = await run('withdraw', '--rotate', '--json', '--', kid);
  expect(code).toBe(0);
  expect(JSON.parse(out).map((key: { kid: string }) => key.kid)).not.toContain(kid);
});
