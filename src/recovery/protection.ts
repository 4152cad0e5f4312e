// Somebody else was in an account: its owner, who is signed in, shuts them out in one step.
import type { Actor, Audit } from '../audit/audit.ts';
import type { Credentials, Devices } from '../credentials/credentials.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import type { Verification } from '../verification/verification.ts';
import type { Changer } from './schema.ts';

export interface Protection {
  /**
   * Ends every other session with what was granted in it, what is under way by links and codes, and the remembered
   * browsers; the password has to be changed. This session stays: whoever acts needs it to go on.
   */
  protect(changer: Changer): Promise<void>;
}

export interface ProtectionDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  credentials: { passwords: Pick<Credentials['passwords'], 'requireChange'> };
  devices: Pick<Devices, 'forgetAll'>;
  verification: Pick<Verification, 'end'>;
  /** What was added to the account lately is to be looked at. */
  beginReview: (trx: Db, accountId: AccountId) => Promise<void>;
  endOtherState: (trx: Db, accountId: AccountId, sessionId: string) => Promise<void>;
}

export function createProtection(deps: ProtectionDeps): Protection {
  return {
    protect: ({ accountId, sessionId }) =>
      deps.postgres.transaction(async (trx) => {
        const by: Actor = { kind: 'account', id: accountId };
        await deps.endOtherState(trx, accountId, sessionId);
        await deps.verification.end(trx, { accountId });
        await deps.devices.forgetAll(trx, accountId, by);
        await deps.beginReview(trx, accountId);
        const kept = { keepSessions: true, db: trx };
        await deps.credentials.passwords.requireChange(accountId, 'protected', by, kept);
        await deps.audit.record(trx, { type: 'account.protected', actor: by, outcome: 'success', accountId });
      }),
  };
}
