// Everything this app says to Gatehouse, in the words of `openid-client`: sign-in, tokens, refresh, sign-out.
import * as oidc from 'openid-client';

export interface RelyingPartySettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** The API's audience, which is its address, too. */
  readonly api: string;
  /** The origin of this app. */
  readonly origin: string;
}

/** What must be remembered between the way to the sign-in page and the way back. */
export interface Pending {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

export interface ApiToken {
  readonly value: string;
  readonly permissions: readonly string[];
  readonly expiresAt: Date;
}

export interface SignedIn {
  readonly idToken: string;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly name: string;
  refreshToken: string;
  apiToken: ApiToken | undefined;
  refreshes: number;
}

export interface RelyingParty {
  begin(permissions: readonly string[]): Promise<{ url: URL; pending: Pending }>;
  /** Throws when the answer is not one to `pending`, or when it is an error such as access_denied. */
  finish(answer: URL, pending: Pending): Promise<SignedIn>;
  /** Exchanges the refresh token; the old one is used up. */
  refresh(person: SignedIn): Promise<ApiToken>;
  /** Ends what the app holds and gives the address that ends the session at Gatehouse. */
  signOut(person: SignedIn): Promise<URL>;
}

export function createRelyingParty(settings: RelyingPartySettings): RelyingParty {
  let known: Promise<oidc.Configuration> | undefined;

  /** Discovered at first use and kept; a failure is not kept. */
  function configuration(): Promise<oidc.Configuration> {
    const issuer = new URL(settings.issuer);
    // Plain http is for an issuer on this machine; everywhere else `openid-client` insists on https.
    const execute = issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : [];
    const authentication = oidc.ClientSecretBasic(settings.clientSecret);
    known ??= oidc.discovery(issuer, settings.clientId, undefined, authentication, { execute });
    known.catch(() => {
      known = undefined;
    });
    return known;
  }

  return {
    async begin(permissions) {
      const pending = {
        state: oidc.randomState(),
        nonce: oidc.randomNonce(),
        codeVerifier: oidc.randomPKCECodeVerifier(),
      };
      const url = oidc.buildAuthorizationUrl(await configuration(), {
        redirect_uri: `${settings.origin}/callback`,
        scope: ['openid profile email offline_access', ...permissions].join(' '),
        resource: settings.api,
        // OpenID Connect Core §11: offline_access is given only when the person is asked.
        prompt: 'consent',
        state: pending.state,
        nonce: pending.nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(pending.codeVerifier),
        code_challenge_method: 'S256',
      });
      return { url, pending };
    },

    async finish(answer, pending) {
      const config = await configuration();
      // Without `resource` this access token is for userinfo: each token is for one audience. The API's comes by refresh.
      const tokens = await oidc.authorizationCodeGrant(config, answer, {
        pkceCodeVerifier: pending.codeVerifier,
        expectedState: pending.state,
        expectedNonce: pending.nonce,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      if (!claims || !tokens.id_token || !tokens.refresh_token) throw new Error('a token is missing');
      const profile = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
      return {
        idToken: tokens.id_token,
        claims,
        name: profile.name ?? profile.email ?? claims.sub,
        refreshToken: tokens.refresh_token,
        apiToken: undefined,
        refreshes: 0,
      };
    },

    async refresh(person) {
      const resource = { resource: settings.api };
      const tokens = await oidc.refreshTokenGrant(await configuration(), person.refreshToken, resource);
      person.refreshToken = tokens.refresh_token ?? person.refreshToken;
      person.refreshes += 1;
      person.apiToken = {
        value: tokens.access_token,
        permissions: (tokens.scope ?? '').split(' ').filter((scope) => scope.includes(':')),
        expiresAt: new Date(Date.now() + (tokens.expiresIn() ?? 0) * 1000),
      };
      return person.apiToken;
    },

    async signOut(person) {
      const config = await configuration();
      // Offline access outlives the session by its meaning, so the app gives its refresh token back itself (RFC 7009).
      await oidc.tokenRevocation(config, person.refreshToken);
      return oidc.buildEndSessionUrl(config, {
        id_token_hint: person.idToken,
        post_logout_redirect_uri: `${settings.origin}/signed-out`,
      });
    },
  };
}

/** The error code of an answer of Gatehouse, such as access_denied or invalid_grant; undefined for anything else. */
export function errorCode(error: unknown): string | undefined {
  if (error instanceof oidc.AuthorizationResponseError || error instanceof oidc.ResponseBodyError) {
    return error.error;
  }
  return undefined;
}
