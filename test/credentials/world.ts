// Accounts, lockout and credentials wired as the server wires them, on a test database and with a clock that tests move.
import { randomBytes } from 'node:crypto';
import { type Accounts, createAccounts } from '../../src/accounts/accounts.ts';
import { type Audit, createAudit } from '../../src/audit/audit.ts';
import {
  type CredentialDeps,
  type CredentialSettings,
  type Credentials,
  createCredentials,
} from '../../src/credentials/credentials.ts';
import type { AccountId } from '../../src/lib/ids.ts';
import { createLockout, type Lockout, type LockoutSettings } from '../../src/lockout/lockout.ts';
import type { NewMessage } from '../../src/messages/messages.ts';
import { createChanges } from '../../src/platform/changes.ts';
import type { Clock } from '../../src/platform/clock.ts';
import type { Postgres } from '../../src/platform/database/postgres.ts';
import { withOrigin } from '../../src/platform/origin.ts';
import { createVault } from '../../src/platform/secrets/vault.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import {
  createVerification,
  type Verification,
  type VerificationSettings,
} from '../../src/verification/verification.ts';

export interface World {
  accounts: Accounts;
  audit: Audit;
  credentials: Credentials;
  lockout: Lockout;
  clock: Clock & { pass(seconds: number): void };
  /** The ids of accounts whose sessions, grants and tokens were ended. */
  ended: AccountId[];
  verification: Verification;
  /** What was written to people. */
  sent: NewMessage[];
  /** The ids of accounts whose remembered devices were forgotten. */
  forgotten: AccountId[];
}

export const PASSWORD = 'violet umbrella over a lighthouse';
export const operator = { kind: 'operator', id: 'test' } as const;

export const cheap: CredentialSettings = {
  minimumLength: 15,
  minimumLengthWithFactor: 8,
  maximumLength: 256,
  history: 5,
  checkAtSignIn: 'off',
  argon2: { memoryKiB: 64, iterations: 1, parallelism: 1 },
  hashConcurrency: 2,
  hashQueue: 200,
  hashQueueSeconds: 10,
  maximumConsecutiveFailures: 100,
};

export const lockoutSettings: LockoutSettings = {
  freeAttempts: 5,
  accountFreeAttempts: 20,
  addressFreeAttempts: 50,
  baseDelaySeconds: 5,
  maximumDelaySeconds: 3600,
};

const codeSettings: VerificationSettings = {
  codeSeconds: 600,
  linkSeconds: 1800,
  perRecipient: 50,
  perAccount: 50,
  perAddress: 1000,
};

export function createWorld(
  postgres: Postgres,
  changes: Partial<Omit<CredentialDeps, 'settings' | 'factors'>> & {
    settings?: Partial<CredentialSettings>;
    lockoutSettings?: Partial<LockoutSettings>;
    identifierKey?: Buffer;
    codeSettings?: Partial<VerificationSettings>;
    factorSettings?: { smsCountries?: string[]; maximumConsecutiveFailures?: number };
    withoutSms?: true;
  } = {},
): World {
  const clock = movableClock();
  const audit = changes.audit ?? createAudit({ postgres, log: silentLog, clock });
  const ended: AccountId[] = [];
  const endAccountState = async (_trx: unknown, id: AccountId) => {
    ended.push(id);
  };
  const told = createChanges({ db: postgres.db, log: silentLog });
  const accounts = createAccounts({ postgres, audit, clock, endAccountState, changes: told });
  const lockout = createLockout({
    postgres,
    audit,
    clock,
    identifierKey: changes.identifierKey ?? randomBytes(32),
    settings: { ...lockoutSettings, ...changes.lockoutSettings },
  });
  const key = randomBytes(32);
  const sent: NewMessage[] = [];
  const forgotten: AccountId[] = [];
  const messages = {
    canSend: (channel: 'mail' | 'sms') => channel === 'mail' || changes.withoutSms !== true,
    send: async (_trx: unknown, message: NewMessage) => void sent.push(message),
  };
  const verification = createVerification({
    postgres,
    clock,
    messages,
    key,
    issuer: 'https://id.example.com',
    settings: { ...codeSettings, ...changes.codeSettings },
  });
  const credentials = createCredentials({
    postgres,
    audit,
    clock,
    log: silentLog,
    accounts,
    lockout,
    endAccountState,
    factors: {
      vault: createVault(randomBytes(32)),
      verification,
      messages,
      oneTimeKey: key,
      productName: 'Gatehouse',
      issuer: 'https://id.example.com',
      settings: { smsCountries: [], maximumConsecutiveFailures: 100, ...changes.factorSettings },
      needsFactor: changes.mustHaveFactor ?? (async () => false),
      async forgetDevices(_trx, id) {
        forgotten.push(id);
      },
    },
    contextWords: ['gatehouse'],
    ...changes,
    settings: { ...cheap, ...changes.settings },
  });
  return { accounts, audit, credentials, verification, lockout, clock, ended, sent, forgotten };
}

/** An act that comes from this address. */
export function from<T>(address: string | null, run: () => T): T {
  return withOrigin({ requestId: 'req_test', address, userAgent: 'test' }, run);
}

function movableClock(): World['clock'] {
  let offset = 0;
  return {
    now: () => new Date(Date.now() + offset),
    pass(seconds) {
      offset += seconds * 1000;
    },
  };
}
