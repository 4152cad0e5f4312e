// The authorization server as this terminal sees it: four questions, asked by openid-client as a public client.
import {
  allowInsecureRequests,
  type Configuration,
  discovery,
  fetchUserInfo,
  genericGrantRequest,
  initiateDeviceAuthorization,
  None,
  ResponseBodyError,
  refreshTokenGrant,
  skipSubjectCheck,
  type TokenEndpointResponse,
  tokenRevocation,
  WWWAuthenticateChallengeError,
} from 'openid-client';
import { AppError, failure } from '../platform/errors.ts';

/** Registered by the server at its first start; public, because a secret in a command-line tool is none. */
const TERMINAL_CLIENT_ID = 'gatehouse-cli';
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

export interface DeviceCode {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete: string | undefined;
  readonly expiresInSeconds: number;
  readonly intervalSeconds: number;
}

export interface Tokens {
  readonly accessToken: string;
  readonly expiresInSeconds: number;
  readonly refreshToken: string | undefined;
}

export type Poll =
  | { kind: 'tokens'; tokens: Tokens }
  | { kind: 'pending' }
  | { kind: 'slow-down' }
  | { kind: 'refused' }
  | { kind: 'expired' };

export interface Issuer {
  startDevice(input: { scope: string; resource: string; max_age?: string }): Promise<DeviceCode>;
  pollDevice(deviceCode: string): Promise<Poll>;
  /** Undefined when the refresh token is no longer good. */
  refresh(refreshToken: string, resource: string | undefined): Promise<Tokens | undefined>;
  /** Undefined when the access token is no longer good. */
  person(accessToken: string): Promise<Record<string, unknown> | undefined>;
  revoke(refreshToken: string): Promise<void>;
}

/** Every method throws `issuer_unreachable` when the server does not answer. */
export function createIssuer(issuer: string): Issuer {
  let found: Promise<Configuration> | undefined;
  const server = () => {
    found ??= discover(issuer);
    return found;
  };
  return {
    startDevice: (input) =>
      reaching(async () => {
        // OpenID Connect Core §11: offline access is asked for together with consent.
        const parameters = { ...input, prompt: 'consent' };
        const answer = await initiateDeviceAuthorization(await server(), parameters);
        return {
          deviceCode: answer.device_code,
          userCode: answer.user_code,
          verificationUri: answer.verification_uri,
          verificationUriComplete: answer.verification_uri_complete,
          expiresInSeconds: answer.expires_in,
          // RFC 8628 §3.2: five seconds when the server does not say.
          intervalSeconds: answer.interval ?? 5,
        };
      }),
    pollDevice: (deviceCode) =>
      reaching(async () => {
        const answer = await orOAuthError(
          genericGrantRequest(await server(), DEVICE_GRANT, { device_code: deviceCode }),
        );
        return typeof answer === 'string' ? pollOf(answer) : { kind: 'tokens', tokens: tokensOf(answer) };
      }),
    refresh: (refreshToken, resource) =>
      reaching(async () => {
        const parameters: Record<string, string> = resource === undefined ? {} : { resource };
        const answer = await orOAuthError(refreshTokenGrant(await server(), refreshToken, parameters));
        if (typeof answer !== 'string') return tokensOf(answer);
        if (answer === 'invalid_grant') return undefined;
        throw failure('sign_in_refused', { reason: answer });
      }),
    person: (accessToken) =>
      reaching(async () => {
        try {
          return await fetchUserInfo(await server(), accessToken, skipSubjectCheck);
        } catch (error) {
          if (error instanceof WWWAuthenticateChallengeError) return undefined;
          throw error;
        }
      }),
    revoke: (refreshToken) =>
      reaching(async () =>
        tokenRevocation(await server(), refreshToken, { token_type_hint: 'refresh_token' }),
      ),
  };
}

function discover(issuer: string): Promise<Configuration> {
  const options = issuer.startsWith('http:') ? { execute: [allowInsecureRequests] } : {};
  return discovery(new URL(issuer), TERMINAL_CLIENT_ID, undefined, None(), { ...options, timeout: 15 });
}

function tokensOf(answer: TokenEndpointResponse): Tokens {
  return {
    accessToken: answer.access_token,
    expiresInSeconds: answer.expires_in ?? 60,
    refreshToken: answer.refresh_token,
  };
}

/** RFC 8628 §3.5. */
function pollOf(error: string): Poll {
  if (error === 'authorization_pending') return { kind: 'pending' };
  if (error === 'slow_down') return { kind: 'slow-down' };
  if (error === 'access_denied') return { kind: 'refused' };
  if (error === 'expired_token') return { kind: 'expired' };
  throw failure('sign_in_refused', { reason: error });
}

async function orOAuthError<T>(answer: Promise<T>): Promise<T | string> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ResponseBodyError) return error.error;
    throw error;
  }
}

async function reaching<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof AppError) throw error;
    if (error instanceof ResponseBodyError) throw failure('sign_in_refused', { reason: error.error }, error);
    throw failure('issuer_unreachable', {}, error);
  }
}
