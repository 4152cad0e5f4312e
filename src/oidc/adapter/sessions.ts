// Engine sessions: one row a browser, keyed by its internal uid, so that a new cookie id is a rename and not a second row.
import Provider, { type Adapter, type AdapterPayload } from 'oidc-provider';
import type { NewEvent } from '../../audit/audit.ts';
import { leastSeconds, type SessionLife } from '../../lib/session-life.ts';
import { currentOrigin } from '../../platform/origin.ts';
import {
  changeOfClients,
  clientsColumn,
  participantsOf,
  type SessionClient,
  withClients,
} from './session-clients.ts';
import { lifetimeSeconds, runWithEvent, type StateDeps } from './statement.ts';
import { createReadBatch } from './together.ts';

type Session = InstanceType<Provider['Session']>;

interface SessionRow {
  id_hash: Buffer;
  uid_hash: Buffer;
  account_id: string | null;
  payload: Buffer;
  address: string | null;
  user_agent: string | null;
  clients: SessionClient[] | null;
  /** Seconds since it was written last. */
  unused: number;
}

/** A session as the request under way has read it; copied, because the engine changes what it was given. */
interface Loaded {
  /** The cookie's. */
  readonly id: string | undefined;
  readonly text: string;
  readonly authorizations: AdapterPayload['authorizations'];
  readonly expiresAt: number;
  readonly loginTs: number | undefined;
  readonly address: string | null;
  readonly userAgent: string | null;
}

export function sessionAdapter(deps: StateDeps): Adapter {
  const { db, sealing } = deps;
  const loaded = createLoadedSessions();
  const foundBy = (column: 'id_hash' | 'uid_hash') =>
    createReadBatch<Buffer, SessionRow>(db, {
      name: `oidc_sessions_by_${column}`,
      sql: select(column),
      idOf: (row) => row[column],
    });
  const found = { id_hash: foundBy('id_hash'), uid_hash: foundBy('uid_hash') };

  async function read(column: 'id_hash' | 'uid_hash', id: string): Promise<AdapterPayload | undefined> {
    const row = await found[column].run(sealing.idHash(id));
    const sealed = row && sealing.open('Session', row.uid_hash, row.payload);
    if (!sealed || isOver(sealed, deps)) return undefined;
    const idleSeconds = Math.max(Number(sealed.idleSeconds ?? 0), row.unused);
    const payload = {
      ...withClients(sealed, row.clients),
      ...(idleSeconds > VISIT_SECONDS && { idleSeconds }),
    };
    loaded.note(payload.uid, loadedOf(payload, row.address, row.user_agent));
    return payload;
  }

  return {
    async upsert(id, payload, expiresIn) {
      const uidHash = sealing.idHash(payload.uid ?? id);
      const { address, userAgent: agent } = currentOrigin();
      const userAgent = agent?.slice(0, 512) ?? null;
      const before = loaded.find(payload.uid);
      const renamed = before !== undefined && before.id !== id;
      const now = loadedOf(payload, address, userAgent);
      if (before && !renamed && isVisitOnly(before, now, expiresIn ?? 0)) return;
      // Whoever signs in anew begins anew.
      if (before?.loginTs !== payload.loginTs) delete payload.idleSeconds;
      const life = payload.accountId ? await deps.lifeFor?.(payload.accountId) : undefined;
      const left = secondsLeft(payload, life);
      const hasEnded = left <= 0;
      const values = [
        sealing.idHash(id),
        payload.accountId ?? null,
        sealing.seal('Session', uidHash, payload),
        address,
        userAgent,
        Math.min(lifetimeSeconds(payload, expiresIn), hasEnded ? SIGN_IN_SECONDS : left),
      ];
      const insert = { sql: INSERT, bindings: [...values, uidHash] };
      const update = {
        sql: UPDATE,
        bindings: [...values, hasEnded, uidHash, renamed, sealing.idHash(id)],
      };
      await runWithEvent(db, before ? update : insert, {
        name: before ? 'oidc_sessions_update' : 'oidc_sessions_insert',
        also: changeOfClients(uidHash, before?.authorizations, payload.authorizations),
        event: sessionStarted(payload, uidHash),
        unless: {
          sql: 'select 1 from oidc_sessions where uid_hash = ? and account_id = ?',
          bindings: [uidHash, payload.accountId ?? null],
        },
      });
    },

    find: (id) => read('id_hash', id),
    findByUid: (uid) => read('uid_hash', uid),

    async destroy(id) {
      // The engine destroys the old id before it saves the same session under a new one: that is the rename above.
      if (renamedFrom() === id) return;
      await db.transaction(async (trx) => {
        const deletion = { sql: DELETE, bindings: [sealing.idHash(id)] };
        const [row] = await runWithEvent<SessionRow>(trx, deletion, { event: sessionEnded() });
        if (!row?.account_id) return;
        const payload = sealing.open('Session', row.uid_hash, row.payload);
        await deps.tellEnded?.(trx, participantsOf(row.account_id, payload, row.clients));
      });
    },

    findByUserCode: absent,
    consume: nothing,
    revokeByGrantId: nothing,
  };
}

/** The engine forgives some seconds of skew and renews at every use: used often enough, a session would never end. */
function isOver(
  { loginTs, accountId }: AdapterPayload,
  { sessionAbsoluteSeconds, isCutOff }: StateDeps,
): boolean {
  if (loginTs === undefined) return false;
  if (loginTs + sessionAbsoluteSeconds <= Date.now() / 1000) return true;
  return isCutOff?.({ accountId: accountId ?? null, atSeconds: loginTs }) ?? false;
}

