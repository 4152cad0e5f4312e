// Every route of the API document with values that fit it and values that do not, from callers of every kind. The run is
// the same for the same FUZZ_SEED (but for the ids), and ends after FUZZ_SECONDS.
import { Agent, request } from 'node:http';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Log } from '../../src/platform/telemetry/log.ts';
import {
  type Answered,
  type ServedDocument,
  type ServedOperation,
  type ServedParameter,
  surprisesIn,
} from '../support/documented.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { machine } from '../support/management.ts';
import { createApi, createClient, operator } from '../support/people.ts';
import { nasty, nastyText, valueFor, type Words } from './api-fuzz-values.ts';
import { organizationOf } from './crossing-world.ts';

const seed = Number(process.env.FUZZ_SEED ?? 20_261_122);
const seconds = Number(process.env.FUZZ_SECONDS ?? 45);
/** How many routes share the things that were made for them, before new ones are made. */
const ROUTES_PER_WORLD = 6;
const SLOW_MILLISECONDS = 1000;

const failures: unknown[] = [];
const log: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: (message, fields) => failures.push([message, fields]),
};
const limits = ['ADMIN_READ', 'ADMIN_WRITE', 'BUDGET', 'DECISION'];
const wide = Object.fromEntries(limits.map((name) => [`LIMIT_${name}_PER_MINUTE`, '1000000']));
const gatehouse = useGatehouse({ settings: wide, log });
const agent = new Agent({ keepAlive: true });

/** The only routes that nobody has to be anybody for, and those that any valid credential may ask. */
const openToAll = ['getApiDocument'];
const openToCallers = ['getCaller', 'listOwnOrganizations'];

type Who = 'nobody' | 'stranger' | 'bound' | 'admin';
interface World {
  words: Words;
  headers: Record<Who, Record<string, string>>;
}
interface Operation extends ServedOperation {
  method: string;
  path: string;
}
interface Plan {
  who: Who;
  path: string;
  headers: Record<string, string>;
  body: Buffer | undefined;
}

const served: { document?: ServedDocument; admin?: string; stranger?: string } = {};

beforeAll(async () => {
  served.document = JSON.parse(await (await fetch(`${gatehouse.issuer}/api/v1/openapi.json`)).text());
  served.admin = (await machine(gatehouse)).token;
  const { audience } = await createApi(gatehouse.services);
  const { client } = await createClient(gatehouse.services, {
    kind: 'machine',
    apis: [{ audience, permissions: ['*'] }],
  });
  served.stranger = (await keyOf({ kind: 'client', id: client.id }, ['notes:read'])).secret;
});

async function keyOf(owner: { kind: 'client' | 'organization'; id: string }, permissions: string[]) {
  const as = { by: operator, within: {} };
  return gatehouse.services.apiKeys.create({ name: 'Fuzzed', permissions, owner }, as);
}

/** One of everything, and a caller that is bound to the organization of it. */
async function worldOf(count: number): Promise<World> {
  const { services } = gatehouse;
  const things = await organizationOf(services, `fuzz-${count}`);
  const [{ client }, api] = [await createClient(services), await createApi(services)];
  const { secret } = await keyOf({ kind: 'organization', id: things.organizationId }, ['*:*']);
  const { secret: ended, key } = await keyOf({ kind: 'organization', id: things.organizationId }, ['*:*']);
  await services.apiKeys.revoke(key.id, 'over', { by: operator, within: {} });
  const subjects = [things.accountId, client.id, things.keyId];
  const byName = {
    organizationId: [things.organizationId],
    accountId: [things.accountId],
    subjectId: subjects,
    subjectKind: ['account', 'client', 'api-key', 'team'],
    roleId: [things.roleId, 'admin'],
    teamId: [things.teamId],
    clientId: [client.id],
    parentId: [things.keyId],
    audience: [api.audience],
    credential: [things.secret, ended, `${things.secret}x`, served.admin ?? ''],
    permissions: ['notes:read', 'apis:read', '*:*', 'api-keys:*', 'notes:read:a:b', 'todo:update:@owner'],
    meter: ['requests', 'tokens', 'money', 'nothing'],
    type: ['todo', 'note'],
  };
  const ids = [things.resourceId, things.budgetId, things.reservationId, api.id, ...subjects];
  const plain = [
    'requests',
    'tokens',
    'audit-partitions',
    'anna@example.com',
    'https://a.example',
    '192.0.2.7',
  ];
  const any = [...ids, ...plain, ...new Set(Object.values(byName).flat())];
  return {
    words: {
      any,
      byName: { ...byName, id: [...ids, things.roleId, things.teamId], cursor: await cursors() },
    },
    headers: {
      nobody: {},
      stranger: { 'X-API-Key': served.stranger ?? '' },
      bound: { 'X-API-Key': secret },
      admin: { Authorization: `Bearer ${served.admin}` },
    },
  };
}

