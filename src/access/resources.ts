// Registered resources: what decisions are asked about, and the properties (an owner, a state) that conditions look at.
import { z } from 'zod';
import type { Audit } from '../audit/audit.ts';
import type { Actor } from '../audit/schema.ts';
import { fieldsOf } from '../lib/fields.ts';
import { decodeCursor, type Page, type PageRequest, pageOf } from '../lib/page.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import { createKnown } from '../platform/known/known.ts';
import type { EventType } from '../vocabulary/events.ts';
import type { Properties, RegisteredResource, ResourceName } from './resource-store.ts';
import * as store from './resource-store.ts';

export type { Properties, RegisteredResource, ResourceName } from './resource-store.ts';

export interface Resources {
  /** Registers it, or gives it these properties. Throws resource_invalid, and version_conflict when `version` is given. */
  put(name: ResourceName, input: ResourceInput, by: Actor): Promise<RegisteredResource>;
  /** All or none of them. Throws resource_invalid. */
  putMany(organizationId: string | null, input: readonly NewResource[], by: Actor): Promise<PutCounts>;
  find(name: ResourceName): Promise<RegisteredResource | undefined>;
  /** Of one organization, or with null those known everywhere; by type and id. */
  list(
    filter: { organizationId: string | null; type?: string | undefined },
    page: PageRequest,
  ): Promise<Page<RegisteredResource>>;
  /** Throws resource_not_found, and version_conflict when `version` is given and not the current one. */
  remove(name: ResourceName, by: Actor, version?: number): Promise<void>;
  /**
   * What is registered, as it counts in that organization; from memory. A resource that is known everywhere is the same in
   * every organization: none can give it properties of its own.
   */
  known(name: ResourceName): Promise<Properties | undefined>;
  /** Those of a type that count in the organization, each once, in the order of their ids. */
  ofType(question: {
    organizationId: string | null;
    type: string;
    after: string;
    limit: number;
  }): Promise<{ id: string; properties: Properties }[]>;
  /** Keeps what `known` answers fresh. */
  start(): void;
}

export interface PutCounts {
  made: number;
  changed: number;
  unchanged: number;
}

export interface ResourcesDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  changes: Pick<Changes, 'bump' | 'on' | 'poll' | 'silence'>;
  clock: Clock;
}

export const MOST_AT_ONCE = 1_000;
const PAGE_MAXIMUM = 200;
const MOST_PROPERTIES = 64;
const PROPERTIES_BYTES = 8 * 1024;
/** Nobody is answered from memory when changes have gone unheard for as long as this. */
const SILENCE_MILLISECONDS = 5_000;

/** A word that a permission can name. */
const Type = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?$/i,
    'has up to 100 letters, digits, dots, dashes and underscores',
  );
const Id = z
  .string()
  .min(1, 'must not be empty')
  .max(256, 'must not be longer than 256 characters')
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must not hold control characters');
const PropertyBag = z
  .record(z.string().min(1).max(100), z.unknown())
  .refine((bag) => Object.keys(bag).length <= MOST_PROPERTIES, `must not be more than ${MOST_PROPERTIES}`)
  .refine(
    (bag) => Buffer.byteLength(JSON.stringify(bag)) <= PROPERTIES_BYTES,
    `must not be longer than ${PROPERTIES_BYTES} bytes of JSON`,
  );

export const ResourceInput = z.strictObject({
  properties: PropertyBag.default({}).describe('What conditions of permissions look at: an owner, a state.'),
  version: z.int().optional().describe('Guards against lost updates when given.'),
});
export type ResourceInput = z.input<typeof ResourceInput>;

export const NewResource = z.strictObject({ type: Type, id: Id, properties: PropertyBag.default({}) });
export type NewResource = z.input<typeof NewResource>;

