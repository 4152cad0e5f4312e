// The story of a relying-party app: authorization code with PKCE, tokens, userinfo, refresh, sign-out, by openid-client.
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as client from 'openid-client';
import { describe, expect, it } from 'vitest';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createClient, createPerson, signInAt } from '../support/people.ts';

const gatehouse = useGatehouse();

describe('authorization code flow', () => {
  it('B8 E1 signs in, calls userinfo, refreshes and signs out with a certified client', async () => {
    const { services, issuer } = gatehouse;
    const person = await createPerson(services);
    const api = await createApi(services);
    const { client: app, secret } = await createClient(services, {
      apis: [{ audience: api.audience, permissions: ['notes:read'] }],
      scopes: ['openid', 'profile', 'email', 'offline_access'],
      grantTypes: ['authorization_code', 'refresh_token'],
      postLogoutRedirectUris: ['https://app.example.com/bye'],
    });
    const config = await client.discovery(new URL(issuer), app.id, secret, undefined, {
      execute: [client.allowInsecureRequests],
    });
    const verifier = client.randomPKCECodeVerifier();
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: 'https://app.example.com/callback',
      scope: 'openid profile email offline_access notes:read notes:write',
      resource: api.audience,
      prompt: 'consent',
      state: 'state-1',
      nonce: 'nonce-1',
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });

    const { landed, browser } = await signInAt(url.href, person);
    const tokens = await client.authorizationCodeGrant(
      config,
      new URL(landed.url),
      { pkceCodeVerifier: verifier, expectedState: 'state-1', expectedNonce: 'nonce-1' },
      { resource: api.audience },
    );
    expect(tokens.claims()?.sub).toBe(person.id);

    const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`));
    const { payload, protectedHeader } = await jwtVerify(tokens.access_token, keys, {
      issuer,
      audience: api.audience,
      typ: 'at+jwt',
    });
    expect(protectedHeader.alg).toBe('ES256');
    expect(payload).toMatchObject({ sub: person.id, client_id: app.id, scope: 'notes:read' });
    expect(payload.handle).toEqual(expect.any(String));

    const again = await client.refreshTokenGrant(config, tokens.refresh_token ?? '');
    const info = await client.fetchUserInfo(config, again.access_token, person.id);
    expect(info).toMatchObject({ email: person.email, name: person.name });

    const signOut = client.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token ?? '',
      post_logout_redirect_uri: 'https://app.example.com/bye',
    });
    const confirm = await browser.open(signOut.href);
    const gone = await browser.submit(confirm, { logout: 'yes' });
    expect(gone.url).toBe('https://app.example.com/bye');
  });
});
