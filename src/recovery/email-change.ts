// Another mail address: a code to the new one proves that it is theirs, and the old one can take the change back.
import type { Account, Accounts } from '../accounts/accounts.ts';
import type { Actor, Audit } from '../audit/audit.ts';
import type { Credentials } from '../credentials/credentials.ts';
import { parseEmail } from '../lib/identifiers.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Messages } from '../messages/messages.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { AppError, failure } from '../platform/errors.ts';
import { keyedHash, randomToken } from '../platform/secrets/tokens.ts';
import type { Verification } from '../verification/verification.ts';
import { evenly } from './even-time.ts';
import type { Changer, CodeSent, Confirmed, Undoable } from './schema.ts';
import * as store from './store.ts';

export interface EmailChange {
  /**
   * Sends a code to the new address, or, when another account has it, a mail that says so: the same answer in the same time.
   * Throws identifier_invalid.
   */
  begin(changer: Changer, input: { email: string; locale: string }): Promise<CodeSent>;
  /** Ends every other link and code under way, and tells the old address how to take it back. */
  confirm(changer: Changer, code: string): Promise<Confirmed>;
  /** In the transaction of any change: ends what was under way to the address, and tells it when others took it away. */
  left(trx: Db, before: Account, by: Actor): Promise<void>;
  /** Proven addresses of before, to which a change can still be taken back. */
  formerAddresses(trx: Db, accountId: AccountId): Promise<string[]>;
  /** Uses nothing up. */
  peekUndo(token: string): Promise<Undoable | undefined>;
  /**
   * Gives the account its address of before, ends everything that it has open, and its password. `passwordLink`: the token of
   * a link by which whoever reads that address sets a new one. undefined for a link that is worth nothing any more.
   */
  undo(token: string): Promise<{ restored: boolean; passwordLink: string | undefined } | undefined>;
}

export interface EmailChangeDeps {
  postgres: Postgres;
  audit: Audit;
  clock: Clock;
  accounts: Pick<Accounts, 'find' | 'findByIdentifier' | 'change'>;
  credentials: Pick<Credentials, 'passwords'>;
  messages: Pick<Messages, 'send'>;
  verification: Verification;
  endAccountState: (trx: Db, accountId: AccountId) => Promise<void>;
  /** A link by which whoever reads the address sets a password. */
  handOver: (trx: Db, account: { id: AccountId; email: string }) => Promise<string | undefined>;
  /** The server secret 'one-time'. */
  key: Buffer;
  issuer: string;
  settings: { emailUndoDays: number };
}

export const UNDO_PATH = '/recover/undo';
const DAY_MILLISECONDS = 86_400_000;

export function createEmailChange(deps: EmailChangeDeps): EmailChange {
  const { postgres, clock } = deps;
  return {
    begin: (changer, input) => evenly(begin(deps, changer, input)),

    async confirm(changer, code) {
      try {
        return await postgres.transaction((trx) => confirm(deps, trx, changer, code));
      } catch (error) {
        if (error instanceof AppError && error.code === 'identifier_taken') return { kind: 'taken' };
        throw error;
      }
    },

    async left(trx, { id: accountId, email }, actor) {
      await deps.verification.end(trx, { accountId });
      if (email === null || (actor.kind === 'account' && actor.id === accountId)) return;
      const told = { channel: 'mail', template: 'email-changed', to: email, accountId } as const;
      await deps.messages.send(trx, { ...told, locale: null, values: {} });
    },

    formerAddresses: (trx, accountId) => store.formerAddresses(trx, accountId, clock.now()),

    async peekUndo(token) {
      const undo = await store.findUndo(postgres.db, linkHash(deps, token), clock.now());
      return undo && { accountId: undo.accountId, email: undo.email };
    },

    undo: (token) => postgres.transaction((trx) => undoIn(deps, trx, token)),
  };
}

const by = (id: AccountId): Actor => ({ kind: 'account', id });

function linkHash({ key }: EmailChangeDeps, token: string): Buffer {
  return keyedHash(key, JSON.stringify(['undo-email', token.slice(0, 100)]));
}

