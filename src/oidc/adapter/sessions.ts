// Engine sessions: one row a browser, keyed by its internal uid, so that a new cookie id is a rename and not a second row.
import Provider, { type Adapter, type AdapterPayload } from 'oidc-provider';
import type { NewEvent } from '../../audit/audit.ts';
import { currentOrigin } from '../../platform/origin.ts';
import { createLoaded, lifetimeSeconds, runWithEvent, type StateDeps } from './statement.ts';

export function sessionAdapter({ db, sealing, sessionAbsoluteSeconds }: StateDeps): Adapter {
  const loaded = createLoaded();

  async function read(column: 'id_hash' | 'uid_hash', id: string): Promise<AdapterPayload | undefined> {
    const row: { uid_hash: Buffer; payload: Buffer } | undefined = await db('oidc_sessions')
      .select('uid_hash', 'payload')
      .where(column, sealing.idHash(id))
      .andWhereRaw('expires_at > now()')
      .first();
    const payload = row && sealing.open('Session', row.uid_hash, row.payload);
    // The engine forgives some seconds of skew and renews at every use: used often enough, it would never end.
    if (payload?.loginTs !== undefined && payload.loginTs + sessionAbsoluteSeconds <= Date.now() / 1000)
      return;
    if (payload?.uid) loaded.note(payload.uid);
    return payload;
  }

  return {
    async upsert(id, payload, expiresIn) {
      const uidHash = sealing.idHash(payload.uid ?? id);
      const { address, userAgent } = currentOrigin();
      const values = [
        sealing.idHash(id),
        payload.accountId ?? null,
        sealing.seal('Session', uidHash, payload),
        address,
        userAgent?.slice(0, 512) ?? null,
        lifetimeSeconds(payload, expiresIn),
        uidHash,
      ];
      const update = { sql: UPDATE, bindings: [...values, renamedFrom() !== undefined, sealing.idHash(id)] };
      await runWithEvent(
        db,
        payload.uid && loaded.has(payload.uid) ? update : { sql: INSERT, bindings: values },
        sessionStarted(payload, uidHash),
        {
          sql: 'select 1 from oidc_sessions where uid_hash = ? and account_id = ?',
          bindings: [uidHash, payload.accountId ?? null],
        },
      );
    },

    find: (id) => read('id_hash', id),
    findByUid: (uid) => read('uid_hash', uid),

    async destroy(id) {
      // The engine destroys the old id before it saves the same session under a new one: that is the rename above.
      if (renamedFrom() === id) return;
      await runWithEvent(
        db,
        {
          sql: 'delete from oidc_sessions where id_hash = ? returning uid_hash, account_id',
          bindings: [sealing.idHash(id)],
        },
        sessionEnded(),
      );
    },

    findByUserCode: absent,
    consume: nothing,
    revokeByGrantId: nothing,
  };
}

const INSERT = `insert into oidc_sessions
    (id_hash, account_id, payload, address, user_agent, expires_at, uid_hash)
  values (?, ?, ?, ?, ?, now() + make_interval(secs => ?), ?)
  on conflict (uid_hash) do update set account_id = excluded.account_id, payload = excluded.payload,
    expires_at = excluded.expires_at, address = excluded.address, user_agent = excluded.user_agent, seen_at = now()
    where oidc_sessions.id_hash = excluded.id_hash
  returning uid_hash`;

// A request that began before a rename carries the old id: it may not take the row back, nor write its old payload there.
const UPDATE = `update oidc_sessions set id_hash = ?, account_id = ?, payload = ?, address = ?, user_agent = ?,
    expires_at = now() + make_interval(secs => ?), seen_at = now()
  where uid_hash = ? and (? or id_hash = ?)
  returning uid_hash`;

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
