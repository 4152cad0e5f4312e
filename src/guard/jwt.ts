// JWT access tokens (RFC 9068 §4): signature, type, issuer, audience and time, with expiry told apart from forgery.
import { errors, type JWTPayload, jwtVerify } from 'jose';
import { type GetKey, KeysUnavailable } from './key-set.ts';
import type { Why } from './refusals.ts';
import type { Identity } from './schema.ts';

export interface JwtSettings {
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  readonly clockToleranceSeconds: number;
  /** Milliseconds. */
  readonly now: () => number;
}

export type Found = { readonly identity: Identity; readonly boundTo: string | null };

export async function verifyJwt(token: string, keys: GetKey, settings: JwtSettings): Promise<Found | Why> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: settings.issuer,
      audience: settings.audience,
      typ: 'at+jwt',
      algorithms: [...settings.algorithms],
      clockTolerance: settings.clockToleranceSeconds,
      currentDate: new Date(settings.now()),
      requiredClaims: ['sub', 'exp', 'iat', 'jti', 'client_id'],
    });
    return { identity: identityOf(payload), boundTo: thumbprintOf(payload) };
  } catch (error) {
    return whyNot(error);
  }
}

export function isWhy(result: object): result is Why {
  return 'status' in result;
}

function whyNot(error: unknown): Why {
  if (error instanceof errors.JWTExpired) return tokenExpired;
  if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud') return audienceWrong;
  if (error instanceof errors.JOSEError) return tokenInvalid;
  if (error instanceof KeysUnavailable) return unavailable;
  throw error;
}

function invalid(code: string, detail: string): Why {
  return { status: 401, code, detail, error: 'invalid_token' };
}

export const tokenExpired = invalid('token_expired', 'The access token has expired. Get a new one.');
export const audienceWrong = invalid('token_audience', 'The access token is for another API.');
export const tokenInvalid = invalid('token_invalid', 'The access token is not valid here.');

/** Neither good nor bad: it may be asked again soon. */
export const unavailable: Why = {
  status: 503,
  code: 'verification_unavailable',
  detail: 'Whether the credential is good cannot be found out right now. Try again in a moment.',
  headers: { 'Retry-After': '5' },
};

function identityOf(payload: JWTPayload): Identity {
  const { sub = '', client_id: clientId, scope, roles, org_id: organization, exp } = payload;
  const key = String(clientId);
  return {
    kind: 'token',
    subject: sub,
    clientId: key,
    organizationId: typeof organization === 'string' ? organization : null,
    scope: typeof scope === 'string' && scope !== '' ? scope.split(' ') : [],
    roles: Array.isArray(roles) ? roles.map(String) : [],
    claims: payload,
    expiresAtSeconds: exp ?? null,
    keyId: key.startsWith('key_') ? key : null,
    reservationId: null,
  };
}

/** RFC 9449 §6.1. */
function thumbprintOf({ cnf }: JWTPayload): string | null {
  if (typeof cnf !== 'object' || cnf === null) return null;
  return 'jkt' in cnf && typeof cnf.jkt === 'string' ? cnf.jkt : '';
}
