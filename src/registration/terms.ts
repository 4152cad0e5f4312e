// The terms that everybody has to accept: which version holds, and who accepted which.
import type { Audit } from '../audit/audit.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';

export interface Terms {
  /** undefined: there are none. */
  readonly current: { readonly version: string; readonly url: string } | undefined;
  isMissing(accountId: AccountId): Promise<boolean>;
  /** Those that hold. Once more is no change. */
  accept(accountId: AccountId, trx?: Db): Promise<void>;
  /** Which versions this account accepted, the oldest first. */
  acceptedBy(accountId: AccountId): Promise<{ version: string; acceptedAt: Date }[]>;
}

export function createTerms(deps: {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  clock: Clock;
  settings: { version: string | undefined; url: string | undefined };
}): Terms {
  const { postgres, audit, clock } = deps;
  const { version, url } = deps.settings;
  const current = version === undefined || url === undefined ? undefined : { version, url };

  async function acceptIn(trx: Db, accountId: AccountId, accepted: string): Promise<void> {
    const rows = await trx('terms_acceptances')
      .insert({ account_id: accountId, version: accepted, accepted_at: clock.now() })
      .onConflict(['account_id', 'version'])
      .ignore()
      .returning('account_id');
    if (rows.length === 0) return;
    await audit.record(trx, {
      type: 'terms.accepted',
      actor: { kind: 'account', id: accountId },
      outcome: 'success',
      accountId,
      details: { version: accepted },
    });
  }

  return {
    current,
    async acceptedBy(accountId) {
      const rows = await postgres
        .db('terms_acceptances')
        .where({ account_id: accountId })
        .orderBy('accepted_at')
        .select<{ version: string; accepted_at: Date }[]>('version', 'accepted_at');
      return rows.map((row) => ({ version: row.version, acceptedAt: row.accepted_at }));
    },
    async isMissing(accountId) {
      if (current === undefined) return false;
      const accepted = { account_id: accountId, version: current.version };
      return (await postgres.db('terms_acceptances').where(accepted).first('version')) === undefined;
    },
    async accept(accountId, trx) {
      if (current === undefined) return;
      await (trx === undefined
        ? postgres.transaction((own) => acceptIn(own, accountId, current.version))
        : acceptIn(trx, accountId, current.version));
    },
  };
}
