// Codes at the door: count the attempt, look at the code, settle, with the ledger in the same commit. For second factors, and
// for the code by mail that opens a sign-in.
import type { Account } from '../../accounts/accounts.ts';
import type { NewEvent } from '../../audit/audit.ts';
import type { AccountId } from '../../lib/ids.ts';
import type { Method } from '../../lib/strength.ts';
import type { Attempt } from '../../lockout/lockout.ts';
import type { Db } from '../../platform/database/postgres.ts';
import type { CodeProof, FactorKind, SentCodeProof, Verification } from '../schema.ts';
import type { FactorDeps } from './deps.ts';
import { useRecoveryCode } from './recovery-codes.ts';
import { acceptsSentCode, acceptsSignInCode, mailCodeServes } from './sent-codes.ts';
import { noteFailure } from './store.ts';
import type { Totp } from './totp.ts';

type CodeMethod = Extract<Method, 'totp' | 'recovery-code' | 'mail-code' | 'sms-code'>;

/** Why a code was refused, for the ledger. */
type Refusal = 'wrong_code' | 'suspended' | 'mail_code_not_allowed';

/** What a code did, beside opening the door. */
interface Accepted {
  readonly events?: readonly NewEvent[];
}

export interface CodeDoor {
  totp(proof: CodeProof): Promise<Verification>;
  recoveryCode(proof: CodeProof): Promise<Verification>;
  mailCode(proof: SentCodeProof): Promise<Verification>;
  smsCode(proof: CodeProof): Promise<Verification>;
}

const KIND: Readonly<Record<CodeMethod, FactorKind | undefined>> = {
  totp: 'totp',
  'sms-code': 'sms',
  'mail-code': 'mail',
  // 120 bits: failures are counted against nothing (NIST SP 800-63B §3.1.2.2).
  'recovery-code': undefined,
};

export function createCodeDoor(deps: FactorDeps & { totp: Totp }): CodeDoor {
  return {
    totp: (proof) =>
      attempt(deps, 'totp', proof, async (trx) =>
        (await deps.totp.accepts(trx, proof.accountId, proof.code)) ? {} : 'wrong_code',
      ),
    smsCode: (proof) =>
      attempt(deps, 'sms-code', proof, async (trx) =>
        (await acceptsSentCode(deps, trx, { ...proof, channel: 'sms' })) ? {} : 'wrong_code',
      ),
    recoveryCode: (proof) => attempt(deps, 'recovery-code', proof, (trx) => recover(deps, trx, proof)),
    mailCode: ({ accountId, ...rest }) =>
      accountId === null || rest.proofs.length === 0
        ? signInByMail(deps, { ...rest, accountId })
        : attempt(deps, 'mail-code', { ...rest, accountId }, async (trx, account) => {
            if (!(await mailCodeServes(trx, account, rest.proofs))) return 'mail_code_not_allowed';
            return (await acceptsSentCode(deps, trx, { ...rest, accountId, channel: 'mail' }))
              ? {}
              : 'wrong_code';
          }),
  };
}

async function recover(
  deps: FactorDeps,
  trx: Db,
  { accountId, code }: CodeProof,
): Promise<Accepted | Refusal> {
  const used = await useRecoveryCode(deps, trx, accountId, code);
  if (used === undefined) return 'wrong_code';
  const actor = { kind: 'account', id: accountId } as const;
  const details = { left: used.left };
  return { events: [{ type: 'recovery-code.used', actor, outcome: 'success', accountId, details }] };
}

