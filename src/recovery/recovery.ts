// The ways back into an account and to what reaches its owner: a forgotten password, another mail address, a phone number.
// docs/recovery.md says which way there is for whom.
import type { Accounts } from '../accounts/accounts.ts';
import type { Audit } from '../audit/audit.ts';
import type { Credentials, Devices } from '../credentials/credentials.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Messages } from '../messages/messages.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { inBatches } from '../platform/jobs/batches.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type { Verification } from '../verification/verification.ts';
import { createEmailChange, type EmailChange } from './email-change.ts';
import { createForgotten, type Forgotten } from './forgotten.ts';
import { createPasswordChange, type PasswordChange } from './password-change.ts';
import { createPhoneChange, type PhoneChange } from './phone-change.ts';
import { createProtection, type Protection } from './protection.ts';
import { createReview, type Review } from './review.ts';
import * as store from './store.ts';

export { evenly } from './even-time.ts';

export interface Recovery {
  /** The password that somebody does not know any more. */
  forgotten: Forgotten;
  /** The one that they do. */
  password: PasswordChange;
  email: EmailChange;
  phone: PhoneChange;
  /** Of an account that somebody else was in. */
  protection: Protection;
  /** What they may have left there. */
  review: Review;
  jobs(): Job[];
}

export interface RecoveryDeps {
  postgres: Postgres;
  audit: Audit;
  clock: Clock;
  accounts: Accounts;
  credentials: Credentials;
  devices: Devices;
  messages: Messages;
  verification: Verification;
  endAccountState: (trx: Db, accountId: AccountId) => Promise<void>;
  /** All of that but one session; it lives on a higher floor, too. */
  endOtherState: (trx: Db, accountId: AccountId, sessionId: string) => Promise<void>;
  /** The server secret 'one-time'. */
  key: Buffer;
  issuer: string;
  settings: {
    byMail: 'on' | 'off';
    tellUnknown: 'on' | 'off';
    emailUndoDays: number;
    smsCountries: readonly string[];
  };
}

export function createRecovery(deps: RecoveryDeps): Recovery {
  const { postgres, clock } = deps;
  const review = createReview(deps);
  const beginReview = review.begin;
  const forgotten = createForgotten({ ...deps, beginReview });
  return {
    forgotten,
    password: createPasswordChange(deps),
    email: createEmailChange({ ...deps, handOver: forgotten.handOver }),
    phone: createPhoneChange(deps),
    protection: createProtection({ ...deps, beginReview }),
    review,
    jobs: () => [
      {
        name: 'email-undos-expiry',
        everySeconds: 3600,
        run: (signal) =>
          inBatches((limit) => store.deleteExpired(postgres.db, clock.now(), limit), signal).then(() => {}),
      },
    ],
  };
}
