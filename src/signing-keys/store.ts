// All SQL of the table signing_keys: rows in, records out. Private parts are sealed before they come here.
import type { JWK } from 'jose';
import type { Db } from '../platform/database/postgres.ts';

export type Algorithm = 'ES256' | 'RS256';
export type KeyState = 'next' | 'current' | 'retired';

export interface StoredKey {
  kid: string;
  algorithm: Algorithm;
  state: KeyState;
  publicJwk: JWK;
  sealedPrivateKey: Buffer;
  /** Made together with the first current key, so whoever knows that one knows this one. */
  initial: boolean;
  createdAt: Date;
  activatedAt: Date | null;
  retiredAt: Date | null;
  removeAfter: Date | null;
}

interface KeyRow {
  kid: string;
  algorithm: Algorithm;
  state: KeyState;
  public_jwk: JWK;
  private_key: Buffer;
  initial: boolean;
  created_at: Date;
  activated_at: Date | null;
  retired_at: Date | null;
  remove_after: Date | null;
}

const columns = [
  'kid',
  'algorithm',
  'state',
  'public_jwk',
  'private_key',
  'initial',
  'created_at',
  'activated_at',
  'retired_at',
  'remove_after',
] as const satisfies readonly (keyof KeyRow)[];

/** One change of the keys at a time over all nodes, also when there is no row yet to lock. Ends with the transaction. */
export async function lockKeys(trx: Db): Promise<void> {
  await trx.raw(`select pg_advisory_xact_lock(hashtextextended('gatehouse.signing-keys', 0))`);
}

/** Current first, then next, then retired with the latest first; within a state by algorithm. */
export async function readKeys(db: Db): Promise<StoredKey[]> {
  const rows = await db<KeyRow>('signing_keys')
    .select(...columns)
    .orderByRaw(
      `array_position(array['current', 'next', 'retired'], state), retired_at desc, algorithm, kid`,
    );
  return rows.map(keyOf);
}

export async function insertKey(trx: Db, key: StoredKey): Promise<void> {
  await trx('signing_keys').insert({
    kid: key.kid,
    algorithm: key.algorithm,
    state: key.state,
    public_jwk: JSON.stringify(key.publicJwk),
    private_key: key.sealedPrivateKey,
    initial: key.initial,
    created_at: key.createdAt,
    activated_at: key.activatedAt,
    retired_at: null,
    remove_after: null,
  });
}

export async function retireKey(
  trx: Db,
  kid: string,
  at: { retiredAt: Date; removeAfter: Date },
): Promise<void> {
  await trx('signing_keys')
    .where({ kid, state: 'current' })
    .update({ state: 'retired', retired_at: at.retiredAt, remove_after: at.removeAfter });
}

export async function promoteKey(trx: Db, kid: string, activatedAt: Date): Promise<void> {
  await trx('signing_keys')
    .where({ kid, state: 'next' })
    .update({ state: 'current', activated_at: activatedAt });
}

export async function deleteKey(trx: Db, kid: string): Promise<void> {
  await trx('signing_keys').where({ kid }).delete();
}

export async function deleteExpiredKeys(trx: Db, now: Date): Promise<string[]> {
  const removed = await trx<KeyRow>('signing_keys')
    .where({ state: 'retired' })
    .andWhere('remove_after', '<=', now)
    .delete()
    .returning('kid');
  return removed.map(({ kid }) => kid);
}

function keyOf(row: KeyRow): StoredKey {
  return {
    kid: row.kid,
    algorithm: row.algorithm,
    state: row.state,
    publicJwk: row.public_jwk,
    sealedPrivateKey: row.private_key,
    initial: row.initial,
    createdAt: row.created_at,
    activatedAt: row.activated_at,
    retiredAt: row.retired_at,
    removeAfter: row.remove_after,
  };
}
