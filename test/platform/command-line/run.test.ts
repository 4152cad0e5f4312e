// The command line: what commands are given, what is printed, and the exit codes that scripts rely on.
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  type Command,
  confirmed,
  passwordStdin,
  readNewPassword,
  UsageMistake,
  yes,
} from '../../../src/platform/command.ts';
import { bind, runCommandLine } from '../../../src/platform/command-line/run.ts';
import { loadConfig } from '../../../src/platform/config/load.ts';
import { failure } from '../../../src/platform/errors.ts';
import { currentOrigin } from '../../../src/platform/origin.ts';
import { testTerminal } from '../../support/terminal.ts';

interface Services {
  greeting: string;
}

const commands: Command<Services>[] = [
  {
    name: 'thing show',
    summary: 'Show a thing.',
    arguments: [
      { name: 'id', summary: 'Its id.' },
      { name: 'part', summary: 'A part of it.', optional: true },
    ],
    options: [
      { name: 'redirect-uri', value: 'uri', repeat: true, summary: 'Any number.' },
      { name: 'kind', value: 'kind', choices: ['web', 'spa'], summary: 'One of two.' },
      { name: 'limit', value: 'count', summary: 'A number.' },
      { name: 'since', value: 'time', summary: 'A time.' },
      { name: 'all', summary: 'A flag.' },
    ],
    async run({ services, args, options, by }) {
      const seen = {
        greeting: services.greeting,
        id: args.text('id'),
        part: args.optional('part'),
        uris: options.list('redirect-uri'),
        kind: options.text('kind'),
        limit: options.number('limit'),
        since: options.time('since'),
        all: options.flag('all'),
        by: by.kind,
        origin: currentOrigin(),
      };
      return {
        json: seen,
        text: { columns: ['id', 'greeting'], rows: [[seen.id, seen.greeting]], empty: 'none' },
      };
    },
  },
  {
    name: 'thing remove',
    summary: 'Remove a thing.',
    options: [yes],
    async run(input) {
      return { json: {}, text: (await confirmed(input, 'Remove it?')) ? 'removed' : 'kept' };
    },
  },
  {
    name: 'secret',
    summary: 'Set a secret.',
    options: [passwordStdin],
    async run(input) {
      return { json: {}, text: `${(await readNewPassword(input)).length} characters` };
    },
  },
  {
    name: 'need',
    summary: 'Needs an option.',
    options: [{ name: 'name', value: 'name', required: true, summary: 'Needed.' }],
    async run({ options, io }) {
      io.say(options.required('name'));
    },
  },
  ...Object.entries({
    absent: () => failure('account_not_found'),
    refused: () => failure('identifier_taken'),
    invalid: () => failure('password_too_short', { minimumLength: 15 }),
    away: () => failure('database_unavailable'),
    unknown: () => new Error('one\ntwo'),
    usage: () => new UsageMistake('The two differ.'),
    zod: () => z.object({ name: z.string() }).safeParse({}).error,
  }).map(
    ([name, make]): Command<Services> => ({
      name: `fail-${name}`,
      summary: 'Fails.',
      async run() {
        throw make();
      },
    }),
  ),
  {
    name: 'fail-config',
    summary: 'Fails.',
    async run() {
      loadConfig({ environment: { PORT: 'x' }, directory: undefined });
    },
  },
];

async function run(line: string, terminal = testTerminal('')) {
  const closed: boolean[] = [];
  const open = async () => ({ services: { greeting: 'hello' }, close: async () => void closed.push(true) });
  const program = {
    name: 'gatehouse',
    summary: 'Test.',
    version: '1.2.3',
    groups: { thing: 'Things.' },
    commands: bind(commands, open),
  };
  const code = await runCommandLine(program, line.split(' ').filter(Boolean), terminal);
  return { code, out: terminal.out(), err: terminal.err(), closed: closed.length };
}

describe('what a command is given', () => {
  it('reads arguments and options by their kind, wherever --json stands', async () => {
    const line =
      'thing show a1 --redirect-uri https://a --redirect-uri https://b --kind web --limit 5 --since 2026-01-31 --all';
    const { code, out } = await run(`--json ${line}`);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      greeting: 'hello',
      id: 'a1',
      uris: ['https://a', 'https://b'],
      kind: 'web',
      limit: 5,
      since: '2026-01-31T00:00:00.000Z',
      all: true,
      by: 'operator',
      origin: { address: null, userAgent: 'gatehouse-cli/1.2.3', requestId: expect.any(String) },
    });
    expect((await run(`${line} --json`)).code).toBe(0);
  });

  it('prints a table without --json, and closes the services', async () => {
    expect(await run('thing show a1')).toEqual({
      code: 0,
      out: 'ID  GREETING\na1  hello\n',
      err: '',
      closed: 1,
    });
  });

  it('lets no name steer the terminal', async () => {
    const { out } = await run('thing show \u001b[2J\u202eabc');
    expect(out).not.toContain('\u001b');
    expect(out).not.toContain('\u202e');
  });

  it('says only the result on standard output with --json', async () => {
    expect(await run('need --name x --json')).toMatchObject({ out: '{}\n', err: 'x\n' });
  });
});