/** Of the bounds that roles and organizations set; their ends are kept to the second, or nearly. */
function secondsLeft({ loginTs }: AdapterPayload, life: Readonly<SessionLife> | undefined): number {
  const { sessionIdleSeconds: idle = null, sessionAbsoluteSeconds: absolute = null } = life ?? {};
  const age = Date.now() / 1000 - (loginTs ?? Date.now() / 1000);
  const left = leastSeconds([idle, absolute === null ? null : absolute - age]);
  return left ?? Number.MAX_SAFE_INTEGER;
}

/** A session that a new rule has ended serves nowhere, but stays for the sign-in that begins it anew: so long, and no longer. */
const SIGN_IN_SECONDS = 600;

/**
 * The longest that a session was left alone since its sign-in, nearly: its use is written once a minute. What was read with
 * it may be of the sign-in before.
 */
export function idleSecondsOf(session: Pick<Session, 'loginTs'> | undefined): number {
  const longest: unknown = session && Reflect.get(session, 'idleSeconds');
  const age = Date.now() / 1000 - (session?.loginTs ?? 0);
  return typeof longest === 'number' ? Math.max(0, Math.min(longest, age)) : 0;
}

/** A session that is only looked at is written once a minute, or ten times in its idle life if that is short. */
const VISIT_SECONDS = 60;

function isVisitOnly(before: Loaded, now: Loaded, expiresIn: number): boolean {
  const later = now.expiresAt - before.expiresAt;
  return (
    later >= 0 &&
    later < Math.min(VISIT_SECONDS, expiresIn / 10) &&
    before.address === now.address &&
    before.userAgent === now.userAgent &&
    before.text === now.text
  );
}

function loadedOf(payload: AdapterPayload, address: string | null, userAgent: string | null): Loaded {
  const { iat: _, exp = 0, idleSeconds: __, ...rest } = payload;
  const authorizations = structuredClone(payload.authorizations);
  return {
    id: payload.jti,
    text: JSON.stringify(rest),
    authorizations,
    expiresAt: exp,
    loginTs: payload.loginTs,
    address,
    userAgent,
  };
}

/**
 * When a request saves a session that it has read, the row must still be there: an insert would bring back what a sign-out
 * deleted in the meantime.
 */
function createLoadedSessions() {
  const byRequest = new WeakMap<object, Map<string, Loaded>>();
  /** On pages of ours there is no context of the engine. */
  const request = (): object | undefined => {
    const origin = currentOrigin();
    return Provider.ctx ?? (origin.requestId === null ? undefined : origin);
  };
  return {
    note(uid: string | undefined, session: Loaded): void {
      const of = request();
      if (!of || uid === undefined) return;
      const sessions = byRequest.get(of) ?? new Map<string, Loaded>();
      byRequest.set(of, sessions.set(uid, session));
    },
    find(uid: string | undefined): Loaded | undefined {
      const of = request();
      return of && uid !== undefined ? byRequest.get(of)?.get(uid) : undefined;
    },
  };
}

const select = (
  column: 'id_hash' | 'uid_hash',
) => `select s.id_hash, s.uid_hash, s.account_id, s.payload, s.address,
    s.user_agent, extract(epoch from now() - s.seen_at)::int as unused, ${clientsColumn('s')}
  from oidc_sessions s where s.${column} = any(?::bytea[]) and s.expires_at > now()`;

const INSERT = `insert into oidc_sessions
    (id_hash, account_id, payload, address, user_agent, expires_at, uid_hash)
  values (?, ?, ?, ?, ?, now() + make_interval(secs => ?), ?)
  on conflict (uid_hash) do update set account_id = excluded.account_id, payload = excluded.payload,
    expires_at = excluded.expires_at, address = excluded.address, user_agent = excluded.user_agent, seen_at = now()
    where oidc_sessions.id_hash = excluded.id_hash
  returning uid_hash`;

// A request that began before a rename carries the old id: it may not take the row back, nor write its old payload there.
const UPDATE = `update oidc_sessions set id_hash = ?, account_id = ?, payload = ?, address = ?, user_agent = ?,
    expires_at = least(now() + make_interval(secs => ?), case when ? then expires_at end), seen_at = now()
  where uid_hash = ? and (? or id_hash = ?)
  returning uid_hash`;

const DELETE = `delete from oidc_sessions where id_hash = ?
  returning uid_hash, account_id, payload, ${clientsColumn('oidc_sessions')}`;

/** The public id of a session: a hash, so that showing it gives nobody the session. */
export function sessionId(uidHash: Buffer): string {
  return uidHash.toString('base64url');
}

function renamedFrom(): string | undefined {
  const session = Provider.ctx?.oidc?.session;
  // `oldId` is set by resetIdentifier() and is missing from the published types.
  return session && 'oldId' in session && typeof session.oldId === 'string' ? session.oldId : undefined;
}

function sessionStarted(payload: AdapterPayload, uidHash: Buffer): NewEvent | undefined {
  if (!payload.accountId) return undefined;
  return {
    type: 'session.started',
    actor: { kind: 'account', id: payload.accountId },
    outcome: 'success',
    accountId: payload.accountId,
    target: { kind: 'session', id: sessionId(uidHash) },
    details: { amr: payload.amr ?? [] },
  };
}

function sessionEnded(): NewEvent | undefined {
  const session = Provider.ctx?.oidc?.session;
  if (!session?.accountId) return undefined;
  return {
    type: 'session.ended',
    actor: { kind: 'account', id: session.accountId },
    outcome: 'success',
    accountId: session.accountId,
    reason: 'signed_out',
  };
}

async function absent(): Promise<undefined> {}
async function nothing(): Promise<void> {}
