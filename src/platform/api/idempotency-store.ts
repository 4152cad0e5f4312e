// All SQL of the table idempotency_keys. Times are the database's own: nodes whose clocks differ agree on when a claim ends.
import type { Db } from '../database/postgres.ts';

export interface NewClaim {
  keyHash: Buffer;
  requestHash: Buffer;
  requestId: string | null;
}

export interface KnownKey {
  requestHash: Buffer;
  requestId: string | null;
  claimedAt: Date;
  /** Sealed; null while the first request is under way. */
  answer: Buffer | null;
  /** No answer, and the time in which one was due is over. */
  abandoned: boolean;
}

const KEPT_SECONDS = 24 * 3600;
/** A claim outlives its server by at most this; a living one renews it. */
const CLAIM_SECONDS = 60;

/** One insert claims the key; false when it is known already. A key that has run out is as good as new. */
export async function claimKey(db: Db, claim: NewClaim): Promise<boolean> {
  const { rows } = await db.raw<{ rows: unknown[] }>(
    `insert into idempotency_keys as known (key_hash, request_hash, request_id, claimed_at, claimed_until, expires_at)
     values (?, ?, ?, now(), now() + make_interval(secs => ?), now() + make_interval(secs => ?))
     on conflict (key_hash) do update set
       request_hash = excluded.request_hash, request_id = excluded.request_id, answer = null,
       claimed_at = excluded.claimed_at, claimed_until = excluded.claimed_until, expires_at = excluded.expires_at
     where known.expires_at <= now()
     returning 1`,
    [claim.keyHash, claim.requestHash, claim.requestId, CLAIM_SECONDS, KEPT_SECONDS],
  );
  return rows.length > 0;
}

/** Takes over a claim whose server died; one of several succeeds. */
export async function claimAbandoned(db: Db, claim: NewClaim): Promise<boolean> {
  const taken = await db('idempotency_keys')
    .where({ key_hash: claim.keyHash })
    .whereNull('answer')
    .whereRaw('claimed_until <= now()')
    .update({
      request_id: claim.requestId,
      claimed_at: db.raw('now()'),
      claimed_until: db.raw('now() + make_interval(secs => ?)', [CLAIM_SECONDS]),
    });
  return taken > 0;
}

/** Not when another request has taken the claim over. */
export async function renewClaim(db: Db, { keyHash, requestId }: NewClaim): Promise<void> {
  await db('idempotency_keys')
    .where({ key_hash: keyHash, request_id: requestId })
    .whereNull('answer')
    .update({ claimed_until: db.raw('now() + make_interval(secs => ?)', [CLAIM_SECONDS]) });
}

export async function readKey(db: Db, keyHash: Buffer): Promise<KnownKey | undefined> {
  const [row] = await db('idempotency_keys').where({ key_hash: keyHash }).select<
    {
      request_hash: Buffer;
      request_id: string | null;
      claimed_at: Date;
      answer: Buffer | null;
      due: boolean;
    }[]
  >('request_hash', 'request_id', 'claimed_at', 'answer', db.raw('claimed_until <= now() as due'));
  return (
    row && {
      requestHash: row.request_hash,
      requestId: row.request_id,
      claimedAt: row.claimed_at,
      answer: row.answer,
      abandoned: row.answer === null && row.due,
    }
  );
}

export async function keepAnswer(db: Db, keyHash: Buffer, answer: Buffer): Promise<void> {
  await db('idempotency_keys').where({ key_hash: keyHash }).whereNull('answer').update({ answer });
}

export async function abandonKey(db: Db, keyHash: Buffer): Promise<void> {
  const now = db.raw('now()');
  await db('idempotency_keys')
    .where({ key_hash: keyHash })
    .whereNull('answer')
    .update({ claimed_until: now });
}

/** What another statement holds is left for the next run. */
export async function deleteExpired(db: Db, limit: number): Promise<number> {
  const batch = db('idempotency_keys')
    .select('key_hash')
    .whereRaw('expires_at <= now()')
    .limit(limit)
    .forUpdate()
    .skipLocked();
  return db('idempotency_keys').whereIn('key_hash', batch).delete();
}
