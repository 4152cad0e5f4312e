// The few wrong codes that one sign-in has, whatever its account may have left: rows of sign_in_attempts under its name.
import type { Db } from '../platform/database/postgres.ts';

/** As in the rows of identifiers: from any address. */
const ANY = Buffer.alloc(0);

/** False when as many were made as there are, one after the other or at once, and the last is not long ago. */
export async function countGuess(
  db: Db,
  identifier: Buffer,
  most: number,
  { now, endsAt }: { now: Date; endsAt: Date },
): Promise<boolean> {
  const { rows } = await db.raw<{ rows: unknown[] }>(
    `insert into sign_in_attempts as made (identifier, address, failures, failed_at, expires_at)
     values (:identifier, :any, 1, :now, :endsAt)
     on conflict (identifier, address) do update
     set failures = case when made.expires_at > :now then made.failures + 1 else 1 end,
       failed_at = :now, expires_at = :endsAt
     where made.failures < :most or made.expires_at <= :now returning 1`,
    { identifier, any: ANY, now, endsAt, most },
  );
  return rows.length > 0;
}

export async function guessingEnd(db: Db, identifier: Buffer): Promise<Date | undefined> {
  const row = await db('sign_in_attempts').where({ identifier, address: ANY }).first('expires_at');
  return row?.expires_at;
}

export async function forgetGuesses(db: Db, identifier: Buffer): Promise<void> {
  await db('sign_in_attempts').where({ identifier, address: ANY }).delete();
}
