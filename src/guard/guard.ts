// gatehouse/guard: what an API puts in front of its routes. Tokens are verified here, by the keys of the issuer; opaque
// tokens and API keys by a question to the server. For Koa, Express and handlers of fetch requests.
import { type Adapters, type AddressOf, createAdapters } from './adapters.ts';
import { createMemoryReplays, type ProofSettings, wrongProof } from './dpop.ts';
import { type Found, isWhy, verifyJwt } from './jwt.ts';
import { createKeySet } from './key-set.ts';
import { together, unmet } from './needs.ts';
import { refuse, type Scheme, type Why } from './refusals.ts';
import { type AskServer, createRemote } from './remote.ts';
import type { Admission, GuardRequest, Needs, Refusal, ReplayStore } from './schema.ts';

export type { Adapters, AddressOf } from './adapters.ts';
export { requireAuthentication, requirePermission, requireRole } from './needs.ts';
export type * from './schema.ts';

export interface GuardSettings {
  /** As in the tokens: exactly the `issuer` of the server's metadata. */
  issuer: string;
  /** The audience under which this API is registered. */
  audience: string;
  /** For opaque tokens and API keys; without it they are refused. The credential must hold `api-keys:verify`. */
  verify?: {
    credential: { apiKey: string } | { token: () => string | Promise<string> };
    /** `<issuer>/api/v1/verify` unless said. */
    url?: string;
    /** How long a good answer is believed: 0 to 5 seconds, 3 unless said. */
    cacheSeconds?: number;
  };
  /** Where this API's own metadata (RFC 9728) is served; named in every challenge. */
  resourceMetadataUrl?: string;
  /** Public origin of this API, such as `https://api.example.com`: behind a proxy requests do not show it (DPoP needs it). */
  publicOrigin?: string;
  /** Where a request really came from, when a proxy of yours stands in front; the socket's address unless said. */
  addressOf?: AddressOf;
  /** Signature algorithms of access tokens. */
  algorithms?: readonly string[];
  /** 5 unless said. */
  clockToleranceSeconds?: number;
  proofs?: { algorithms?: readonly string[]; windowSeconds?: number; replays?: ReplayStore };
  fetch?: typeof fetch;
  /** Milliseconds; for tests. */
  now?: () => number;
}

export interface Guard extends Adapters {
  /** The whole of it, for any framework: who asks, or how to answer instead. */
  check(request: GuardRequest, ...needs: readonly Needs[]): Promise<Admission | Refusal>;
  /** Protected resource metadata (RFC 9728 §2), to be served at `/.well-known/oauth-protected-resource`. */
  metadata(more?: { scopesSupported?: readonly string[]; resourceName?: string }): Record<string, unknown>;
}

const TOKEN_ALGORITHMS = ['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519'];
const PROOF_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519'];
const LONGEST_CACHE_SECONDS = 5;

export function createGuard(settings: GuardSettings): Guard {
  const now = settings.now ?? Date.now;
  const ask = settings.fetch ?? fetch;
  const keys = createKeySet({ issuer: settings.issuer, fetch: ask, now });
  const jwtSettings = {
    issuer: settings.issuer,
    audience: settings.audience,
    algorithms: settings.algorithms ?? TOKEN_ALGORITHMS,
    clockToleranceSeconds: settings.clockToleranceSeconds ?? 5,
    now,
  };
  const proofs: ProofSettings = {
    algorithms: settings.proofs?.algorithms ?? PROOF_ALGORITHMS,
    windowSeconds: settings.proofs?.windowSeconds ?? 60,
    replays: settings.proofs?.replays ?? createMemoryReplays(now),
    now,
  };
  const challenges = {
    resourceMetadataUrl: settings.resourceMetadataUrl,
    proofAlgorithms: proofs.algorithms,
  };
  const remote =
    settings.verify && createRemote({ ...remoteSettings(settings, settings.verify), fetch: ask, now });

  const find = (credential: string, request: GuardRequest, needs: Needs): Promise<Found | Why> =>
    isJwt(credential)
      ? verifyJwt(credential, keys, jwtSettings)
      : askRemote(remote, credential, request, needs);

  async function check(request: GuardRequest, ...list: readonly Needs[]): Promise<Admission | Refusal> {
    const needs = together(list);
    const presented = credentialOf(request);
    if (isWhy(presented)) return refuse(presented, 'Bearer', challenges);
    const { credential, scheme } = presented;
    const found = await find(credential, request, needs);
    if (isWhy(found)) return refuse(found, scheme, challenges);
    const why =
      (await unproved(presented, found, request, proofs)) ?? unmet(found.identity, needs, now() / 1000);
    return why ? refuse(why, scheme, challenges) : { ok: true, identity: found.identity };
  }

  return {
    check,
    ...createAdapters(check, settings),
    metadata: (more = {}) => ({
      resource: settings.audience,
      authorization_servers: [settings.issuer],
      bearer_methods_supported: ['header'],
      dpop_signing_alg_values_supported: proofs.algorithms,
      ...(more.scopesSupported ? { scopes_supported: more.scopesSupported } : {}),
      ...(more.resourceName ? { resource_name: more.resourceName } : {}),
    }),
  };
}

