// A forgotten password: a link by mail, good once, for the address that the account has; or handed over by an administrator.
import type { Account, Accounts } from '../accounts/accounts.ts';
import type { Actor, Audit } from '../audit/audit.ts';
import type { Credentials } from '../credentials/credentials.ts';
import { parseEmail } from '../lib/identifiers.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Messages } from '../messages/messages.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { Verification } from '../verification/verification.ts';
import { evenly } from './even-time.ts';
import type { Delivery, Recovering, Reset } from './schema.ts';

export interface Forgotten {
  /** Whether people may help themselves here, and there is something that carries mail. */
  isOpen(): boolean;
  /** For what was typed, whether an account has it or not: nothing comes back, and it takes the same time. */
  begin(input: { identifier: string; locale: string }): Promise<void>;
  /** Uses nothing up. undefined for a link that is worth nothing any more. */
  peek(token: string): Promise<Recovering | undefined>;
  /**
   * Sets the password and ends the link with everything that the account has open; a password that is refused leaves the link
   * as it was. undefined for a link that is worth nothing any more. Throws password_… and server_busy.
   */
  reset(token: string, password: string): Promise<Account | undefined>;
  /**
   * A link for somebody else's account. Throws email_missing, email_present, account_suspended,
   * channel_unavailable or rate_limited.
   */
  start(
    account: Account,
    input: { delivery: Delivery; endNow: boolean; locale?: string | null },
    by: Actor,
  ): Promise<Reset>;
  /** In a transaction of the caller's: the token of a link for whoever has just proved that they read the address. */
  handOver(trx: Db, account: { id: AccountId; email: string }): Promise<string | undefined>;
}

export interface ForgottenDeps {
  postgres: Postgres;
  audit: Audit;
  accounts: Pick<Accounts, 'find' | 'findByIdentifier' | 'change'>;
  credentials: Pick<Credentials, 'setPassword' | 'passwords'>;
  messages: Pick<Messages, 'canSend'>;
  verification: Verification;
  /** What was added to the account lately is to be looked at. */
  beginReview: (trx: Db, accountId: AccountId) => Promise<void>;
  /** Ends all that the account has open, inside the transaction it is given; it lives on a higher floor. */
  endAccountState: (trx: Db, accountId: AccountId) => Promise<void>;
  settings: { byMail: 'on' | 'off'; tellUnknown: 'on' | 'off' };
}

export const PASSWORD_PATH = '/recover/password';
const purpose = 'recover';

export function createForgotten(deps: ForgottenDeps): Forgotten {
  const isOpen = () => deps.settings.byMail === 'on' && deps.messages.canSend('mail');

  async function peek(token: string): Promise<Recovering | undefined> {
    const link = await deps.verification.peekLink({ purpose, token });
    const account = link?.accountId ? await deps.accounts.find(link.accountId) : undefined;
    if (link === undefined || account?.status !== 'active') return undefined;
    return isStillTheirs(account, link.to) ? { id: link.id, account } : undefined;
  }

  return {
    isOpen,
    begin: (input) => evenly(isOpen() ? send(deps, input) : Promise.resolve()),
    peek,

    async reset(token, password) {
      const found = await peek(token);
      if (found === undefined) return undefined;
      const { account } = found;
      const done = await deps.postgres.transaction((trx) => setAnew(deps, trx, { account, token, password }));
      return done ? account : undefined;
    },

    start: (account, input, actor) =>
      deps.postgres.transaction((trx) => startIn(deps, trx, { account, ...input, actor })),

    async handOver(trx, { id, email }) {
      const begun = await deps.verification.begin(trx, { ...linkFor(id, email), show: true });
      const link = begun.kind === 'sent' ? begun.link : undefined;
      return link === undefined ? undefined : (new URL(link).searchParams.get('token') ?? undefined);
    },
  };
}

/** A link goes with the address that it was sent to: after a change of that it is worth nothing. */
function isStillTheirs(account: Account, sentTo: string): boolean {
  if (account.email === null) return sentTo === account.id;
  return parseEmail(account.email)?.normalized === parseEmail(sentTo)?.normalized;
}

const by = (id: AccountId): Actor => ({ kind: 'account', id });

