// A client as the engine reads it: client metadata of OpenID registration, with the same key order every time.
import { usesSecret } from './metadata.ts';
import type { Client } from './schema.ts';

/**
 * The engine insists on a client_secret for secret-based methods and compares it in clear. It gets `secretMarker`, which
 * nobody can know or present, and the comparison is replaced: should that ever be forgotten, everybody is refused.
 */
export function engineMetadata(client: Client, secretMarker: string): Readonly<Record<string, unknown>> {
  const metadata: Record<string, unknown> = {
    client_id: client.id,
    client_name: client.name,
    application_type: client.kind === 'native' ? 'native' : 'web',
    redirect_uris: client.redirectUris,
    post_logout_redirect_uris: client.postLogoutRedirectUris,
    grant_types: client.grantTypes,
    response_types: responseTypesOf(client),
    token_endpoint_auth_method: client.authMethod,
    client_secret: usesSecret(client) ? secretMarker : null,
    jwks: client.jwks,
    jwks_uri: client.jwksUri,
    subject_type: client.subjectType,
    sector_identifier_uri: client.sectorIdentifierUri,
    backchannel_logout_uri: client.backchannelLogoutUri,
    backchannel_logout_session_required: client.backchannelLogoutSessionRequired,
    id_token_signed_response_alg: client.idTokenAlgorithm,
    default_max_age: client.defaultMaxAgeSeconds,
    require_pushed_authorization_requests: client.requirePar,
    dpop_bound_access_tokens: client.dpopBound,
    // The engine limits only its own scopes by this; permissions of APIs are limited where resources are resolved.
    scope: client.scopes.length > 0 ? client.scopes.join(' ') : null,
    logo_uri: client.logoUri,
    client_uri: client.clientUri,
    policy_uri: client.policyUri,
    tos_uri: client.tosUri,
  };
  // The engine takes an absent property and refuses null.
  return Object.freeze(Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== null)));
}

/** What the server registers for its own pages gets nothing that could be stolen on its way: no code, and so no tokens. */
function responseTypesOf(client: Client): string[] {
  if (!client.grantTypes.includes('authorization_code')) return [];
  return client.system ? ['none'] : ['code'];
}
