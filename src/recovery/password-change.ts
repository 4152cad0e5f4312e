// A new password in place of one that its owner still knows, or the first one of an account that had none.
import type { Accounts } from '../accounts/accounts.ts';
import type { Actor } from '../audit/audit.ts';
import type { Credentials, Verification as Verified } from '../credentials/credentials.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { AppError } from '../platform/errors.ts';
import type { Verification } from '../verification/verification.ts';
import type { Changer } from './schema.ts';

export type Changed = { kind: 'ok' } | Exclude<Verified, { kind: 'ok' }>;

export interface PasswordChange {
  /**
   * This session stays; the others end when asked to. `current` is looked at wherever there is a password (OWASP ASVS 6.2.3).
   * Throws password_… and server_busy.
   */
  change(
    changer: Changer,
    input: { current: string | undefined; password: string; endOthers: boolean },
  ): Promise<Changed>;
}

export interface PasswordChangeDeps {
  postgres: Postgres;
  accounts: Pick<Accounts, 'find'>;
  credentials: Pick<Credentials, 'verify' | 'hasPassword' | 'setPassword'>;
  verification: Pick<Verification, 'end'>;
  endOtherState: (trx: Db, accountId: AccountId, sessionId: string) => Promise<void>;
}

export function createPasswordChange(deps: PasswordChangeDeps): PasswordChange {
  return {
    async change({ accountId, sessionId }, { current, password, endOthers }) {
      const proved = (await deps.credentials.hasPassword(accountId))
        ? await prove(deps, accountId, current ?? '')
        : undefined;
      if (proved !== undefined && proved.kind !== 'ok') return proved;
      try {
        await deps.postgres.transaction(async (trx) => {
          const by: Actor = { kind: 'account', id: accountId };
          // Before the password, which ends them as well: a reset by a link takes its locks in this order.
          await deps.verification.end(trx, { accountId });
          const provedAt = proved && { provedAt: new Date(proved.proof.at) };
          const options = { keepSessions: true, ...provedAt };
          await deps.credentials.setPassword(accountId, password, by, trx, options);
          if (endOthers) await deps.endOtherState(trx, accountId, sessionId);
        });
      } catch (error) {
        // Somebody else has replaced it since: the one that was typed is not the present one any more.
        if (error instanceof AppError && error.code === 'version_conflict') return { kind: 'refused' };
        throw error;
      }
      return { kind: 'ok' };
    },
  };
}

/** Through the one door: whoever sits at an open session guesses no faster than at the sign-in. */
async function prove(deps: PasswordChangeDeps, accountId: AccountId, password: string): Promise<Verified> {
  const account = await deps.accounts.find(accountId);
  const identifier = account?.email ?? account?.username;
  if (identifier === undefined || identifier === null) return { kind: 'refused' };
  const proved = await deps.credentials.verify('password', { identifier, password });
  return proved.kind === 'ok' && proved.account.id !== accountId ? { kind: 'refused' } : proved;
}
