// How long each thing the engine issues lives: from the settings, an API's or a client's own, and the absolute ends.
import { type Configuration, type Client as EngineClient, errors } from 'oidc-provider';
import type { Client } from '../../clients/clients.ts';
import type { Config } from '../../platform/config/schema.ts';

/** The engine wants synchronous functions that answer whole positive seconds. */
export function lifetimes(
  config: Config,
  registered: (client: EngineClient) => Client,
): NonNullable<Configuration['ttl']> {
  const { tokens, sessions } = config;
  const accessToken = (api: number | undefined, client: EngineClient) =>
    api ?? registered(client).accessTokenLifetimeSeconds ?? tokens.accessTokenSeconds;

  return {
    AccessToken: (_ctx, token, client) => accessToken(token.resourceServer?.accessTokenTTL, client),
    ClientCredentials: (_ctx, token, client) => accessToken(token.resourceServer?.accessTokenTTL, client),
    AuthorizationCode: tokens.codeSeconds,
    IdToken: tokens.idTokenSeconds,
    DeviceCode: tokens.deviceCodeSeconds,
    Interaction: tokens.interactionSeconds,
    // RFC 9700 §4.14.2: a refresh token ends when it is idle, and at a fixed time however often it was rotated.
    RefreshToken: (_ctx, token, client) => {
      const own = registered(client);
      const idle = own.refreshIdleSeconds ?? tokens.refreshIdleSeconds;
      const absolute = own.refreshAbsoluteSeconds ?? tokens.refreshAbsoluteSeconds;
      const left = absolute - token.totalLifetime();
      // Even one more second could be spent on the next rotation, and so on for ever.
      if (left <= 0) throw new errors.InvalidGrant('the refresh token has reached its absolute end');
      return Math.floor(Math.min(idle, left));
    },
    // ASVS 7.3.1 and 7.3.2: idle and absolute limits of a signed-in browser.
    Session: (_ctx, session) => {
      // Nobody is signed in: it only holds the secret of a form, and anybody can have one made.
      if (!session.accountId) return Math.min(sessions.idleSeconds, tokens.interactionSeconds);
      return sessionSeconds(session, sessions);
    },
  };
}

/** How long a signed-in browser has from now. */
export function sessionSeconds(
  { loginTs }: { loginTs?: number | undefined },
  sessions: Config['sessions'],
): number {
  const age = loginTs ? nowSeconds() - loginTs : 0;
  return atLeastOne(Math.min(sessions.idleSeconds, sessions.absoluteSeconds - age));
}

/** Of codes, device codes, pushed requests (a minute) and interactions, with the leeway of their rows. */
export function longestTransientSeconds({ tokens }: Config): number {
  return Math.max(tokens.interactionSeconds, tokens.deviceCodeSeconds, tokens.codeSeconds, 60) + 60;
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

function atLeastOne(seconds: number): number {
  return Math.max(1, Math.floor(seconds));
}
