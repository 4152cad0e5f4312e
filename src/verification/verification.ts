// One-time codes and links by mail or SMS: each for one purpose and one attempt, used once, over after minutes.
import { randomInt } from 'node:crypto';
import { type AccountId, newId, type VerificationId } from '../lib/ids.ts';
import { addressPrefix, normalizeAddress } from '../lib/ip.ts';
import { digitsIn } from '../lib/people/digits.ts';
import type { Messages } from '../messages/messages.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { inBatches } from '../platform/jobs/batches.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import { currentOrigin } from '../platform/origin.ts';
import { keyedHash, randomToken } from '../platform/secrets/tokens.ts';
import type { Begun, CodeGuess, Guessed, NewVerification, Purpose, Used } from './schema.ts';
import * as store from './store.ts';

export type { Begun, Channel, CodeGuess, Guessed, NewVerification, Purpose, Used } from './schema.ts';

export interface Verification {
  /**
   * Sends a code of eight digits, a link, or both, written with the message in one transaction. It ends an earlier one of the
   * same purpose and binding, and with a link every earlier one of this purpose for the account.
   */
  begin(trx: Db | undefined, input: NewVerification): Promise<Begun>;
  /** One conditional statement. The guess counts when `trx` commits: commit it also when the code was wrong. */
  useCode(trx: Db, guess: CodeGuess): Promise<Guessed>;
  useLink(trx: Db, input: { purpose: Purpose; token: string }): Promise<Used | undefined>;
  /** Without using it: for the page that a link shows. The act itself is a POST. */
  peekLink(input: { purpose: Purpose; token: string }): Promise<Used | undefined>;
  /** A change of password, address or factors ends what is under way. */
  end(trx: Db, input: { accountId: AccountId; purposes?: readonly Purpose[] }): Promise<void>;
  jobs(): Job[];
}

export interface VerificationSettings {
  codeSeconds: number;
  linkSeconds: number;
  /** Codes and links in an hour: to one recipient, for one account, asked for from one address. */
  perRecipient: number;
  perAccount: number;
  perAddress: number;
}

export interface VerificationDeps {
  postgres: Postgres;
  clock: Clock;
  messages: Pick<Messages, 'send'>;
  /** The server secret 'one-time'. */
  key: Buffer;
  issuer: string;
  settings: VerificationSettings;
}

export const CODE_DIGITS = 8;
/** NIST SP 800-63B §3.1.3.2: a code of 26 bits and few guesses. */
const GUESSES = 5;
const HOUR_SECONDS = 3600;
const DAY_MILLISECONDS = 86_400_000;

/**
 * Counted apart for one recipient and account: anybody may have a mail of the last kinds sent to anybody, and must not use
 * up with it what the owner needs to come in or back. And whoever is told of a limit there, which counts addresses as they
 * were typed, learns nothing of those that belong to accounts.
 */
const APART: readonly (readonly Purpose[])[] = [
  ['recover'],
  ['second-factor'],
  ['sign-in'],
  ['register', 'enrol-factor', 'change-email', 'change-phone'],
];

export function createVerification(deps: VerificationDeps): Verification {
  const { postgres, clock } = deps;
  const linkHash = (purpose: Purpose, token: string) =>
    // 256 bits are 43 characters; nothing longer is hashed.
    keyedHash(deps.key, JSON.stringify(['link', purpose, token.slice(0, 100)]));

  return {
    begin: (trx, input) =>
      trx === undefined ? postgres.transaction((own) => begin(deps, own, input)) : begin(deps, trx, input),
    useCode: (trx, guess) => useCode(deps, trx, guess),
    useLink: (trx, { purpose, token }) =>
      store.useLink(trx, { purpose, linkHash: linkHash(purpose, token), now: clock.now() }),
    peekLink: ({ purpose, token }) =>
      store.peekLink(postgres.db, { purpose, linkHash: linkHash(purpose, token), now: clock.now() }),
    end: (trx, { accountId, purposes }) => store.endOfAccount(trx, accountId, purposes, clock.now()),
    jobs: () => [
      {
        name: 'verifications-expiry',
        everySeconds: 3600,
        async run(signal) {
          // A day longer than they are good for: so long they are counted against the limits.
          const before = new Date(clock.now().getTime() - DAY_MILLISECONDS);
          await inBatches((limit) => store.deleteExpired(postgres.db, before, limit), signal);
        },
      },
    ],
  };
}

