// Many accounts in a few statements: for what brings a whole directory along.
import type { Actor, Audit, NewEvent } from '../audit/audit.ts';
import { type AccountId, newId } from '../lib/ids.ts';
import type { Clock } from '../platform/clock.ts';
import { insertMany } from '../platform/database/insert-many.ts';
import type { Db } from '../platform/database/postgres.ts';
import { unlessTaken } from '../platform/database/unique.ts';
import { type FirstFields, firstFields } from './fields.ts';
import type { Profile } from './profile.ts';
import type { NewAccount } from './schema.ts';
import { newAccountRow } from './store.ts';

/** An account that could be made, if nobody else has its identifiers. */
export interface Candidate extends FirstFields {
  readonly id: AccountId;
}

export interface AccountBulk {
  /** Throws as `create` does. */
  check(input: NewAccount): Candidate;
  /** Who has which of these identifiers, in the form in which they are compared. */
  holders(db: Db, normalized: readonly string[]): Promise<Map<string, AccountId>>;
  /** Which of these there are. */
  existing(db: Db, ids: readonly string[]): Promise<Set<string>>;
  /** False: one of the identifiers is taken, or twice among them; the transaction must be given up. */
  create(trx: Db, candidates: readonly Candidate[], by: Actor): Promise<boolean>;
}

export function createAccountBulk(deps: {
  audit: Pick<Audit, 'recordAll'>;
  clock: Clock;
  profile: Profile;
}): AccountBulk {
  return {
    check: (input) => ({ id: newId('acc'), ...firstFields(input, deps.profile) }),

    async holders(db, normalized) {
      const rows: { normalized: string; account_id: AccountId }[] = await db('account_identifiers')
        .whereRaw('normalized = any(?::text[])', [[...normalized]])
        .select('normalized', 'account_id');
      return new Map(rows.map((row) => [row.normalized, row.account_id]));
    },

    async existing(db, ids) {
      return new Set(
        await db('accounts')
          .whereRaw('id = any(?::text[])', [[...ids]])
          .pluck('id'),
      );
    },

    async create(trx, candidates, by) {
      const at = deps.clock.now();
      await insertMany(
        trx,
        'accounts',
        candidates.map(({ id, fields }) => newAccountRow(id, fields, at)),
      );
      const identifiers = candidates.flatMap((candidate) => identifierRows(candidate, at));
      // In one order for all: two imports at a time wait for one another and never both.
      identifiers.sort((a, b) => (a.normalized < b.normalized ? -1 : 1));
      if (!(await unlessTaken(insertMany(trx, 'account_identifiers', identifiers)))) return false;
      await deps.audit.recordAll(
        trx,
        candidates.map((candidate) => createdEvent(candidate, by)),
      );
      return true;
    },
  };
}

function identifierRows({ id, identifiers, emailVerified }: Candidate, at: Date) {
  return identifiers.map(({ kind, value, normalized }) => ({
    normalized,
    account_id: id,
    kind,
    value,
    verified: kind === 'email' && emailVerified,
    created_at: at,
  }));
}

function createdEvent({ id, fields, identifiers }: Candidate, by: Actor): NewEvent {
  return {
    type: 'account.created',
    actor: by,
    outcome: 'success',
    accountId: id,
    details: { admin: fields.admin, identifiers: identifiers.map(({ kind }) => kind), imported: true },
  };
}