/** Of lists that are surely another one than the one that is asked. */
async function cursors(): Promise<string[]> {
  const found = [];
  for (const list of ['accounts', 'clients', 'audit-events', 'api-keys', 'roles']) {
    const address = `${gatehouse.issuer}/api/v1/${list}?limit=1`;
    const reply = await fetch(address, { headers: { Authorization: `Bearer ${served.admin}` } });
    found.push(String(JSON.parse(await reply.text()).nextCursor));
  }
  return found;
}

const jsonType = { 'Content-Type': 'application/json' };
const otherTypes = [
  'text/plain',
  'application/xml',
  'application/json; charset=utf-16',
  '',
  'multipart/form-data',
];
const brokenBodies = [
  '{',
  '[1,',
  '"',
  '\ufeff{}',
  '{"a":1}x',
  `${'['.repeat(5000)}`,
  '{"__proto__":{}}',
  '\0',
  '',
];

function plansFor(operation: Operation, { words }: World): fc.Arbitrary<Plan> {
  const root = served.document;
  const inPath = operation.parameters.filter(({ in: place }) => place === 'path');
  const inQuery = operation.parameters.filter(({ in: place }) => place === 'query');
  const schema = operation.requestBody?.content['application/json']?.schema;
  const good = schema === undefined ? fc.constant(undefined) : valueFor(schema, root, words);
  const body = fc.oneof(
    { weight: 10, arbitrary: good.map((value) => ({ headers: jsonType, text: textOf(value) })) },
    { weight: 1, arbitrary: nasty.map((value) => ({ headers: jsonType, text: textOf(value) })) },
    { weight: 1, arbitrary: fc.constantFrom(...brokenBodies).map((text) => ({ headers: jsonType, text })) },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom(...otherTypes)
        .map((type) => ({ headers: { 'Content-Type': type }, text: '{}' })),
    },
    { weight: 1, arbitrary: fc.constant({ headers: jsonType, text: `{"a":"${'x'.repeat(70_000)}"}` }) },
  );
  return fc
    .record({
      who: fc.constantFrom<Who>('nobody', 'stranger', 'bound', 'bound', 'admin', 'admin', 'admin', 'admin'),
      path: fc.record(
        Object.fromEntries(
          inPath.map((one) => [one.name, inAddress(one, words).filter((text) => text !== '')]),
        ),
      ),
      query: fc.oneof({ weight: 8, arbitrary: queryOf(inQuery, words) }, { weight: 1, arbitrary: oddQuery }),
      ifMatch: fc.oneof(
        { weight: 6, arbitrary: fc.constant('*') },
        {
          weight: 3,
          arbitrary: fc.constantFrom(
            '',
            '"1"',
            '"999"',
            'W/"1"',
            '1',
            '"x"',
            '"1", "2"',
            '"9007199254740993"',
          ),
        },
      ),
      key: fc.option(fc.constantFrom('k1', 'k2', 'x'.repeat(300), '"quoted"'), { freq: 9 }),
      body,
    })
    .map(({ who, path, query, ifMatch, key, body: { headers, text } }) => ({
      who,
      path: `${operation.path.replace(/\{(\w+)\}/g, (_all, name) => encoded(String(path[name])))}${query}`,
      headers: {
        ...(ifMatch === '' ? {} : { 'If-Match': ifMatch }),
        ...(key === null ? {} : { 'Idempotency-Key': key }),
        ...(operation.method === 'GET' ? {} : headers),
      },
      body: operation.method === 'GET' || text === undefined ? undefined : Buffer.from(text),
    }));
}

/** JSON has no infinity, but readers make one of what is too large. */
const textOf = (value: unknown) => JSON.stringify(value)?.replaceAll('"1e400"', '1e400');
const encoded = (text: string) => encodeURIComponent(text.toWellFormed());
const inAddress = ({ name, schema }: ServedParameter, words: Words) =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...(words.byName[name] ?? words.any)) },
    { weight: 4, arbitrary: valueFor(schema, served.document, words, name).map((value) => short(value)) },
    { weight: 1, arbitrary: nastyText },
  );
const short = (value: unknown) =>
  (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).slice(0, 4000);
