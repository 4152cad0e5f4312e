// Sign-in by passkey: count the attempt, check the answer, settle. In this order, as for passwords; every refusal is the same.
import { setTimeout as pause } from 'node:timers/promises';
import { verifyAuthenticationResponse } from '@simplewebauthn/server';
import { isoBase64URL } from '@simplewebauthn/server/helpers';
import type { Account } from '../../accounts/accounts.ts';
import { eventRow, type NewEvent } from '../../audit/audit.ts';
import type { Attempt, Lockout } from '../../lockout/lockout.ts';
import type { PasskeyProof, Verification } from '../schema.ts';
import type { PasskeyDeps } from './passkeys.ts';
import { Assertion, isFramed } from './passkeys-answer.ts';
import {
  acceptingPasskey,
  disableRolledBack,
  findPasskey,
  type Passkey,
  type PasskeyDetails,
} from './passkeys-store.ts';

export interface PasskeySignInDeps extends PasskeyDeps {
  lockout: Lockout;
}

/** One attempt on its way. */
interface Looked {
  readonly proof: PasskeyProof;
  readonly answer: Assertion | undefined;
  readonly passkey: Passkey | undefined;
  /** Of the passkey, or who signs in. */
  readonly account: Account | undefined;
}

interface Proven {
  readonly counter: number;
  readonly userVerified: boolean;
  readonly details: Partial<PasskeyDetails>;
}

type Reason = 'unknown_passkey' | 'other_account' | 'suspended' | 'disabled' | 'not_verified' | 'invalid';

// Failures of accounts are written to the ledger, others only counted: each refusal takes at least this long.
const REFUSAL_MILLISECONDS = 40;

export function createPasskeySignIn(deps: PasskeySignInDeps) {
  const { postgres, lockout } = deps;

  return async (proof: PasskeyProof): Promise<Verification> => {
    const at = Date.now();
    const answer = Assertion.safeParse(proof.response).data;
    const passkey = answer && (await findPasskey(postgres.db, Buffer.from(answer.id, 'base64url')));
    const accountId = proof.accountId ?? passkey?.accountId;
    const account = accountId && (await deps.accounts.find(accountId));
    const looked = { proof, answer, passkey, account: account || undefined };
    // One that nobody has counts against where it came from, and itself.
    const reserved = await lockout.reserve(
      accountId === undefined ? `passkey ${answer?.id ?? proof.binding}` : { factorsOf: accountId },
    );
    if (reserved.kind === 'locked') {
      deps.audit.refuse('sign_in', 'locked');
      return reserved;
    }
    const refuse = async (reason: Reason): Promise<Verification> => {
      await Promise.all([
        pause(REFUSAL_MILLISECONDS),
        writeFailure(deps, looked, { attempt: reserved.attempt, reason }),
      ]);
      return { kind: 'refused' };
    };
    if (answer === undefined || passkey === undefined || looked.account === undefined) {
      return refuse('unknown_passkey');
    }
    const matched = { proof, answer, passkey, account: looked.account };
    const proven = await prove(deps, matched);
    if (typeof proven === 'string') return refuse(proven);
    if (!(await accept(deps, matched, reserved.attempt, proven))) {
      await noteRollback(deps, matched.passkey, proven);
      return refuse('invalid');
    }
    const { userVerified } = proven;
    return { kind: 'ok', account: matched.account, proof: { method: 'passkey', userVerified, at } };
  };
}

interface Matched extends Looked {
  readonly answer: Assertion;
  readonly passkey: Passkey;
  readonly account: Account;
}

async function prove(deps: PasskeySignInDeps, matched: Matched): Promise<Proven | Reason> {
  const { proof, passkey, account } = matched;
  const info = await verified(deps, matched).catch(() => undefined);
  if (info === undefined || !isOwner(matched)) return 'invalid';
  if (passkey.accountId !== account.id) return 'other_account';
  if (account.status !== 'active') return 'suspended';
  if (passkey.disabledAt !== null) return 'disabled';
  // §7.2, step 18: what may be copied is decided when it is made, for good.
  if ((info.credentialDeviceType === 'multiDevice') !== passkey.details.synced) return 'invalid';
  // With nothing proved before, it stands for two factors.
  if (proof.proofs.length === 0 && !info.userVerified) return 'not_verified';
  return {
    counter: info.newCounter,
    userVerified: info.userVerified,
    details: { backedUp: info.credentialBackedUp, ...(info.userVerified && { userVerified: true }) },
  };
}

