// People who can sign in: create, find, change, suspend, reinstate, remove. Each change and its event are one commit.
import type { Actor, Audit } from '../audit/audit.ts';
import { normalizeIdentifier } from '../lib/identifiers.ts';
import { type AccountId, newId, parseId } from '../lib/ids.ts';
import type { Page, PageRequest } from '../lib/page.ts';
import { afterCommit, type Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import { createBatch } from '../platform/database/batch.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import {
  type ChangedFields,
  changedFields,
  firstFields,
  merged,
  phoneAfter,
  wantedIdentifiers,
} from './fields.ts';
import { listPage } from './list.ts';
import { createProfile, type Profile } from './profile.ts';
import type { Account, AccountChange, AccountFilter, NewAccount } from './schema.ts';
import * as store from './store.ts';

export { refuseAdminAccount } from './admin-only.ts';
export { type AccountBulk, type Candidate, createAccountBulk } from './bulk.ts';
export { createProfile, type Profile, type ProfileField, sentenceOf } from './profile.ts';
export { profileFrom } from './profile-file.ts';
export { changeOf, mistakesIn, shownFields, typedFields } from './profile-form.ts';
export type {
  Account,
  AccountChange,
  AccountFilter,
  AccountStatus,
  NewAccount,
} from './schema.ts';

/** Throws when this account may not be touched by whoever asks. It sees the account as it is under the lock of the change. */
export type AccountGuard = (account: Pick<Account, 'admin'>) => void;

export interface Accounts {
  /** Throws identifier_taken, identifier_invalid or request_invalid. With `db`, inside that transaction. */
  create(input: NewAccount, by: Actor, db?: Db): Promise<Account>;
  /** undefined when there is none, or no longer. */
  find(id: string, db?: Db): Promise<Account | undefined>;
  findByIdentifier(typed: string): Promise<Account | undefined>;
  list(filter: AccountFilter, page: PageRequest): Promise<Page<Account>>;
  /** Throws version_conflict when `change.version` is not the current one. With `db`, inside that transaction. */
  change(id: AccountId, change: AccountChange, by: Actor, guard?: AccountGuard, db?: Db): Promise<Account>;
  /** Ends sessions, grants and tokens in the same commit. Throws last_admin. */
  suspend(id: AccountId, reason: string | null, by: Actor, guard?: AccountGuard): Promise<void>;
  /** Nothing from before comes back with it. */
  reinstate(id: AccountId, by: Actor, guard?: AccountGuard): Promise<void>;
  /**
   * Deletes every personal field; the ledger keeps the id, which is never given out again. Throws last_admin, and
   * version_conflict when `version` is given and not the current one.
   */
  remove(
    id: AccountId,
    by: Actor,
    only?: { version?: number | undefined; guard?: AccountGuard },
  ): Promise<void>;
  /** When it is to be removed; null: it stays. False when it was to stay anyway. Throws last_admin. */
  setDeletion(trx: Db, id: AccountId, at: Date | null, act: Deleting): Promise<boolean>;
  /** Those whose time has come. */
  dueForDeletion(limit: number): Promise<{ id: AccountId; version: number }[]>;
  hasAny(db?: Db): Promise<boolean>;
  /** The fields that there are beside who somebody is to this server. */
  readonly profile: Profile;
}

/** For the command line: by id, mail address or user name. Throws account_not_found. */
export async function accountNamed(accounts: Pick<Accounts, 'find' | 'findByIdentifier'>, text: string) {
  const account = (await accounts.find(text)) ?? (await accounts.findByIdentifier(text));
  if (account === undefined) throw failure('account_not_found', { account: text });
  return account;
}

export interface AccountsDeps {
  postgres: Postgres;
  audit: Audit;
  clock: Clock;
  /** Ends all that the account has open, inside the transaction it is given; it lives on a higher floor. */
  endAccountState: (trx: Db, accountId: AccountId) => Promise<void>;
  /** In the same transaction: an address is the account's no more, by whomever; and all of it is about to go. */
  emailLeft?: (trx: Db, before: Account, by: Actor) => Promise<void>;
  removing?: (trx: Db, id: AccountId, by: Actor) => Promise<void>;
  /** Whoever keeps in memory what an account may do hears of its change. */
  changes: Pick<Changes, 'bump' | 'poll'>;
  /** The standard fields alone unless given. */
  profile?: Profile;
}

