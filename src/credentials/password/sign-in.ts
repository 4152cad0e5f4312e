// Sign-in by password: count the attempt, check the password, settle. In this order, for everybody, in the same time.
import { setTimeout as pause } from 'node:timers/promises';
import type { Account, Accounts } from '../../accounts/accounts.ts';
import { type Audit, eventRow, type NewEvent } from '../../audit/audit.ts';
import type { AccountId } from '../../lib/ids.ts';
import type { Attempt, Lockout } from '../../lockout/lockout.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Postgres } from '../../platform/database/postgres.ts';
import type { PasswordProof, Verification } from '../schema.ts';
import type { HashPool } from './hash-pool.ts';
import { type Argon2Settings, dummyHash, hashPassword, isOutdated, normalizePassword } from './hashing.ts';
import { type Candidate, costOf, type Matcher } from './matching.ts';
import { createPace } from './pace.ts';
import type { ChangeReason } from './passwords.ts';
import * as store from './store.ts';

interface PasswordSignInDeps {
  postgres: Postgres;
  audit: Audit;
  clock: Clock;
  accounts: Accounts;
  lockout: Lockout;
  settings: {
    maximumLength: number;
    maximumConsecutiveFailures: number;
    hashQueueSeconds: number;
    argon2: Argon2Settings;
  };
  matcher: Matcher;
  /** Why a password that was presented correctly is to be changed all the same. */
  reasonToChange: (account: Account, candidate: Candidate) => Promise<ChangeReason | undefined>;
}

/** One attempt on its way: who it names, and the password it is checked against. */
interface Checked {
  account: Account | undefined;
  attempt: Attempt;
  /** undefined: no account, no password, or none of its attempts left. */
  password: store.UsablePassword | undefined;
}

type FailureReason = 'unknown_identifier' | 'suspended' | 'no_usable_password' | 'wrong_password';

// No account has it: the same statement runs for those who are not there.
const NOBODY = 'acc_00000000000000000000000000' as AccountId;
const NOTHING: Candidate = { typed: '', normalized: '' };
// Failures of accounts are written to the ledger, those of unknown identifiers only counted. Each refusal takes at least
// this long after the hash, which is more than the writing takes.
const REFUSAL_MILLISECONDS = 40;

export function createPasswordSignIn(deps: PasswordSignInDeps, pool: HashPool) {
  const { settings } = deps;
  const dummy = dummyHash(settings.argon2);
  const pace = createPace();
  const busy: Verification = { kind: 'busy', retryAfterSeconds: settings.hashQueueSeconds };

  return async (proof: PasswordProof): Promise<Verification> => {
    const at = Date.now();
    // Before the database hears of it: a flood must not reach it either.
    if (pool.isFull()) {
      deps.audit.refuse('sign_in', 'busy');
      return busy;
    }
    const account = await deps.accounts.findByIdentifier(proof.identifier);
    const reserved = await reserve(deps, proof.identifier, account);
    if (reserved.kind === 'locked') {
      deps.audit.refuse('sign_in', 'locked');
      return reserved;
    }
    const checked: Checked = { account, attempt: reserved.attempt, password: reserved.password };
    const usable = account?.status === 'active' ? checked.password : undefined;
    const phc = usable?.hash ?? dummy;
    const candidate = candidateOf(proof.password, settings.maximumLength);
    const hashed = await pool.run(() => deps.matcher.matches(phc, candidate ?? NOTHING));
    if (hashed.kind === 'busy') {
      await takeBack(deps, checked);
      deps.audit.refuse('sign_in', 'busy');
      return busy;
    }
    if (hashed.value && candidate !== undefined && usable !== undefined && account !== undefined) {
      const accepted = await accept(deps, pool, { account, attempt: checked.attempt, phc, candidate });
      if (accepted !== undefined) return { kind: 'ok', account: accepted, proof: { method: 'password', at } };
    }
    const wait = REFUSAL_MILLISECONDS + pace.missing(hashed.milliseconds, costOf(phc));
    await Promise.all([pause(wait), writeFailure(deps, checked)]);
    return { kind: 'refused' };
  };
}

// One statement, and so one wait for the disk, whether there is a password row to write or not.
async function reserve(deps: PasswordSignInDeps, identifier: string, account: Account | undefined) {
  const maximum = deps.settings.maximumConsecutiveFailures;
  const taking = store.takingAttempt(account?.id ?? NOBODY, maximum);
  const reservation = await deps.lockout.reserve(identifier, taking);
  if (reservation.kind === 'locked') return reservation;
  // What `takingAttempt` returns.
  return { ...reservation, password: reservation.also as store.UsablePassword | undefined };
}

async function takeBack(deps: PasswordSignInDeps, { account, attempt, password }: Checked): Promise<void> {
  await deps.postgres.transaction(async (trx) => {
    await deps.lockout.takeBack(attempt, trx);
    if (account !== undefined && password !== undefined) await store.giveBackAttempt(trx, account.id);
  });
}