/** §7.2, step 6: the authenticator says whose it is, and has to where nobody else did. */
function isOwner({ proof, answer, passkey }: Matched): boolean {
  const { userHandle } = answer.response;
  if (typeof userHandle !== 'string') return proof.accountId !== null;
  return passkey.userHandle?.toString('base64url') === userHandle;
}

async function verified(deps: PasskeySignInDeps, { proof, answer, passkey }: Matched) {
  const { challenges, relyingParty } = deps;
  const { accountId, binding } = proof;
  const { clientDataJSON, authenticatorData, signature } = answer.response;
  if (isFramed(clientDataJSON)) return undefined;
  const result = await verifyAuthenticationResponse({
    response: {
      id: answer.id,
      rawId: answer.rawId,
      type: answer.type,
      response: { clientDataJSON, authenticatorData, signature },
      clientExtensionResults: {},
    },
    expectedChallenge: (challenge) => challenges.spend(challenge, { purpose: 'sign-in', accountId, binding }),
    expectedOrigin: relyingParty.origin,
    expectedRPID: relyingParty.id,
    // The counter is compared where it is written, in one statement, and only once the signature is known to be good.
    credential: {
      id: answer.id,
      publicKey: isoBase64URL.toBuffer(passkey.details.publicKey),
      counter: 0,
    },
    requireUserVerification: false,
  });
  return result.verified ? result.authenticationInfo : undefined;
}

async function accept(
  deps: PasskeySignInDeps,
  { passkey, account }: Matched,
  attempt: Attempt,
  { counter, userVerified, details }: Proven,
): Promise<boolean> {
  const event: NewEvent = {
    type: 'sign-in.succeeded',
    actor: { kind: 'account', id: account.id },
    outcome: 'success',
    accountId: account.id,
    target: { kind: 'factor', id: passkey.id },
    details: { method: 'passkey', userVerified },
  };
  const at = deps.clock.now();
  const events = [eventRow(event, at)];
  const accepting = acceptingPasskey({ id: passkey.id, counter, at, details, events });
  if (!(await deps.lockout.succeeded(attempt, accepting))) return false;
  deps.audit.written(event);
  return true;
}

async function noteRollback(
  deps: PasskeySignInDeps,
  { id, accountId }: Passkey,
  { counter }: Proven,
): Promise<void> {
  await deps.postgres.transaction(async (trx) => {
    if (!(await disableRolledBack(trx, { id, counter, at: deps.clock.now() }))) return;
    await deps.audit.record(trx, {
      type: 'factor.counter-rolled-back',
      actor: { kind: 'anonymous', id: null },
      outcome: 'denied',
      accountId,
      target: { kind: 'factor', id },
    });
  });
}

async function writeFailure(
  deps: PasskeySignInDeps,
  { account }: Looked,
  { attempt, reason }: { attempt: Attempt; reason: Reason },
): Promise<void> {
  if (attempt.lastFreeAt.includes('address')) deps.audit.refuse('sign_in', 'address_locked');
  if (account === undefined) {
    deps.audit.refuse('sign_in', reason);
    return;
  }
  const about = { actor: { kind: 'anonymous', id: null }, accountId: account.id } as const;
  const started = attempt.lastFreeAt.filter((level) => level !== 'address');
  const events: NewEvent[] = [
    { type: 'sign-in.failed', ...about, outcome: 'failure', reason, details: { method: 'passkey' } },
    ...started.map((level) => ({
      type: 'lockout.started' as const,
      ...about,
      outcome: 'denied' as const,
      reason: level,
    })),
  ];
  await deps.postgres.transaction(async (trx) => {
    for (const event of events) await deps.audit.record(trx, event);
  });
}