const linkFor = (accountId: AccountId | null, to: string) =>
  ({
    purpose,
    channel: 'mail',
    to,
    accountId,
    binding: null,
    link: { path: PASSWORD_PATH },
    template: 'recover',
    locale: null,
  }) as const;

/** The same statements for everybody; only what the mail says is different, and whether there is one. */
async function send(deps: ForgottenDeps, { identifier, locale }: { identifier: string; locale: string }) {
  const account = await deps.accounts.findByIdentifier(identifier);
  const typed = parseEmail(identifier);
  const to = account?.email ?? (account === undefined ? typed?.value : undefined);
  const tells = account !== undefined || deps.settings.tellUnknown === 'on';
  await deps.postgres.transaction(async (trx) => {
    const begun = await deps.verification.begin(trx, {
      // What is no address may be anything, a password too: it is kept nowhere.
      ...linkFor(account?.id ?? null, to ?? account?.id ?? ''),
      template: templateFor(account),
      locale,
      send: to !== undefined && tells,
    });
    if (account === undefined || begun.kind === 'limited') return;
    await deps.audit.record(trx, {
      type: 'password.recovery-asked',
      actor: { kind: 'anonymous', id: null },
      outcome: to === undefined || account.status !== 'active' ? 'denied' : 'success',
      accountId: account.id,
      ...(to === undefined && { reason: 'no_address' }),
      ...(account.status !== 'active' && { reason: 'suspended' }),
    });
  });
}

function templateFor(account: Account | undefined) {
  if (account === undefined) return 'recover-unknown';
  return account.status === 'active' ? 'recover' : 'recover-suspended';
}

async function setAnew(
  deps: ForgottenDeps,
  trx: Db,
  { account: { id }, token, password }: { account: Account; token: string; password: string },
): Promise<boolean> {
  const used = await deps.verification.useLink(trx, { purpose, token });
  if (used?.accountId !== id) return false;
  // Other links and codes that are under way, before the password: the order in which every change of it takes its locks.
  await deps.verification.end(trx, { accountId: id });
  await deps.credentials.setPassword(id, password, by(id), trx, { byMail: true });
  // Also when it is the first one: sessions may be there by another way.
  await deps.endAccountState(trx, id);
  await deps.beginReview(trx, id);
  // Whoever opened the link reads the address that it was sent to; it may have been replaced in this very moment.
  const now = await deps.accounts.find(id, trx);
  if (now?.email && !now.emailVerified && isStillTheirs(now, used.to)) {
    await deps.accounts.change(id, { emailVerified: true }, by(id), undefined, trx);
  }
  await deps.audit.record(trx, {
    type: 'password.recovered',
    actor: by(id),
    outcome: 'success',
    accountId: id,
  });
  return true;
}

interface Starting {
  account: Account;
  delivery: Delivery;
  endNow: boolean;
  locale?: string | null;
  actor: Actor;
}

async function startIn(deps: ForgottenDeps, trx: Db, starting: Starting): Promise<Reset> {
  const { account, delivery, endNow, actor } = starting;
  const { id, email } = account;
  if (account.status !== 'active') throw failure('account_suspended');
  if (delivery === 'mail' && email === null) throw failure('email_missing');
  if (delivery === 'mail' && !deps.messages.canSend('mail')) {
    throw failure('channel_unavailable', { channel: 'mail' });
  }
  // With an address a person gets it there: an administrator need not see it.
  if (delivery === 'link' && email !== null) throw failure('email_present');
  await deps.verification.end(trx, { accountId: id });
  if (endNow) {
    await deps.credentials.passwords.discard(trx, id);
    await deps.endAccountState(trx, id);
  }
  const begun = await deps.verification.begin(trx, {
    ...linkFor(id, email ?? id),
    template: 'recover-by-admin',
    locale: starting.locale ?? null,
    ...(delivery === 'link' && { show: true }),
  });
  if (begun.kind === 'limited') {
    throw failure('rate_limited', { retryAfterSeconds: begun.retryAfterSeconds });
  }
  await deps.audit.record(trx, {
    type: 'password.reset-started',
    actor,
    outcome: 'success',
    accountId: id,
    details: { delivery, password: endNow ? 'ended' : 'kept' },
  });
  return { delivery, link: begun.link ?? null, expiresAt: begun.expiresAt };
}
