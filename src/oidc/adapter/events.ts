// Which ledger event a change of engine state is: pure, from the model and its payload.
import Provider, { type AdapterPayload } from 'oidc-provider';
import type { NewEvent } from '../../audit/audit.ts';
import type { EventType } from '../../vocabulary/events.ts';
import { organizationOf } from '../consent/grant-organization.ts';
import type { ModelName } from './models.ts';

const tokenKinds: Partial<Record<ModelName, string>> = {
  RefreshToken: 'refresh_token',
  AccessToken: 'access_token',
  ClientCredentials: 'access_token',
};

export function tokenEvent(model: ModelName, idHash: Buffer, payload: AdapterPayload): NewEvent | undefined {
  if (model === 'DeviceCode') return deviceEvent(payload);
  const kind = tokenKinds[model];
  if (!kind) return undefined;
  const rotated = model === 'RefreshToken' && (payload.rotations ?? 0) > 0;
  return {
    type: rotated ? 'token.refreshed' : 'token.issued',
    actor: { kind: 'client', id: payload.clientId ?? null },
    outcome: 'success',
    accountId: payload.accountId ?? null,
    clientId: payload.clientId ?? null,
    target: { kind, id: shortHash(idHash) },
    details: {
      grantType: payload.gty ?? null,
      audience: payload.aud ?? null,
      scope: payload.scope ?? null,
      grantId: payload.grantId ?? null,
      ...organizationOfRequest(),
    },
  };
}

/** Where whatever is issued in this request belongs to: that of its grant. */
function organizationOfRequest(): { organizationId?: string } {
  const organizationId = organizationOf(Provider.ctx?.oidc?.entities.Grant);
  return organizationId === null ? {} : { organizationId };
}

export function tokenRevoked(model: ModelName, idHash: Buffer): NewEvent | undefined {
  const kind = tokenKinds[model];
  const oidc = Provider.ctx?.oidc;
  if (!kind || !oidc) return undefined;
  const token = oidc.entities.AccessToken ?? oidc.entities.RefreshToken;
  return {
    type: 'token.revoked',
    actor: { kind: 'client', id: oidc.client?.clientId ?? null },
    outcome: 'success',
    accountId: token?.accountId ?? null,
    clientId: oidc.client?.clientId ?? null,
    target: { kind, id: shortHash(idHash) },
    reason: oidc.route,
  };
}

function deviceEvent(payload: AdapterPayload): NewEvent | undefined {
  const type: EventType | undefined = payload.error
    ? 'device.denied'
    : payload.accountId
      ? 'device.authorized'
      : undefined;
  if (!type) return undefined;
  const accountId = payload.accountId ?? Provider.ctx?.oidc?.session?.accountId ?? null;
  return {
    type,
    actor: { kind: accountId ? 'account' : 'anonymous', id: accountId },
    outcome: payload.error ? 'denied' : 'success',
    accountId,
    clientId: payload.clientId ?? null,
    reason: payload.error ?? null,
    details: { scope: payload.scope ?? null, grantId: payload.grantId ?? null, ...organizationOfRequest() },
  };
}

/** Enough of the hash to tell tokens apart in the ledger, and nothing that opens anything. */
export function shortHash(idHash: Buffer): string {
  return idHash.subarray(0, 12).toString('base64url');
}
