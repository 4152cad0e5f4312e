// The string → the key, or why not. A key that does not exist costs what a wrong secret costs: as many statements, as many
// hashes, as many comparisons.
import { timingSafeEqual } from 'node:crypto';
import { apiKeyIdOf } from '../../lib/api-key-format.ts';
import type { ApiKeyId, ApiKeySecretId } from '../../lib/ids.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Db } from '../../platform/database/postgres.ts';
import type { Peppers } from '../../platform/secrets/peppers.ts';
import type { Log } from '../../platform/telemetry/log.ts';
import type { KeyRefusal, KnownKey } from '../schema.ts';
import { rewriteHash } from '../store.ts';
import { type KnownKeys, SECRET_SLOTS, type StoredKey, type StoredSecret } from './known.ts';
import type { KeyRights } from './rights.ts';

export type Authenticated =
  | {
      readonly key: KnownKey;
      readonly secretId: ApiKeySecretId;
      /** When the string that was presented retires, in milliseconds; Infinity while it was not rotated. */
      readonly secretEndsAt: number;
    }
  /** The id is told only where the secret was right: then whoever asks holds the key. */
  | { readonly refused: KeyRefusal; readonly keyId?: ApiKeyId };

export interface Authenticating {
  authenticate(presented: string, facts: { address: string | null }): Promise<Authenticated>;
  alive(keyId: string, secretId: string): Promise<KnownKey | undefined>;
}

const HASH_BYTES = 32;

export function createAuthenticating(deps: {
  db: Db;
  log: Log;
  clock: Clock;
  known: KnownKeys;
  rights: KeyRights;
  peppers: Peppers;
}): Authenticating {
  const { known, rights, peppers, clock } = deps;
  const stored = Buffer.alloc(HASH_BYTES);
  const rewriting = new Set<string>();

  /** Under every version that there is: which one a key is of must not be told by the time it takes. */
  function hashesOf(presented: string, made = new Map<number, Buffer>()): Map<number, Buffer> {
    for (const version of peppers.versions()) {
      const hash = made.get(version) ?? peppers.hash(version, presented);
      if (hash !== undefined) made.set(version, hash);
    }
    return made;
  }

  /** Always as many comparisons, so that time tells neither whether there is a key nor which secret it was. */
  function matching(hashes: Map<number, Buffer>, found: StoredKey | undefined): StoredSecret | undefined {
    let matched: StoredSecret | undefined;
    const newest = hashes.get(peppers.newest()) ?? stored;
    for (let slot = 0; slot < SECRET_SLOTS; slot += 1) {
      const secret = found?.secrets[slot];
      const hash = secret === undefined ? undefined : hashes.get(secret.pepperVersion);
      stored.fill(0);
      if (secret !== undefined) stored.write(secret.hash, 'latin1');
      if (timingSafeEqual(hash ?? newest, stored) && hash !== undefined) matched = secret;
    }
    return matched;
  }

  /** One conditional update at its next good use; were it to fail, the one after that does it. */
  function bringUpToDate(secret: StoredSecret, hashes: Map<number, Buffer>): void {
    const newest = peppers.newest();
    const hash = hashes.get(newest);
    if (secret.pepperVersion === newest || hash === undefined || rewriting.has(secret.id)) return;
    rewriting.add(secret.id);
    const from = { hash: Buffer.from(secret.hash, 'latin1'), pepperVersion: secret.pepperVersion };
    rewriteHash(deps.db, { id: secret.id, from, to: { hash, pepperVersion: newest } })
      .then(() => Object.assign(secret, { hash: hash.toString('latin1'), pepperVersion: newest }))
      .catch((error: unknown) => deps.log.warn('the hash of an API key could not be rewritten', { error }))
      .finally(() => rewriting.delete(secret.id));
  }

  async function withKnownPeppers(found: StoredKey | undefined): Promise<StoredKey | undefined> {
    const versions = peppers.versions();
    // Another node put a new one to use a moment ago.
    if (found?.secrets.some(({ pepperVersion }) => !versions.includes(pepperVersion))) await peppers.load();
    return found;
  }

  return {
    async authenticate(presented, { address }) {
      const id = apiKeyIdOf(presented);
      if (id === undefined) return { refused: 'malformed' };
      const since = performance.now();
      let found = await withKnownPeppers(await known.get(id));
      const hashes = hashesOf(presented);
      let secret = matching(hashes, found);
      if (secret === undefined) {
        const later = await known.again(id, since);
        found = await withKnownPeppers(later ?? found);
        hashesOf(presented, hashes);
        secret = matching(hashes, found);
      }
      if (found === undefined || secret === undefined) return { refused: 'unknown' };
      const refused = await refusalOf(found.key, secret, address);
      if (refused !== undefined) return { refused, keyId: found.key.id };
      bringUpToDate(secret, hashes);
      return { key: found.key, secretId: secret.id, secretEndsAt: secret.retiresAtMilliseconds };
    },

    async alive(keyId, secretId) {
      const found = await known.get(keyId);
      const secret = found?.secrets.find(({ id }) => id === secretId);
      if (found === undefined || secret === undefined || isRetired(secret)) return undefined;
      return (await rights.refusalOf(found.key)) === undefined ? found.key : undefined;
    },
  };

  async function refusalOf(key: KnownKey, secret: StoredSecret, address: string | null) {
    const refusal = await rights.refusalOf(key);
    if (refusal === 'revoked' || refusal === 'disabled' || refusal === 'expired') return refusal;
    if (isRetired(secret)) return 'retired';
    return refusal ?? ((await rights.admits(key, address)) ? undefined : 'address_not_allowed');
  }

  function isRetired({ retiresAtMilliseconds }: StoredSecret): boolean {
    return retiresAtMilliseconds <= clock.now().getTime();
  }
}
