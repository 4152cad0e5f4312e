// Canary: everything secret that any flow carries is looked for in every log line, every table and every refusal, in Redis,
// metrics and traces, and in what `ps` shows.
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serverSecretNames } from '../../src/platform/secrets/server-secrets.ts';
import { useCluster } from '../support/cluster.ts';
import { useFolders } from '../support/folder.ts';
import { freePort } from '../support/gatehouse.ts';
import { useRedis } from '../support/redis.ts';
import { needs } from '../support/tools.ts';
import { walkEveryFlow } from './canary-flows.ts';
import { type CanaryNet, findIn, spreadNet, withBytesReadable } from './canary-net.ts';
import { walkAsPerson } from './canary-people.ts';
import { type RedisTap, receiveTraces, shownByPs, tapRedis } from './canary-sinks.ts';

const masterKey = randomBytes(32);
const metricsPort = await freePort();
const receiver = await receiveTraces();
const folder = useFolders();
const withRedis = !needs('redis-server');
const redis = useRedis();
const cluster = useCluster({
  size: 1,
  settings: {
    LOG_LEVEL: 'debug',
    LOG_FORMAT: 'json',
    MASTER_KEY: masterKey.toString('base64'),
    METRICS_PORT: String(metricsPort),
    DATA_DIRECTORY: folder(),
    REGISTRATION: 'code',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    ...(withRedis ? { REDIS_URL: redis.url } : {}),
  },
});
const caught: Caught = { log: '', dump: '', metrics: '', shown: '', commands: '', redis: '' };
interface Caught {
  net?: CanaryNet;
  log: string;
  dump: string;
  metrics: string;
  shown: string;
  commands: string;
  redis: string;
}
const net = (): CanaryNet => {
  if (!caught.net) throw new Error('the net is spread before the tests');
  return caught.net;
};

beforeAll(async () => {
  caught.net = spreadNet();
  plantServerSecrets();
  const tap: RedisTap | undefined = withRedis ? await tapRedis(redis.url) : undefined;
  await walkEveryFlow({ cluster, plant: net().plant });
  await walkAsPerson({ cluster, plant: net().plant });
  await delay(1_500);
  const [server] = cluster.processes;
  caught.metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  caught.shown = shownByPs(server?.child.pid);
  caught.redis = (await tap?.dump()) ?? '';
  caught.commands = tap?.commands() ?? '';
  tap?.end();
  await server?.end('SIGTERM');
  caught.log = withoutWelcome(server?.output() ?? '');
  caught.dump = await dumpDatabase();
}, 60_000);
afterAll(() => caught.net?.release());