function remoteSettings({ issuer, audience }: GuardSettings, verify: NonNullable<GuardSettings['verify']>) {
  const { credential, cacheSeconds = 3 } = verify;
  return {
    url: verify.url ?? `${issuer.replace(/\/$/, '')}/api/v1/verify`,
    audience,
    cacheSeconds: Math.min(cacheSeconds, LONGEST_CACHE_SECONDS),
    headers: async (): Promise<Record<string, string>> =>
      'apiKey' in credential
        ? { 'X-API-Key': credential.apiKey }
        : { Authorization: `Bearer ${await credential.token()}` },
  };
}

async function askRemote(
  remote: AskServer | undefined,
  credential: string,
  request: GuardRequest,
  needs: Needs,
): Promise<Found | Why> {
  if (remote !== undefined) return remote(credential, request, needs);
  const detail = 'This API takes access tokens that are JWTs.';
  return { status: 401, code: 'token_malformed', detail, error: 'invalid_token' };
}

interface Presented {
  readonly credential: string;
  readonly scheme: Scheme;
}

/** RFC 6750 §2: one method in a request. The key of a query string or body is not looked at: it would be in logs. */
function credentialOf(request: GuardRequest): Presented | Why {
  const authorization = request.header('authorization');
  const key = request.header('x-api-key');
  if (authorization !== undefined && key !== undefined) {
    const detail = 'Send an access token or an API key, not both.';
    return { status: 400, code: 'credential_ambiguous', detail, error: 'invalid_request' };
  }
  if (key !== undefined) return { credential: key, scheme: 'Bearer' };
  const [, scheme = '', credential] = /^(Bearer|DPoP) +([\w.~+/=-]+)$/i.exec(authorization ?? '') ?? [];
  if (credential !== undefined)
    return { credential, scheme: scheme.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer' };
  if (authorization === undefined) {
    const detail = 'Send an access token as Authorization: Bearer, or an API key as X-API-Key.';
    return { status: 401, code: 'credential_missing', detail };
  }
  return {
    status: 401,
    code: 'token_malformed',
    detail: 'The access token is malformed.',
    error: 'invalid_token',
  };
}

/** RFC 9449 §7.1 and §7.2: a bound token needs its proof, and one that is not bound is no DPoP token. */
async function unproved(
  { credential, scheme }: Presented,
  { boundTo }: Found,
  request: GuardRequest,
  proofs: ProofSettings,
): Promise<Why | undefined> {
  if (boundTo !== null && scheme === 'DPoP') return wrongProof(request, credential, boundTo, proofs);
  if (boundTo === null && scheme === 'Bearer') return undefined;
  const detail =
    boundTo === null
      ? 'This access token is not bound to a key: send it as Bearer.'
      : 'This access token is bound to a key: send it as DPoP, with a proof.';
  return { status: 401, code: 'token_invalid', detail, error: 'invalid_token' };
}

/** Three parts of base64url, the first of which is JSON: `eyJ` is `{"` in base64url. */
function isJwt(credential: string): boolean {
  return credential.startsWith('eyJ') && credential.split('.').length === 3;
}
