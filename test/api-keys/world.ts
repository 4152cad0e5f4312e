// Nodes of one installation, whole but for HTTP, with a clock that tests move; and people and machines who own keys.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { type Authority, asOperator, type IssuedKey, type NewApiKey } from '../../src/api-keys/api-keys.ts';
import type { Caller } from '../../src/platform/api/route.ts';
import { createPostgres, type Postgres } from '../../src/platform/database/postgres.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createServices, type Services } from '../../src/services.ts';
import { permissions } from '../../src/vocabulary/permissions.ts';
import { type TestDatabase, useDatabase } from '../support/database.ts';
import { testConfig } from '../support/gatehouse.ts';
import { createPerson, operator } from '../support/people.ts';

export const atTheMachine: Authority = asOperator(operator);

export interface Nodes {
  readonly database: TestDatabase;
  /** The first node. */
  readonly services: Services;
  /** Started without HTTP; `deaf`: no message reaches it, only its look every second. */
  node(options?: { deaf?: boolean; postgres?: Postgres }): Promise<Services>;
  /** Lets time pass for all nodes. */
  pass(seconds: number): void;
  /** A key of an administrator unless the input says whose. */
  key(input?: Partial<NewApiKey>): Promise<IssuedKey>;
  admin(): Account;
}

export function useNodes(settings: Record<string, string> = {}): Nodes {
  const database = useDatabase();
  const started: { services: Services; close(): Promise<void> }[] = [];
  const made: { folder?: string; admin?: Account } = {};
  let skewed = 0;
  const clock = { now: () => new Date(Date.now() + skewed) };

  async function node({ deaf = false, postgres = database.postgres } = {}): Promise<Services> {
    const config = testConfig({
      ISSUER: 'http://localhost:3999',
      KEYS_DIRECTORY: `${made.folder}/keys`,
      ...settings,
    });
    const own = deaf ? { ...postgres, listen: () => ({ stop: async () => {} }) } : postgres;
    const services = await createServices(config, { postgres: own, log: silentLog, clock });
    await services.changes.start();
    const close = async () => {
      await services.apiKeys.stop();
      await services.audit.stop();
      await services.changes.stop();
    };
    started.push({ services, close });
    return services;
  }

  const first = () => {
    const [one] = started;
    if (one === undefined) throw new Error('nodes run only while tests run');
    return one.services;
  };

  beforeAll(async () => {
    made.folder = await mkdtemp(join(tmpdir(), 'gatehouse-api-keys-'));
    const services = await node();
    made.admin = await createPerson(services, { admin: true });
  });
  afterAll(async () => {
    for (const { close } of started.toReversed()) await close();
    if (made.folder) await rm(made.folder, { recursive: true, force: true });
  });

  const admin = () => {
    if (made.admin === undefined) throw new Error('people are there only while tests run');
    return made.admin;
  };
  return {
    database,
    get services() {
      return first();
    },
    node,
    admin,
    pass: (seconds) => {
      skewed += seconds * 1000;
    },
    key: (input = {}) =>
      first().apiKeys.create(
        {
          name: 'A key',
          permissions: ['notes:read'],
          ...(input.parentId ? {} : { owner: { kind: 'account', id: admin().id } }),
          ...input,
        },
        atTheMachine,
      ),
  };
}

/** For a node of its own connections. */
export function connect(database: TestDatabase): Postgres {
  const url = database.databaseUrl();
  return createPostgres({ url, poolMax: 4, statementTimeoutSeconds: 20, applicationName: 'gatehouse test' });
}

/** A caller of the management API as the gateway would find it. */
export function callerOf(account: Pick<Account, 'id'>, more: Partial<Caller> = {}): Caller {
  return {
    kind: 'account',
    id: account.id,
    clientId: 'gatehouse-cli',
    permissions: Object.keys(permissions),
    accountId: account.id,
    organizationId: null,
    apiKeyId: null,
    ...more,
  };
}

/** What a refusal says: its code and fields. */
export async function refusal(act: Promise<unknown>): Promise<Record<string, unknown>> {
  const error = await act.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error) || !('code' in error))
    throw new Error(`it was not refused: ${String(error)}`);
  const details = 'details' in error && typeof error.details === 'object' ? error.details : {};
  return { code: error.code, ...details };
}