export function createAccounts(given: AccountsDeps): Accounts {
  const deps = { ...given, profile: given.profile ?? createProfile() };
  const { postgres } = deps;
  const found = createBatch({
    inFlight: 2,
    companyMilliseconds: 1,
    run: (ids: readonly AccountId[]) => store.findAccounts(postgres.db, ids),
  });

  /** In a commit of the caller's, which should be near: the row of the topic is locked until then. */
  async function within<T>(trx: Db, act: Act, run: (trx: Db) => Promise<T>): Promise<T> {
    const done = await run(trx);
    await deps.changes.bump(trx, 'access', act.id);
    afterCommit(trx, () => void deps.changes.poll().catch(() => undefined));
    return done;
  }

  /** One commit that is heard of, on this node before it returns; were the look to fail, the next one brings it. */
  async function commit<T>(act: Act, run: (trx: Db) => Promise<T>): Promise<T> {
    const result = await postgres.transaction(async (trx) => {
      const done = await run(trx);
      // Last, for the row of the topic is locked from here to the commit.
      await deps.changes.bump(trx, 'access', act.id);
      return done;
    });
    await deps.changes.poll().catch(() => undefined);
    return result;
  }

  return {
    create: (input, by, db) =>
      db === undefined
        ? postgres.transaction((trx) => createIn(deps, trx, input, by))
        : createIn(deps, db, input, by),
    async find(id, db) {
      const accountId = parseId('acc', id);
      if (accountId === undefined) return undefined;
      return db === undefined ? found.run(accountId) : store.findAccount(db, accountId);
    },
    async findByIdentifier(typed) {
      // The query runs for what nobody can be called, too: an answer must not come sooner for it.
      return store.findAccountByIdentifier(postgres.db, normalizeIdentifier(typed) ?? '');
    },
    list: (filter, page) => listPage(postgres.db, filter, page),
    change: (id, change, by, guard, db) => {
      const act = { id, by, guard };
      const run = (trx: Db) => changeIn(deps, trx, change, act);
      return db === undefined ? commit(act, run) : within(db, act, run);
    },
    suspend: (id, reason, by, guard) => {
      const act = { id, by, guard };
      return commit(act, (trx) => suspendIn(deps, trx, reason, act));
    },
    reinstate: (id, by, guard) => {
      const act = { id, by, guard };
      return commit(act, (trx) => reinstateIn(deps, trx, act));
    },
    remove: (id, by, only) => {
      const act = { id, by, ...only };
      return commit(act, (trx) => removeIn(deps, trx, act));
    },
    async setDeletion(trx, id, at, act) {
      await (at === null ? hold : holdButOneAdmin)(trx, { id, by: act.by, guard: act.guard });
      return store.setDeletion(trx, id, at, { now: deps.clock.now(), was: act.was });
    },
    dueForDeletion: (limit) => store.dueForDeletion(postgres.db, deps.clock.now(), limit),
    hasAny: (db = postgres.db) => store.anyAccount(db),
    profile: deps.profile,
  };
}

async function createIn(deps: WithProfile, trx: Db, input: NewAccount, by: Actor): Promise<Account> {
  const { fields, identifiers, emailVerified } = firstFields(input, deps.profile);
  const id = newId('acc');
  const now = deps.clock.now();
  await store.insertAccount(trx, id, fields, now);
  for (const identifier of identifiers) {
    const verified = identifier.kind === 'email' && emailVerified;
    if (!(await store.claimIdentifier(trx, id, identifier, verified, now))) {
      throw failure('identifier_taken', { kind: identifier.kind });
    }
  }
  await deps.audit.record(trx, {
    type: 'account.created',
    actor: by,
    outcome: 'success',
    accountId: id,
    // Never the names themselves: the ledger outlives the account.
    details: { admin: fields.admin, identifiers: identifiers.map((identifier) => identifier.kind) },
  });
  return mustFind(trx, id);
}

type WithProfile = AccountsDeps & { profile: Profile };

/** `was`: only when it is to be deleted at that very time. */
type Deleting = Pick<Act, 'by' | 'guard'> & { was?: Date | undefined };

/** What is done to which account, by whom, and what must hold of it then. */
interface Act {
  id: AccountId;
  by: Actor;
  guard?: AccountGuard | undefined;
  version?: number | undefined;
}