describe('exit codes and errors', () => {
  it.each([
    ['fail-absent', 3, 'error: There is no such account. (account_not_found)\n'],
    ['fail-refused', 4, 'error: This mail address or user name is already in use. (identifier_taken)\n'],
    ['fail-invalid', 2, 'error: The password is too short. minimumLength: 15 (password_too_short)\n'],
    ['fail-unknown', 1, 'error: one two (internal_error)\n'],
    ['fail-usage', 2, 'error: The two differ. (usage)\n'],
    ['thing show a --limit x', 2, 'error: --limit must be a whole number. (usage)\n'],
    ['thing show', 2, "error: missing required argument 'id' (usage)\n"],
    ['thing show a b c', 2, /^error: too many arguments .*\(usage\)\n$/],
    ['thing show a --kind x', 2, /^error: option '--kind <kind>' argument 'x' is invalid.*\(usage\)\n$/],
    ['thing show a --nope', 2, /^error: unknown option '--nope'.*\(usage\)\n$/],
    ['thing show a --since yesterday', 2, /^error: --since must be a date .*\(usage\)\n$/],
    ['need', 2, /^error: required option '--name <name>' not specified \(usage\)\n$/],
    ['thing', 2, 'error: choose a command: thing show, thing remove (usage)\n'],
    ['nope', 2, "error: unknown command 'nope' (usage)\n"],
    ['', 2, 'error: choose a command; --help lists them (usage)\n'],
  ])('%s ends with %i', async (line, code, err) => {
    const said = await run(line);
    expect(said.code).toBe(code);
    expect(said.out).toBe('');
    if (typeof err === 'string') expect(said.err).toBe(err);
    else expect(said.err).toMatch(err);
  });

  it('ends with 75 when the database is away and 2 when a value does not fit its schema', async () => {
    expect((await run('fail-away')).code).toBe(75);
    const { code, err } = await run('fail-zod');
    expect(code).toBe(2);
    expect(err).toMatch(/^error: A value is not valid\. name: .* \(request_invalid\)\n$/);
  });

  it('ends with 78 and lists the mistakes of the configuration', async () => {
    const { code, err } = await run('fail-config');
    expect(code).toBe(78);
    expect(err).toContain('  - PORT "x" must be');
  });

  it('writes errors as JSON with --json', async () => {
    const { err } = await run('fail-invalid --json');
    expect(JSON.parse(err)).toEqual({
      error: {
        code: 'password_too_short',
        message: 'The password is too short. minimumLength: 15',
        details: { minimumLength: 15 },
      },
    });
    expect(JSON.parse((await run('nope --json')).err).error.code).toBe('usage');
  });

  it('shows a stack only with --debug', async () => {
    expect((await run('fail-unknown')).err).not.toContain('    at ');
    expect((await run('fail-unknown --debug')).err).toContain('    at ');
  });

  it('closes the services when a command fails', async () => {
    expect((await run('fail-unknown')).closed).toBe(1);
  });

  it('prints help and the version with exit code 0', async () => {
    expect((await run('--version')).out).toBe('1.2.3\n');
    const { code, out } = await run('thing show --help');
    expect(code).toBe(0);
    expect(out).toContain('--redirect-uri <uri>');
    expect(out).toContain('--json');
  });
});

describe('questions', () => {
  it('asks twice for a password and shows neither', async () => {
    const terminal = testTerminal();
    terminal.type('correct horse\rcorrect horse\r');
    const said = await run('secret', terminal);
    expect(said).toMatchObject({ code: 0, out: '13 characters\n' });
    expect(said.err).not.toContain('correct');
    expect(terminal.rawModes).toEqual([true, false, true, false]);
  });

  it('refuses two passwords that differ, and an empty one', async () => {
    const differing = testTerminal();
    differing.type('one\rtwo\r');
    expect((await run('secret', differing)).err).toContain('The two passwords differ.');
    expect((await run('secret --password-stdin', testTerminal('\n'))).err).toContain(
      'The password is empty.',
    );
  });

  it('reads a password from standard input, without the line end', async () => {
    expect((await run('secret --password-stdin', testTerminal('p\u00e4ss w\u00f6rd \n'))).out).toBe(
      '10 characters\n',
    );
  });

  it('says what to do when nobody can type', async () => {
    expect(await run('secret')).toMatchObject({
      code: 2,
      err: expect.stringContaining('use --password-stdin'),
    });
    expect(await run('thing remove')).toMatchObject({ code: 2, err: expect.stringContaining('add --yes') });
    expect(await run('thing remove --yes')).toMatchObject({ code: 0, out: 'removed\n' });
  });

  it('confirms with yes and keeps with anything else', async () => {
    for (const [typed, outcome] of [
      ['y\r', 'removed\n'],
      ['\r', 'kept\n'],
    ] as const) {
      const terminal = testTerminal();
      terminal.type(typed);
      expect((await run('thing remove', terminal)).out).toBe(outcome);
    }
  });

  it('ends with 130 at Ctrl-C and gives the terminal back', async () => {
    const terminal = testTerminal();
    terminal.type('half a pass\u0003');
    expect(await run('secret', terminal)).toMatchObject({ code: 130, out: '' });
    expect(terminal.rawModes.at(-1)).toBe(false);
  });
});

it('turns the echo of the terminal off before it asks', async () => {
  const terminal = testTerminal();
  const seen: string[] = [];
  terminal.stdin.setRawMode = (on) => seen.push(`raw ${on}, said ${JSON.stringify(terminal.err())}`);
  terminal.type('correct horse\rcorrect horse\r');
  await run('secret', terminal);
  expect(seen[0]).toBe('raw true, said ""');
});
