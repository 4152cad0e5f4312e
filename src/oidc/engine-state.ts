// Engine state by account, client, session and grant, for everything outside the protocol: lists, and the ends of ends.ts.
import type { AdapterPayload } from 'oidc-provider';
import type { Db } from '../platform/database/postgres.ts';
import type { Sealing } from './adapter/sealing.ts';
import { sessionId } from './adapter/sessions.ts';
import { createReadBatch } from './adapter/together.ts';
import { organizationOf } from './consent/grant-organization.ts';
import { createEnds, type Ends, type EndsDeps } from './ends.ts';

export interface BrowserSession {
  id: string;
  accountId: string;
  address: string | null;
  userAgent: string | null;
  createdAt: Date;
  seenAt: Date;
  expiresAt: Date;
}

/** What an account allowed a client, in one session or, with offline access, beyond it. */
export interface Grant {
  id: string;
  accountId: string;
  clientId: string;
  scopes: string[];
  /** Audience of an API -> the permissions allowed there. */
  resourceScopes: Record<string, string[]>;
  /** In which organization; null where there is none. */
  organizationId: string | null;
  createdAt: Date;
  expiresAt: Date;
}

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

interface GrantRow {
  id: string;
  account_id: string;
  client_id: string;
  payload: Buffer;
  created_at: Date;
  expires_at: Date;
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
        .select<SessionRow[]>(sessionColumns)
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
        .select<SessionRow>(sessionColumns)
        .where({ uid_hash: Buffer.from(id, 'base64url') })
        .whereNotNull('account_id')
        .andWhereRaw('expires_at > now()')
        .first();
      return row && sessionOf(row);
    },

    async listGrants({ accountId, clientId }, after, limit) {
      const query = db('oidc_grants')
        .select<GrantRow[]>('id', 'account_id', 'client_id', 'payload', 'created_at', 'expires_at')
        .whereRaw('expires_at > now()')
        .orderBy('id')
        .limit(limit);
      if (accountId !== undefined) query.andWhere({ account_id: accountId });
      if (clientId !== undefined) query.andWhere({ client_id: clientId });
      if (after !== null) query.andWhere('id', '>', after);
      return (await query).map((row) => grantOf(row, sealing));
    },
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
  };
}

function grantOf(row: GrantRow, sealing: Sealing): Grant {
  const payload = sealing.open('Grant', sealing.idHash(row.id), row.payload);
  return {
    id: row.id,
    accountId: row.account_id,
    clientId: row.client_id,
    scopes: openidScopes(payload),
    resourceScopes: resourceScopesOf(payload),
    organizationId: organizationOf(payload),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}

function openidScopes(payload: AdapterPayload | undefined): string[] {
  const openid: unknown = payload?.openid;
  return typeof openid === 'object' && openid !== null && 'scope' in openid ? words(openid.scope) : [];
}

function resourceScopesOf(payload: AdapterPayload | undefined): Record<string, string[]> {
  const resources = Object.entries(payload?.resources ?? {});
  return Object.fromEntries(resources.map(([audience, scope]) => [audience, words(scope)]));
}

function words(scope: unknown): string[] {
  return typeof scope === 'string' ? scope.split(' ').filter((word) => word !== '') : [];
}