export function createResources(deps: ResourcesDeps): Resources {
  const { postgres, changes, clock } = deps;
  const stored = store.createKnownProperties(postgres.db);
  const cache = createKnown<Properties>({
    clock,
    load: (key) => stored.run(nameOf(key)),
    silence: changes.silence,
    maximumSilence: SILENCE_MILLISECONDS,
  });

  /** A change is seen on this node before it is answered; were this look to fail, the next one in a second brings it. */
  async function commit<T>(run: (trx: Db) => Promise<T>): Promise<T> {
    const result = await postgres.transaction(run).catch((error: unknown) => {
      throw isForeign(error) ? failure('organization_not_found', {}, error) : error;
    });
    await changes.poll().catch(() => undefined);
    return result;
  }

  async function tell(trx: Db, type: EventType, name: ResourceName, by: Actor): Promise<void> {
    const target = { kind: 'resource', id: `${name.type}:${name.id}` };
    const details = name.organizationId === null ? {} : { organizationId: name.organizationId };
    await deps.audit.record(trx, { type, actor: by, outcome: 'success', target, details });
    await changes.bump(trx, 'resources', keyOf(name));
  }

  async function putMany(
    organizationId: string | null,
    input: readonly NewResource[],
    by: Actor,
  ): Promise<PutCounts> {
    const given = parse(z.array(NewResource).max(MOST_AT_ONCE, `must not be more than ${MOST_AT_ONCE}`), [
      ...input,
    ]);
    refuseTwice(given);
    return commit(async (trx) => {
      const written = await store.upsertResources(trx, organizationId, given, clock.now());
      const made = written.filter((one) => one.made).length;
      const counts = { made, changed: written.length - made, unchanged: given.length - written.length };
      if (written.length === 0) return counts;
      const details = { ...counts, ...(organizationId === null ? {} : { organizationId }) };
      await deps.audit.record(trx, { type: 'resources.imported', actor: by, outcome: 'success', details });
      await changes.bump(trx, 'resources');
      return counts;
    });
  }

  return {
    async put(name, input, by) {
      const { type, id } = parse(NewResource.pick({ type: true, id: true }), {
        type: name.type,
        id: name.id,
      });
      const { properties, version } = parse(ResourceInput, input);
      return commit(async (trx) => {
        const present = await store.findResource(trx, name, 'for update');
        if (version !== undefined && version !== present?.version) throw failure('version_conflict');
        const one = { type, id, properties };
        const [written] = await store.upsertResources(trx, name.organizationId, [one], clock.now());
        if (written === undefined) return present ?? mustFind(await store.findResource(trx, name));
        await tell(trx, written.made ? 'resource.registered' : 'resource.changed', name, by);
        return written.resource;
      });
    },

    putMany,
    find: (name) => store.findResource(postgres.db, name),

    async list(filter, page) {
      const limit = Math.min(Math.max(page.limit, 1), PAGE_MAXIMUM);
      const [type, id] = page.cursor === null ? [] : (decodeCursor(page.cursor, 2) ?? []);
      const after = type === undefined || id === undefined ? undefined : { type, id };
      if (page.cursor !== null && after === undefined) {
        throw failure('request_invalid', { fields: { cursor: 'is not one that this list gave' } });
      }
      const rows = await store.listResources(postgres.db, filter, after, limit + 1);
      return pageOf(rows, limit, (resource) => [resource.type, resource.id]);
    },

    async remove(name, by, version) {
      await commit(async (trx) => {
        const present = mustFind(await store.findResource(trx, name, 'for update'));
        if (version !== undefined && version !== present.version) throw failure('version_conflict');
        await store.deleteResource(trx, name);
        await tell(trx, 'resource.removed', name, by);
      });
    },

    async known(name) {
      const everywhere = await cache.get(keyOf({ ...name, organizationId: null }));
      if (everywhere !== undefined || name.organizationId === null) return everywhere;
      return cache.get(keyOf(name));
    },

    ofType: (question) => store.resourcesOfType(postgres.db, question),

    start() {
      changes.on('resources', (keys) => cache.expire(keys));
    },
  };
}

function mustFind(resource: RegisteredResource | undefined): RegisteredResource {
  if (resource === undefined) throw failure('resource_not_found');
  return resource;
}

/** Neither organizations nor types hold a line break; ids hold no control character. */
function keyOf({ organizationId, type, id }: ResourceName): string {
  return `${organizationId ?? ''}\n${type}\n${id}`;
}

function nameOf(key: string): ResourceName {
  const [organizationId = '', type = '', ...id] = key.split('\n');
  return { organizationId: organizationId === '' ? null : organizationId, type, id: id.join('\n') };
}

/** One statement gives a thing one set of properties. */
function refuseTwice(given: readonly { type: string; id: string }[]): void {
  const named = new Set<string>();
  for (const { type, id } of given) {
    const name = `${type}:${id}`;
    if (named.has(name)) throw failure('resource_invalid', { fields: { [name]: 'is named twice' } });
    named.add(name);
  }
}

function parse<Schema extends z.ZodType>(schema: Schema, input: z.input<Schema>): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw failure('resource_invalid', { fields: fieldsOf(parsed.error) });
}

/** 23503: what the row refers to is not there. */
function isForeign(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '23503';
}
