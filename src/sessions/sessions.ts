// Signed-in browsers and what was granted in them: list them, end them by session, account, client or for everybody, and
// tell the clients that took part.
import type { Actor, Audit } from '../audit/audit.ts';
import type { AccountId } from '../lib/ids.ts';
import { decodeCursor, type Page, type PageRequest, pageOf } from '../lib/page.ts';
import type { BrowserSession, EndScope, Grant, Oidc, StateFilter } from '../oidc/oidc.ts';
import { endKinds } from '../oidc/oidc.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type { Log } from '../platform/telemetry/log.ts';
import { sessionJobs } from './jobs.ts';
import { createLogoutQueue } from './logout-queue.ts';
import * as store from './logout-store.ts';
import type { DeliveryFilter, EndedCounts, LogoutDelivery } from './schema.ts';

export type { BrowserSession, EndScope, Grant } from '../oidc/oidc.ts';
export type { DeliveryFilter, DeliveryState, EndedCounts, LogoutDelivery } from './schema.ts';
export { afterSignOut } from './signed-out.ts';

export interface Sessions {
  /** Throws request_invalid for a cursor that is not of this list; so do the other lists. */
  list(filter: StateFilter, page: PageRequest): Promise<Page<BrowserSession>>;
  /** Throws session_not_found. */
  find(id: string): Promise<BrowserSession>;
  /** With the grants and tokens that end at sign-out. Throws session_not_found. */
  end(id: string, by: Actor): Promise<void>;
  /** Sessions, grants and tokens of before: of an account, of a client, of both together, or of everybody. In batches. */
  endAll(scope: EndScope, by: Actor): Promise<EndedCounts>;
  /** Everything of an account but this session, with the grants and tokens of the others. */
  endOthers(accountId: AccountId, sessionId: string, by: Actor): Promise<void>;
  listGrants(filter: StateFilter, page: PageRequest): Promise<Page<Grant>>;
  /** With every token issued from it. Throws grant_not_found. */
  revokeGrant(id: string, by: Actor): Promise<void>;
  /** The newest first. */
  listDeliveries(filter: DeliveryFilter, page: PageRequest): Promise<Page<LogoutDelivery>>;
  /** Due at once, and for another day. Throws logout_delivery_not_found, also for one that was delivered. */
  retryDelivery(id: string, by: Actor): Promise<void>;
  countDeliveries(): Promise<{ waiting: number; failed: number }>;
  jobs(): Job[];
  /** Begins to deliver what waits. */
  start(): void;
  stop(): Promise<void>;
}

export interface SessionsDeps {
  postgres: Postgres;
  audit: Audit;
  changes: Pick<Changes, 'poll'>;
  clock: Clock;
  log: Log;
  oidc: Pick<Oidc, 'state' | 'sendLogout' | 'cutoffs'>;
  notices: LogoutNotices;
}

export interface LogoutNotices {
  /** In the transaction that ends sessions: those of these clients that ask for it are to be told. */
  write(trx: Db, participants: readonly store.Notice[]): Promise<void>;
  forget(trx: Db, clientId: string): Promise<void>;
  onWritten(listener: () => void): void;
}

/** Apart from createSessions, because the engine below ends sessions as well. */
export function createLogoutNotices(deps: {
  wanted: (db: Db, clientIds: readonly string[]) => Promise<readonly string[]>;
}): LogoutNotices {
  const listeners: (() => void)[] = [];
  return {
    async write(trx, participants) {
      if (participants.length === 0) return;
      const clientIds = [...new Set(participants.map(({ clientId }) => clientId))];
      const wanting = new Set(await deps.wanted(trx, clientIds));
      const notices = participants.filter(({ clientId }) => wanting.has(clientId));
      if (notices.length === 0) return;
      await store.insertNotices(trx, notices);
      for (const listener of listeners) listener();
    },
    forget: store.deleteNoticesOf,
    onWritten: (listener) => {
      listeners.push(listener);
    },
  };
}

const BATCH = 500;