describe('a canary', () => {
  it('was planted for everything that is secret', () => {
    const kinds = new Set(net().secrets.values());
    const expected =
      `password client_secret code code_verifier refresh_token access_token id_token device_code user_code
      request_uri state nonce xsrf _csrf setup_link client_assertion`.split(/\s+/);
    const own = [
      'cookie session',
      'cookie session.sig',
      'cookie interaction',
      'interaction uid',
      'DPoP proof',
    ];
    const people = ['authenticator secret', 'recovery code', 'registration code', 'mailed link'];
    for (const kind of [...expected, ...own, ...people, 'DPoP jti', 'server secret', 'private key']) {
      expect(kinds).toContain(kind);
    }
  });

  it('is in no line of the log, though everything is logged', () => {
    expect(caught.log).toContain('protocol request refused');
    expect(caught.log).toContain('Request refused');
    expect(found(caught.log)).toEqual([]);
  });

  it('is in no table of the database', () => {
    for (const table of [
      'oidc_tokens',
      'oidc_sessions',
      'audit_events',
      'signing_keys',
      'server_secrets',
      'factors',
      'messages',
    ]) {
      expect(caught.dump).toContain(`\n${table}: (`);
    }
    expect(found(withBytesReadable(caught.dump))).toEqual([]);
  });

  it('is in no line of the request log, which is written without being looked through', () => {
    const lines = caught.log.split('\n').filter((line) => line.includes('"msg":"answered"'));
    for (const route of [
      '/token',
      '/authorize',
      '/interaction/:uid/login',
      '/userinfo',
      '/introspect',
      '/device',
      '/recover/password',
      '/account/security/authenticator',
    ]) {
      expect(lines.filter((line) => JSON.parse(line).route === route).length, route).toBeGreaterThan(0);
    }
    expect(lines.some((line) => JSON.parse(line).clientId && JSON.parse(line).accountId)).toBe(true);
    expect(found(lines.join('\n'))).toEqual([]);
  });

  it('is in no metric', () => {
    expect(caught.metrics).toContain('gatehouse_http_requests_total{route="/token"');
    expect(found(caught.metrics)).toEqual([]);
  });

  it('is in no trace', () => {
    expect(receiver.text()).toContain('"name":"POST /token"');
    expect(receiver.text()).toContain('"name":"database"');
    expect(found(receiver.text())).toEqual([]);
  });

  it.skipIf(!withRedis)('is in no key of Redis and in no command to it', () => {
    expect(caught.commands).toContain('gatehouse:');
    expect(found(`${caught.redis}\n${caught.commands}`)).toEqual([]);
  });

  it('is not among what every user of the machine sees of the process', () => {
    expect(caught.shown).toContain('src/main.ts');
    expect(found(caught.shown)).toEqual([]);
  });

  it('is in no refusal and no redirect, except where the protocol wants it', () => {
    // Forms that are shown again carry their own fields; redirects carry code and state to the app.
    const expected =
      /^(?:state|code|_csrf|xsrf|user_code|setup_link|interaction uid|request_uri|nonce|password as a name|registration code|cookie .*)$/;
    const echoed = net().answers.flatMap(({ request, status, location, text }) =>
      found(`${location}\n${text}`)
        .filter((finding) => !expected.test(finding.kind))
        .map(({ kind, form }) => `${status} to ${request.split('?')[0]}: ${kind} ${form}`),
    );
    expect(net().answers.filter(({ status }) => status >= 400).length).toBeGreaterThan(10);
    expect(echoed).toEqual([]);
  });

  it('would be found, in any form, in the log and in a table', async () => {
    const secret = `canary-${randomUUID()}`;
    const bytes = Buffer.from(`..${secret}.`);
    const { db } = cluster.database;
    for (const form of ['utf8', 'hex', 'base64', 'base64url'] as const) {
      expect(findIn(`{"msg":"x ${bytes.toString(form)} y"}`, secret), form).toBeDefined();
      await db.raw('create table planted (text text, bytes bytea, json jsonb)');
      const nothing = { text: null, bytes: null, json: null };
      const planted = [
        { ...nothing, text: bytes.toString(form) },
        { ...nothing, bytes: Buffer.from(bytes.toString(form)) },
        { ...nothing, json: JSON.stringify({ deep: [bytes.toString(form)] }) },
      ];
      for (const row of planted) {
        await db('planted').insert(row);
        expect(findIn(withBytesReadable(await dumpDatabase()), secret), form).toBeDefined();
        await db('planted').delete();
      }
      await db.raw('drop table planted');
    }
  });
});

function found(haystack: string): { kind: string; form: string; around: string }[] {
  return [...net().secrets].flatMap(([secret, kind]) => {
    const form = findIn(haystack, kind === 'server secret' ? Buffer.from(secret, 'hex') : secret);
    if (!form) return [];
    const at = haystack.indexOf(secret);
    return [{ kind, form, around: haystack.slice(Math.max(0, at - 80), at + 80) }];
  });
}

function plantServerSecrets(): void {
  const { serverSecrets, signingKeys } = cluster.services;
  for (const secret of [masterKey, ...serverSecretNames.map((name) => serverSecrets.get(name))]) {
    net().plant('server secret', secret.toString('hex'));
  }
  for (const { privateKey } of signingKeys.snapshot()) {
    const { d = '' } = privateKey.export({ format: 'jwk' });
    net().plant('private key', d);
    net().plant('server secret', Buffer.from(String(d), 'base64url').toString('hex'));
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    net().plant('private key', pem.split('\n')[1] ?? '');
  }
}

/** The one place where a secret is meant to be shown: the welcome on the console, which is not the log. */
function withoutWelcome(output: string): string {
  return output.replace(/\n {2}Welcome\.[\s\S]*?there is an administrator\.\n/, '\n');
}

async function dumpDatabase(): Promise<string> {
  const { db } = cluster.database;
  const tables: { name: string }[] = await db('pg_tables')
    .where({ schemaname: 'public' })
    .select({ name: 'tablename' });
  const dumps = tables.map(async ({ name }) => {
    const rows: { row: string }[] = await db(name).select(db.raw('??::text as row', [name]));
    return rows.map(({ row }) => `\n${name}: ${row}`).join('');
  });
  return (await Promise.all(dumps)).join('');
}