async function begin(
  deps: EmailChangeDeps,
  { accountId, sessionId }: Changer,
  { email, locale }: { email: string; locale: string },
): Promise<CodeSent> {
  const to = parseEmail(email);
  if (to === undefined)
    throw failure('identifier_invalid', { fields: { email: 'This is not a valid mail address.' } });
  const owner = await deps.accounts.findByIdentifier(to.value);
  const begun = await deps.verification.begin(undefined, {
    purpose: 'change-email',
    channel: 'mail',
    to: to.value,
    accountId,
    binding: sessionId,
    code: true,
    // Its mail has no code: whoever reads it is not necessarily whoever asked.
    template: owner === undefined || owner.id === accountId ? 'change-email' : 'change-email-taken',
    locale,
  });
  return begun.kind === 'limited' ? begun : { kind: 'sent' };
}

async function confirm(deps: EmailChangeDeps, trx: Db, changer: Changer, code: string): Promise<Confirmed> {
  const { accountId, sessionId } = changer;
  const guessed = await deps.verification.useCode(trx, { purpose: 'change-email', binding: sessionId, code });
  if (guessed.kind === 'expired') return guessed;
  // It stays counted: this transaction is committed.
  if (guessed.kind === 'wrong') return { kind: 'wrong', left: guessed.left };
  if (guessed.used.accountId !== accountId) return { kind: 'expired' };
  const before = await deps.accounts.find(accountId, trx);
  if (before === undefined) return { kind: 'expired' };
  await deps.verification.end(trx, { accountId });
  const change = { email: guessed.used.to, emailVerified: true };
  await deps.accounts.change(accountId, change, by(accountId), undefined, trx);
  await deps.audit.record(trx, {
    type: 'account.email-changed',
    actor: by(accountId),
    outcome: 'success',
    accountId,
  });
  await tellBefore(deps, trx, before);
  return { kind: 'ok' };
}

/** Not by way of verification: what a thief does afterwards must end this link as little as a flood of mails may stop it. */
async function tellBefore(
  deps: EmailChangeDeps,
  trx: Db,
  { id, email, emailVerified }: Account,
): Promise<void> {
  if (email === null) return;
  const days = deps.settings.emailUndoDays;
  const token = randomToken();
  const now = deps.clock.now();
  if (days > 0) {
    await store.insertUndo(trx, {
      accountId: id,
      email,
      verified: emailVerified,
      linkHash: linkHash(deps, token),
      createdAt: now,
      expiresAt: new Date(now.getTime() + days * DAY_MILLISECONDS),
    });
  }
  await deps.messages.send(trx, {
    channel: 'mail',
    template: 'email-changed',
    to: email,
    accountId: id,
    locale: null,
    values: days > 0 ? { days, link: `${deps.issuer}${UNDO_PATH}?token=${token}` } : {},
  });
}

async function undoIn(deps: EmailChangeDeps, trx: Db, token: string): ReturnType<EmailChange['undo']> {
  const undo = await store.takeUndo(trx, linkHash(deps, token), deps.clock.now());
  if (undo === undefined) return undefined;
  const { accountId, email, verified } = undo;
  await deps.verification.end(trx, { accountId });
  const owner = await deps.accounts.findByIdentifier(email);
  const restored = owner === undefined || owner.id === accountId;
  if (restored) {
    const change = { email, emailVerified: verified };
    await deps.accounts.change(accountId, change, by(accountId), undefined, trx);
  }
  // Whoever changed the address knew the password.
  await deps.credentials.passwords.discard(trx, accountId);
  await deps.endAccountState(trx, accountId);
  await deps.audit.record(trx, {
    type: 'account.email-restored',
    actor: by(accountId),
    outcome: restored ? 'success' : 'failure',
    accountId,
    ...(!restored && { reason: 'address_taken' }),
  });
  const passwordLink = restored ? await deps.handOver(trx, { id: accountId, email }) : undefined;
  return { restored, passwordLink };
}
