// gatehouse message, as an operator and a script see it.
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { commands } from '../../src/messages/commands.ts';
import { templateNames } from '../../src/messages/templates.ts';
import { bind, runCommandLine } from '../../src/platform/command-line/run.ts';
import { useGatehouse } from '../support/gatehouse.ts';

// Nobody listens there, so that what is written stays.
const gatehouse = useGatehouse({ settings: { SMTP_URL: 'smtp://127.0.0.1:9' } });

async function run(...words: string[]) {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  streams.stdin.end('');
  const open = async () => ({ services: gatehouse.services, close: async () => {} });
  const groups = { message: 'Messages.' };
  const program = { name: 'gatehouse', summary: '', version: '0', groups, commands: bind(commands, open) };
  const code = await runCommandLine(program, words, streams);
  return { code, out: String(streams.stdout.read() ?? ''), error: String(streams.stderr.read() ?? '') };
}

it('message list shows what waits and why, and message retry has it sent again', async () => {
  const { messages, postgres } = gatehouse.services;
  const values = { code: '48203917', minutes: 10 };
  const letter = { channel: 'mail', template: 'factor-code', to: 'ada@example.com' } as const;
  await messages.send(postgres.db, { ...letter, accountId: null, locale: null, values });
  await expect.poll(async () => (await run('message', 'list')).out).toContain('unreachable');
  const listed = await run('message', 'list', '--state', 'waiting', '--channel', 'mail', '--json');
  const [one] = JSON.parse(listed.out).items;
  expect(one).toMatchObject({ to: 'ada@example.com', template: 'factor-code', attempts: 1 });
  expect(listed.out).not.toContain('48203917');
  expect((await run('message', 'list', '--state', 'failed')).out).toContain('There is no such message.');

  expect((await run('message', 'retry', one.id)).code).toBe(0);
  const { items } = await gatehouse.services.audit.list(
    { type: 'message.retried' },
    { limit: 5, cursor: null },
  );
  expect(items).toMatchObject([
    { target: { kind: 'message', id: one.id }, details: { template: 'factor-code' } },
  ]);
  expect((await run('message', 'retry', 'msg_none')).code).not.toBe(0);
});

it('message preview shows a mail in a language, its HTML, or its text message', async () => {
  expect((await run('message', 'preview')).out.trim().split('\n')).toEqual(templateNames);
  const german = await run('message', 'preview', 'new-device', '--locale', 'de');
  expect(german.out).toMatch(/^Subject: Neue Anmeldung bei Ihrem Konto\n/);
  expect((await run('message', 'preview', 'new-device', '--html')).out).toMatch(/^<!DOCTYPE html>/);
  expect((await run('message', 'preview', 'factor-code', '--sms')).out).toMatch(/@localhost/);
  expect(await run('message', 'preview', 'new-device', '--sms')).toMatchObject({ code: 2 });
  expect(await run('message', 'preview', 'nothing')).toMatchObject({ code: 2 });
});