/** A code of a sign-in belongs to whom it was sent; nobody else is asked for it. Each has five guesses of its own. */
async function signInByMail(
  deps: FactorDeps,
  { accountId: only, binding, code }: SentCodeProof,
): Promise<Verification> {
  const at = Date.now();
  const wait = await deps.lockout.guess(binding);
  if (wait !== undefined) return locked(deps, wait);
  const account = await deps.postgres.transaction(async (trx) => {
    const accountId = await acceptsSignInCode(deps, trx, { binding, code });
    const found = accountId && (await held(deps, trx, accountId));
    if (found?.status !== 'active' || (only !== null && only !== accountId)) return undefined;
    await deps.audit.record(trx, succeeded(found.id, 'mail-code'));
    return found;
  });
  if (account === undefined) {
    deps.audit.refuse('sign_in', 'wrong_code');
    return { kind: 'refused' };
  }
  await deps.lockout.noGuess(binding);
  return { kind: 'ok', account, proof: { method: 'mail-code', at } };
}

/** `look` uses the code up, in the transaction that also says so in the ledger; a refusal is committed as well. */
async function attempt(
  deps: FactorDeps,
  method: CodeMethod,
  proof: CodeProof,
  look: (trx: Db, account: Account) => Promise<Accepted | Refusal>,
): Promise<Verification> {
  const at = Date.now();
  const { accountId, binding } = proof;
  const wait = await deps.lockout.guess(binding);
  if (wait !== undefined) return locked(deps, wait);
  const reserved = await deps.lockout.reserve({ factorsOf: accountId });
  if (reserved.kind === 'locked') return locked(deps, reserved.retryAfterSeconds);

  const account = await deps.postgres.transaction(async (trx) => {
    const found = await held(deps, trx, accountId);
    if (found === undefined) return undefined;
    const looked = found.status === 'active' ? await look(trx, found) : 'suspended';
    if (typeof looked === 'string') {
      await writeFailure(deps, trx, { method, accountId, attempt: reserved.attempt, reason: looked });
      return undefined;
    }
    for (const event of [...(looked.events ?? []), succeeded(accountId, method)]) {
      await deps.audit.record(trx, event);
    }
    return found;
  });
  if (account === undefined) return { kind: 'refused' };
  await deps.lockout.noGuess(binding);
  await deps.lockout.succeeded(reserved.attempt);
  return { kind: 'ok', account, proof: { method, at } };
}

/** As it is now, and until this is over: who is suspended meanwhile does not come in. */
async function held(deps: FactorDeps, trx: Db, accountId: AccountId): Promise<Account | undefined> {
  await trx('accounts').where({ id: accountId }).forShare().first('id');
  return deps.accounts.find(accountId, trx);
}

function locked({ audit }: FactorDeps, retryAfterSeconds: number): Verification {
  audit.refuse('sign_in', 'locked');
  return { kind: 'locked', retryAfterSeconds };
}

function succeeded(accountId: AccountId, method: CodeMethod): NewEvent {
  const actor = { kind: 'account', id: accountId } as const;
  return { type: 'sign-in.succeeded', actor, outcome: 'success', accountId, details: { method } };
}

async function writeFailure(
  deps: FactorDeps,
  trx: Db,
  failed: { method: CodeMethod; accountId: AccountId; attempt: Attempt; reason: Refusal },
): Promise<void> {
  const {
    method,
    accountId,
    attempt: { lastFreeAt },
    reason,
  } = failed;
  const about = { actor: { kind: 'anonymous', id: null }, accountId } as const;
  const kind = KIND[method];
  const most = deps.settings.maximumConsecutiveFailures;
  const disabled =
    kind === undefined || reason !== 'wrong_code'
      ? []
      : await noteFailure(trx, { accountId, kind, most, at: deps.clock.now() });
  if (lastFreeAt.includes('address')) deps.audit.refuse('sign_in', 'address_locked');
  const events: NewEvent[] = [
    { type: 'sign-in.failed', ...about, outcome: 'failure', reason, details: { method } },
    ...lastFreeAt
      .filter((level) => level !== 'address')
      .map((level): NewEvent => ({ type: 'lockout.started', ...about, outcome: 'denied', reason: level })),
    ...disabled.map(
      (id): NewEvent => ({
        type: 'factor.disabled',
        ...about,
        outcome: 'denied',
        target: { kind: 'factor', id },
      }),
    ),
  ];
  for (const event of events) await deps.audit.record(trx, event);
}
