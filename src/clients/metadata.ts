// The registration rules of clients, pure: what each kind may have, what it gets by default, and the engine's view of it.
import { createPublicKey } from 'node:crypto';
import type { z } from 'zod';
import { definedFields } from '../lib/fields.ts';
import { redirectUriProblem } from '../lib/url.ts';
import { type Client, type ClientKind, type GrantType, type NewClient, usualScopes } from './schema.ts';

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

type Registered = Omit<Client, 'id' | 'status' | 'system' | 'version' | 'createdAt' | 'updatedAt'>;
type Problems = Record<string, string>;

interface KindRules {
  authMethods: readonly Client['authMethod'][];
  grantTypes: readonly GrantType[];
  defaultGrantTypes: readonly GrantType[];
}

const confidential = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;

// A secret shipped in an app or a page is not a secret (RFC 8252 §8.5), so spa and native are public. A machine acts for
// nobody but itself, so it has no redirects and no OpenID scopes.
const kinds: Record<ClientKind, KindRules> = {
  web: {
    authMethods: confidential,
    grantTypes: ['authorization_code', 'refresh_token', 'client_credentials', DEVICE_CODE],
    defaultGrantTypes: ['authorization_code', 'refresh_token'],
  },
  spa: {
    authMethods: ['none'],
    grantTypes: ['authorization_code', 'refresh_token'],
    defaultGrantTypes: ['authorization_code', 'refresh_token'],
  },
  native: {
    authMethods: ['none'],
    grantTypes: ['authorization_code', 'refresh_token', DEVICE_CODE],
    defaultGrantTypes: ['authorization_code', 'refresh_token'],
  },
  machine: {
    authMethods: confidential,
    grantTypes: ['client_credentials'],
    defaultGrantTypes: ['client_credentials'],
  },
};

export function usesSecret(client: Pick<Client, 'authMethod'>): boolean {
  return client.authMethod === 'client_secret_basic' || client.authMethod === 'client_secret_post';
}

/** A registration with everything it did not say filled in. */
export function withDefaults(input: Omit<z.output<typeof NewClient>, 'id'>): Registered {
  const rules = kinds[input.kind];
  const interactive = input.kind !== 'machine';
  return {
    redirectUris: [],
    postLogoutRedirectUris: [],
    logoUri: null,
    clientUri: null,
    policyUri: null,
    tosUri: null,
    grantTypes: [...rules.defaultGrantTypes],
    authMethod: rules.authMethods[0] ?? 'none',
    jwks: null,
    jwksUri: null,
    firstParty: false,
    scopes: interactive ? [...usualScopes] : [],
    apis: [],
    subjectType: 'public',
    sectorIdentifierUri: null,
    backchannelLogoutUri: null,
    backchannelLogoutSessionRequired: false,
    frontchannelLogoutUri: null,
    frontchannelLogoutSessionRequired: false,
    corsOrigins: [],
    dpopBound: false,
    requirePar: false,
    pkceExempt: false,
    mayIntrospectAny: false,
    idTokenAlgorithm: 'RS256',
    accessTokenLifetimeSeconds: null,
    refreshIdleSeconds: null,
    refreshAbsoluteSeconds: null,
    requiredAcr: null,
    sessionIdleSeconds: null,
    sessionAbsoluteSeconds: null,
    defaultMaxAgeSeconds: null,
    claims: {},
    rateLimits: [],
    ...definedFields(input),
    name: input.name,
    kind: input.kind,
  };
}

/** The origins whose pages may call the endpoints: a page app's own, from where it was redirected to, and those named. */
export function allowedOrigins(
  client: Pick<Client, 'kind' | 'redirectUris' | 'corsOrigins'>,
): readonly string[] {
  if (client.kind !== 'spa') return client.corsOrigins;
  const own = client.redirectUris.flatMap((uri) => URL.parse(uri)?.origin ?? []);
  return [...new Set([...own, ...client.corsOrigins])];
}

