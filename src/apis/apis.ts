// Resource servers: registering, changing and finding APIs, and the in-process snapshot that the token path reads.
import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { Audit } from '../audit/audit.ts';
import type { Actor } from '../audit/schema.ts';
import { definedFields, fieldsOf } from '../lib/fields.ts';
import { type ApiId, type ClientId, newId, parseId } from '../lib/ids.ts';
import { decodeCursor, type Page, type PageRequest, pageOf } from '../lib/page.ts';
import { compilePermissions, type PermissionSet } from '../lib/permission.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { EventType } from '../vocabulary/events.ts';
import { heldByEveryone } from './everyone.ts';
import { type Api, ApiChange, NewApi } from './schema.ts';
import {
  allApis,
  clearOwner,
  deleteApi,
  findApi,
  findApiByAudience,
  insertApi,
  listApis,
  lockApi,
  shareApis,
  updateApi,
} from './store.ts';

export type { Api, ApiChange, NewApi } from './schema.ts';

export interface Apis {
  /** Throws api_audience_taken, permission_invalid, api_invalid. */
  create(input: NewApi, by: Actor, db?: Db): Promise<Api>;
  find(id: string): Promise<Api | undefined>;
  findByAudience(audience: string): Promise<Api | undefined>;
  /** In the order of registration. */
  list(page: PageRequest): Promise<Page<Api>>;
  /** Throws api_not_found, version_conflict, api_protected, permission_invalid, api_invalid. */
  change(id: ApiId, change: ApiChange, by: Actor): Promise<Api>;
  /** Throws api_not_found, api_in_use, api_protected, and version_conflict when `version` is given. */
  remove(id: ApiId, by: Actor, version?: number): Promise<void>;
  /** Registers an API of the server itself, or brings its name and permissions up to date. For the start. */
  ensureSystem(input: Pick<NewApi, 'audience' | 'name' | 'permissions'>): Promise<Api>;
  /** From the snapshot: at once on this node after a change of its own, within a second or two after others'. */
  known(audience: string): Api | undefined;
  /** From the snapshot: what every account holds, of all APIs. The same object as long as it does not change. */
  everyone(): PermissionSet;
  /** The APIs of these audiences, kept from being deleted until the transaction ends. */
  hold(trx: Db, audiences: readonly string[]): Promise<Api[]>;
  /** A deleted client owns nothing: its id may be registered again by somebody else. */
  forgetOwner(trx: Db, clientId: ClientId): Promise<void>;
  /** Loads the snapshot and keeps it fresh. */
  start(): Promise<void>;
}

export interface ApisDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  changes: Pick<Changes, 'bump' | 'on' | 'poll'>;
  clock: Clock;
  /** Whether a client refers to the API; clients live on a floor above, so the question is passed in. */
  isUsed: (trx: Db, audience: string) => Promise<boolean>;
}

const PAGE_MAXIMUM = 200;
const system: Actor = { kind: 'system', id: null };

