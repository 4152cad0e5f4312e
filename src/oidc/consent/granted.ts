// What a row of a grant says.
import type { AdapterPayload } from 'oidc-provider';
import type { Sealing } from '../adapter/sealing.ts';
import { organizationOf } from './grant-organization.ts';

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

export interface GrantRow {
  id: string;
  account_id: string;
  client_id: string;
  payload: Buffer;
  created_at: Date;
  expires_at: Date;
}

export const grantColumns = ['id', 'account_id', 'client_id', 'payload', 'created_at', 'expires_at'] as const;

export function grantOf(row: GrantRow, sealing: Sealing): Grant {
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
