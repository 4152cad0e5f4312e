// Codes that are sent, by mail or SMS, as second factors: an address or number is proved when it is added.
import type { Account } from '../../accounts/accounts.ts';
import type { Actor } from '../../audit/audit.ts';
import { parseEmail } from '../../lib/identifiers.ts';
import { type AccountId, type FactorId, newId, parseId } from '../../lib/ids.ts';
import { parsePhoneNumber, shortenedMail, shortenedPhone } from '../../lib/people/phone.ts';
import type { Proof } from '../../lib/strength.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { failure } from '../../platform/errors.ts';
import type { Channel, Guessed, NewVerification } from '../../verification/verification.ts';
import type { AddedFactor, Factor, Sent } from '../schema.ts';
import { addFactor, factorName } from './adding.ts';
import type { FactorDeps } from './deps.ts';
import * as store from './store.ts';

export interface SentCodes {
  /** `to`: by mail the account's own address unless another is given. Throws what is wrong with it. */
  begin(
    accountId: AccountId,
    input: { channel: Channel; to?: string | undefined },
    binding: string,
    locale: string | null,
  ): Promise<Sent>;
  /** Throws code_wrong (with details.left) and code_expired. */
  confirm(
    accountId: AccountId,
    input: { channel: Channel; code: string; binding: string; name: string },
    by: Actor,
  ): Promise<AddedFactor>;
  /** At sign-in. With a channel: to the first factor of this kind. Throws factor_not_found. */
  send(
    accountId: AccountId,
    factor: FactorId | Channel,
    binding: string,
    locale: string | null,
  ): Promise<Sent>;
  /** The first proof of a sign-in, to the address of whoever has this identifier; the same for nobody. */
  sendToSignIn(typed: string, binding: string, locale: string | null): Promise<Sent>;
}

export function createSentCodes(deps: FactorDeps): SentCodes {
  return {
    begin: (accountId, input, binding, locale) => begin(deps, accountId, input, binding, locale),
    confirm: (accountId, input, by) => confirm(deps, accountId, input, by),
    send: (accountId, factor, binding, locale) => send(deps, accountId, factor, binding, locale),
    sendToSignIn: (typed, binding, locale) => sendToSignIn(deps, typed, binding, locale),
  };
}

async function begin(
  deps: FactorDeps,
  accountId: AccountId,
  { channel, to: typed }: { channel: Channel; to?: string | undefined },
  binding: string,
  locale: string | null,
): Promise<Sent> {
  const account = await deps.accounts.find(accountId);
  if (account === undefined) throw failure('account_not_found', { id: accountId });
  if (!deps.messages.canSend(channel)) throw failure('channel_unavailable', { channel });
  const to = channel === 'mail' ? mailOf(typed ?? account.email ?? '') : numberOf(typed ?? '', deps.settings);
  const others = await store.list(deps.postgres.db, accountId);
  if (others.some((other) => other.kind === channel && other.details.to === to))
    throw failure('factor_exists');
  return sendCode(deps, {
    purpose: 'enrol-factor',
    channel,
    to,
    accountId,
    binding: boundTo(channel, accountId, binding),
    template: 'factor-code',
    locale,
  });
}

async function confirm(
  deps: FactorDeps,
  accountId: AccountId,
  { channel, code, binding, name: typed }: { channel: Channel; code: string; binding: string; name: string },
  by: Actor,
): Promise<AddedFactor> {
  const name = factorName(typed);
  const done = await deps.postgres.transaction(async (trx) => {
    const guess = { purpose: 'enrol-factor', binding: boundTo(channel, accountId, binding), code } as const;
    const guessed = await deps.verification.useCode(trx, guess);
    if (guessed.kind !== 'ok') return guessed;
    const details = { to: guessed.used.to };
    return addFactor(deps, trx, { id: newId('fac'), accountId, kind: channel, name, details }, by);
  });
  // Only now: a wrong guess counts, so what counted it was committed.
  if (!isRefused(done)) return done;
  throw done.kind === 'wrong' ? failure('code_wrong', { left: done.left }) : failure('code_expired');
}

function isRefused(
  done: AddedFactor | Exclude<Guessed, { kind: 'ok' }>,
): done is Exclude<Guessed, { kind: 'ok' }> {
  return done.kind === 'wrong' || done.kind === 'expired';
}

