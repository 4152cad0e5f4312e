// DPoP (RFC 9449): the access token is bound to a key of this program and is worth nothing without it.
import * as oidc from 'openid-client';
import { openLoopback } from '../support/loopback.ts';
import { setting } from '../support/settings.ts';

const issuer = new URL(setting('ISSUER', 'http://localhost:3000'));
const clientId = setting('CLIENT_ID', 'demo-terminal');
const execute = issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : [];
const config = await oidc.discovery(issuer, clientId, undefined, oidc.None(), { execute });

// The private half stays in this process; the token names the public half.
const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'));

const loopback = await openLoopback();
const codeVerifier = oidc.randomPKCECodeVerifier();
const state = oidc.randomState();
const request = {
  redirect_uri: `${loopback.origin}/callback`,
  scope: 'openid profile',
  state,
  code_challenge: await oidc.calculatePKCECodeChallenge(codeVerifier),
  code_challenge_method: 'S256',
};
const answer = await loopback.visit(oidc.buildAuthorizationUrl(config, request));
await loopback.close();

const checks = { pkceCodeVerifier: codeVerifier, expectedState: state, idTokenExpected: true };
const tokens = await oidc.authorizationCodeGrant(config, answer, checks, undefined, { DPoP });
console.log('Signed in as', tokens.claims()?.sub);

console.log('The token is of the type', tokens.token_type);
const subject = tokens.claims()?.sub ?? '';
const profile = await oidc.fetchUserInfo(config, tokens.access_token, subject, { DPoP });
console.log('With its proof, userinfo answers', profile.name);

const headers = { authorization: `Bearer ${tokens.access_token}` };
const stolen = await fetch(config.serverMetadata().userinfo_endpoint ?? '', { headers });
console.log('Without it, it answers', stolen.status);
