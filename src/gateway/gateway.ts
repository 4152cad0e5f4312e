// One question, any credential: whose is it, and is it good for that? The management API, gateways and proxies ask here.
import type { IncomingHttpHeaders } from 'node:http';
import type { Access } from '../access/access.ts';
import type { ApiKeys } from '../api-keys/api-keys.ts';
import type { Apis } from '../apis/apis.ts';
import type { Audit } from '../audit/audit.ts';
import type { Budgets } from '../budgets/budgets.ts';
import type { Clients } from '../clients/clients.ts';
import type { Tokens } from '../oidc/oidc.ts';
import type { Organizations } from '../organizations/organizations.ts';
import type { PlainHandler } from '../platform/api/plain.ts';
import type { Caller } from '../platform/api/route.ts';
import type { KeyLimits } from '../platform/limits/key-limits.ts';
import type { Limits } from '../platform/limits/rate-limit.ts';
import { currentOrigin } from '../platform/origin.ts';
import type { Log } from '../platform/telemetry/log.ts';
import type { Usage } from '../usage/usage.ts';
import { questionOf, verifyView } from './answers.ts';
import { createCallers } from './caller.ts';
import { createChecks } from './checks.ts';
import { createForwardAuth, type ForwardAuthSettings } from './forward-auth.ts';
import { createIdentities } from './identity.ts';
import { createRefusals } from './refusals.ts';
import type { VerifyBody, VerifyView } from './schema.ts';
import { createVerify } from './verify.ts';
import { createVerifyHandler, type VerifyHandlerDeps } from './verify-handler.ts';

export interface Gateway {
  /**
   * The caller behind a Bearer token for this server's own API (RFC 9068 §4) or an API key in X-API-Key; undefined for any
   * other, and for both at once (RFC 6750 §2).
   */
  authenticate(headers: IncomingHttpHeaders): Promise<Caller | undefined>;
  /** Whether a credential is good for a request. The caller holds `api-keys:verify`. Throws amount_invalid, meter_unknown. */
  verify(body: VerifyBody, caller: Pick<Caller, 'organizationId'>): Promise<VerifyView>;
  /** POST /api/v1/verify as a whole, for a path without Koa. */
  readonly answerVerify: PlainHandler;
  readonly forwardAuth: PlainHandler;
}

export interface GatewayDeps {
  issuer: string;
  /** Of the management API. */
  audience: string;
  settings: ForwardAuthSettings;
  trustedProxies: readonly string[];
  tokens: Tokens;
  apiKeys: Pick<ApiKeys, 'authenticate' | 'effective' | 'known' | 'used'>;
  access: Pick<Access, 'factsOf'>;
  apis: Pick<Apis, 'known'>;
  clients: Pick<Clients, 'known'>;
  organizations: Pick<Organizations, 'membershipsOf'>;
  budgets: Pick<Budgets, 'hasAny' | 'reserve' | 'spend'>;
  usage: Pick<Usage, 'count'>;
  limits: Limits;
  keyLimits: KeyLimits;
  audit: Pick<Audit, 'append' | 'refuse'>;
  log: Log;
  /** Told of callers who may not ask, before they are answered. */
  noteRefusal: VerifyHandlerDeps['noteRefusal'];
}

export function createGateway(deps: GatewayDeps): Gateway {
  const identities = createIdentities(deps);
  const callerOf = createCallers(deps);
  const checks = createChecks(deps);
  const decide = createVerify({
    ...deps,
    identities,
    checks,
    refusals: createRefusals(deps),
    clientLimits: async (clientId) => (await deps.clients.known(clientId))?.client.rateLimits ?? NO_LIMITS,
    noteUse({ chain: [key] }, from) {
      if (key !== undefined) deps.apiKeys.used(key, from);
    },
  });

  async function authenticate(headers: IncomingHttpHeaders): Promise<Caller | undefined> {
    const { authorization, 'x-api-key': key } = headers;
    if (key !== undefined && authorization !== undefined) return undefined;
    const bearer = /^Bearer +([\w.~+/=-]+)$/i.exec(authorization ?? '')?.[1];
    const { address, userAgent } = currentOrigin();
    const use = { address, api: deps.audience };
    const identity =
      key === undefined
        ? bearer === undefined
          ? undefined
          : await identities.ofCredential(bearer, use)
        : await identities.ofKey(String(key), use);
    if (identity === undefined || 'refused' in identity) return undefined;
    // A token is no way around the list of addresses of the key that it was made with.
    if (!checks.admits(identity, address)) return undefined;
    const caller = await callerOf(identity);
    const [used] = identity.chain;
    if (caller !== undefined && used !== undefined) deps.apiKeys.used(used, { address, userAgent });
    return caller;
  }

  const verify: Gateway['verify'] = async (body, { organizationId }) =>
    verifyView(await decide(questionOf(body), { kind: 'verify', organizationId }));

  return {
    authenticate,
    verify,
    answerVerify: createVerifyHandler({ ...deps, authenticate, verify }),
    forwardAuth: createForwardAuth({ ...deps, verify: decide }),
  };
}

const NO_LIMITS = [] as const;