/** What is hashed; undefined for what can be no password here and is not worth its length in hashing. */
function candidateOf(password: string, maximumLength: number): Candidate | undefined {
  // No code point is shorter than one unit, none of NFKC's expansions matter at this bound.
  if (password.length > maximumLength * 4) return undefined;
  return { typed: password, normalized: normalizePassword(password) };
}

interface Accepted {
  account: Account;
  attempt: Attempt;
  phc: string;
  candidate: Candidate;
}

/** undefined when password or account changed while the hash was made: the attempt stays the failure as which it was counted. */
async function accept(
  deps: PasswordSignInDeps,
  pool: HashPool,
  match: Accepted,
): Promise<Account | undefined> {
  const rehashed = await rehash(deps, pool, match);
  const changeRequired = await deps.reasonToChange(match.account, match.candidate);
  const { id } = match.account;
  const events = successEvents(id, rehashed !== undefined, changeRequired);
  const rows = events.map((event) => eventRow(event, deps.clock.now()));
  const accepting = store.acceptingPassword(id, match.phc, { rehashed, changeRequired }, rows);
  if (!(await deps.lockout.succeeded(match.attempt, accepting))) return acceptAnew(deps, pool, match);
  for (const event of events) deps.audit.written(event);
  return match.account;
}

function successEvents(
  id: AccountId,
  rehashed: boolean,
  changeRequired: ChangeReason | undefined,
): NewEvent[] {
  const about = { actor: { kind: 'account', id }, outcome: 'success', accountId: id } as const;
  const events: NewEvent[] = [];
  if (rehashed) events.push({ type: 'password.rehashed', ...about });
  if (changeRequired !== undefined) {
    const actor = { kind: 'system', id: null } as const;
    events.push({ type: 'password.change-required', ...about, actor, reason: changeRequired });
  }
  return [...events, { type: 'sign-in.succeeded', ...about, details: { method: 'password' } }];
}

/** Another sign-in may have hashed the same password anew meanwhile; a password that was replaced does not match. */
async function acceptAnew(
  deps: PasswordSignInDeps,
  pool: HashPool,
  match: Accepted,
): Promise<Account | undefined> {
  const phc = await store.readHash(deps.postgres.db, match.account.id);
  // Unchanged: the account was suspended.
  if (phc === undefined || phc === match.phc || isOutdated(phc, deps.settings.argon2)) return undefined;
  const hashed = await pool.run(() => deps.matcher.matches(phc, match.candidate));
  return hashed.kind === 'done' && hashed.value ? accept(deps, pool, { ...match, phc }) : undefined;
}

async function rehash(deps: PasswordSignInDeps, pool: HashPool, match: Accepted) {
  if (!isOutdated(match.phc, deps.settings.argon2)) return undefined;
  const hashed = await pool.run(() => hashPassword(match.candidate.normalized, deps.settings.argon2));
  // Busy: it waits for the next sign-in.
  return hashed.kind === 'done' ? { hash: hashed.value, at: deps.clock.now() } : undefined;
}

async function writeFailure(deps: PasswordSignInDeps, checked: Checked): Promise<void> {
  const { account, attempt } = checked;
  if (attempt.lastFreeAt.includes('address')) deps.audit.refuse('sign_in', 'address_locked');
  // Anybody can make these, so they are counted and fill no disk. Those of accounts are bounded by the lockout.
  if (account === undefined) {
    deps.audit.refuse('sign_in', 'unknown_identifier');
    return;
  }
  const events = failureEvents(deps, account, checked);
  await deps.postgres.transaction(async (trx) => {
    for (const event of events) await deps.audit.record(trx, event);
  });
}

function failureEvents(deps: PasswordSignInDeps, account: Account, checked: Checked): NewEvent[] {
  const { attempt, password } = checked;
  const about = {
    actor: { kind: 'anonymous', id: null },
    outcome: 'failure',
    accountId: account.id,
  } as const;
  const events: NewEvent[] = [
    { type: 'sign-in.failed', ...about, reason: reasonOf(checked), details: { method: 'password' } },
  ];
  for (const level of attempt.lastFreeAt) {
    if (level !== 'address')
      events.push({ type: 'lockout.started', ...about, outcome: 'denied', reason: level });
  }
  if (password?.consecutiveFailures === deps.settings.maximumConsecutiveFailures) {
    events.push({ type: 'password.disabled', ...about, outcome: 'denied' });
  }
  return events;
}

function reasonOf({ account, password }: Checked): FailureReason {
  if (account === undefined) return 'unknown_identifier';
  if (account.status !== 'active') return 'suspended';
  return password === undefined ? 'no_usable_password' : 'wrong_password';
}