const queryOf = (parameters: readonly ServedParameter[], words: Words) =>
  fc
    .record(Object.fromEntries(parameters.map((one) => [one.name, inAddress(one, words)])), {
      requiredKeys: parameters.filter(({ required }) => required).map(({ name }) => name),
    })
    .map(
      (values) =>
        `?${Object.entries(values)
          .map(([name, value]) => `${name}=${encoded(value)}`)
          .join('&')}`,
    );
const oddQuery = fc.constantFrom(
  '?',
  '?%',
  '?%zz=1',
  '?a=1&a=2',
  '?__proto__=1',
  '?limit=1&limit=2',
  '?=',
  '?cursor=%00',
  '?limit[]=1',
);

interface Told extends Answered {
  milliseconds: number;
}

/** Not with fetch, which tidies addresses up before it sends them. */
function ask(method: string, { path, body, headers, who }: Plan, world: World): Promise<Told> {
  const { port } = new URL(gatehouse.issuer);
  const length = body === undefined ? {} : { 'Content-Length': String(body.length) };
  const all = { ...headers, ...world.headers[who], ...length };
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, path, headers: all, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const type = response.headers['content-type'] ?? null;
        resolve({
          status: response.statusCode ?? 0,
          type,
          body: text === '' ? undefined : /json/.test(type ?? '') ? JSON.parse(text) : text,
          milliseconds: performance.now() - began,
        });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function faultsOf(operation: Operation, plan: Plan, world: World): Promise<string[]> {
  let told = await ask(operation.method, plan, world);
  // Whatever else runs on this machine may have been in the way once.
  for (let again = 0; again < 2 && told.milliseconds > SLOW_MILLISECONDS; again += 1) {
    told = await ask(operation.method, plan, world);
  }
  const faults = surprisesIn(told, operation, served.document);
  if (told.status >= 500) faults.push(`${told.status} is a failure of ours`);
  if (told.milliseconds > SLOW_MILLISECONDS) faults.push(`took ${Math.round(told.milliseconds)} ms`);
  // Before anybody looks who asks: an address that is none, and a key in one, which is known to more than its holder.
  const isAsked = !/%00|%zz|\?%$/.test(plan.path) && codeOf(told) !== 'credential_in_url';
  const open = openToAll.includes(operation.operationId);
  const mayAsk = open || openToCallers.includes(operation.operationId);
  const wanted = { nobody: open ? told.status : 401, stranger: mayAsk ? told.status : 403 };
  const { who } = plan;
  if (isAsked && (who === 'nobody' || who === 'stranger') && told.status !== wanted[who]) {
    faults.push(`${who} got ${told.status}`);
  }
  return faults;
}

const operations = () =>
  Object.entries(served.document?.paths ?? {}).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, one]): Operation => ({ ...one, path, method: method.toUpperCase() }),
    ),
  );

const codeOf = ({ body }: Answered) =>
  typeof body === 'object' && body !== null && 'code' in body ? body.code : undefined;

const shown = ({ who, path, headers, body }: Plan) =>
  `${who} ${path.slice(0, 300)} ${JSON.stringify(headers)} ${body?.toString().slice(0, 400) ?? ''}`;

describe('every route of the API document', () => {
  it('answers as documented, in time, and only to those who may, whatever is sent', {
    timeout: (seconds + 120) * 1000,
  }, async () => {
    const all = operations();
    console.log(`FUZZ_SEED=${seed} FUZZ_SECONDS=${seconds}: ${all.length} routes`);
    const wrong: string[] = [];
    const statuses: Record<string, number> = {};
    let world = await worldOf(0);
    for (const [index, operation] of all.entries()) {
      if (index > 0 && index % ROUTES_PER_WORLD === 0) world = await worldOf(index);
      const here = world;
      const found = await fc.check(
        fc.asyncProperty(plansFor(operation, here), async (plan) => {
          const faults = await faultsOf(operation, plan, here);
          if (faults.length > 0) throw new Error(faults.join('; '));
        }),
        {
          seed,
          numRuns: 100_000,
          interruptAfterTimeLimit: (seconds * 1000) / all.length,
          markInterruptAsFailure: false,
        },
      );
      statuses[operation.operationId] = found.numRuns;
      const [plan] = found.counterexample ?? [];
      if (plan !== undefined) {
        const { method, path } = operation;
        const cause = found.errorInstance instanceof Error ? found.errorInstance.message : '';
        wrong.push(`${method} ${path}: ${cause} <- ${shown(plan)}`);
      }
    }
    console.log(
      `runs: ${Object.values(statuses).reduce((a, b) => a + b, 0)}, fewest ${Math.min(...Object.values(statuses))}`,
    );
    expect({ wrong, failures }).toEqual({ wrong: [], failures: [] });
  });
});