/** What is wrong with a registration, by field; empty when it may stand. */
export function registrationProblems(client: Registered): Problems {
  const problems: Problems = {};
  for (const check of [
    checkGrants,
    checkRedirects,
    checkAuthentication,
    checkSubject,
    checkFrontChannel,
    checkFlags,
  ]) {
    for (const [field, problem] of check(client)) problems[field] ??= problem;
  }
  return problems;
}

type Check = (client: Registered) => Generator<readonly [field: string, problem: string]>;

const checkGrants: Check = function* (client) {
  const rules = kinds[client.kind];
  const foreign = client.grantTypes.filter((grant) => !rules.grantTypes.includes(grant));
  if (foreign.length > 0) yield ['grantTypes', `a ${client.kind} client may not use ${foreign.join(', ')}`];
  if (client.grantTypes.length === 0) yield ['grantTypes', 'must not be empty'];
  if (new Set(client.grantTypes).size < client.grantTypes.length)
    yield ['grantTypes', 'must not name one twice'];
  const interactive =
    client.grantTypes.includes('authorization_code') || client.grantTypes.includes(DEVICE_CODE);
  if (client.grantTypes.includes('refresh_token') && !interactive) {
    yield ['grantTypes', 'refresh_token needs authorization_code or the device code'];
  }
  // An empty list would reach the engine as "no limit".
  if (interactive && client.scopes.length === 0)
    yield ['scopes', 'must name at least one, for example openid'];
  if (!interactive && client.scopes.length > 0)
    yield ['scopes', 'are only for clients that people sign in to'];
  if (
    client.scopes.includes('offline_access') &&
    interactive &&
    !client.grantTypes.includes('refresh_token')
  ) {
    yield ['scopes', 'offline_access needs the grant type refresh_token'];
  }
  const audiences = client.apis.map(({ audience }) => audience);
  if (new Set(audiences).size < audiences.length) yield ['apis', 'must not name an API twice'];
};

const checkRedirects: Check = function* (client) {
  const redirects = client.grantTypes.includes('authorization_code');
  if (redirects && client.redirectUris.length === 0) yield ['redirectUris', 'must name at least one'];
  if (!redirects && client.redirectUris.length > 0)
    yield ['redirectUris', 'need the grant type authorization_code'];
  if (client.kind === 'machine') {
    if (client.postLogoutRedirectUris.length > 0)
      yield ['postLogoutRedirectUris', 'a machine client has none'];
    return;
  }
  for (const field of ['redirectUris', 'postLogoutRedirectUris'] as const) {
    for (const [index, uri] of client[field].entries()) {
      const problem = redirectUriProblem(uri, client.kind);
      if (problem !== undefined) yield [`${field}.${index}`, problem];
    }
    if (new Set(client[field]).size < client[field].length) yield [field, 'must not name one twice'];
  }
};

const checkAuthentication: Check = function* (client) {
  if (!kinds[client.kind].authMethods.includes(client.authMethod)) {
    yield ['authMethod', `a ${client.kind} client may not use ${client.authMethod}`];
  }
  const keys = [client.jwks, client.jwksUri].filter((source) => source !== null).length;
  if (client.authMethod === 'private_key_jwt' && keys !== 1)
    yield ['jwks', 'private_key_jwt needs either jwks or jwksUri'];
  if (client.authMethod !== 'private_key_jwt' && keys > 0) yield ['jwks', 'only private_key_jwt uses keys'];
  // Whoever can answer for this address can sign in as the client.
  if (client.jwksUri !== null && !client.jwksUri.startsWith('https:')) yield ['jwksUri', 'must use https'];
  for (const [index, key] of (client.jwks?.keys ?? []).entries()) {
    const problem = publicKeyProblem(key);
    if (problem !== undefined) yield [`jwks.keys.${index}`, problem];
  }
};

const SECRET_PARTS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const;