export function createSessions(deps: SessionsDeps): Sessions {
  const { postgres, audit, oidc } = deps;
  const { db } = postgres;
  const queue = createLogoutQueue({ postgres, audit, log: deps.log, send: oidc.sendLogout });
  deps.notices.onWritten(queue.wake);

  return {
    list: (filter, page) => listed(filter, page, (session) => session.id, oidc.state.listSessions),

    async find(id) {
      const session = await oidc.state.findSession(db, id);
      if (session === undefined) throw failure('session_not_found');
      return session;
    },

    async end(id, by) {
      await postgres.transaction(async (trx) => {
        const ended = await oidc.state.endSession(trx, id);
        if (ended === undefined) throw failure('session_not_found');
        await audit.record(trx, {
          type: 'session.ended',
          actor: by,
          outcome: 'success',
          accountId: ended.accountId,
          target: { kind: 'session', id },
          reason: endedBy(by, ended.accountId),
        });
      });
    },

    endAll: (scope, by) => endAll(deps, scope, by),

    async endOthers(accountId, sessionId, by) {
      await postgres.transaction(async (trx) => {
        await oidc.state.endOthers(trx, accountId, sessionId);
        await audit.record(trx, {
          type: 'sessions.ended',
          actor: by,
          outcome: 'success',
          accountId,
          reason: endedBy(by, accountId),
          details: { of: 'account', but: sessionId },
        });
      });
    },

    listGrants: (filter, page) => listed(filter, page, (grant) => grant.id, oidc.state.listGrants),

    async revokeGrant(id, by) {
      await postgres.transaction(async (trx) => {
        const grant = id.includes('\0') ? undefined : await oidc.state.endGrant(trx, id);
        if (grant === undefined) throw failure('grant_not_found');
        await audit.record(trx, {
          type: 'grant.revoked',
          actor: by,
          outcome: 'success',
          ...grant,
          target: { kind: 'grant', id },
          reason: endedBy(by, grant.accountId).replace('ended', 'revoked'),
        });
      });
    },

    listDeliveries: (filter, page) =>
      listed(
        filter,
        page,
        (delivery) => delivery.id,
        (wanted, before, limit) => store.listNotices(db, wanted, before, limit),
      ),

    async retryDelivery(id, by) {
      await postgres.transaction(async (trx) => {
        const notice = id.includes('\0') ? undefined : await store.makeDue(trx, id);
        if (notice === undefined) throw failure('logout_delivery_not_found');
        await audit.record(trx, {
          type: 'backchannel-logout.retried',
          actor: by,
          outcome: 'success',
          ...notice,
          target: { kind: 'logout-delivery', id },
        });
      });
      queue.wake();
    },

    countDeliveries: () => store.countNotices(db),
    jobs: () => sessionJobs({ db, removeOldCutoffs: oidc.cutoffs.removeOld }),
    start: queue.start,
    stop: queue.stop,
  };
}

/**
 * First what makes everything from before worthless, in one commit; then the rows, a batch a commit, each with its line in
 * the ledger. What begins meanwhile stays.
 */
async function endAll(deps: SessionsDeps, scope: EndScope, by: Actor): Promise<EndedCounts> {
  const { postgres, audit, oidc } = deps;
  const at = deps.clock.now();
  const ids: { accountId?: string | null; clientId?: string | null } =
    scope === 'everyone' ? {} : { accountId: scope.accountId ?? null, clientId: scope.clientId ?? null };
  const of =
    scope === 'everyone'
      ? 'everyone'
      : Object.keys(scope)
          .map((name) => name.replace('Id', ''))
          .join('+');
  const tell = (trx: Db, details: Record<string, unknown>) =>
    audit.record(trx, {
      type: 'sessions.ended',
      actor: by,
      outcome: 'success',
      ...ids,
      reason: endedBy(by, ids.accountId),
      details: { of, ...details },
    });

  const databaseTime = await postgres.transaction(async (trx) => {
    await oidc.state.beginEnd(trx, scope, at);
    await tell(trx, { before: at.toISOString() });
    // Rows have the time of the database's own clock.
    const { rows } = await trx.raw<{ rows: { now: Date }[] }>('select clock_timestamp() as now');
    return rows[0]?.now ?? at;
  });
  // Known on this node before it answers; were this look to fail, the next one in a second brings it.
  await deps.changes.poll().catch(() => undefined);

  const counts = { sessions: 0, grants: 0, tokens: 0, transients: 0 };
  for (const kind of endKinds) {
    let after: Awaited<ReturnType<typeof oidc.state.endSome>>['last'];
    for (;;) {
      const batch = { scope, at: databaseTime, limit: BATCH, after };
      const ended = await postgres.transaction(async (trx) => {
        const some = await oidc.state.endSome(trx, kind, batch);
        if (some.count > 0) await tell(trx, { [kind]: some.count });
        return some;
      });
      if (ended.count === 0) break;
      counts[kind] += ended.count;
      after = ended.last;
    }
  }
  const { transients: _, ...told } = counts;
  return told;
}

/** Why it is over, as the ledger says it. */
function endedBy(by: Actor, accountId: string | null | undefined): string {
  return by.kind === 'account' && by.id === accountId ? 'ended_by_owner' : 'ended_by_operator';
}

/** A page of a list whose cursor is the id of its last row. Nothing of ours has a null byte in its id. */
async function listed<Filter extends object, Item>(
  filter: Filter,
  page: PageRequest,
  idOf: (item: Item) => string,
  read: (filter: Filter, after: string | null, limit: number) => Promise<Item[]>,
): Promise<Page<Item>> {
  const after = page.cursor === null ? null : decodeCursor(page.cursor, 1)?.[0];
  if (after === undefined) {
    throw failure('request_invalid', { fields: { cursor: 'is not one that this list gave' } });
  }
  if (Object.values(filter).some((value) => String(value).includes('\0')))
    return { items: [], nextCursor: null };
  return pageOf(await read(filter, after, page.limit + 1), page.limit, (item) => [idOf(item)]);
}