async function begin(deps: VerificationDeps, trx: Db, input: NewVerification): Promise<Begun> {
  const { clock, settings } = deps;
  const now = clock.now();
  const address = originPrefix();
  const limited = await waitFor(deps, trx, { ...input, address, now });
  if (limited !== undefined) return { kind: 'limited', retryAfterSeconds: limited };

  const id = newId('ver');
  const code = input.code === true ? randomCode() : undefined;
  const token = input.link === undefined ? undefined : randomToken();
  const seconds = code === undefined ? settings.linkSeconds : settings.codeSeconds;
  const expiresAt = new Date(now.getTime() + seconds * 1000);
  const binding = input.binding === null ? null : bindingHash(deps, input.binding);
  await store.endEarlier(trx, { ...input, binding, hasLink: token !== undefined, now });
  await store.insertVerification(trx, {
    ...input,
    id,
    binding,
    address,
    codeHash: code === undefined ? null : codeHash(deps, id, code),
    linkHash:
      token === undefined ? null : keyedHash(deps.key, JSON.stringify(['link', input.purpose, token])),
    attemptsLeft: GUESSES,
    details: input.details ?? {},
    createdAt: now,
    expiresAt,
  });
  const link = token && `${deps.issuer}${input.link?.path ?? ''}?token=${token}`;
  if (input.show && link) return { kind: 'sent', id, expiresAt, link };
  if (input.send !== false) {
    const values = {
      ...input.values,
      minutes: Math.round(seconds / 60),
      ...(code && { code }),
      ...(link && { link }),
    };
    const { channel, template, to, accountId, locale } = input;
    await deps.messages.send(trx, { channel, template, to, accountId, locale, values, expiresAt });
  }
  return { kind: 'sent', id, expiresAt };
}

/** Seconds until one more may be sent; undefined: now. Those that ask at the same time wait for each other here. */
async function waitFor(
  { settings }: VerificationDeps,
  trx: Db,
  asked: { purpose: Purpose; to: string; accountId: AccountId | null; address: string | null; now: Date },
): Promise<number | undefined> {
  const since = new Date(asked.now.getTime() - HOUR_SECONDS * 1000);
  const purposes = APART.find((kinds) => kinds.includes(asked.purpose)) ?? [asked.purpose];
  const limits = [
    { by: 'recipient', value: asked.to, most: settings.perRecipient, purposes },
    { by: 'account_id', value: asked.accountId, most: settings.perAccount, purposes },
    { by: 'address', value: asked.address, most: settings.perAddress },
  ] as const;
  const known = limits.flatMap(({ value, ...limit }) => (value === null ? [] : [{ ...limit, value }]));
  await store.lockLimits(
    trx,
    known.map(({ by, value }) => `${by}:${value.toLowerCase()}`),
  );
  const waits: number[] = [];
  for (const limit of known) {
    const oldest = await store.oldestOfMost(trx, limit, since);
    if (oldest !== undefined) waits.push(HOUR_SECONDS - (asked.now.getTime() - oldest.getTime()) / 1000);
  }
  return waits.length === 0 ? undefined : Math.max(1, ...waits.map(Math.ceil));
}

async function useCode(deps: VerificationDeps, trx: Db, guess: CodeGuess): Promise<Guessed> {
  const { purpose, id } = guess;
  const now = deps.clock.now();
  const binding = bindingHash(deps, guess.binding);
  // The newest alone, also when it was used: an older one does not come back to life behind it.
  const found = await store.findNewest(trx, { purpose, binding, id });
  if (found === undefined) return { kind: 'expired' };
  const typed = digitsIn(guess.code, CODE_DIGITS);
  const hash = codeHash(deps, found, typed ?? '');
  const guessed = await store.guess(trx, { id: found, codeHash: hash, now });
  if (guessed === undefined) return { kind: 'expired' };
  const { right, left, ...used } = guessed;
  return right ? { kind: 'ok', used } : { kind: 'wrong', left };
}

function bindingHash({ key }: VerificationDeps, binding: string): Buffer {
  return keyedHash(key, JSON.stringify(['binding', binding]));
}

function codeHash({ key }: VerificationDeps, id: VerificationId, code: string): Buffer {
  return keyedHash(key, JSON.stringify(['code', id, code]));
}

function randomCode(): string {
  return String(randomInt(10 ** CODE_DIGITS)).padStart(CODE_DIGITS, '0');
}

function originPrefix(): string | null {
  const { address } = currentOrigin();
  return address === null ? null : addressPrefix(normalizeAddress(address) ?? address);
}
