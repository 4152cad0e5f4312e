// The log tells what happened and never a secret, whichever way the secret got in.
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { failure } from '../../../src/platform/errors.ts';
import { withOrigin } from '../../../src/platform/origin.ts';
import { createLog, type LogSettings } from '../../../src/platform/telemetry/log.ts';
import { useDatabase } from '../../support/database.ts';

const CANARY = 'Canary9xQzT7wLpR2vKbN5mHs8dFgJ3yUcE1aZiXo4tBq';
const JWT = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ';

function logged(write: (log: ReturnType<typeof createLog>) => void, format: LogSettings['format'] = 'json') {
  const lines: string[] = [];
  write(createLog({ level: 'debug', format }, { write: (line) => lines.push(line) }));
  return lines.join('');
}

describe('a secret in a log call', () => {
  const secrets: [string, unknown][] = [
    ['a password', { password: CANARY }],
    ['a field deep inside', { a: { b: [{ c: { client_secret: CANARY } }] } }],
    ['a header by its name', { headers: { Authorization: CANARY, 'Set-Cookie': [CANARY], DPoP: CANARY } }],
    ['camel case', { newPassword: CANARY, refreshToken: CANARY, codeVerifier: CANARY }],
    ['an authorization code', { code: CANARY, state: CANARY, request_uri: CANARY }],
    ['an assertion', { client_assertion: CANARY, assertion: CANARY }],
    ['a short one by its name', { user_code: 'CNRY-CNRY', device_code: 'canary', totpSecret: 'canary' }],
    ['a number', { code: 4242424242 }],
    ['a bearer token in a text', { note: 'got Bearer canarycanary from the client' }],
    ['a JWT in a text', { note: `the token ${JWT} is expired` }],
    ['an opaque token in a text', { note: `no token ${CANARY} here` }],
    ['a URL with a query', { url: `https://app.example.com/cb?code=canary&state=canary#id_token=canary` }],
    ['a URL object', { url: new URL('https://u:canary@app.example.com/cb?code=canary') }],
    ['a connection string', { note: 'connect to postgres://gatehouse:can@ry-canary@db.internal/x failed' }],
    ['a form in a text', { note: 'body was grant_type=password&password=canary&client_secret=canary' }],
    ['JSON in a text', { note: '{"client_secret": "canary", "code":"canary"}' }],
    ['a pushed request', { note: 'urn:ietf:params:oauth:request_uri:canary' }],
    ['an error message', { error: new Error(`bad token ${CANARY}`) }],
    ['the cause of a cause', { error: new Error('a', { cause: new Error('b', { cause: new Error(JWT) }) }) }],
    ['a cause that is no error', { error: new Error('a', { cause: { password: CANARY } }) }],
    ['an error of several', { error: new AggregateError([new Error(CANARY)], 'all failed') }],
    [
      'an error field',
      { error: Object.assign(new Error('x'), { response: CANARY, config: { token: CANARY } }) },
    ],
    ['a secret as the code of an error', { error: Object.assign(new Error('x'), { code: CANARY }) }],
    ['a foreign object', { key: generateKeyPairSync('ed25519').privateKey, map: new Map([['a', CANARY]]) }],
    ['bytes', { bytes: Buffer.from(CANARY) }],
    ['a secret as a key', { [CANARY]: 1 }],
    ['an object inside a secret field', { cookies: { session: CANARY } }],
  ];

  test.each(secrets)('is not printed: %s', (_name, fields) => {
    for (const format of ['json', 'text'] as const) {
      const output = logged((log) => log.error('happened', fields as object), format);
      expect(output).toContain('happened');
      expect(output).not.toMatch(/canary/i);
      expect(output).not.toContain(JWT.slice(25));
      expect(output).not.toContain('4242424242');
      expect(output).not.toContain('can@ry');
      expect(output).not.toContain('CNRY');
      expect(output).not.toContain(Buffer.from(CANARY).toString('hex').slice(0, 20));
    }
  });

  test('is not printed when it is in the message', () => {
    expect(logged((log) => log.info(`token ${CANARY} and Bearer canarycanary`))).not.toMatch(/canary/i);
  });

  test('is not printed when the error is given in place of the fields', () => {
    const output = logged((log) => log.error('happened', new Error(`x ${CANARY}`)));
    expect(output).not.toContain(CANARY);
    expect(output).toContain('"type":"Error"');
  });
});

