// The shapes of proofs and of their outcome, and of the factors by which people prove who they are.
import type {
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/server';
import type { Account } from '../accounts/accounts.ts';
import type { Actor } from '../audit/audit.ts';
import type { AccountId, FactorId } from '../lib/ids.ts';
import type { Method, Proof } from '../lib/strength.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Translate } from '../platform/i18n.ts';

export interface PasswordProof {
  /** As typed: a mail address or a user name. */
  identifier: string;
  password: string;
}

export interface CodeProof {
  accountId: AccountId;
  /** As typed. */
  code: string;
  /** The uid of the sign-in under way, or the public id of the session that asks anew. */
  binding: string;
  /** What this sign-in proved before: some codes are worth nothing after some proofs. */
  proofs: readonly Proof[];
}

/** Without an account: the first proof of a sign-in, by a code that `codes.sendToSignIn` sent. */
export type SentCodeProof = Omit<CodeProof, 'accountId'> & { accountId: AccountId | null };

export interface PasskeyProof {
  /** null: the passkey says whose it is. */
  accountId: AccountId | null;
  /** What the browser answered, as JSON. */
  response: unknown;
  binding: string;
  proofs: readonly Proof[];
}

/** What is shown for each method. */
export interface Presented {
  password: PasswordProof;
  totp: CodeProof;
  'recovery-code': CodeProof;
  'mail-code': SentCodeProof;
  'sms-code': CodeProof;
  passkey: PasskeyProof;
}

export type Verification =
  | { kind: 'ok'; account: Account; proof: Proof }
  /** Wrong password or code, no such account, suspended, without or out of a password: one answer, in one time. */
  | { kind: 'refused' }
  /** The same for identifiers that nobody has. */
  | { kind: 'locked'; retryAfterSeconds: number }
  | { kind: 'busy'; retryAfterSeconds: number };

/** Fewer recovery codes than this are few: time to renew them. */
export const FEW_RECOVERY_CODES = 3;

export const factorKinds = ['totp', 'passkey', 'sms', 'mail'] as const;
export type FactorKind = (typeof factorKinds)[number];

export interface Factor {
  id: FactorId;
  kind: FactorKind;
  name: string;
  createdAt: Date;
  lastUsedAt: Date | null;
  /** It failed a hundred times in a row and works no more; its owner removes it and adds another. */
  disabledAt: Date | null;
  /** `sms` and `mail`: `to`. `passkey`: what passkeys.ts says; `userVerified` when it asked for a PIN or fingerprint. */
  details: Readonly<Record<string, unknown>>;
}

/** With the first factor of an account come its recovery codes, shown this once. */
export interface AddedFactor extends Factor {
  recoveryCodes: readonly string[] | null;
}

const METHOD_OF: Readonly<Record<FactorKind, Method>> = {
  totp: 'totp',
  passkey: 'passkey',
  sms: 'sms-code',
  mail: 'mail-code',
};

/** Setting one up takes a code of it, or an answer of the passkey: that proves as much as using it. */
export function provedBySettingUp({ kind, createdAt, details }: Factor): Proof {
  return {
    method: METHOD_OF[kind],
    at: createdAt.getTime(),
    ...(details.userVerified === true && { userVerified: true }),
  };
}

export interface FactorSummary {
  /**
   * What the account has, disabled ones included: a policy must ask for a second factor also when guessing has disabled the
   * only one, or guessing would be a way around it.
   */
  kinds: FactorKind[];
  /** Those of them that can be used now. */
  usable: FactorKind[];
  recoveryCodesLeft: number;
  /** There is a passkey that stands alone. */
  verifiedPasskey: boolean;
}

export type Sent =
  | { kind: 'sent' /** Where to, shortened: `•••• 12`, `a•••@example.com`. */; to: string; expiresAt: Date }
  | { kind: 'limited'; retryAfterSeconds: number };

export interface NewPasskeyInput {
  readonly response: unknown;
  /** Empty: it is called by what made it, in the language of `t`. */
  readonly name: string;
  readonly t: Translate;
}

/** Of somebody who has no account yet. `binding`: the registration that it is part of. */
export interface NewcomerPasskeys {
  optionsFor(newcomer: {
    binding: string;
    email: string;
    name: string | null;
  }): Promise<PublicKeyCredentialCreationOptionsJSON>;
  /** Uses up the question that was asked, whatever comes of it. Throws passkey_invalid. */
  take(binding: string, response: unknown): Promise<TakenPasskey>;
}

export interface TakenPasskey {
  /** In the transaction that makes the account. Throws factor_exists. */
  add(trx: Db, accountId: AccountId, t: Translate): Promise<AddedFactor>;
}

export interface Passkeys {
  optionsToRegister(accountId: AccountId, binding: string): Promise<PublicKeyCredentialCreationOptionsJSON>;
  register(accountId: AccountId, input: NewPasskeyInput, binding: string, by: Actor): Promise<AddedFactor>;
  optionsToSignIn(
    accountId: AccountId | null,
    binding: string,
  ): Promise<PublicKeyCredentialRequestOptionsJSON>;
}
