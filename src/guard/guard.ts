// gatehouse/guard: what an API puts in front of its routes. Tokens are verified here, by the keys of the issuer; opaque
// tokens and API keys by a question to the server. For Koa, Express and handlers of fetch requests.
import { type Adapters, type AddressOf, createAdapters } from './adapters.ts';
import { createMemoryReplays, type ProofSettings, wrongProof } from './dpop.ts';
import { type Found, isWhy, verifyJwt } from './jwt.ts';
import { createKeySet } from './key-set.ts';
import { type Question, together, unmet } from './needs.ts';
import { refuse, type Scheme, type Why } from './refusals.ts';
import { type Credential, createRemote, keyInAddress } from './remote.ts';
import type { Admission, GuardRequest, Needs, Refusal, ReplayStore } from './schema.ts';

export type { Adapters, AddressOf } from './adapters.ts';
export { requireAuthentication, requirePermission, requireRole } from './needs.ts';
export type * from './schema.ts';

export interface GuardSettings {
  /** As in the tokens: exactly the `issuer` of the server's metadata. */
  issuer: string;
  /** The audience under which this API is registered. */
  audience: string;
  /** For API keys, opaque tokens, constraints and meters. The credential must hold `api-keys:verify`. */
  verify?: {
    credential: { apiKey: string } | { token: () => string | Promise<string> };
    /** `<issuer>/api/v1/verify` unless said. */
    url?: string;
    /** How long a good answer is believed: 0 to 5 seconds, 3 unless said. */
    cacheSeconds?: number;
  };
  /** Where this API's own metadata (RFC 9728) is served; named in every challenge. */
  resourceMetadataUrl?: string;
  /** Origin of this API as its clients see it, for DPoP; that of `audience` unless said. The Host header is never believed. */
  publicOrigin?: string;
  /** Where a request really came from, when a proxy of yours stands in front; the socket's address unless said. */
  addressOf?: AddressOf;
  /** Signature algorithms of access tokens. */
  algorithms?: readonly string[];
  /** 5 unless said. */
  clockToleranceSeconds?: number;
  /** Proofs by DPoP: 60 seconds, and one process, unless said. */
  proofs?: { algorithms?: readonly string[]; windowSeconds?: number; replays?: ReplayStore };
  /** Told when the issuer cannot be asked, or does not accept the credential of `verify`; console.error unless said. */
  onTrouble?: (trouble: Error) => void;
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
  const onTrouble = settings.onTrouble ?? console.error;
  const keys = createKeySet({ issuer: settings.issuer, fetch: ask, onTrouble, now });
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
    settings.verify &&
    createRemote({ ...remoteSettings(settings, settings.verify), fetch: ask, onTrouble, now });

  async function find(presented: Presented, request: GuardRequest, question: Question): Promise<Found | Why> {
    // Constraints and budgets are known to the server alone.
    const isDecidedHere = question.constraints === undefined && question.meters === undefined;
    if (isJwt(presented) && isDecidedHere) return verifyJwt(presented.text, keys, jwtSettings);
    if (remote !== undefined) return remote(presented, request, question);
    if (!isDecidedHere) throw new Error('constraints and meters need the verify setting of the guard');
    return { ...malformed, detail: 'This API takes access tokens that are JWTs.' };
  }

  async function decide(request: GuardRequest, presented: Presented, needs: readonly Needs[]) {
    const found = await find(presented, request, together(needs));
    if (isWhy(found)) return found;
    const { identity } = found;
    return (
      (await unproved(presented, found, request, proofs)) ?? unmet(identity, needs, now() / 1000) ?? identity
    );
  }

  async function check(request: GuardRequest, ...needs: readonly Needs[]): Promise<Admission | Refusal> {
    const leaked = keyInAddress(request.url);
    if (leaked !== undefined) {
      // So that its owner learns of it; whatever it says, this is no way to send a key.
      await remote?.({ text: leaked, isKey: true }, request, {});
      return refuse(inAddress, 'Bearer', challenges);
    }
    const presented = credentialOf(request);
    if (isWhy(presented)) return refuse(presented, 'Bearer', challenges);
    const result = await decide(request, presented, needs);
    return isWhy(result) ? refuse(result, presented.scheme, challenges) : { ok: true, identity: result };
  }

  return {
    check,
    ...createAdapters(check, { publicOrigin: publicOriginOf(settings), addressOf: settings.addressOf }),
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

/** Without either, requests have an address that no proof can be for. */
function publicOriginOf({ publicOrigin, audience }: GuardSettings): string {
  if (publicOrigin !== undefined) return new URL(publicOrigin).origin;
  return /^https?:/.test(audience) && URL.canParse(audience)
    ? new URL(audience).origin
    : 'http://unknown.invalid';
}

interface Presented extends Credential {
  readonly scheme: Scheme;
}

/** Longer than anything that is issued. */
const LONGEST_CREDENTIAL = 16_384;

const malformed: Why = {
  status: 401,
  code: 'token_malformed',
  detail: 'The access token or key is malformed.',
  error: 'invalid_token',
};
const inAddress: Why = {
  status: 400,
  code: 'credential_in_url',
  detail:
    'A key stood in the address, and addresses are written to logs. Send it in a header, and replace it.',
  error: 'invalid_request',
};

/** RFC 6750 §2: one method in a request, and neither the query nor the body is one. */
function credentialOf(request: GuardRequest): Presented | Why {
  const authorization = request.header('authorization');
  const key = request.header('x-api-key');
  if (authorization !== undefined && key !== undefined) {
    const detail = 'Send an access token or an API key, not both.';
    return { status: 400, code: 'credential_ambiguous', detail, error: 'invalid_request' };
  }
  if (key !== undefined) return wellFormed({ text: key, isKey: true, scheme: 'Bearer' });
  const [, scheme, text = ''] = /^(Bearer|DPoP)(?: +(.*))?$/i.exec(authorization ?? '') ?? [];
  if (scheme !== undefined) {
    const isProved = scheme.toLowerCase() === 'dpop';
    return wellFormed({ text, isKey: text.startsWith('gth_'), scheme: isProved ? 'DPoP' : 'Bearer' });
  }
  const detail = 'Send an access token as Authorization: Bearer, or an API key as X-API-Key.';
  return { status: 401, code: 'credential_missing', detail };
}

/** RFC 6750 §2.1: b64token. */
function wellFormed(presented: Presented): Presented | Why {
  const { text } = presented;
  return text.length <= LONGEST_CREDENTIAL && /^[\w.~+/-]+=*$/.test(text) ? presented : malformed;
}

/** RFC 9449 §7.1 and §7.2: a bound token needs its proof, and one that is not bound is no DPoP token. */
async function unproved(
  { text, scheme }: Presented,
  { boundTo }: Found,
  request: GuardRequest,
  proofs: ProofSettings,
): Promise<Why | undefined> {
  if (boundTo !== null && scheme === 'DPoP') return wrongProof(request, text, boundTo, proofs);
  if (boundTo === null && scheme === 'Bearer') return undefined;
  const detail =
    boundTo === null
      ? 'This access token is not bound to a key: send it as Bearer.'
      : 'This access token is bound to a key: send it as DPoP, with a proof.';
  return { status: 401, code: 'token_invalid', detail, error: 'invalid_token' };
}

/** Three parts of base64url, the first of which is JSON: `eyJ` is `{"` in base64url. */
function isJwt({ text, isKey }: Presented): boolean {
  return !isKey && text.startsWith('eyJ') && text.split('.').length === 3;
}
