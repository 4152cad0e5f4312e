// Every route of the API document with values that fit it and values that do not, from callers of every kind. The run is
// the same for the same FUZZ_SEED (but for the ids), and ends after FUZZ_SECONDS.
import { Agent, request } from 'node:http';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { authzenRoutes } from '../../src/authzen/public-api.ts';
import { keyAuthRoutes } from '../../src/key-auth/public-api.ts';
import { apiDocument } from '../../src/platform/api/openapi.ts';
import type { Log } from '../../src/platform/telemetry/log.ts';
import { type Answered, type ServedDocument, surprisesIn } from '../support/documented.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { machine } from '../support/management.ts';
import { createApi, createClient, operator } from '../support/people.ts';
import { type Operation, type Plan, plansFor, type World } from './api-fuzz-plans.ts';
import { organizationOf } from './crossing-world.ts';

const seed = Number(process.env.FUZZ_SEED ?? 20_261_122);
const seconds = Number(process.env.FUZZ_SECONDS ?? 10);
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
const openToAll = ['getApiDocument', 'getAuthzenConfiguration'];
const openToCallers = ['getCaller', 'listOwnOrganizations', 'authGetProfile'];

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
let worlds = 0;
async function worldOf(): Promise<World> {
  worlds += 1;
  const { services } = gatehouse;
  const things = await organizationOf(services, `fuzz-${worlds}`);
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

async function faultsOf(operation: Operation, plan: Plan, { world, document }: Place): Promise<string[]> {
  let told = await ask(operation.method, plan, world);
  // Whatever else runs on this machine may have been in the way once.
  for (let again = 0; again < 2 && told.milliseconds > SLOW_MILLISECONDS; again += 1) {
    told = await ask(operation.method, plan, world);
  }
  // Elsewhere the refusals are those of a document that others wrote, and in no list of ours.
  const isSaid = operation.path.startsWith('/api/v1/') || told.status < 400;
  const faults = isSaid ? surprisesIn(told, operation, document) : [];
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

interface Place {
  readonly world: World;
  readonly document: ServedDocument;
}

const operationsOf = (document: ServedDocument) =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, one]): Operation => ({ ...one, path, method: method.toUpperCase() }),
    ),
  );

const codeOf = ({ body }: Answered) =>
  typeof body === 'object' && body !== null && 'code' in body ? body.code : undefined;

const shown = ({ who, path, headers, body }: Plan) =>
  `${who} ${path.slice(0, 300)} ${JSON.stringify(headers)} ${body?.toString().slice(0, 400) ?? ''}`;

async function fuzz(document: ServedDocument, forSeconds: number): Promise<string[]> {
  const all = operationsOf(document);
  console.log(`FUZZ_SEED=${seed} FUZZ_SECONDS=${seconds}: ${all.length} routes`);
  const wrong: string[] = [];
  let place: Place = { world: await worldOf(), document };
  let runs = 0;
  for (const [index, operation] of all.entries()) {
    if (index > 0 && index % ROUTES_PER_WORLD === 0) place = { world: await worldOf(), document };
    const here = place;
    const property = fc.asyncProperty(plansFor(operation, here.world, document), async (plan) => {
      const faults = await faultsOf(operation, plan, here);
      if (faults.length > 0) throw new Error(faults.join('; '));
    });
    const found = await fc.check(property, {
      seed,
      numRuns: 100_000,
      interruptAfterTimeLimit: (forSeconds * 1000) / all.length,
      markInterruptAsFailure: false,
    });
    runs += found.numRuns;
    const [plan] = found.counterexample ?? [];
    if (plan === undefined) continue;
    const why = found.errorInstance instanceof Error ? found.errorInstance.message : '';
    wrong.push(`${operation.method} ${operation.path}: ${why} <- ${shown(plan)}`);
  }
  console.log(`${runs} requests`);
  return wrong;
}

const timeout = (seconds + 120) * 1000;

describe('answers as documented, in time, and only to those who may, whatever is sent:', () => {
  it('every route of the API document', { timeout }, async () => {
    const document: ServedDocument = served.document ?? { paths: {} };
    const wrong = await fuzz(document, seconds * 0.85);
    expect({ wrong, failures: failures.splice(0) }).toEqual({ wrong: [], failures: [] });
  });

  it('every route of decisions and of the document on key authentication', { timeout }, async () => {
    const { services, issuer } = gatehouse;
    const routes = [...authzenRoutes({ authzen: services.authzen, issuer }), ...keyAuthRoutes(services)];
    const made = apiDocument(routes, { issuer, version: '1', permissions: {}, subjects: {} });
    // As it would be served.
    const wrong = await fuzz(JSON.parse(JSON.stringify(made)), seconds * 0.15);
    expect({ wrong, failures: failures.splice(0) }).toEqual({ wrong: [], failures: [] });
  });
});