function publicKeyProblem(key: Record<string, unknown>): string | undefined {
  if (key.kty === 'oct') return 'must not be a symmetric key';
  // Whoever sends a private key here has shown it: it is refused, so that it is replaced.
  if (SECRET_PARTS.some((part) => key[part] !== undefined)) return 'must not hold a private part';
  try {
    const { asymmetricKeyDetails } = createPublicKey({ key, format: 'jwk' });
    const bits = asymmetricKeyDetails?.modulusLength;
    return bits !== undefined && bits < 2048 ? 'an RSA key needs at least 2048 bits' : undefined;
  } catch {
    return 'is not a public key';
  }
}

// The engine derives the sector of a pairwise subject from these, and refuses the client when it cannot.
const checkSubject: Check = function* (client) {
  if (client.subjectType === 'public') {
    if (client.sectorIdentifierUri !== null) yield ['sectorIdentifierUri', 'is only for pairwise subjects'];
    return;
  }
  if (client.kind === 'machine') yield ['subjectType', 'a machine client has no subjects'];
  const hosts = new Set(client.redirectUris.map((uri) => URL.parse(uri)?.host ?? ''));
  if ((hosts.size > 1 || hosts.has('')) && client.sectorIdentifierUri === null) {
    yield ['sectorIdentifierUri', 'is needed when the redirect URIs name several hosts or none'];
  }
  if (client.sectorIdentifierUri !== null && !client.sectorIdentifierUri.startsWith('https:')) {
    yield ['sectorIdentifierUri', 'must use https'];
  }
  if (!client.grantTypes.includes(DEVICE_CODE)) return;
  if (client.jwksUri === null)
    yield ['subjectType', 'pairwise with the device code needs private_key_jwt and jwksUri'];
  if (hosts.size > 0 && client.sectorIdentifierUri === null) {
    yield ['sectorIdentifierUri', 'is needed for pairwise with the device code and redirects'];
  }
};

// OpenID Connect Front-Channel Logout 1.0 §2: a page of the app itself, so that it cannot be somebody else's.
const checkFrontChannel: Check = function* (client) {
  const { frontchannelLogoutUri: uri } = client;
  if (uri === null) {
    if (client.frontchannelLogoutSessionRequired) {
      yield ['frontchannelLogoutSessionRequired', 'needs frontchannelLogoutUri'];
    }
    return;
  }
  const origin = URL.parse(uri)?.origin;
  if (!client.redirectUris.some((own) => URL.parse(own)?.origin === origin)) {
    yield ['frontchannelLogoutUri', 'must have the scheme, host and port of a redirect URI'];
  }
};

const checkFlags: Check = function* (client) {
  const isPublic = client.authMethod === 'none';
  if (client.pkceExempt && (isPublic || !client.grantTypes.includes('authorization_code'))) {
    yield ['pkceExempt', 'is only for confidential clients with redirects (RFC 9700 §2.1.1)'];
  }
  if (client.mayIntrospectAny && isPublic) yield ['mayIntrospectAny', 'is only for confidential clients'];
  if (client.kind === 'machine' && client.backchannelLogoutUri !== null) {
    yield ['backchannelLogoutUri', 'a machine client has no sessions'];
  }
  if (client.backchannelLogoutSessionRequired && client.backchannelLogoutUri === null) {
    yield ['backchannelLogoutSessionRequired', 'needs backchannelLogoutUri'];
  }
  if (client.requirePar && !client.grantTypes.includes('authorization_code')) {
    yield ['requirePar', 'needs the grant type authorization_code'];
  }
  // The engine refuses every request of such a client that is no OpenID one.
  if (client.defaultMaxAgeSeconds !== null && !client.scopes.includes('openid')) {
    yield ['defaultMaxAgeSeconds', 'needs the scope openid'];
  }
  const { refreshIdleSeconds: idle, refreshAbsoluteSeconds: absolute } = client;
  if (idle !== null && absolute !== null && idle > absolute) {
    yield ['refreshIdleSeconds', 'must not be more than refreshAbsoluteSeconds'];
  }
};
