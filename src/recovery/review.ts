// Whoever was in an account before its owner found the way back may have left a factor of their own there: what was added
// shortly before, and since, is shown to the owner for a month, until they say that it is theirs, or none of it is left.
import type { Audit } from '../audit/audit.ts';
import type { Credentials } from '../credentials/credentials.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import * as store from './store.ts';

type Factor = Awaited<ReturnType<Credentials['factors']['list']>>[number];

export interface ToReview {
  readonly factors: readonly Factor[];
  /** Recovery codes that were made then, and still work. */
  readonly recoveryCodes: boolean;
  /** When the account was recovered. */
  readonly until: Date;
}

export interface Review {
  /** In the transaction of a recovery. Nothing when nothing was added lately. */
  begin(trx: Db, accountId: AccountId): Promise<void>;
  isDue(accountId: AccountId): Promise<boolean>;
  /** undefined when there is nothing to be looked at. */
  find(accountId: AccountId): Promise<ToReview | undefined>;
  /** All that was shown is theirs. False when something else is there by now, or nothing was to be looked at. */
  confirm(accountId: AccountId, shown: readonly string[]): Promise<boolean>;
}

export interface ReviewDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  clock: Clock;
  credentials: { factors: Pick<Credentials['factors'], 'list'> };
}

const LOOKING_BACK_MILLISECONDS = 30 * 86_400_000;

export function createReview({ postgres, audit, clock, credentials }: ReviewDeps): Review {
  const { db } = postgres;

  async function find(accountId: AccountId): Promise<ToReview | undefined> {
    const review = await store.findReview(db, accountId);
    if (review === undefined) return undefined;
    const { since, until, recoveryCodes } = review;
    const factors = (await credentials.factors.list(accountId)).filter(({ createdAt }) => createdAt > since);
    return factors.length > 0 || recoveryCodes ? { factors, recoveryCodes, until } : undefined;
  }

  return {
    find,
    isDue: (accountId) => store.isDue(db, accountId),

    async begin(trx, accountId) {
      const until = clock.now();
      await store.beginReview(trx, accountId, new Date(until.getTime() - LOOKING_BACK_MILLISECONDS), until);
    },

    async confirm(accountId, shown) {
      const found = await find(accountId);
      if (found === undefined) return false;
      const there = found.factors.map(({ id }) => id);
      return postgres.transaction(async (trx) => {
        if (!(await store.endReview(trx, accountId, found.until, shown))) return false;
        await audit.record(trx, {
          type: 'account.review-done',
          actor: { kind: 'account', id: accountId },
          outcome: 'success',
          accountId,
          details: { factors: there },
        });
        return true;
      });
    },
  };
}
