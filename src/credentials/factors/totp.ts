// Codes of authenticator apps (TOTP, RFC 6238): six digits, thirty seconds, HMAC-SHA-1, which is what the apps support.
import { generateSecret, generateURI, verifySync } from 'otplib';
import { encode } from 'uqr';
import { z } from 'zod';
import type { Actor } from '../../audit/audit.ts';
import { type AccountId, type FactorId, newId, parseId } from '../../lib/ids.ts';
import { digitsIn } from '../../lib/people/digits.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { failure } from '../../platform/errors.ts';
import { createSeal, type Seal } from '../../platform/secrets/seal.ts';
import type { AddedFactor } from '../schema.ts';
import { addFactor, factorName } from './adding.ts';
import type { FactorDeps } from './deps.ts';
import * as store from './store.ts';

export interface TotpSetUp {
  /** To be sent back with the first code: sealed, for ten minutes, and nothing is kept here until then. */
  enrolment: string;
  /** Base32, in groups of four, for whoever cannot scan. */
  secret: string;
  uri: string;
  /** The QR code; its size is that of its box. */
  svg: string;
}

export interface Totp {
  /** `label`: what screen readers say in place of the QR code. */
  begin(accountId: AccountId, label?: string): Promise<TotpSetUp>;
  /** The same once more, after a code that was wrong. Throws enrolment_expired. */
  resume(accountId: AccountId, enrolment: string, label?: string): Promise<TotpSetUp>;
  /** Throws enrolment_expired and code_wrong. */
  confirm(
    accountId: AccountId,
    input: { enrolment: string; code: string; name: string },
    by: Actor,
  ): Promise<AddedFactor>;
  /** Inside the door only. True once for each code. */
  accepts(trx: Db, accountId: AccountId, typed: string): Promise<boolean>;
}

const DIGITS = 6;
const PERIOD_SECONDS = 30;
/** One step each side: the clock of a phone, and the time that typing takes (RFC 6238 §5.2). */
const DRIFT_SECONDS = PERIOD_SECONDS;
/** RFC 4226 §4 R6 recommends 160 bits. */
const SECRET_BYTES = 20;
const ENROLMENT_MINUTES = 10;
const MOST_ENROLMENT = 1000;

const Enrolment = z.object({ id: z.string(), secret: z.string(), endsAt: z.number() });
type Enrolment = z.infer<typeof Enrolment>;

export function createTotp(deps: FactorDeps): Totp {
  const seal = createSeal(deps.oneTimeKey);
  return {
    begin: (accountId, label) => begin(deps, seal, accountId, label),
    resume: (accountId, enrolment, label) => resume(deps, seal, { accountId, enrolment, label }),
    confirm: (accountId, input, by) => confirm(deps, seal, accountId, input, by),
    accepts: (trx, accountId, typed) => accepts(deps, trx, accountId, typed),
  };
}

async function begin(deps: FactorDeps, seal: Seal, accountId: AccountId, label?: string): Promise<TotpSetUp> {
  const secret = generateSecret({ length: SECRET_BYTES });
  const endsAt = deps.clock.now().getTime() + ENROLMENT_MINUTES * 60_000;
  const content: Enrolment = { id: newId('fac'), secret, endsAt };
  const enrolment = seal
    .seal(Buffer.from(JSON.stringify(content)), contextOf(accountId))
    .toString('base64url');
  return shown(deps, { accountId, enrolment, secret, label });
}

async function resume(
  deps: FactorDeps,
  seal: Seal,
  { accountId, enrolment, label }: { accountId: AccountId; enrolment: string; label?: string | undefined },
): Promise<TotpSetUp> {
  const content = opened(seal, accountId, enrolment);
  if (content === undefined || content.endsAt <= deps.clock.now().getTime())
    throw failure('enrolment_expired');
  return shown(deps, { accountId, enrolment, secret: content.secret, label });
}

