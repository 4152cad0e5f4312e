// Engine state by account and by session, for everything outside the protocol: lists, ends, clean-up.
import type { AdapterPayload } from 'oidc-provider';
import type { AccountId, ClientId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Sealing } from './adapter/sealing.ts';
import { sessionId } from './adapter/sessions.ts';
import { removeConsents } from './consent/consents.ts';

export interface BrowserSession {
  id: string;
  accountId: string;
  address: string | null;
  userAgent: string | null;
  createdAt: Date;
  seenAt: Date;
  expiresAt: Date;
}

/** A client that took part in an ended session and wants to be told. */
export interface EndedParticipant {
  clientId: string;
  accountId: string;
  sid: string | null;
}

export interface EngineState {
  /** Deletes sessions, grants, tokens, codes and remembered consent of an account; in the caller's transaction. */
  endAccount(trx: Db, accountId: AccountId): Promise<void>;
  /** The same for a client: what was granted to it, by everybody. */
  endClient(trx: Db, clientId: ClientId): Promise<void>;
  /** False for a grant that was revoked, ended with its session, or is over. */
  grantIsAlive(id: string): Promise<boolean>;
  listSessions(
    filter: { accountId?: string },
    after: string | null,
    limit: number,
  ): Promise<BrowserSession[]>;
  findSession(db: Db, id: string): Promise<BrowserSession | undefined>;
  /** Deletes one session and what was granted in it; answers who took part, undefined when there is no such session. */
  endSession(trx: Db, id: string): Promise<EndedParticipant[] | undefined>;
}

const sessionColumns = [
  'uid_hash',
  'account_id',
  'address',
  'user_agent',
  'created_at',
  'seen_at',
  'expires_at',
] as const;

interface SessionRow {
  uid_hash: Buffer;
  account_id: string;
  address: string | null;
  user_agent: string | null;
  created_at: Date;
  seen_at: Date;
  expires_at: Date;
}

export function createEngineState(deps: { db: Db; sealing: Sealing }): EngineState {
  return {
    async endAccount(trx, accountId) {
      for (const table of ['oidc_sessions', 'oidc_grants', 'oidc_tokens', 'oidc_transients']) {
        await trx(table).where({ account_id: accountId }).delete();
      }
      await removeConsents(trx, { accountId });
    },

    async endClient(trx, clientId) {
      for (const table of ['oidc_grants', 'oidc_tokens', 'oidc_transients']) {
        await trx(table).where({ client_id: clientId }).delete();
      }
      await removeConsents(trx, { clientId });
    },

    async grantIsAlive(id) {
      const row = await deps.db('oidc_grants').where({ id }).andWhereRaw('expires_at > now()').first('id');
      return row !== undefined;
    },

    async listSessions(filter, after, limit) {
      const query = deps
        .db('oidc_sessions')
        .select<SessionRow[]>(sessionColumns)
        .whereNotNull('account_id')
        .andWhereRaw('expires_at > now()')
        .orderBy('uid_hash')
        .limit(limit);
      if (filter.accountId !== undefined) query.andWhere({ account_id: filter.accountId });
      if (after !== null) query.andWhere('uid_hash', '>', Buffer.from(after, 'base64url'));
      return (await query).map(sessionOf);
    },

    async findSession(db, id) {
      const row = await db('oidc_sessions')
        .select<SessionRow>(sessionColumns)
        .where({ uid_hash: Buffer.from(id, 'base64url') })
        .whereNotNull('account_id')
        .first();
      return row && sessionOf(row);
    },

    async endSession(trx, id) {
      const uidHash = Buffer.from(id, 'base64url');
      const [row] = await trx('oidc_sessions')
        .where({ uid_hash: uidHash })
        .delete()
        .returning(['account_id', 'payload']);
      if (!row) return undefined;
      const payload = deps.sealing.open('Session', uidHash, row.payload);
      await endGrants(trx, payload);
      return Object.entries(payload?.authorizations ?? {}).map(([clientId, { sid }]) => ({
        clientId,
        accountId: row.account_id,
        sid: sid ?? null,
      }));
    },
  };
}

/** What outlives a sign-out on purpose (offline access) outlives this too; the person revokes it by itself. */
async function endGrants(trx: Db, session: AdapterPayload | undefined): Promise<void> {
  const grantIds = Object.values(session?.authorizations ?? {})
    .filter((authorization) => authorization.grantId && !authorization.persistsLogout)
    .map((authorization) => authorization.grantId ?? '');
  if (grantIds.length === 0) return;
  await trx('oidc_tokens').whereIn('grant_id', grantIds).delete();
  await trx('oidc_transients').whereIn('grant_id', grantIds).delete();
  await trx('oidc_grants').whereIn('id', grantIds).delete();
}

function sessionOf(row: SessionRow): BrowserSession {
  return {
    id: sessionId(row.uid_hash),
    accountId: row.account_id,
    address: row.address,
    userAgent: row.user_agent,
    createdAt: row.created_at,
    seenAt: row.seen_at,
    expiresAt: row.expires_at,
  };
}
