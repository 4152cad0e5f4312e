// Engine state by account, client, session and grant, for everything outside the protocol: lists, and the ends of ends.ts.
import type { Db } from '../platform/database/postgres.ts';
import { sessionId } from './adapter/sessions.ts';
import { createReadBatch } from './adapter/together.ts';
import { type ConnectedApp, connectedApps } from './consent/apps.ts';
import { type Grant, type GrantRow, grantColumns, grantOf } from './consent/granted.ts';
import { createEnds, type Ends, type EndsDeps } from './ends.ts';

export interface BrowserSession {
  id: string;
  accountId: string;
  address: string | null;
  userAgent: string | null;
  createdAt: Date;
  seenAt: Date;
  expiresAt: Date;
  /** Who takes part in it. */
  clientIds: string[];
}

export type { ConnectedApp } from './consent/apps.ts';
export type { Grant } from './consent/granted.ts';

export interface StateFilter {
  accountId?: string;
  clientId?: string;
}

export interface EngineState extends Ends {
  /** False for a grant that was revoked, ended with its session, or is over; and for one of somebody else. */
  grantIsAlive(id: string, of?: { accountId: string | null; clientId: string }): Promise<boolean>;
  listSessions(filter: StateFilter, after: string | null, limit: number): Promise<BrowserSession[]>;
  findSession(db: Db, id: string): Promise<BrowserSession | undefined>;
  listGrants(filter: StateFilter, after: string | null, limit: number): Promise<Grant[]>;
  /** What the account allows which client, all its grants and remembered consent taken together; the last used first. */
  listApps(accountId: string, clientId?: string): Promise<ConnectedApp[]>;
}

const sessionColumns = `uid_hash, account_id, address, user_agent, created_at, seen_at, expires_at,
  array(select distinct c.client_id from oidc_session_clients c
    where c.uid_hash = oidc_sessions.uid_hash order by c.client_id) as client_ids`;

interface SessionRow {
  uid_hash: Buffer;
  account_id: string;
  address: string | null;
  user_agent: string | null;
  created_at: Date;
  seen_at: Date;
  expires_at: Date;
  client_ids: string[];
}

export function createEngineState(deps: EndsDeps & { db: Db }): EngineState {
  const { db, sealing } = deps;
  const alive = createReadBatch<string, { id: string; account_id: string | null; client_id: string | null }>(
    db,
    {
      name: 'oidc_grants_alive',
      sql: 'select id, account_id, client_id from oidc_grants where id = any(?::text[]) and expires_at > now()',
      idOf: (row) => row.id,
    },
  );
  return {
    ...createEnds(deps),

    async grantIsAlive(id, of) {
      const grant = await alive.run(id);
      if (grant === undefined) return false;
      return !of || (grant.account_id === of.accountId && grant.client_id === of.clientId);
    },

    async listSessions({ accountId, clientId }, after, limit) {
      const query = db('oidc_sessions')
        .select<SessionRow[]>(db.raw(sessionColumns))
        .whereNotNull('account_id')
        .andWhereRaw('expires_at > now()')
        .orderBy('uid_hash')
        .limit(limit);
      if (accountId !== undefined) query.andWhere({ account_id: accountId });
      if (clientId !== undefined) {
        query.whereIn(
          'uid_hash',
          db('oidc_session_clients').select('uid_hash').where({ client_id: clientId }),
        );
      }
      if (after !== null) query.andWhere('uid_hash', '>', Buffer.from(after, 'base64url'));
      return (await query).map(sessionOf);
    },

    async findSession(handle, id) {
      const row = await handle('oidc_sessions')
        .select<SessionRow>(db.raw(sessionColumns))
        .where({ uid_hash: Buffer.from(id, 'base64url') })
        .whereNotNull('account_id')
        .andWhereRaw('expires_at > now()')
        .first();
      return row && sessionOf(row);
    },

    async listGrants({ accountId, clientId }, after, limit) {
      const query = db('oidc_grants')
        .select<GrantRow[]>(...grantColumns)
        .whereRaw('expires_at > now()')
        .orderBy('id')
        .limit(limit);
      if (accountId !== undefined) query.andWhere({ account_id: accountId });
      if (clientId !== undefined) query.andWhere({ client_id: clientId });
      if (after !== null) query.andWhere('id', '>', after);
      return (await query).map((row) => grantOf(row, sealing));
    },

    listApps: (accountId, clientId) => connectedApps(deps, accountId, clientId),
  };
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
    clientIds: row.client_ids,
  };
}
