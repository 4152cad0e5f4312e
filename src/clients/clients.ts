// OAuth clients: registering, changing and finding them, and the in-process look-up that every protocol request does.
import { isDeepStrictEqual } from 'node:util';
import type { Apis } from '../apis/apis.ts';
import type { Audit } from '../audit/audit.ts';
import type { Actor } from '../audit/schema.ts';
import { definedFields } from '../lib/fields.ts';
import { type ClientId, type ClientSecretId, newId } from '../lib/ids.ts';
import { decodeCursor, type Page, type PageRequest, pageOf } from '../lib/page.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import { createKnown } from '../platform/known/known.ts';
import { keyedHash } from '../platform/secrets/tokens.ts';
import type { EventType } from '../vocabulary/events.ts';
import { engineMetadata } from './engine-metadata.ts';
import { createKnownStore } from './known-store.ts';
import { usesSecret } from './metadata.ts';
import { checkRegistration, parseChange, parseRegistration, type Registered } from './registration.ts';
import {
  CLIENT_ID,
  type Client,
  type ClientChange,
  type ClientFilter,
  type ClientGuard,
  type ClientSecretView,
  type NewClient,
} from './schema.ts';
import { listSecrets, type SecretHash } from './secret-store.ts';
import { createSecrets, type NewSecret } from './secrets.ts';
import {
  anyClientUses,
  clientsWantingLogout,
  deleteClient,
  findClient,
  insertClient,
  listClients,
  lockClient,
  updateClient,
} from './store.ts';

export { allowedOrigins } from './metadata.ts';
export type {
  Client,
  ClientChange,
  ClientFilter,
  ClientGuard,
  ClientSecretView,
  NewClient,
} from './schema.ts';

export interface KnownClient {
  readonly client: Client;
  /** The metadata that the engine builds its client from; the same object as long as the client does not change. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly secretHashes: readonly SecretHash[];
}

export interface Clients {
  /** The secret is in this answer and nowhere else. Throws client_id_taken, client_id_invalid, client_metadata_invalid, redirect_uri_invalid. */
  register(input: NewClient, by: Actor, db?: Db): Promise<{ client: Client; secret: string | null }>;
  /** Registers a client of the server itself, or brings it up to date. For the start. */
  ensureSystem(input: NewClient & { id: string }): Promise<Client>;
  find(id: string): Promise<Client | undefined>;
  /** In the order of ids. */
  list(filter: ClientFilter, page: PageRequest): Promise<Page<Client>>;
  /** Throws as register does, and client_not_found, version_conflict, client_protected. */
  change(id: string, change: ClientChange, by: Actor, guard?: ClientGuard): Promise<Client>;
  /** With everything that was granted to it and issued from that. Throws client_not_found, client_protected, version_conflict. */
  remove(id: string, by: Actor, only?: { version?: number | undefined; guard?: ClientGuard }): Promise<void>;
  /** Throws client_secret_limit, or client_metadata_invalid when the client does not use secrets. */
  addSecret(
    id: string,
    input: NewSecret,
    by: Actor,
    guard?: ClientGuard,
  ): Promise<{ secretId: ClientSecretId; secret: string }>;
  /** Throws client_secret_not_found. */
  retireSecret(id: string, secretId: string, by: Actor, guard?: ClientGuard): Promise<void>;
  listSecrets(id: string): Promise<ClientSecretView[]>;
  /** From memory: fresh at once on this node after a change of its own, within a second or two after others'. Disabled ones are unknown. */
  known(id: string): Promise<KnownClient | undefined>;
  /** Whether one of the active secrets was presented; takes the same time for clients that do not exist. */
  secretMatches(id: string, presented: string): Promise<boolean>;
  /** Those of them that asked to be told of ended sessions. With the handle of the transaction that ends them. */
  wantLogout(db: Db, ids: readonly string[]): Promise<string[]>;
  /** Keeps what `known` answers fresh. */
  start(): void;
}

