// The changes of the key set: making what is missing, next → current → retired, removal, withdrawal of a leaked one. One
// at a time over all nodes.
import type { Audit } from '../audit/audit.ts';
import type { Actor } from '../audit/schema.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { Vault } from '../platform/secrets/vault.ts';
import type { EventType } from '../vocabulary/events.ts';
import { makeKey, type NewKey } from './key-material.ts';
import {
  type Algorithm,
  deleteExpiredKeys,
  deleteKey,
  insertKey,
  type KeyState,
  lockKeys,
  promoteKey,
  readKeys,
  retireKey,
  type StoredKey,
} from './store.ts';

export const algorithms = ['ES256', 'RS256'] as const satisfies readonly Algorithm[];

export interface RotationSettings {
  /** How long verifiers may cache the key set: a key signs only after it was published for this long. */
  publishDelaySeconds: number;
  /** How long a retired key stays published: the longest token life and a leeway. */
  retainRetiredSeconds: number;
}

interface Deps {
  postgres: Postgres;
  vault: Vault;
  audit: Pick<Audit, 'record'>;
  changes: Pick<Changes, 'bump'>;
  clock: Clock;
  settings: RotationSettings;
}

const system: Actor = { kind: 'system', id: null };

export function createRotation(deps: Deps) {
  const { postgres, vault, clock, settings } = deps;

  async function tell(
    trx: Db,
    type: EventType,
    key: { kid: string; algorithm?: Algorithm },
    by: Actor,
    reason: string | null = null,
  ) {
    const details = key.algorithm === undefined ? {} : { algorithm: key.algorithm };
    const target = { kind: 'signing_key', id: key.kid };
    await deps.audit.record(trx, { type, actor: by, outcome: 'success', target, reason, details });
  }

  async function insert(trx: Db, key: NewKey, state: 'current' | 'next', initial: boolean, by: Actor) {
    const createdAt = clock.now();
    const activatedAt = state === 'current' ? createdAt : null;
    await insertKey(trx, {
      ...key,
      state,
      initial,
      createdAt,
      activatedAt,
      retiredAt: null,
      removeAfter: null,
    });
    await tell(trx, 'signing-key.created', key, by);
    if (state === 'current') await tell(trx, 'signing-key.promoted', key, by);
  }

  async function promote(trx: Db, current: StoredKey, next: StoredKey, replacement: NewKey, by: Actor) {
    const now = clock.now();
    const removeAfter = new Date(now.getTime() + settings.retainRetiredSeconds * 1000);
    await retireKey(trx, current.kid, { retiredAt: now, removeAfter });
    await tell(trx, 'signing-key.retired', current, by);
    await promoteKey(trx, next.kid, now);
    await tell(trx, 'signing-key.promoted', next, by);
    await insert(trx, replacement, 'next', false, by);
  }

  /** With nobody at the key set but us. A key that signs is replaced by the next one first, when that was asked for. */
  async function withdrawIn(
    trx: Db,
    input: { kid: string; rotate?: boolean },
    replacement: NewKey | undefined,
    by: Actor,
  ): Promise<void> {
    const stored = await readKeys(trx);
    const key = named(stored, input.kid);
    if (key.state === 'current') {
      const next = find(stored, key.algorithm, 'next');
      if (input.rotate !== true || next === undefined || replacement === undefined) {
        throw failure('signing_key_in_use', { kid: key.kid, algorithm: key.algorithm });
      }
      await promote(trx, key, next, replacement, by);
    }
    await deleteKey(trx, key.kid);
    await tell(trx, 'signing-key.removed', key, by, 'withdrawn');
    if (key.state === 'next' && replacement !== undefined) await insert(trx, replacement, 'next', false, by);
    await deps.changes.bump(trx, 'signing-keys');
  }

  /** A verifier that cached the key set before `next` was in it would refuse the tokens that it signs. */
  function refuseYoung(next: StoredKey): void {
    const publishedUntil = next.createdAt.getTime() + settings.publishDelaySeconds * 1000;
    const wait = Math.ceil((publishedUntil - clock.now().getTime()) / 1000);
    if (next.initial || wait <= 0) return;
    throw failure('signing_key_too_young', {
      kid: next.kid,
      algorithm: next.algorithm,
      retryAfterSeconds: wait,
    });
  }

  return {
    /** Race-safe: of two nodes that start on an empty database, both go on with the keys of the first. */
    async makeMissing(): Promise<void> {
      const wanted = missing(await readKeys(postgres.db));
      if (wanted.length === 0) return;
      // Before the transaction: nobody waits for the making of RSA keys.
      const made = await Promise.all(
        wanted.map(async (slot) => ({ ...slot, key: await makeKey(vault, slot.algorithm) })),
      );
      await postgres.transaction(async (trx) => {
        await lockKeys(trx);
        const stored = await readKeys(trx);
        const still = missing(stored);
        const initial = stored.length === 0;
        for (const { algorithm, state, key } of made) {
          if (!still.some((slot) => slot.algorithm === algorithm && slot.state === state)) continue;
          await insert(trx, key, state, initial, system);
        }
        await deps.changes.bump(trx, 'signing-keys');
      });
    },

    async rotate(input: { algorithm?: Algorithm; force?: boolean }, by: Actor): Promise<void> {
      const chosen = input.algorithm === undefined ? algorithms : [input.algorithm];
      const seen = await readKeys(postgres.db);
      const replacements = await Promise.all(chosen.map((algorithm) => makeKey(vault, algorithm)));
      await postgres.transaction(async (trx) => {
        await lockKeys(trx);
        const stored = await readKeys(trx);
        for (const [index, algorithm] of chosen.entries()) {
          const current = find(stored, algorithm, 'current');
          const next = find(stored, algorithm, 'next');
          const replacement = replacements[index];
          if (current === undefined || next === undefined || replacement === undefined) continue;
          // Somebody rotated between our look and our lock: the caller has the new key it asked for, once.
          if (find(seen, algorithm, 'current')?.kid !== current.kid) continue;
          if (input.force !== true) refuseYoung(next);
          await promote(trx, current, next, replacement, by);
        }
        await deps.changes.bump(trx, 'signing-keys');
      });
    },

    async withdraw(input: { kid: string; rotate?: boolean }, by: Actor): Promise<void> {
      const seen = named(await readKeys(postgres.db), input.kid);
      // A retired key never comes back into use, so nothing takes its place.
      const replacement = seen.state === 'retired' ? undefined : await makeKey(vault, seen.algorithm);
      await postgres.transaction(async (trx) => {
        await lockKeys(trx);
        await withdrawIn(trx, input, replacement, by);
      });
    },

    async removeExpired(): Promise<void> {
      await postgres.transaction(async (trx) => {
        await lockKeys(trx);
        const removed = await deleteExpiredKeys(trx, clock.now());
        if (removed.length === 0) return;
        for (const kid of removed) await tell(trx, 'signing-key.removed', { kid }, system);
        await deps.changes.bump(trx, 'signing-keys');
      });
    },
  };
}

function missing(keys: readonly StoredKey[]): { algorithm: Algorithm; state: 'current' | 'next' }[] {
  return algorithms
    .flatMap((algorithm) => (['current', 'next'] as const).map((state) => ({ algorithm, state })))
    .filter(({ algorithm, state }) => find(keys, algorithm, state) === undefined);
}

function find(keys: readonly StoredKey[], algorithm: Algorithm, state: KeyState): StoredKey | undefined {
  return keys.find((key) => key.algorithm === algorithm && key.state === state);
}

function named(keys: readonly StoredKey[], kid: string): StoredKey {
  const key = keys.find((one) => one.kid === kid);
  if (key === undefined) throw failure('signing_key_not_found', { kid });
  return key;
}