async function changeIn(deps: WithProfile, trx: Db, change: AccountChange, act: Act): Promise<Account> {
  const { id, by } = act;
  const wanted = changedFields(change);
  const held = { ...act, version: change.version };
  await (wanted.fields.admin === false ? holdButOneAdmin(trx, held) : hold(trx, held));
  const before = await mustFind(trx, id);
  if (wanted.names.length === 0) return before;
  const now = deps.clock.now();
  const profile = wanted.profile && merged(deps.profile, before.profile, wanted.profile);
  const fields = { ...wanted.fields, ...phoneAfter(before, wanted), ...(profile && { profile }) };
  await store.updateAccount(trx, id, fields, now);
  await changeIdentifiers(trx, before, wanted, now);
  const after = await mustFind(trx, id);
  if (before.email !== null && after.email !== before.email) await deps.emailLeft?.(trx, before, by);
  await deps.audit.record(trx, {
    type: 'account.changed',
    actor: by,
    outcome: 'success',
    accountId: id,
    details: {
      fields: wanted.names,
      ...(wanted.fields.admin !== undefined && { admin: wanted.fields.admin }),
    },
  });
  return after;
}

async function changeIdentifiers(trx: Db, before: Account, wanted: ChangedFields, now: Date): Promise<void> {
  const identifiers = wantedIdentifiers(before, wanted);
  for (const { kind, identifier, verified } of identifiers) {
    await store.releaseIdentifier(trx, before.id, kind);
    if (identifier === null) continue;
    if (!(await store.claimIdentifier(trx, before.id, identifier, verified, now))) {
      throw failure('identifier_taken', { kind });
    }
  }
  if (wanted.emailVerified !== undefined && !identifiers.some(({ kind }) => kind === 'email')) {
    await store.setVerified(trx, before.id, wanted.emailVerified);
  }
}

async function suspendIn(deps: AccountsDeps, trx: Db, reason: string | null, act: Act): Promise<void> {
  const current = await holdButOneAdmin(trx, act);
  // Also when it is suspended already: whatever was left open by then ends now.
  await deps.endAccountState(trx, act.id);
  if (current.status === 'suspended') return;
  await store.updateAccount(trx, act.id, { status: 'suspended' }, deps.clock.now());
  await deps.audit.record(trx, {
    type: 'account.suspended',
    actor: act.by,
    outcome: 'success',
    accountId: act.id,
    reason,
  });
}

async function reinstateIn(deps: AccountsDeps, trx: Db, act: Act): Promise<void> {
  const { id, by } = act;
  const current = await hold(trx, act);
  if (current.status === 'active') return;
  // What slipped in while it was suspended (a request that was under way) must not come to life with it.
  await deps.endAccountState(trx, id);
  await store.updateAccount(trx, id, { status: 'active' }, deps.clock.now());
  await deps.audit.record(trx, { type: 'account.reinstated', actor: by, outcome: 'success', accountId: id });
}

async function removeIn(deps: AccountsDeps, trx: Db, act: Act): Promise<void> {
  const { id, by } = act;
  await holdButOneAdmin(trx, act);
  await deps.removing?.(trx, id, by);
  await deps.endAccountState(trx, id);
  await store.deleteAccount(trx, id);
  await deps.audit.record(trx, { type: 'account.deleted', actor: by, outcome: 'success', accountId: id });
}

type Held = NonNullable<Awaited<ReturnType<typeof store.lockAccount>>>;

/** Locks the account and looks whether the act may be done to it as it is now. */
async function hold(trx: Db, { id, guard, version }: Act): Promise<Held> {
  const current = parseId('acc', id) && (await store.lockAccount(trx, id));
  if (current === undefined) throw failure('account_not_found', { id });
  guard?.(current);
  if (version !== undefined && version !== current.version) {
    throw failure('version_conflict', { version: current.version });
  }
  return current;
}

/** Not for the last administrator. */
async function holdButOneAdmin(trx: Db, act: Act): Promise<Held> {
  // Before the account itself, and always in the order of ids, so that two such changes cannot wait for each other.
  const admins = await store.lockActiveAdmins(trx);
  const current = await hold(trx, act);
  if (admins.length === 1 && admins[0] === act.id) throw failure('last_admin');
  return current;
}

async function mustFind(db: Db, id: AccountId): Promise<Account> {
  const account = await store.findAccount(db, id);
  if (account === undefined) throw failure('account_not_found', { id });
  return account;
}
