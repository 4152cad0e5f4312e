// One question, any credential: whose access token is this, and is it still good? The management API asks here.
import type { IncomingHttpHeaders } from 'node:http';
import { createLocalJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import type { Accounts } from '../accounts/accounts.ts';
import type { ApiKeys } from '../api-keys/api-keys.ts';
import type { Client, Clients } from '../clients/clients.ts';
import { openHandle } from '../oidc/oidc.ts';
import type { Caller } from '../platform/api/route.ts';
import { currentOrigin } from '../platform/origin.ts';
import type { Seal } from '../platform/secrets/seal.ts';
import type { SigningKeys } from '../signing-keys/signing-keys.ts';
import { permissions as permissionTable } from '../vocabulary/permissions.ts';

export interface Gateway {
  /**
   * The caller behind a Bearer token for this server's own API (RFC 9068 §4) or an API key in X-API-Key; undefined for any
   * other, and for both at once (RFC 6750 §2). Sender-constrained tokens are refused here, because presenting one without
   * its proof is what they protect against (RFC 9449 §7.1).
   */
  authenticate(headers: IncomingHttpHeaders): Promise<Caller | undefined>;
}

export interface GatewayDeps {
  issuer: string;
  audience: string;
  signingKeys: SigningKeys;
  accounts: Accounts;
  clients: Clients;
  apiKeys: Pick<ApiKeys, 'authenticate' | 'effective'>;
  handleSeal: Seal;
  /** Whether everything of then was ended: of this account, of this client, or of everybody (ASVS 7.4.1). */
  isCutOff: (made: { atSeconds: number; accountId: string | null; clientId: string }) => boolean;
  /** False when the grant was revoked or ended with its session. */
  grantExists: (grantId: string) => Promise<boolean>;
}

const everything = Object.keys(permissionTable);

export function createGateway(deps: GatewayDeps): Gateway {
  const keySet = () => createLocalJWKSet({ keys: deps.signingKeys.snapshot().map((key) => key.publicJwk) });

  return {
    async authenticate(headers) {
      const key = headers['x-api-key'];
      if (key !== undefined) return headers.authorization === undefined ? keyCaller(String(key)) : undefined;
      const token = /^Bearer ([\w.~+/=-]+)$/i.exec(headers.authorization ?? '')?.[1];
      const payload = token && (await verified(token));
      if (!payload || typeof payload.handle !== 'string' || !payload.jti || payload.cnf) return undefined;
      // The handle names the account and the client even when `sub` is pairwise.
      const handle = openHandle(deps.handleSeal, payload.jti, payload.handle);
      const known = handle && (await deps.clients.known(handle.clientId));
      const permissions = known && permissionsNow(payload, known.client);
      if (!permissions) return undefined;
      const { accountId, clientId, grantId } = handle;
      if (deps.isCutOff({ atSeconds: payload.iat ?? 0, accountId, clientId })) return undefined;
      const unbound = { organizationId: null, apiKeyId: null };
      if (accountId === null) {
        return { kind: 'client', id: clientId, clientId, permissions, accountId, ...unbound };
      }
      // A JWT leaves no row of its own to delete: what it was issued from is asked instead.
      if (grantId === null || !(await deps.grantExists(grantId))) return undefined;
      const account = await deps.accounts.find(accountId);
      if (account?.status !== 'active') return undefined;
      return {
        kind: 'account',
        id: account.id,
        clientId,
        permissions: account.admin ? permissions : [],
        accountId,
        ...unbound,
      };
    },
  };

  /** A key may do what its owner may. */
  async function keyCaller(presented: string): Promise<Caller | undefined> {
    const found = await deps.apiKeys.authenticate(presented, currentOrigin());
    if ('refused' in found) return undefined;
    const { key } = found;
    const effective = await deps.apiKeys.effective(key, deps.audience);
    const isFor = effective?.apis?.includes(deps.audience) ?? true;
    if (effective === undefined || !isFor) return undefined;
    return {
      kind: key.accountId === null ? 'client' : 'account',
      id: key.accountId ?? key.id,
      clientId: key.id,
      permissions: everything.filter((name) => effective.permissions.covers(name)),
      accountId: key.accountId,
      organizationId: key.organizationId,
      apiKeyId: key.id,
    };
  }

  /** What the token says, as far as the client may have it still; undefined when it has no business here any more. */
  function permissionsNow(payload: JWTPayload, client: Client): string[] | undefined {
    const entitled = client.apis.find((entry) => entry.audience === deps.audience)?.permissions;
    if (!entitled) return undefined;
    return scopesOf(payload).filter((name) => entitled.includes('*') || entitled.includes(name));
  }

  async function verified(token: string): Promise<JWTPayload | undefined> {
    try {
      const options = { issuer: deps.issuer, audience: deps.audience, typ: 'at+jwt' };
      const { payload } = await jwtVerify(token, keySet(), options);
      return payload;
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }
}

function scopesOf(payload: JWTPayload): string[] {
  const { scope } = payload;
  return typeof scope === 'string' ? scope.split(' ') : [];
}
