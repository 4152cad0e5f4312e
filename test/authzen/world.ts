// The decision API wired as the server wires it, over real HTTP, with people, keys, clients, roles and things to decide about.
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll } from 'vitest';
import { type Access, asOperator, createAccess } from '../../src/access/access.ts';
import { createResources, type Resources } from '../../src/access/resources.ts';
import { type Apis, createApis } from '../../src/apis/apis.ts';
import { resourceRoutes } from '../../src/authzen/admin-api.ts';
import { type Authzen, createAuthzen } from '../../src/authzen/authzen.ts';
import { AUTHZEN_ROOT, authzenRoutes } from '../../src/authzen/public-api.ts';
import { type Clients, clientsUseApi, createClients } from '../../src/clients/clients.ts';
import { newId } from '../../src/lib/ids.ts';
import { compilePermissions } from '../../src/lib/permission.ts';
import { createOrganizations, type Organizations } from '../../src/organizations/organizations.ts';
import type { Caller } from '../../src/platform/api/route.ts';
import { type Changes, createChanges } from '../../src/platform/changes.ts';
import { createSeal } from '../../src/platform/secrets/seal.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { permissions } from '../../src/vocabulary/permissions.ts';
import { createWorld, operator } from '../credentials/world.ts';
import { type Application, ISSUER, start } from '../platform/http/application.ts';
import { type TestDatabase, useDatabase } from '../support/database.ts';

export { ISSUER, operator };
export const acting = asOperator(operator);

export interface DecisionWorld {
  readonly database: TestDatabase;
  readonly changes: Changes;
  readonly apis: Apis;
  readonly clients: Clients;
  readonly organizations: Organizations;
  readonly access: Access;
  readonly resources: Resources;
  readonly authzen: Authzen;
  readonly accounts: ReturnType<typeof createWorld>['accounts'];
  readonly app: Application;
  /** Who may ask, by what they present; a test adds its own. */
  readonly callers: Record<string, Caller>;
}

export function useDecisions(): DecisionWorld {
  const database = useDatabase();
  const { postgres, db } = database;
  const { audit, clock, accounts } = createWorld(postgres);
  const changes = createChanges({ db, log: silentLog });
  const deps = { postgres, audit, changes, clock };
  const apis = createApis({ ...deps, isUsed: clientsUseApi });
  const clients = createClients({
    ...deps,
    apis,
    secretKey: randomBytes(32),
    endClientState: async () => {},
  });
  const organizations = createOrganizations({
    ...deps,
    revokeKeysOf: async () => {},
    permissionsOfTeam: async () => [],
  });
  const resources = createResources(deps);
  const access = createAccess({
    ...deps,
    accounts,
    apis,
    clients,
    resources,
    async permissionsOfKey(id) {
      const row = await db('api_keys').where({ id }).first('permissions', 'organization_id', 'account_id');
      if (row === undefined) return undefined;
      const owner = await access.factsOf({ kind: 'account', id: row.account_id }, row.organization_id);
      if (owner === undefined) return undefined;
      const own = await access.factsOf({ kind: 'api-key', id }, row.organization_id);
      const all = compilePermissions(row.permissions).union(own?.permissions ?? compilePermissions([]));
      return { permissions: all.intersect(owner.permissions), organizationId: row.organization_id };
    },
  });
  const seal = createSeal(randomBytes(32));
  const authzen = createAuthzen({ db, clock, seal, access, accounts, organizations, resources });
  const callers: Record<string, Caller> = { 'Bearer all': caller(Object.keys(permissions)) };
  const running: { app?: Application } = {};

  beforeAll(async () => {
    await apis.start();
    clients.start();
    organizations.start();
    access.start();
    resources.start();
    await changes.start();
    running.app = await start({
      routes: [
        ...authzenRoutes({ authzen, issuer: ISSUER }),
        ...resourceRoutes({ resources, organizations }),
      ],
      callers,
      sentenceRoot: AUTHZEN_ROOT,
      bodyLimitBytes: 1024 * 1024,
    });
  });
  afterAll(async () => {
    await running.app?.stop();
    await changes.stop();
  });

  return {
    database,
    changes,
    apis,
    clients,
    organizations,
    access,
    resources,
    authzen,
    accounts,
    callers,
    get app() {
      if (running.app === undefined) throw new Error('the application runs only while tests run');
      return running.app;
    },
  };
}

export function caller(names: readonly string[], organizationId: string | null = null): Caller {
  return {
    kind: 'client',
    id: 'pep',
    clientId: 'pep',
    permissions: [...names],
    accountId: null,
    organizationId,
    apiKeyId: null,
  };
}

export const tag = () => randomUUID().slice(0, 8);

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
}

/** Asks the running server as a service does: the body as it is, text or JSON. */
export async function ask(
  { app }: Pick<DecisionWorld, 'app'>,
  path: string,
  body: unknown,
  more: { as?: string | null; headers?: Record<string, string>; method?: string } = {},
): Promise<Answer> {
  const as = more.as === undefined ? 'Bearer all' : more.as;
  const method = more.method ?? 'POST';
  const response = await fetch(`${app.url}${path}`, {
    method,
    headers: {
      ...(as === null ? {} : { Authorization: as }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...more.headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

/** A person with a user name and, if wanted, a mail address that was verified. */
export async function person(
  { accounts }: Pick<DecisionWorld, 'accounts'>,
  more: { username?: string; email?: string; emailVerified?: boolean } = {},
) {
  const username = more.username ?? `u-${tag()}`;
  return accounts.create({ username, name: username, emailVerified: true, ...more }, operator);
}

/** Gives each of them a role that holds these permissions. */
export async function allow(
  { access }: Pick<DecisionWorld, 'access'>,
  names: readonly string[],
  subjects: readonly { kind: 'account' | 'client' | 'api-key' | 'team'; id: string }[],
  organizationId: string | null = null,
) {
  const role = await access.createRole(
    { name: `r-${tag()}`, permissions: [...names], organizationId },
    acting,
  );
  for (const subject of subjects) await access.assign({ roleId: role.id, subject, organizationId }, acting);
  return role;
}

/** A key of the account, in an organization or in none. */
export async function keyOf(
  { database: { db } }: Pick<DecisionWorld, 'database'>,
  accountId: string,
  more: { permissions?: string[]; organizationId?: string | null } = {},
): Promise<string> {
  const id = newId('key');
  await db('api_keys').insert({
    id,
    root_id: id,
    account_id: accountId,
    name: 'test',
    permissions: more.permissions ?? ['*:*'],
    organization_id: more.organizationId ?? null,
    created_at: new Date(),
  });
  return id;
}