export function createApis(deps: ApisDeps): Apis {
  const { postgres, audit, changes, clock } = deps;
  const snapshot = createSnapshot(() => allApis(postgres.db));
  const ensured = new Set<string>();

  /** Runs in the caller's transaction, or in one of its own whose change is seen on this node before it returns. */
  async function commit<T>(db: Db | undefined, run: (trx: Db) => Promise<T>): Promise<T> {
    if (db !== undefined) return run(db);
    const result = await postgres.transaction(run);
    // The change stands: were this look to fail, the next one in a second brings it.
    await changes.poll().catch(() => undefined);
    return result;
  }

  async function tell(trx: Db, type: EventType, api: Api, by: Actor, details: object): Promise<void> {
    const target = { kind: 'api', id: api.id };
    await audit.record(trx, { type, actor: by, outcome: 'success', target, details: { ...details } });
    await changes.bump(trx, 'apis');
  }

  async function lock(trx: Db, id: ApiId): Promise<Api> {
    const api = await lockApi(trx, id);
    if (api === undefined) throw failure('api_not_found');
    return api;
  }

  function newApi(input: z.output<typeof NewApi>, isSystem: boolean): Api {
    const now = clock.now();
    return { id: newId('api'), ...input, system: isSystem, version: 1, createdAt: now, updatedAt: now };
  }

  async function applyChange(trx: Db, api: Api, change: Partial<Api>, by: Actor): Promise<Api> {
    const changed = changedFields(api, change);
    if (changed.length === 0) return api;
    const next = { ...api, ...change, version: api.version + 1, updatedAt: clock.now() };
    await updateApi(trx, next);
    await tell(trx, 'api.changed', api, by, { audience: api.audience, fields: changed });
    return next;
  }

  return {
    async create(input, by, db) {
      const api = newApi(parse(NewApi, input), false);
      return commit(db, async (trx) => {
        if (!(await insertApi(trx, api))) throw failure('api_audience_taken');
        await tell(trx, 'api.created', api, by, { audience: api.audience });
        return api;
      });
    },

    async find(id) {
      const apiId = parseId('api', id);
      return apiId === undefined ? undefined : findApi(postgres.db, apiId);
    },

    async findByAudience(audience) {
      // PostgreSQL takes no null byte in text; no audience has one.
      return audience.includes('\0') ? undefined : findApiByAudience(postgres.db, audience);
    },

    async list(page) {
      const limit = Math.min(Math.max(page.limit, 1), PAGE_MAXIMUM);
      const after = page.cursor === null ? undefined : decodeCursor(page.cursor, 1)?.[0];
      if (page.cursor !== null && after === undefined) {
        throw failure('request_invalid', { fields: { cursor: 'is not one that this list gave' } });
      }
      return pageOf(await listApis(postgres.db, after, limit + 1), limit, (api) => [api.id]);
    },

    async change(id, input, by) {
      const { version, ...given } = parse(ApiChange, input);
      const change = definedFields(given);
      return commit(undefined, async (trx) => {
        const api = await lock(trx, id);
        if (version !== undefined && version !== api.version) throw failure('version_conflict');
        if (api.system && !changedFields(api, change).every(isOperational)) throw failure('api_protected');
        return applyChange(trx, api, change, by);
      });
    },

    async remove(id, by, version) {
      return commit(undefined, async (trx) => {
        const api = await lock(trx, id);
        if (version !== undefined && version !== api.version) throw failure('version_conflict');
        // The management API of a former issuer is a system API too, but nothing relies on it any more.
        if (api.system && ensured.has(api.audience)) throw failure('api_protected');
        if (await deps.isUsed(trx, api.audience)) throw failure('api_in_use');
        await deleteApi(trx, id);
        await tell(trx, 'api.deleted', api, by, { audience: api.audience });
      });
    },

    async ensureSystem(input) {
      const api = newApi(parse(NewApi, input), true);
      ensured.add(api.audience);
      return commit(undefined, async (trx) => {
        if (await insertApi(trx, api)) {
          await tell(trx, 'api.created', api, system, { audience: api.audience });
          return api;
        }
        const present = await findApiByAudience(trx, api.audience);
        if (present === undefined) throw failure('api_not_found');
        const { name, permissions } = api;
        return applyChange(trx, await lock(trx, present.id), { name, permissions, system: true }, system);
      });
    },

    known: (audience) => snapshot.get(audience),
    everyone: () => snapshot.everyone(),
    hold: shareApis,

    async forgetOwner(trx, clientId) {
      const cleared = await clearOwner(trx, clientId, clock.now());
      if (cleared.length > 0) await changes.bump(trx, 'apis');
    },

    async start() {
      changes.on('apis', snapshot.reload);
      await snapshot.reload();
    },
  };
}

/** What an operator may set for the server's own APIs; the rest is part of the program. */
function isOperational(field: string): boolean {
  return ['tokenLifetimeSeconds', 'ownerClientId', 'tokenClaims', 'claims'].includes(field);
}

function changedFields(api: Api, change: Partial<Api>): string[] {
  const before = new Map<string, unknown>(Object.entries(api));
  return (
    Object.entries(change)
      // The order of keys says nothing: PostgreSQL keeps its own.
      .filter(([field, value]) => !isDeepStrictEqual(before.get(field), value))
      .map(([field]) => field)
  );
}

function parse<Schema extends z.ZodType>(schema: Schema, input: z.input<Schema>): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const badPermission = parsed.error.issues.some(
    ({ path }) => path[0] === 'permissions' && path[2] === 'name',
  );
  throw failure(badPermission ? 'permission_invalid' : 'api_invalid', { fields: fieldsOf(parsed.error) });
}

/** Loads may overlap; one that started earlier never replaces what a later one brought. */
function createSnapshot(load: () => Promise<Api[]>) {
  let byAudience: ReadonlyMap<string, Api> = new Map();
  let everyone = compilePermissions([]);
  let started = 0;
  let applied = 0;
  return {
    get: (audience: string) => byAudience.get(audience),
    everyone: () => everyone,
    async reload(): Promise<void> {
      started += 1;
      const turn = started;
      const apis = await load();
      if (turn < applied) return;
      applied = turn;
      byAudience = new Map(apis.map((api) => [api.audience, api]));
      const open = heldByEveryone(apis);
      if (open.texts.join(' ') !== everyone.texts.join(' ')) everyone = open;
    },
  };
}
