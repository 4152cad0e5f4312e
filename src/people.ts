// Builds what people meet, in floor order: how they prove who they are, and the life of their accounts.
import type { Access } from './access/access.ts';
import type { Accounts } from './accounts/accounts.ts';
import type { Clients } from './clients/clients.ts';
import { type Credentials, createBreachCheck, createCredentials } from './credentials/credentials.ts';
import type { Foundations } from './foundations.ts';
import type { AccountId } from './lib/ids.ts';
import { createLockout, type Lockout } from './lockout/lockout.ts';
import { countSignIns } from './numbers.ts';
import type { Organizations } from './organizations/organizations.ts';
import type { Db } from './platform/database/postgres.ts';
import type { Job } from './platform/jobs/jobs.ts';

export interface People {
  lockout: Lockout;
  credentials: Credentials;
}

/** What people are part of, and what ends with them on higher floors. */
export interface PeopleDeps extends Foundations {
  accounts: Accounts;
  clients: Clients;
  organizations: Organizations;
  access: Access;
  endAccountState: (trx: Db, accountId: AccountId) => Promise<void>;
}

export function createPeople(deps: PeopleDeps): People {
  const { config, metrics, serverSecrets } = deps;
  const lockout = createLockout({
    ...deps,
    identifierKey: serverSecrets.get('identifier'),
    settings: config.lockout,
  });
  const { breachedHookUrl } = config.passwords;
  const passwords = createCredentials({
    ...deps,
    lockout,
    settings: {
      ...config.passwords,
      maximumConsecutiveFailures: config.lockout.maximumConsecutiveFailures,
    },
    contextWords: [config.branding.productName, deps.site.host],
    ...(breachedHookUrl === undefined
      ? {}
      : { isBreached: createBreachCheck({ ...config.passwords, breachedHookUrl }, fetch) }),
  });
  const credentials = countSignIns(passwords, metrics);
  return { lockout, credentials };
}

export function peopleJobs({ lockout }: People): Job[] {
  return [...lockout.jobs()];
}
