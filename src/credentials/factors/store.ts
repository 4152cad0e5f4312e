// All SQL of factors that they have in common. A step forward of a counter is one conditional statement.
import type { AccountId, FactorId } from '../../lib/ids.ts';
import type { Db } from '../../platform/database/postgres.ts';
import type { Factor, FactorKind } from '../schema.ts';

/** What an account has, whether it can be used or not. */
export interface Enrolled {
  kinds: FactorKind[];
  /** Kinds of which one at least is not disabled. */
  working: FactorKind[];
  recoveryCodesLeft: number;
  verifiedPasskey: boolean;
}

export interface NewFactor {
  id: FactorId;
  accountId: AccountId;
  kind: FactorKind;
  name: string;
  /** Sealed by the vault for `factors.secret:<id>`. */
  secret?: Buffer;
  credentialId?: Buffer;
  /** `totp`: the step of the code that was shown. `passkey`: the signature counter. */
  counter?: number;
  details?: Record<string, unknown>;
  createdAt: Date;
}

const SHOWN = {
  id: 'id',
  kind: 'kind',
  name: 'name',
  createdAt: 'created_at',
  lastUsedAt: 'last_used_at',
  disabledAt: 'disabled_at',
  details: 'details',
} as const;

/** Disabled ones too, the oldest first. */
export async function list(db: Db, accountId: AccountId): Promise<Factor[]> {
  return db('factors').where({ account_id: accountId }).orderBy('id').select(SHOWN);
}

export async function find(db: Db, accountId: AccountId, id: FactorId): Promise<Factor | undefined> {
  return db('factors').where({ account_id: accountId, id }).first(SHOWN);
}

export async function summaryOf(db: Db, accountId: AccountId): Promise<Enrolled> {
  const { rows } = await db.raw<{ rows: Enrolled[] }>(
    `select coalesce(array_agg(distinct kind), '{}') as kinds,
       coalesce(array_agg(distinct kind) filter (where disabled_at is null), '{}') as working,
       coalesce(bool_or(kind = 'passkey' and disabled_at is null and details->'userVerified' = 'true'), false)
         as "verifiedPasskey",
       (select count(*)::int from recovery_codes where account_id = :accountId and used_at is null)
         as "recoveryCodesLeft"
     from factors where account_id = :accountId`,
    { accountId },
  );
  return rows[0] ?? { kinds: [], working: [], recoveryCodesLeft: 0, verifiedPasskey: false };
}

/** undefined when there is one of this id or credential already. */
export async function insert(trx: Db, factor: NewFactor): Promise<Factor | undefined> {
  const rows = await trx('factors')
    .insert({
      id: factor.id,
      account_id: factor.accountId,
      kind: factor.kind,
      name: factor.name,
      secret: factor.secret ?? null,
      credential_id: factor.credentialId ?? null,
      counter: factor.counter ?? 0,
      details: JSON.stringify(factor.details ?? {}),
      created_at: factor.createdAt,
    })
    .onConflict()
    .ignore()
    .returning(Object.entries(SHOWN).map(([name, column]) => `${column} as ${name}`));
  return rows[0];
}

export async function rename(
  trx: Db,
  accountId: AccountId,
  id: FactorId,
  name: string,
): Promise<Factor | undefined> {
  const rows = await trx('factors').where({ account_id: accountId, id }).update({ name }).returning('id');
  return rows.length === 0 ? undefined : find(trx, accountId, id);
}

export async function remove(trx: Db, accountId: AccountId, id: FactorId): Promise<FactorKind | undefined> {
  const rows = await trx('factors').where({ account_id: accountId, id }).delete().returning('kind');
  return rows[0]?.kind;
}

/** Of which kinds they were. */
export async function removeAll(trx: Db, accountId: AccountId): Promise<FactorKind[]> {
  const rows: { kind: FactorKind }[] = await trx('factors')
    .where({ account_id: accountId })
    .delete()
    .returning('kind');
  return rows.map(({ kind }) => kind);
}

/**
 * Accepts what a counter or a time step proves, once: false when it is no step forward (used before, or in parallel), or the
 * factor is disabled or gone. The failures in a row end with it.
 */
export async function advanceCounter(trx: Db, id: FactorId, counter: number, at: Date): Promise<boolean> {
  const rows = await trx('factors')
    .where({ id })
    .whereNull('disabled_at')
    .where('counter', '<', counter)
    .update({ counter, last_used_at: at, consecutive_failures: 0 })
    .returning('id');
  return rows.length > 0;
}

/** For what has no counter. */
export async function noteUse(trx: Db, id: FactorId, at: Date): Promise<boolean> {
  const rows = await trx('factors')
    .where({ id })
    .whereNull('disabled_at')
    .update({ last_used_at: at, consecutive_failures: 0 })
    .returning('id');
  return rows.length > 0;
}

/** Each factor that a wrong proof was held against; those that have failed too often in a row are disabled from now on. */
export async function noteFailure(
  trx: Db,
  of: { accountId: AccountId; kind: FactorKind; most: number; at: Date },
): Promise<FactorId[]> {
  const { rows } = await trx.raw<{ rows: { id: FactorId; disabled: boolean }[] }>(
    `update factors set consecutive_failures = consecutive_failures + 1,
       disabled_at = case when consecutive_failures + 1 >= :most then cast(:at as timestamptz) end
     where account_id = :accountId and kind = :kind and disabled_at is null
     returning id, disabled_at is not null as disabled`,
    { ...of },
  );
  return rows.flatMap(({ id, disabled }) => (disabled ? [id] : []));
}

export async function count(trx: Db, accountId: AccountId): Promise<number> {
  const row = await trx('factors').where({ account_id: accountId }).count({ count: '*' }).first();
  return Number(row?.count ?? 0);
}
