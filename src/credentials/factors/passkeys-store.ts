// All SQL of passkeys. Whether an answer is accepted, its counter included, is one conditional statement.
import { type EventRow, eventJson } from '../../audit/audit.ts';
import type { AccountId, FactorId } from '../../lib/ids.ts';
import type { Also } from '../../lockout/lockout.ts';
import type { Db } from '../../platform/database/postgres.ts';

export interface PasskeyDetails {
  /** COSE, base64url. */
  publicKey: string;
  transports: readonly string[];
  aaguid: string;
  /** Whether it may be copied to other devices, and whether it has been. */
  synced: boolean;
  backedUp: boolean;
  /** It asked for a PIN or a fingerprint once: it may stand alone. */
  userVerified: boolean;
}

export interface Passkey {
  id: FactorId;
  accountId: AccountId;
  counter: number;
  disabledAt: Date | null;
  details: PasskeyDetails;
  /** What the authenticator knows its owner by. */
  userHandle: Buffer | null;
}

export async function findPasskey(db: Db, credentialId: Buffer): Promise<Passkey | undefined> {
  const row = await db('factors')
    .join('accounts', 'accounts.id', 'factors.account_id')
    .where({ credential_id: credentialId, kind: 'passkey' })
    .first({
      id: 'factors.id',
      accountId: 'factors.account_id',
      counter: 'factors.counter',
      disabledAt: 'factors.disabled_at',
      details: 'factors.details',
      userHandle: 'accounts.webauthn_user_id',
    });
  // A bigint arrives as text; a counter has 32 bits.
  return row && { ...row, counter: Number(row.counter) };
}

export async function listPasskeys(
  db: Db,
  accountId: AccountId,
): Promise<{ credentialId: Buffer; transports: string[]; disabledAt: Date | null }[]> {
  return db('factors')
    .where({ account_id: accountId, kind: 'passkey' })
    .orderBy('id')
    .select({
      credentialId: 'credential_id',
      transports: db.raw(`details->'transports'`),
      disabledAt: 'disabled_at',
    });
}

/** Random, made at the first need, and never anything that says who it is (WebAuthn §14.6.1). */
export async function userHandleOf(db: Db, accountId: AccountId, fresh: Buffer): Promise<Buffer | undefined> {
  const rows: { handle: Buffer }[] = await db('accounts')
    .where({ id: accountId })
    .update({ webauthn_user_id: db.raw('coalesce(webauthn_user_id, ?)', [fresh]) })
    .returning('webauthn_user_id as handle');
  return rows[0]?.handle;
}

export interface Accepted {
  id: FactorId;
  counter: number;
  at: Date;
  details: Partial<PasskeyDetails>;
  events: readonly EventRow[];
}

/**
 * Takes the counter one step forward and writes the events. No row when it is no step forward, the passkey was disabled or
 * removed, or the account suspended.
 */
export function acceptingPasskey({ id, counter, at, details, events }: Accepted): Also {
  return {
    name: 'passkey',
    sql: (condition) => `also as (
      update factors set counter = :counter, last_used_at = :usedAt, details = details || cast(:details as jsonb)
      where id = :factorId and disabled_at is null and ${condition}
        and (counter < :counter or (counter = 0 and cast(:counter as bigint) = 0))
        and exists (select from accounts where id = factors.account_id and status = 'active')
      returning 1
    ), ledger as (
      insert into audit_events (${eventJson.columns})
      select told.* from also cross join json_to_recordset(cast(:events as json)) as told(${eventJson.record})
    )`,
    bindings: {
      factorId: id,
      counter,
      usedAt: at,
      details: JSON.stringify(details),
      events: `[${events.map(eventJson.text).join(',')}]`,
    },
  };
}

/**
 * WebAuthn §6.1.1: a counter that does not grow says that there are two of it. It is disabled, so that neither goes on; as a
 * disabled factor still counts as one, nobody gets in with less than before. False when the counter is in order.
 */
export async function disableRolledBack(
  trx: Db,
  { id, counter, at }: Pick<Accepted, 'id' | 'counter' | 'at'>,
): Promise<boolean> {
  const rows = await trx('factors')
    .where({ id })
    .whereNull('disabled_at')
    .where('counter', '>=', counter)
    .where('counter', '>', 0)
    .update({ disabled_at: at })
    .returning('id');
  return rows.length > 0;
}