async function shown(
  deps: FactorDeps,
  {
    accountId,
    enrolment,
    secret,
    label = 'QR code',
  }: { accountId: AccountId; enrolment: string; secret: string; label?: string | undefined },
): Promise<TotpSetUp> {
  const account = await deps.accounts.find(accountId);
  if (account === undefined) throw failure('account_not_found', { id: accountId });
  // A colon parts issuer and name in the URI, and apps read an escaped one the same.
  const named = (text: string) => text.replaceAll(':', ' ');
  const owner = account.email ?? account.username ?? account.id;
  const uri = generateURI({ issuer: named(deps.productName), label: named(owner), secret });
  return {
    enrolment,
    secret: (secret.match(/.{1,4}/g) ?? []).join(' '),
    uri,
    svg: qrCode(uri, label),
  };
}

async function confirm(
  deps: FactorDeps,
  seal: Seal,
  accountId: AccountId,
  input: { enrolment: string; code: string; name: string },
  by: Actor,
): Promise<AddedFactor> {
  const name = factorName(input.name);
  const enrolment = opened(seal, accountId, input.enrolment);
  const id = enrolment && parseId('fac', enrolment.id);
  if (enrolment === undefined || id === undefined || enrolment.endsAt <= deps.clock.now().getTime()) {
    throw failure('enrolment_expired');
  }
  // The step of this code is taken: it does not sign in as well.
  const step = stepOf(deps, enrolment.secret, input.code);
  if (step === undefined) throw failure('code_wrong');
  const secret = deps.vault.seal(Buffer.from(enrolment.secret), `factors.secret:${id}`);
  return deps.postgres.transaction((trx) =>
    // Its id was given out with the set-up, so a set-up is finished once: factor_exists.
    addFactor(deps, trx, { id, accountId, kind: 'totp', name, secret, counter: step }, by),
  );
}

async function accepts(deps: FactorDeps, trx: Db, accountId: AccountId, typed: string): Promise<boolean> {
  const authenticators: { id: FactorId; secret: Buffer }[] = await trx('factors')
    .where({ account_id: accountId, kind: 'totp' })
    .whereNull('disabled_at')
    .orderBy('id')
    .select('id', 'secret');
  for (const { id, secret } of authenticators) {
    const step = stepOf(deps, deps.vault.open(secret, `factors.secret:${id}`).toString(), typed);
    if (step !== undefined && (await store.advanceCounter(trx, id, step, deps.clock.now()))) return true;
  }
  return false;
}

/** The time step whose code was typed; undefined when it is none of those that are good now. */
function stepOf({ clock }: FactorDeps, secret: string, typed: string): number | undefined {
  const token = digitsIn(typed, DIGITS);
  if (token === undefined) return undefined;
  const epoch = Math.floor(clock.now().getTime() / 1000);
  const result = verifySync({ secret, token, epoch, epochTolerance: DRIFT_SECONDS, period: PERIOD_SECONDS });
  return result.valid && 'timeStep' in result ? result.timeStep : undefined;
}

function opened(seal: Seal, accountId: AccountId, text: string): Enrolment | undefined {
  if (text.length > MOST_ENROLMENT) return undefined;
  const bytes = seal.open(Buffer.from(text, 'base64url'), contextOf(accountId));
  return bytes && Enrolment.parse(JSON.parse(bytes.toString()));
}

function contextOf(accountId: AccountId): string {
  return `totp-enrolment:${accountId}`;
}

/** Dark on white with the quiet zone of four that ISO/IEC 18004 asks for, whatever the colours of the page are. */
function qrCode(uri: string, label: string): string {
  const { size, data } = encode(uri, { ecc: 'M', border: 4 });
  const bars = data.flatMap((row, y) =>
    [
      ...row
        .map((dark) => (dark ? '1' : '0'))
        .join('')
        .matchAll(/1+/g),
    ].map(({ index, 0: { length } }) => `M${index} ${y}h${length}v1h-${length}z`),
  );
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="qr-code" role="img" aria-label="${escaped(label)}" ` +
    `viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges"><rect fill="#fff" width="${size}" ` +
    `height="${size}"/><path fill="#000" d="${bars.join('')}"/></svg>`
  );
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}