describe('a log line', () => {
  test('keeps what explains an error: type, message, code, stack and cause', () => {
    const cause = Object.assign(new Error('connect refused'), { code: 'ECONNREFUSED', port: 5432 });
    const line = JSON.parse(
      logged((log) => log.error('x', { error: failure('client_not_found', {}, cause) })),
    );
    expect(line.error).toMatchObject({
      type: 'AppError',
      code: 'client_not_found',
      message: 'There is no such client.',
      cause: { code: 'ECONNREFUSED', port: 5432, message: 'connect refused' },
    });
    expect(line.error.stack).toContain('log.test.ts');
  });

  test('keeps harmless fields as they are', () => {
    const fields = {
      clientId: 'gatehouse-cli',
      count: 3,
      ok: true,
      nothing: null,
      id: 'evt_01jd8b2v9q3w6f1n5k7m8p0r2t',
    };
    const line = JSON.parse(logged((log) => log.info('x', { ...fields, at: new Date(0) })));
    expect(line).toMatchObject({ ...fields, at: '1970-01-01T00:00:00.000Z', level: 'info', msg: 'x' });
  });

  test('names the request and its address', () => {
    const output = withOrigin({ requestId: 'req_1', address: '192.0.2.7', userAgent: null }, () =>
      logged((log) => log.info('x')),
    );
    expect(JSON.parse(output)).toMatchObject({ requestId: 'req_1', address: '192.0.2.7' });
  });

  test('survives cycles, depth and fields that pretend to be its own', () => {
    const cycle: Record<string, unknown> = { level: 'fake', time: 'fake', msg: 'fake' };
    cycle.self = cycle;
    const line = JSON.parse(logged((log) => log.warn('real', cycle)));
    expect(line).toMatchObject({ level: 'warn', msg: 'real', level_: 'fake', self: { level: 'fake' } });
  });

  test('stays one line, also for a person, when a stranger sends line breaks and terminal codes', () => {
    const text = 'a\nERROR forged\u001b[2J\u009b31m';
    expect(
      logged((log) => log.info(text, { text }))
        .trimEnd()
        .split('\n'),
    ).toHaveLength(1);
    const forPerson = logged((log) => log.info(text, { text }), 'text').trimEnd();
    expect(forPerson.split('\n')).toHaveLength(1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    expect(forPerson).not.toMatch(/[\u001b\u009b]/);
  });

  test('takes no long time over a text made to be slow to search', () => {
    const parts = [
      'eyJ',
      'eyJaaaa.',
      '-eyJ',
      'token-',
      '"token" ',
      'a://',
      '?a',
      '-----BEGIN A',
      'Bearer ',
      'code',
    ];
    for (const part of parts) {
      const text = part.repeat(8192 / part.length);
      const begun = process.cpuUsage();
      logged((log) => log.info(text));
      expect(process.cpuUsage(begun).user).toBeLessThan(60_000);
    }
  });

  test('is not written below the level', () => {
    const lines: string[] = [];
    createLog({ level: 'warn', format: 'json' }, { write: (line) => lines.push(line) }).info('x');
    expect(lines).toEqual([]);
  });
});

describe('an error of the database', () => {
  const { db } = useDatabase();

  async function errorOf(run: () => Promise<unknown>): Promise<unknown> {
    return run().then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  test('is printed without the values of the statement and of the row', async () => {
    await db.raw('create table people (mail text primary key, age integer)');
    await db('people').insert({ mail: 'canary@example.com', age: 1 });
    const errors = [
      await errorOf(async () => db('people').insert({ mail: 'canary@example.com', age: 2 })),
      await errorOf(async () => db.raw(`insert into people (mail, age) values ('x', 'canary')`)),
      await errorOf(async () => db.raw(`select 'canary'::integer`)),
      await errorOf(async () => db.raw(`select ?::json`, ['{"canary": ']).then()),
      await errorOf(async () => db.raw(`select ?::timestamptz`, ['canary'])),
    ];
    for (const error of errors) {
      expect(error).toBeInstanceOf(Error);
      const output = logged((log) => log.error('x', { error }));
      expect(output).not.toContain('canary');
    }
    const line = JSON.parse(logged((log) => log.error('x', { error: errors[0] })));
    expect(line.error).toMatchObject({ code: '23505', constraint: 'people_pkey', table: 'people' });
    expect(line.error.message).toContain('duplicate key');
  });
});
