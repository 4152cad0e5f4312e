// The second factors of an account, of every kind: what there is, what is added, renamed and removed.
import type { Actor } from '../../audit/audit.ts';
import type { AccountId, FactorId } from '../../lib/ids.ts';
import { parseId } from '../../lib/ids.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { failure } from '../../platform/errors.ts';
import type {
  AddedFactor,
  Factor,
  FactorKind,
  FactorSummary,
  NewcomerPasskeys,
  Passkeys,
} from '../schema.ts';
import { factorName } from './adding.ts';
import type { FactorDeps } from './deps.ts';
import { createRecoveryCodes, deleteCodes, type RecoveryCodes } from './recovery-codes.ts';
import { createSentCodes, type SentCodes } from './sent-codes.ts';
import * as store from './store.ts';
import type { Totp } from './totp.ts';

export interface Factors {
  /** All, the oldest first: also those that are disabled. */
  list(accountId: AccountId): Promise<Factor[]>;
  /** One statement, for the policy and for the page that asks. */
  summaryOf(accountId: AccountId): Promise<FactorSummary>;
  totp: Omit<Totp, 'accepts'>;
  codes: SentCodes;
  recoveryCodes: RecoveryCodes;
  passkeys: Passkeys;
  newcomers: NewcomerPasskeys;
  /** Throws factor_not_found, and request_invalid for a name. */
  rename(accountId: AccountId, factorId: string, name: string, by: Actor): Promise<Factor>;
  /** Whether it is the passkey without which nobody could sign in any more: there is no password, and no other that stands alone. */
  isOnlyWayIn(accountId: AccountId, factorId: string): Promise<boolean>;
  /** Whether it is the last one that works of somebody who needs one. */
  isKept(accountId: AccountId, factorId: string): Promise<boolean>;
  /** With the last one go the recovery codes. Throws factor_not_found, factor_needed for one that is kept, and passkey_needed for the only way in. */
  remove(accountId: AccountId, factorId: string, by: Actor): Promise<void>;
  /** For administrators: all factors and recovery codes, and everything that is signed in. */
  resetAll(accountId: AccountId, reason: string | null, by: Actor): Promise<void>;
}

export type { AddedFactor };

export function createFactors(
  deps: FactorDeps & { totp: Totp } & Pick<Factors, 'passkeys' | 'newcomers'>,
): Factors {
  const { postgres, messages } = deps;
  const isUsable = (kind: FactorKind) => (kind !== 'mail' && kind !== 'sms') || messages.canSend(kind);
  return {
    list: (accountId) => store.list(postgres.db, accountId),
    async summaryOf(accountId) {
      const { working, ...enrolled } = await store.summaryOf(postgres.db, accountId);
      return { ...enrolled, usable: working.filter(isUsable) };
    },
    totp: deps.totp,
    codes: createSentCodes(deps),
    recoveryCodes: createRecoveryCodes(deps),
    passkeys: deps.passkeys,
    newcomers: deps.newcomers,
    rename: async (accountId, factorId, name, by) =>
      rename(deps, { accountId, id: idOf(factorId), by }, name),
    isOnlyWayIn: (accountId, factorId) => isOnlyWayIn(postgres.db, accountId, idOf(factorId)),
    isKept: async (accountId, factorId) =>
      (await deps.needsFactor(accountId)) && (await isLast(postgres.db, accountId, idOf(factorId))),
    remove: async (accountId, factorId, by) => remove(deps, { accountId, id: idOf(factorId), by }),
    resetAll: (accountId, reason, by) => resetAll(deps, accountId, reason, by),
  };
}

/** What is done to which factor, by whom. */
interface Act {
  readonly accountId: AccountId;
  readonly id: FactorId;
  readonly by: Actor;
}

async function rename(deps: FactorDeps, { accountId, id, by }: Act, typed: string): Promise<Factor> {
  const name = factorName(typed);
  return deps.postgres.transaction(async (trx) => {
    const renamed = await store.rename(trx, accountId, id, name);
    if (renamed === undefined) throw failure('factor_not_found');
    await deps.audit.record(trx, {
      type: 'factor.renamed',
      actor: by,
      outcome: 'success',
      accountId,
      target: { kind: 'factor', id },
      details: { kind: renamed.kind },
    });
    return renamed;
  });
}

/** A code of any other kind stands beside a password, and never alone. */
async function isOnlyWayIn(db: Db, accountId: AccountId, id: FactorId): Promise<boolean> {
  const standing = (await store.list(db, accountId)).filter(
    ({ kind, disabledAt, details }) =>
      kind === 'passkey' && disabledAt === null && details.userVerified === true,
  );
  if (standing.length !== 1 || standing[0]?.id !== id) return false;
  return (await db('passwords').where({ account_id: accountId }).first('account_id')) === undefined;
}

/** Those that are disabled let nobody in. */
async function isLast(db: Db, accountId: AccountId, id: FactorId): Promise<boolean> {
  return (await store.list(db, accountId)).every((one) => one.id === id || one.disabledAt !== null);
}

async function remove(deps: FactorDeps, { accountId, id, by }: Act): Promise<void> {
  const needsFactor = await deps.needsFactor(accountId);
  await deps.postgres.transaction(async (trx) => {
    // As when one is added: so of two at a time one sees that it is the last.
    await trx('accounts').where({ id: accountId }).forNoKeyUpdate().first('id');
    // A sign-in without would only ask for it again, and until then the password alone would be enough to set one up.
    const isKept = needsFactor && (await isLast(trx, accountId, id));
    if (await isOnlyWayIn(trx, accountId, id)) throw failure('passkey_needed');
    const kind = await store.remove(trx, accountId, id);
    if (kind === undefined) throw failure('factor_not_found');
    if (isKept) throw failure('factor_needed');
    if ((await store.count(trx, accountId)) === 0) await deleteCodes(trx, accountId);
    await endWhatWasBuiltOn(deps, trx, accountId);
    await deps.audit.record(trx, {
      type: 'factor.removed',
      actor: by,
      outcome: 'success',
      accountId,
      target: { kind: 'factor', id },
      details: { kind },
    });
  });
}

async function resetAll(
  deps: FactorDeps,
  accountId: AccountId,
  reason: string | null,
  by: Actor,
): Promise<void> {
  await deps.postgres.transaction(async (trx) => {
    const account = await trx('accounts').where({ id: accountId }).forNoKeyUpdate().first('id');
    if (account === undefined) throw failure('account_not_found', { id: accountId });
    const kinds = await store.removeAll(trx, accountId);
    await deleteCodes(trx, accountId);
    await endWhatWasBuiltOn(deps, trx, accountId);
    // Whoever took them away may be helping the wrong person: nothing that is open stays (OWASP ASVS 7.4.3).
    await deps.endAccountState(trx, accountId);
    await deps.audit.record(trx, {
      type: 'factors.reset',
      actor: by,
      outcome: 'success',
      accountId,
      reason,
      details: { kinds },
    });
  });
}

/** Codes that are under way, and browsers that were remembered in place of a factor. */
async function endWhatWasBuiltOn(
  deps: FactorDeps,
  trx: Parameters<FactorDeps['forgetDevices']>[0],
  accountId: AccountId,
): Promise<void> {
  await deps.verification.end(trx, { accountId, purposes: ['second-factor', 'enrol-factor'] });
  await deps.forgetDevices(trx, accountId);
}

function idOf(text: string): FactorId {
  const id = parseId('fac', text);
  if (id === undefined) throw failure('factor_not_found');
  return id;
}