export interface ClientsDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  changes: Pick<Changes, 'bump' | 'on' | 'poll' | 'silence'>;
  clock: Clock;
  apis: Pick<Apis, 'hold' | 'forgetOwner'>;
  /** The server secret 'token'. */
  secretKey: Buffer;
  /** Ends grants, sessions' parts and tokens of a deleted client: its id may be registered again. */
  endClientState: (trx: Db, clientId: ClientId) => Promise<void>;
}

const PAGE_MAXIMUM = 200;
const system: Actor = { kind: 'system', id: null };

/** For createApis: whether a client may ask for tokens of this API. */
export const clientsUseApi: (db: Db, audience: string) => Promise<boolean> = anyClientUses;

export function createClients(deps: ClientsDeps): Clients {
  const { postgres, changes, clock } = deps;
  const stored = createKnownStore(postgres.db, () => clock.now());
  const cache = createKnown<KnownClient>({ clock, load: loadKnown, silence: changes.silence });
  const secrets = createSecrets({ ...deps, commit, lock, tell });

  /** Runs in the caller's transaction, or in one of its own whose change is seen on this node before it returns. */
  async function commit<T>(db: Db | undefined, run: (trx: Db) => Promise<T>): Promise<T> {
    if (db !== undefined) return run(db);
    const result = await postgres.transaction(run);
    // The change stands: were this look to fail, the next one in a second brings it.
    await changes.poll().catch(() => undefined);
    return result;
  }

  async function tell(trx: Db, type: EventType, client: Client, by: Actor, details: Record<string, unknown>) {
    const target = { kind: 'client', id: client.id };
    await deps.audit.record(trx, {
      type,
      actor: by,
      outcome: 'success',
      clientId: client.id,
      target,
      details,
    });
    await changes.bump(trx, 'clients', client.id);
  }

  async function lock(trx: Db, id: string, guard?: ClientGuard): Promise<Client> {
    const client = CLIENT_ID.test(id) ? await lockClient(trx, id) : undefined;
    if (client === undefined) throw failure('client_not_found');
    guard?.(client);
    return client;
  }

  function newClient(id: ClientId | undefined, registered: Registered, isSystem: boolean): Client {
    const now = clock.now();
    const own = { status: 'active', system: isSystem, version: 1, createdAt: now, updatedAt: now } as const;
    return { id: id ?? newId('cli'), ...registered, ...own };
  }

  async function applyChange(trx: Db, client: Client, change: Partial<Client>, by: Actor): Promise<Client> {
    const fields = changedFields(client, change);
    if (fields.length === 0) return client;
    const next: Client = { ...client, ...change, version: client.version + 1, updatedAt: clock.now() };
    // A permission that the API dropped since must not keep the name of a client from being changed.
    await checkRegistration(trx, fields.includes('apis') ? deps.apis : undefined, next);
    await updateClient(trx, next);
    await tell(trx, 'client.changed', client, by, { fields });
    return next;
  }

  async function loadKnown(id: string, previous: KnownClient | undefined): Promise<KnownClient | undefined> {
    const { client, secretHashes = [] } = (await stored.run(id)) ?? {};
    if (client?.status !== 'active') return undefined;
    if (previous !== undefined && isSame(previous, client, secretHashes)) return previous;
    const marker = keyedHash(deps.secretKey, `client-secret-marker:${id}`).toString('base64url');
    return { client, metadata: engineMetadata(client, marker), secretHashes };
  }

  return {
    async register(input, by, db) {
      const { id, registered } = parseRegistration(input);
      return commit(db, async (trx) => {
        const client = newClient(id, registered, false);
        await checkRegistration(trx, deps.apis, client);
        if (!(await insertClient(trx, client))) throw failure('client_id_taken');
        await tell(trx, 'client.created', client, by, { name: client.name, kind: client.kind });
        const secret = usesSecret(client) ? await secrets.insert(trx, client, null) : null;
        return { client, secret: secret?.secret ?? null };
      });
    },

    async ensureSystem(input) {
      const { id, registered } = parseRegistration(input);
      return commit(undefined, async (trx) => {
        const client = newClient(id, registered, true);
        await checkRegistration(trx, deps.apis, client);
        if (await insertClient(trx, client)) {
          await tell(trx, 'client.created', client, system, { name: client.name, kind: client.kind });
          return client;
        }
        return applyChange(trx, await lock(trx, client.id), { ...registered, system: true }, system);
      });
    },

    async find(id) {
      return CLIENT_ID.test(id) ? findClient(postgres.db, id) : undefined;
    },

    async list(filter, page) {
      const limit = Math.min(Math.max(page.limit, 1), PAGE_MAXIMUM);
      const after = page.cursor === null ? undefined : decodeCursor(page.cursor, 1)?.[0];
      if (page.cursor !== null && after === undefined) {
        throw failure('request_invalid', { fields: { cursor: 'is not one that this list gave' } });
      }
      // PostgreSQL takes no null byte in text; no name has one.
      if (filter.search?.includes('\0')) return { items: [], nextCursor: null };
      const rows = await listClients(postgres.db, filter, after, limit + 1);
      return pageOf(rows, limit, (client) => [client.id]);
    },

    async change(id, input, by, guard) {
      const { version, ...given } = parseChange(input);
      const change = definedFields(given);
      return commit(undefined, async (trx) => {
        const client = await lock(trx, id, guard);
        if (version !== undefined && version !== client.version) throw failure('version_conflict');
        if (client.system) throw failure('client_protected');
        return applyChange(trx, client, change, by);
      });
    },

    async remove(id, by, { version, guard } = {}) {
      return commit(undefined, async (trx) => {
        const client = await lock(trx, id, guard);
        if (version !== undefined && version !== client.version) throw failure('version_conflict');
        if (client.system) throw failure('client_protected');
        await deps.endClientState(trx, client.id);
        await deps.apis.forgetOwner(trx, client.id);
        await deleteClient(trx, client.id);
        await tell(trx, 'client.deleted', client, by, { name: client.name });
      });
    },

    addSecret: secrets.add,
    retireSecret: secrets.retire,

    async listSecrets(id) {
      const client = CLIENT_ID.test(id) ? await findClient(postgres.db, id) : undefined;
      if (client === undefined) throw failure('client_not_found');
      return listSecrets(postgres.db, client.id);
    },

    async known(id) {
      return CLIENT_ID.test(id) ? cache.get(id) : undefined;
    },

    async secretMatches(id, presented) {
      const known = CLIENT_ID.test(id) ? await cache.get(id) : undefined;
      return secrets.matches(known?.secretHashes ?? [], presented);
    },

    wantLogout: clientsWantingLogout,

    start() {
      changes.on('clients', cache.expire);
    },
  };
}

/** An id that was deleted and registered again has another createdAt, though its version may be the same. */
function isSame(previous: KnownClient, client: Client, hashes: readonly SecretHash[]): boolean {
  return (
    previous.client.version === client.version &&
    previous.client.createdAt.getTime() === client.createdAt.getTime() &&
    previous.secretHashes.length === hashes.length &&
    previous.secretHashes.every(({ hash, expiresAt }, index) => {
      const other = hashes[index];
      return other?.hash.equals(hash) === true && other.expiresAt?.getTime() === expiresAt?.getTime();
    })
  );
}

function changedFields(client: Client, change: Partial<Client>): string[] {
  const before = new Map<string, unknown>(Object.entries(client));
  return (
    Object.entries(change)
      // The order of keys says nothing: PostgreSQL keeps its own.
      .filter(([field, value]) => !isDeepStrictEqual(before.get(field), value))
      .map(([field]) => field)
  );
}
