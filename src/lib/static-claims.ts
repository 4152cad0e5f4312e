// Claims that are written down once and said by every token: of an API, a client or a key. None may pass for one of ours.
import { z } from 'zod';

/** RFC 7519 §4.1, RFC 9068 §2.2, RFC 9449 §6.1, RFC 8693 §4, OpenID Connect Core §2, and our own. */
export const reservedClaims: ReadonlySet<string> = new Set([
  ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'typ'],
  ...['client_id', 'azp', 'scope', 'cnf', 'act', 'may_act', 'auth_time', 'acr', 'amr', 'nonce', 'sid'],
  ...['at_hash', 'c_hash', 's_hash', 'active', 'token_type', 'username', 'authorization_details'],
  ...['handle', 'permissions', 'roles', 'org_id', 'owner'],
]);
const CLAIM_NAME = /^[A-Za-z][\w./:-]{0,127}$/;
const MAXIMUM_BYTES = 2_000;

export const staticClaims = z.record(z.string(), z.unknown()).superRefine((claims, context) => {
  const refuse = (message: string, path: string[] = []) =>
    context.addIssue({ code: 'custom', message, path });
  for (const name of Object.keys(claims)) {
    if (reservedClaims.has(name)) refuse('is a claim of the server itself; choose another name', [name]);
    else if (!CLAIM_NAME.test(name)) {
      refuse('must be a name of letters, digits and . _ - / :, beginning with a letter', [name]);
    }
  }
  // They are in every token, and a token travels in a header.
  if (JSON.stringify(claims).length > MAXIMUM_BYTES)
    refuse(`must not be longer than ${MAXIMUM_BYTES} characters`);
});
