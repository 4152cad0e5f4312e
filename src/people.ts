// Builds what people meet, in floor order: how they prove who they are, and the life of their accounts.
import type { Access } from './access/access.ts';
import type { Accounts } from './accounts/accounts.ts';
import { type Assurance, createAssurance, type Obstacle } from './assurance/assurance.ts';
import type { Clients } from './clients/clients.ts';
import {
  type Credentials,
  createCredentials,
  createDevices,
  type Devices,
  openBreachLists,
} from './credentials/credentials.ts';
import { createDeletion, type Deletion } from './deletion/deletion.ts';
import type { Foundations } from './foundations.ts';
import { createImports, type Imports } from './imports/imports.ts';
import type { AccountId } from './lib/ids.ts';
import { isAtLeast } from './lib/strength.ts';
import { createLockout, type Lockout } from './lockout/lockout.ts';
import { chooseSenders, createMessages, createWriting, type Messages } from './messages/messages.ts';
import { createNotices } from './notices/notices.ts';
import { countSignIns } from './numbers.ts';
import type { Organizations } from './organizations/organizations.ts';
import type { Db } from './platform/database/postgres.ts';
import type { Job } from './platform/jobs/jobs.ts';
import { createRecovery, type Recovery } from './recovery/recovery.ts';
import { createRegistration, type Registration } from './registration/registration.ts';
import { createVerification, type Verification } from './verification/verification.ts';

export interface People {
  lockout: Lockout;
  messages: Messages;
  verification: Verification;
  credentials: Credentials;
  devices: Devices;
  assurance: Assurance;
  recovery: Recovery;
  deletion: Deletion;
  registration: Registration;
  imports: Imports;
}

/** What people are part of, and what ends with them on higher floors. */
export interface PeopleDeps extends Foundations {
  accounts: Accounts;
  clients: Clients;
  organizations: Organizations;
  access: Access;
  endAccountState: (trx: Db, accountId: AccountId) => Promise<void>;
  /** All of that but one session, with what was granted in it. */
  endOtherState: (trx: Db, accountId: AccountId, sessionId: string) => Promise<void>;
}

export function createPeople(deps: PeopleDeps): People {
  const { config, metrics, serverSecrets } = deps;
  const lockout = createLockout({
    ...deps,
    identifierKey: serverSecrets.get('identifier'),
    settings: config.lockout,
  });
  const messages = createMessages({
    ...deps,
    writing: createWriting({ ...deps, branding: deps.look, issuer: config.issuer }),
    senders: chooseSenders(config, deps),
    localeOf: async (trx, id) => (await deps.accounts.find(id, trx))?.locale ?? null,
  });
  const oneTimeKey = serverSecrets.get('one-time');
  const verification = createVerification({
    ...deps,
    messages,
    key: oneTimeKey,
    issuer: config.issuer,
    settings: config.verification,
  });
  const devices = createDevices({
    ...deps,
    deviceKey: serverSecrets.get('device'),
    secure: deps.site.secure,
    settings: config.devices,
  });
  const passwords = createCredentials({
    ...deps,
    lockout,
    factors: {
      vault: deps.vault,
      verification,
      messages,
      oneTimeKey,
      productName: config.branding.productName,
      issuer: config.issuer,
      settings: { ...config.factors, maximumConsecutiveFailures: config.lockout.maximumConsecutiveFailures },
      forgetDevices: devices.forgetAll,
      async needsFactor(accountId) {
        const { strength, reasons } = await assurance.requiredFor(accountId, {});
        return strength !== '1fa' && reasons.some((reason) => reason !== 'factors');
      },
    },
    settings: {
      ...config.passwords,
      maximumConsecutiveFailures: config.lockout.maximumConsecutiveFailures,
    },
    contextWords: [config.branding.productName, deps.site.host, ...config.passwords.contextWords],
    wordsAround: async (accountId) =>
      (await deps.organizations.membershipsOf(accountId)).flatMap(({ name, slug }) => [name, slug]),
    mustHaveFactor: async (accountId) =>
      isAtLeast((await assurance.requiredFor(accountId, {})).strength, 'mfa'),
    breaches: openBreachLists(config.passwords, fetch),
  });
  const credentials = countSignIns(passwords, metrics);
  const registration = createRegistration({
    ...deps,
    messages,
    verification,
    credentials,
    key: oneTimeKey,
    issuer: config.issuer,
    settings: config.registration,
    terms: config.terms,
    request: fetch,
  });
  const assurance = createAssurance({
    db: deps.postgres.db,
    clock: deps.clock,
    factorsOf: credentials.factors.summaryOf,
    // In the order in which they are asked.
    obstacles: [
      mustChangePassword(credentials),
      { name: 'accept_terms', isMissing: registration.terms.isMissing },
      mustCompleteProfile(deps.accounts),
    ],
    settings: {
      strength: config.signIn.strength,
      rememberedDeviceForAdmins: config.signIn.adminsRemembered === 'on',
      enrollable: messages.canSend('sms') ? ['totp', 'passkey', 'sms'] : ['totp', 'passkey'],
    },
  });
  const recovery = createRecovery({
    ...deps,
    messages,
    verification,
    credentials,
    devices,
    key: oneTimeKey,
    issuer: config.issuer,
    settings: { ...config.recovery, smsCountries: config.factors.smsCountries },
  });
  const deletion = createDeletion({
    ...deps,
    formerAddresses: recovery.email.formerAddresses,
    messages,
    verification,
    key: oneTimeKey,
    issuer: config.issuer,
    settings: config.accounts,
  });
  const imports = createImports({ ...deps, credentials });
  createNotices({ ...deps, db: deps.postgres.db, messages, issuer: config.issuer });
  return {
    lockout,
    messages,
    verification,
    credentials,
    devices,
    assurance,
    recovery,
    deletion,
    registration,
    imports,
  };
}

/** Asked of whoever came by the password: nobody else is kept from signing in by it. */
function mustChangePassword({ passwords }: Credentials): Obstacle {
  return {
    name: 'change_password',
    isMissing: async (accountId, proofs) =>
      proofs.some(({ method }) => method === 'password') &&
      (await passwords.mustChange(accountId)) !== undefined,
  };
}

/** What became required after the account was made, or was not known to whoever made it. */
function mustCompleteProfile({ profile, find }: Accounts): Obstacle {
  return {
    name: 'complete_profile',
    async isMissing(accountId) {
      if (!profile.asksAnything) return false;
      const account = await find(accountId);
      return account !== undefined && profile.missingFrom(account).length > 0;
    },
  };
}

export function peopleJobs(people: People): Job[] {
  const { lockout, messages, verification, credentials, devices, recovery, deletion, registration } = people;
  const all = [lockout, messages, verification, credentials, devices, recovery, deletion, registration];
  return all.flatMap((one) => one.jobs());
}
