// Keys as requests need them, kept in process: one row and its hashes, many of them in one statement, equal parts shared.
import type { ApiKeyId, ApiKeySecretId } from '../../lib/ids.ts';
import type { Changes } from '../../platform/changes.ts';
import type { Clock } from '../../platform/clock.ts';
import { createBatch } from '../../platform/database/batch.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { createKnown } from '../../platform/known/known.ts';
import type { KnownKey } from '../schema.ts';

export interface StoredSecret {
  readonly id: ApiKeySecretId;
  /** 32 bytes, one for each character: takes a quarter of the memory of a Buffer. */
  hash: string;
  pepperVersion: number;
  readonly retiresAtMilliseconds: number;
}

export interface StoredKey {
  readonly key: KnownKey;
  /** Those that work, and then the newest of those that do not. */
  readonly secrets: readonly StoredSecret[];
  /** Most have none: then nobody needs to be asked about them. */
  readonly hasRoles: boolean;
}

export interface KnownKeys {
  get(id: string): Promise<StoredKey | undefined>;
  /**
   * After a secret did not fit: what the database says now, as a rotation elsewhere may be a moment old. Looks once a second
   * for one id, known or not, and never twice for one request; undefined when it did not look.
   */
  again(id: string, since: number): Promise<StoredKey | undefined>;
  expire(ids: readonly string[] | undefined): void;
}

interface Row extends Record<string, unknown> {
  id: ApiKeyId;
  version: number;
  has_roles: boolean;
  secrets: [id: string, hash: string, pepperVersion: number, retiresAt: string | null][];
}

/** As many secrets as are compared at each use. */
export const SECRET_SLOTS = 5;
const MAXIMUM_KEYS = 120_000;
const MAXIMUM_SILENCE_MILLISECONDS = 5_000;
const LOOK_AGAIN_MILLISECONDS = 1_000;
const MAXIMUM_LOOKS = 10_000;

const SELECT = `select k.id, k.owner_kind, k.account_id, k.organization_id, k.client_id, k.parent_id, k.root_id, k.depth,
    k.name, k.permissions, k.apis, k.allowed_addresses, k.rate_limits, k.constraints, k.claims, k.status, k.expires_at,
    k.revoked_at, k.version,
    array(
      select json_build_array(s.id, encode(s.hash, 'base64'), s.pepper_version, s.retires_at) from api_key_secrets s
      where s.key_id = k.id order by (s.retires_at is null or s.retires_at > ?) desc, s.id desc limit ${SECRET_SLOTS}
    ) as secrets,
    exists (select from role_assignments r where r.subject_kind = 'api-key' and r.subject_id = k.id) as has_roles
  from api_keys k where k.id = any(?::text[])`;

export function createKnownKeys(deps: { db: Db; clock: Clock; silence: Changes['silence'] }): KnownKeys {
  const { db, clock } = deps;
  const shared = createShared();
  /** When each id was last read, and when it last did not fit; forgotten together, which costs a look more. */
  let read = new Map<string, number>();
  let unfit = new Map<string, number>();

  const batch = createBatch<string, Row | undefined>({
    inFlight: 2,
    companyMilliseconds: 1,
    async run(ids) {
      const { rows } = await db
        .raw<{ rows: Row[] }>(SELECT, [clock.now(), [...ids]])
        .options({ name: 'known_api_keys' });
      const byId = new Map(rows.map((row) => [row.id as string, row]));
      return ids.map((id) => byId.get(id));
    },
  });

  const known = createKnown<StoredKey>({
    clock,
    silence: deps.silence,
    maximumSilence: MAXIMUM_SILENCE_MILLISECONDS,
    maximumEntries: MAXIMUM_KEYS,
    async load(id, previous) {
      if (read.size >= MAXIMUM_LOOKS) read = new Map();
      read.set(id, performance.now());
      const row = await batch.run(id);
      if (row === undefined) return undefined;
      const key = previous !== undefined && isSame(previous.key, row) ? previous.key : shared.key(row);
      return { key, secrets: row.secrets.map(secretOf), hasRoles: row.has_roles };
    },
  });

  return {
    get: known.get,
    expire: known.expire,
    async again(id, since) {
      const now = performance.now();
      const isEarly = now - (unfit.get(id) ?? Number.NEGATIVE_INFINITY) < LOOK_AGAIN_MILLISECONDS;
      if (isEarly) return undefined;
      if (unfit.size >= MAXIMUM_LOOKS) unfit = new Map();
      unfit.set(id, now);
      if ((read.get(id) ?? Number.NEGATIVE_INFINITY) >= since) return undefined;
      known.expire([id]);
      return known.get(id);
    },
  };
}

/** Every change raises the version, but for a revocation by a release from before there were versions. */
function isSame(key: KnownKey, row: Row): boolean {
  return key.version === row.version && (key.revokedAt === null) === (row.revoked_at === null);
}

function secretOf([id, hash, pepperVersion, retiresAt]: Row['secrets'][number]): StoredSecret {
  return {
    id: id as ApiKeySecretId,
    hash: Buffer.from(hash, 'base64').toString('latin1'),
    pepperVersion,
    retiresAtMilliseconds: retiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(retiresAt),
  };
}

const MAXIMUM_SHARED = 10_000;

/** Most keys look like many others: what is equal is one object, which everything made from it is remembered by, too. */
function createShared() {
  let values = new Map<string, unknown>();

  function share<T>(value: T): T {
    if (value === null) return value;
    const text = JSON.stringify(value);
    const known = values.get(text);
    if (known !== undefined) return known as T; // the same text was made from the same type
    if (values.size >= MAXIMUM_SHARED) values = new Map();
    values.set(text, value);
    return value;
  }

  return {
    // Each field by its name: what the columns hold was checked on its way in.
    key: (row: Row): KnownKey => ({
      id: row.id,
      ownerKind: share(row.owner_kind as KnownKey['ownerKind']),
      accountId: row.account_id as KnownKey['accountId'],
      organizationId: share(row.organization_id as KnownKey['organizationId']),
      clientId: share(row.client_id as KnownKey['clientId']),
      parentId: row.parent_id as KnownKey['parentId'],
      rootId: row.root_id === row.id || row.root_id === null ? row.id : (row.root_id as ApiKeyId),
      depth: row.depth as number,
      name: row.name as string,
      permissions: share(row.permissions as string[]),
      apis: share(row.apis as string[] | null),
      allowedAddresses: share(row.allowed_addresses as string[] | null),
      rateLimits: share(row.rate_limits as KnownKey['rateLimits']),
      constraints: share(row.constraints as KnownKey['constraints']),
      claims: share(row.claims as KnownKey['claims']),
      status: row.status === 'disabled' ? 'disabled' : 'active',
      expiresAt: row.expires_at as Date | null,
      revokedAt: row.revoked_at as Date | null,
      version: row.version,
    }),
  };
}
