// Accounts whose owners want them gone: days to think it over, ways to keep them, and the end.
import { timingSafeEqual } from 'node:crypto';
import type { Account, AccountGuard, Accounts } from '../accounts/accounts.ts';
import type { Actor, Audit } from '../audit/audit.ts';
import { type AccountId, parseId } from '../lib/ids.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { AppError } from '../platform/errors.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import { keyedHash } from '../platform/secrets/tokens.ts';
import type { Log } from '../platform/telemetry/log.ts';
import type { Verification } from '../verification/verification.ts';
import { type FarewellDeps, sayFarewell } from './farewell.ts';

export interface Deletion {
  readonly graceDays: number;
  /** Signs the account out everywhere and mails the way back. Throws last_admin. When it will be gone. */
  request(accountId: AccountId): Promise<Date>;
  /** Nothing when it was not to be deleted. */
  keep(accountId: AccountId, by: Actor, guard?: AccountGuard): Promise<void>;
  /** The account of a link that still keeps it; changes nothing. */
  peek(token: string): Promise<Account | undefined>;
  /** False for a link that is worth nothing any more. */
  keepByLink(token: string): Promise<boolean>;
  /** In the transaction that removes the account, before it does: the mail that says so. */
  removing(trx: Db, accountId: AccountId, by: Actor): Promise<void>;
  jobs(): Job[];
}

export interface DeletionDeps extends FarewellDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  log: Log;
  accounts: Pick<Accounts, 'find' | 'setDeletion' | 'dueForDeletion' | 'remove'>;
  verification: Pick<Verification, 'end'>;
  endAccountState: (trx: Db, accountId: AccountId) => Promise<void>;
  /** The server secret 'one-time'. */
  key: Buffer;
  issuer: string;
  settings: { deletionGraceDays: number };
}

export const KEEP_PATH = '/keep-account';
const DAY_MILLISECONDS = 86_400_000;
const BATCH = 100;
const system: Actor = { kind: 'system', id: null };

export function createDeletion(deps: DeletionDeps): Deletion {
  const { postgres, accounts, clock } = deps;
  const graceDays = deps.settings.deletionGraceDays;

  async function peek(token: string): Promise<Account | undefined> {
    const id = parseId('acc', token.slice(0, token.indexOf('.')));
    const account = id && (await accounts.find(id, postgres.db));
    if (!account?.deleteAt) return undefined;
    const expected = Buffer.from(tokenFor(deps, account.id, account.deleteAt));
    const given = Buffer.from(token);
    return given.length === expected.length && timingSafeEqual(given, expected) ? account : undefined;
  }

  return {
    graceDays,
    peek,

    request: (accountId) =>
      postgres.transaction(async (trx) => {
        const by: Actor = { kind: 'account', id: accountId };
        const at = new Date(clock.now().getTime() + graceDays * DAY_MILLISECONDS);
        await accounts.setDeletion(trx, accountId, at, { by });
        await deps.verification.end(trx, { accountId });
        await deps.endAccountState(trx, accountId);
        await tellOwner(deps, trx, accountId, at);
        await deps.audit.record(trx, {
          type: 'account.deletion-requested',
          actor: by,
          outcome: 'success',
          accountId,
          details: { deleteAt: at.toISOString() },
        });
        return at;
      }),

    async keep(accountId, by, guard) {
      await keep(deps, accountId, { by, guard });
    },

    async keepByLink(token) {
      const account = await peek(token);
      if (!account?.deleteAt) return false;
      const { id, deleteAt } = account;
      return keep(deps, id, { by: { kind: 'account', id }, was: deleteAt });
    },

    removing: (trx, accountId, by) => sayFarewell(deps, trx, accountId, by),

    jobs: () => [{ name: 'accounts-deletion', everySeconds: 3600, run: (signal) => removeDue(deps, signal) }],
  };
}

/** False when it was not to be deleted, or (`was`) not at that time. */
async function keep(
  { postgres, accounts, audit }: DeletionDeps,
  accountId: AccountId,
  act: { by: Actor; guard?: AccountGuard | undefined; was?: Date },
): Promise<boolean> {
  return postgres.transaction(async (trx) => {
    if (!(await accounts.setDeletion(trx, accountId, null, act))) return false;
    await audit.record(trx, {
      type: 'account.deletion-cancelled',
      actor: act.by,
      outcome: 'success',
      accountId,
    });
    return true;
  });
}

/**
 * Kept nowhere: it is made anew from when the account is to go, and so is worth nothing once that was taken back or
 * asked for again.
 */
function tokenFor({ key }: DeletionDeps, id: AccountId, at: Date): string {
  const proof = keyedHash(key, JSON.stringify(['keep-account', id, at.toISOString()]));
  return `${id}.${proof.toString('base64url')}`;
}

async function tellOwner(deps: DeletionDeps, trx: Db, id: AccountId, at: Date): Promise<void> {
  const account = await deps.accounts.find(id, trx);
  if (!account?.email) return;
  await deps.messages.send(trx, {
    channel: 'mail',
    template: 'account-deletion',
    to: account.email,
    accountId: id,
    locale: null,
    values: {
      at: at.toISOString(),
      zone: account.zoneinfo,
      link: `${deps.issuer}${KEEP_PATH}?token=${tokenFor(deps, id, at)}`,
    },
  });
}

/** One that was kept, or became the last administrator, meanwhile stays; the next run looks again. */
async function removeDue({ accounts, log }: DeletionDeps, signal?: AbortSignal): Promise<void> {
  const skipped = new Set<AccountId>();
  for (;;) {
    const due = (await accounts.dueForDeletion(BATCH + skipped.size)).filter(({ id }) => !skipped.has(id));
    if (due.length === 0) return;
    for (const { id, version } of due) {
      if (signal?.aborted) return;
      try {
        await accounts.remove(id, system, { version });
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        log.warn('an account that is to be deleted stays for now', { accountId: id, reason: error.code });
        skipped.add(id);
      }
    }
  }
}
