// From when on tokens and sign-ins of an account, of a client or of everybody count. It ends what leaves no row of its own
// to delete: JWT access tokens, and sign-ins that were under way (ASVS 7.4.1). Read from memory, kept fresh by `changes`.
import { afterCommit, type Changes } from '../platform/changes.ts';
import type { Db } from '../platform/database/postgres.ts';
import { prepared, runPrepared } from '../platform/database/prepared.ts';
import { inBatches } from '../platform/jobs/batches.ts';

export type CutoffScope = { accountId: string } | { clientId: string } | 'everyone';

export interface Cutoffs {
  /** In the transaction that ends the rest. */
  raise(trx: Db, scope: CutoffScope, at: Date): Promise<void>;
  /** Whether what was made then (seconds, as in `iat`) is over. A token of the same second counts as made before. */
  isOver(made: { atSeconds: number; accountId?: string | null; clientId?: string | null }): boolean;
  /** For the moment of a sign-in: what holds for this account, from the database. */
  ofAccount(accountId: string): Promise<Date | undefined>;
  start(): Promise<void>;
  removeOld(signal?: AbortSignal): Promise<number>;
}

/** JWT access tokens live for a day at most (apis/schema.ts, clients/schema.ts). */
const LONGEST_TOKEN_SECONDS = 86_400;
/** What a transaction that began before the last look may still bring, and more. */
const OVERLAP_SECONDS = 300;
const EVERYONE = { kind: 'everyone', subject: '' } as const;

export function createCutoffs(deps: {
  db: Db;
  changes: Pick<Changes, 'bump' | 'on'>;
  sessionAbsoluteSeconds: number;
}): Cutoffs {
  const { db, changes } = deps;
  const keptSeconds = Math.max(LONGEST_TOKEN_SECONDS, deps.sessionAbsoluteSeconds) + OVERLAP_SECONDS;
  const known = new Map<string, number>();
  let loadedAt: Date | undefined;

  const load = async () => {
    const { rows } = await db.raw<{ rows: CutoffRow[] }>(
      `select kind, subject, not_before, now() as looked_at from cutoffs
       where written_at > coalesce(?::timestamptz, '-infinity') - make_interval(secs => ?)`,
      [loadedAt ?? null, OVERLAP_SECONDS],
    );
    const oldest = Date.now() - keptSeconds * 1000;
    for (const [key, notBefore] of known) if (notBefore < oldest) known.delete(key);
    for (const row of rows) known.set(`${row.kind}:${row.subject}`, row.not_before.getTime());
    loadedAt = rows[0]?.looked_at ?? loadedAt;
  };

  return {
    async raise(trx, scope, at) {
      await trx.raw(
        `insert into cutoffs (kind, subject, not_before) values (:kind, :subject, :at)
         on conflict (kind, subject) do update
           set not_before = greatest(cutoffs.not_before, excluded.not_before), written_at = now()`,
        { ...keyOf(scope), at },
      );
      const { kind, subject } = keyOf(scope);
      const key = `${kind}:${subject}`;
      // Here it holds at once: what comes back to this node next must not be quicker than the look at the changes.
      afterCommit(trx, () => known.set(key, Math.max(known.get(key) ?? 0, at.getTime())));
      await changes.bump(trx, 'cutoffs');
    },

    isOver({ atSeconds, accountId, clientId }) {
      if (known.size === 0) return false;
      const before = (key: string) => (known.get(key) ?? 0) > atSeconds * 1000;
      return before('everyone:') || before(`account:${accountId}`) || before(`client:${clientId}`);
    },

    async ofAccount(accountId) {
      const rows = await runPrepared<{ not_before: Date | null }>(db, OF_ACCOUNT, [accountId]);
      return rows[0]?.not_before ?? undefined;
    },

    async start() {
      changes.on('cutoffs', load);
      await load();
    },

    removeOld: (signal) =>
      inBatches(async (limit) => {
        const result = await db.raw(
          `delete from cutoffs where ctid = any(array(select ctid from cutoffs
             where written_at < now() - make_interval(secs => ?) order by written_at limit ? for update skip locked))`,
          [keptSeconds, limit],
        );
        return result.rowCount ?? 0;
      }, signal),
  };
}

const OF_ACCOUNT = prepared(
  'cutoffs_of_account',
  `select max(not_before) as not_before from cutoffs where (kind, subject) in (('account', ?), ('everyone', ''))`,
);

interface CutoffRow {
  kind: string;
  subject: string;
  not_before: Date;
  looked_at: Date;
}

function keyOf(scope: CutoffScope): { kind: string; subject: string } {
  if (scope === 'everyone') return EVERYONE;
  return 'accountId' in scope
    ? { kind: 'account', subject: scope.accountId }
    : { kind: 'client', subject: scope.clientId };
}
