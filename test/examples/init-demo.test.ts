// gatehouse init --demo: the first administrator and sample data, as often as one likes.
import { expect, it } from 'vitest';
import { bind, runCommandLine } from '../../src/platform/command-line/run.ts';
import type { Services } from '../../src/services.ts';
import { commands } from '../../src/setup/commands.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { testTerminal } from '../support/terminal.ts';

const gatehouse = useGatehouse();

async function init(password: string, words: string[], services: Services = gatehouse.services) {
  const terminal = testTerminal(password);
  const open = async () => ({ services, close: async () => {} });
  const program = {
    name: 'gatehouse',
    summary: '',
    version: '0',
    groups: {},
    commands: bind(commands, open),
  };
  const code = await runCommandLine(program, ['init', ...words, '--password-stdin', '--json'], terminal);
  return { code, json: code === 0 ? JSON.parse(terminal.out()) : undefined, error: terminal.err() };
}

const admin = ['--demo', '--email', 'ada@example.com'];

it('is refused in production, where a sample person has no business', async () => {
  const config = { ...gatehouse.services.config, environment: 'production' as const };
  const { code, error } = await init('quiet harbour of old lamps', admin, { ...gatehouse.services, config });
  expect(code).toBe(2);
  expect(error).toContain('production');
  expect(await gatehouse.services.accounts.hasAny()).toBe(false);
});

it('makes administrator and sample data, and shows each secret once', async () => {
  const { accounts, clients, apis, credentials } = gatehouse.services;
  const first = await init('quiet harbour of old lamps', admin);
  expect(first.code).toBe(0);
  expect((await accounts.findByIdentifier('ada@example.com'))?.admin).toBe(true);
  expect((await accounts.findByIdentifier('demo@example.com'))?.admin).toBe(false);
  const { person, app, service } = first.json.demo;
  expect(await clients.secretMatches('demo-app', app.clientSecret)).toBe(true);
  expect(await clients.secretMatches('demo-service', service.clientSecret)).toBe(true);
  const proof = { identifier: person.email, password: person.password };
  expect((await credentials.verify('password', proof)).kind).toBe('ok');

  const again = await init('', ['--demo']);
  expect(again.code).toBe(0);
  expect(again.json.id).toBeNull();
  expect(again.json.demo).toMatchObject({
    person: { password: null },
    app: { clientSecret: null },
    service: { clientSecret: null },
  });
  expect(await clients.secretMatches('demo-app', app.clientSecret)).toBe(true);
  expect((await apis.list({ limit: 10, cursor: null })).items.map(({ name }) => name)).toEqual([
    'Management API',
    'Demo notes',
    'Demo reports',
  ]);
});

it('without --demo is still refused when there is an account', async () => {
  const { code, error } = await init('quiet harbour of old lamps', ['--email', 'eve@example.com']);
  expect(code).toBe(4);
  expect(error).toContain('already_set_up');
});
