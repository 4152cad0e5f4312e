// The signed-in terminal: sign in by device flow, who am I, a fresh access token, sign out.
import type { Clock } from '../platform/clock.ts';
import { failure } from '../platform/errors.ts';
import type { DeviceCode, Issuer, Tokens } from './issuer.ts';
import type { SignIn, TokenFile } from './token-file.ts';

const SCOPES = ['openid', 'profile', 'email', 'offline_access'];
/** An access token that ends sooner is replaced, so that a script has time to use it. */
const FRESH_MILLISECONDS = 60_000;
/** RFC 8628 §3.5: "the interval MUST be increased by 5 seconds". */
const SLOW_DOWN_SECONDS = 5;

export interface Person {
  readonly subject: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

export interface Terminal {
  /** Shows the code, then waits for the person. Throws `sign_in_refused` or `device_code_expired`. */
  signIn(
    scopes: readonly string[],
    show: (code: DeviceCode) => void,
    maxAgeSeconds?: number,
  ): Promise<Person>;
  /** Throws `not_signed_in`. */
  whoAmI(): Promise<Person>;
  /** An access token for the management API that is good for a minute at least. Throws `not_signed_in`. */
  accessToken(): Promise<{ token: string; expiresAt: Date }>;
  /** False when nobody was signed in. The tokens are deleted also when the server cannot be told. */
  signOut(): Promise<{ wasSignedIn: boolean; serverTold: boolean }>;
}

export function createTerminal(deps: {
  issuerUrl: string;
  issuer: Issuer;
  tokenFile: TokenFile;
  clock: Clock;
  wait: (seconds: number) => Promise<void>;
}): Terminal {
  const { issuerUrl, issuer, tokenFile, clock } = deps;
  const resource = `${issuerUrl}/api`;

  const held = (tokens: Tokens) => ({
    token: tokens.accessToken,
    expiresAt: clock.now().getTime() + tokens.expiresInSeconds * 1000,
  });

  const forget = async (): Promise<never> => {
    await tokenFile.write(issuerUrl, undefined);
    throw failure('not_signed_in');
  };

  /** The stored token of this kind when it is fresh, else a new one that is stored. */
  const fresh = (kind: 'person' | 'api', evenIfFresh = false) =>
    tokenFile.alone(async () => {
      const stored = await tokenFile.read(issuerUrl);
      if (stored === undefined) throw failure('not_signed_in');
      const token = stored[kind];
      const isFresh = token !== null && token.expiresAt - clock.now().getTime() > FRESH_MILLISECONDS;
      if (isFresh && !evenIfFresh) return token;
      if (stored.refreshToken === null) return forget();
      const tokens = await issuer.refresh(stored.refreshToken, kind === 'api' ? resource : undefined);
      if (tokens === undefined) return forget();
      const next: SignIn = { ...stored, refreshToken: tokens.refreshToken ?? stored.refreshToken };
      const made = held(tokens);
      await tokenFile.write(issuerUrl, { ...next, [kind]: made });
      return made;
    });

  const whoAmI = async (): Promise<Person> => {
    const first = await issuer.person((await fresh('person')).token);
    // A token may have been revoked before its end; the refresh token may still be good.
    const claims = first ?? (await issuer.person((await fresh('person', true)).token));
    if (claims === undefined) throw failure('not_signed_in');
    return { subject: String(claims.sub), claims };
  };

  return {
    whoAmI,
    async signIn(scopes, show, maxAgeSeconds) {
      const scope = [...new Set([...SCOPES, ...scopes])].join(' ');
      const code = await issuer.startDevice({
        scope,
        resource,
        ...(maxAgeSeconds !== undefined && { max_age: String(maxAgeSeconds) }),
      });
      show(code);
      const tokens = await waitForPerson(issuer, code, deps);
      await tokenFile.alone(async () => {
        const before = await tokenFile.read(issuerUrl);
        await tokenFile.write(issuerUrl, {
          refreshToken: tokens.refreshToken ?? null,
          person: held(tokens),
          api: null,
        });
        if (before?.refreshToken) await issuer.revoke(before.refreshToken).catch(() => {});
      });
      return whoAmI();
    },
    async accessToken() {
      const { token, expiresAt } = await fresh('api');
      return { token, expiresAt: new Date(expiresAt) };
    },
    signOut: () =>
      tokenFile.alone(async () => {
        const stored = await tokenFile.read(issuerUrl);
        if (stored === undefined) return { wasSignedIn: false, serverTold: false };
        await tokenFile.write(issuerUrl, undefined);
        if (stored.refreshToken === null) return { wasSignedIn: true, serverTold: true };
        const serverTold = await issuer.revoke(stored.refreshToken).then(
          () => true,
          () => false,
        );
        return { wasSignedIn: true, serverTold };
      }),
  };
}

/** RFC 8628 §3.4 and §3.5. */
async function waitForPerson(
  issuer: Issuer,
  code: DeviceCode,
  deps: { clock: Clock; wait: (seconds: number) => Promise<void> },
): Promise<Tokens> {
  const end = deps.clock.now().getTime() + code.expiresInSeconds * 1000;
  let interval = code.intervalSeconds;
  while (deps.clock.now().getTime() < end) {
    await deps.wait(interval);
    const poll = await issuer.pollDevice(code.deviceCode).catch(orPending);
    if (poll.kind === 'tokens') return poll.tokens;
    if (poll.kind === 'refused') throw failure('sign_in_refused');
    if (poll.kind === 'expired') throw failure('device_code_expired');
    if (poll.kind === 'slow-down') interval += SLOW_DOWN_SECONDS;
    // RFC 8628 §3.5: after a connection that timed out, polling slows down by doubling.
    if (poll.kind === 'unreachable') interval *= 2;
  }
  throw failure('device_code_expired');
}

/** A server that restarts while the person signs in is asked again; the code's own end bounds that. */
function orPending(error: unknown): { kind: 'unreachable' } {
  if (isUnreachable(error)) return { kind: 'unreachable' };
  throw error;
}

function isUnreachable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'issuer_unreachable';
}