async function send(
  deps: FactorDeps,
  accountId: AccountId,
  wanted: FactorId | Channel,
  binding: string,
  locale: string | null,
): Promise<Sent> {
  const factors = await store.list(deps.postgres.db, accountId);
  const factor = factors.find(
    ({ id, kind, disabledAt }) => disabledAt === null && (id === wanted || kind === wanted),
  );
  const channel = factor && channelOf(factor);
  if (factor === undefined || channel === undefined) throw failure('factor_not_found');
  if (!deps.messages.canSend(channel)) throw failure('channel_unavailable', { channel });
  return sendCode(deps, {
    purpose: 'second-factor',
    channel,
    to: String(factor.details.to),
    accountId,
    binding: boundTo(channel, accountId, binding),
    template: 'sign-in-code',
    locale,
    details: { factorId: factor.id },
  });
}

async function sendToSignIn(
  deps: FactorDeps,
  typed: string,
  binding: string,
  locale: string | null,
): Promise<Sent> {
  const account = await deps.accounts.findByIdentifier(typed);
  const to = readerOf(account);
  const sent = await sendCode(deps, {
    purpose: 'sign-in',
    channel: 'mail',
    // An address is limited like one that somebody has; what is none may be anything, a password too, and is kept nowhere.
    to: to ?? parseEmail(typed)?.value ?? '',
    accountId: to === undefined ? null : (account?.id ?? null),
    binding: signInBinding(binding),
    template: 'sign-in-code',
    locale: account?.locale ?? locale,
    send: to !== undefined,
  });
  // Where to is not told: it would say that there is an account, and its address to whoever knows a user name.
  return sent.kind === 'sent' ? { ...sent, to: '' } : sent;
}

/** Only an address that was proved: whoever wrote another one into the account would sign in as its owner. */
function readerOf(account: Account | undefined): string | undefined {
  if (account?.status !== 'active' || !account.emailVerified) return undefined;
  return account.email ?? undefined;
}

async function sendCode(deps: FactorDeps, input: NewVerification): Promise<Sent> {
  const begun = await deps.verification.begin(undefined, { ...input, code: true });
  if (begun.kind === 'limited') return begun;
  const to = input.channel === 'mail' ? shortenedMail(input.to) : shortenedPhone(input.to);
  return { kind: 'sent', to, expiresAt: begun.expiresAt };
}

/** Inside the door only. */
export async function acceptsSentCode(
  deps: FactorDeps,
  trx: Db,
  ask: { channel: Channel; accountId: AccountId; binding: string; code: string },
): Promise<boolean> {
  const { channel, accountId, code } = ask;
  const guess = {
    purpose: 'second-factor',
    binding: boundTo(channel, accountId, ask.binding),
    code,
  } as const;
  const guessed = await deps.verification.useCode(trx, guess);
  const id = guessed.kind === 'ok' ? parseId('fac', String(guessed.used.details.factorId)) : undefined;
  // The factor may have been removed since the code was sent.
  return id !== undefined && (await store.noteUse(trx, id, deps.clock.now()));
}

/** Inside the door only: whose sign-in the code opens. */
export async function acceptsSignInCode(
  deps: FactorDeps,
  trx: Db,
  ask: { binding: string; code: string },
): Promise<AccountId | undefined> {
  const guess = { purpose: 'sign-in', binding: signInBinding(ask.binding), code: ask.code } as const;
  const guessed = await deps.verification.useCode(trx, guess);
  return guessed.kind === 'ok' ? (guessed.used.accountId ?? undefined) : undefined;
}

/**
 * Law: a code by mail is no second factor for administrators, nor after another mail opened the door: a code by mail, or a
 * link that set the password.
 */
export async function mailCodeServes(trx: Db, account: Account, proofs: readonly Proof[]): Promise<boolean> {
  if (account.admin || proofs.some(({ method }) => method === 'mail-code')) return false;
  const row = await trx('passwords').where({ account_id: account.id }).first('set_by_mail');
  return row?.set_by_mail !== true;
}

function mailOf(typed: string): string {
  const address = parseEmail(typed);
  if (address === undefined) throw failure('identifier_invalid');
  return address.value;
}

function numberOf(typed: string, settings: { smsCountries: readonly string[] }): string {
  const number = parsePhoneNumber(typed);
  if (number === undefined) throw failure('phone_number_invalid');
  const { smsCountries } = settings;
  if (smsCountries.length > 0 && !smsCountries.includes(number.country ?? '')) {
    throw failure('phone_country_not_allowed');
  }
  return number.e164;
}

function channelOf({ kind }: Factor): Channel | undefined {
  return kind === 'mail' || kind === 'sms' ? kind : undefined;
}

/** A code of one way or account opens nothing of another. */
function boundTo(channel: Channel, accountId: AccountId, binding: string): string {
  return JSON.stringify([channel, accountId, binding]);
}

function signInBinding(binding: string): string {
  return JSON.stringify(['sign-in', binding]);
}
