// Authorization code with PKCE from a program in a terminal, and a call of the API with the access token.
import * as oidc from 'openid-client';
import { openLoopback } from '../support/loopback.ts';
import { setting } from '../support/settings.ts';

const issuer = new URL(setting('ISSUER', 'http://localhost:3000'));
const clientId = setting('CLIENT_ID', 'demo-terminal');
const api = setting('AUDIENCE', 'http://localhost:4001');
const execute = issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : [];
const config = await oidc.discovery(issuer, clientId, undefined, oidc.None(), { execute });

const loopback = await openLoopback();
const codeVerifier = oidc.randomPKCECodeVerifier();
const state = oidc.randomState();
const request = {
  redirect_uri: `${loopback.origin}/callback`,
  scope: 'openid notes:read',
  resource: api,
  state,
  code_challenge: await oidc.calculatePKCECodeChallenge(codeVerifier),
  code_challenge_method: 'S256',
};
const answer = await loopback.visit(oidc.buildAuthorizationUrl(config, request));
await loopback.close();

const checks = { pkceCodeVerifier: codeVerifier, expectedState: state, idTokenExpected: true };
const tokens = await oidc.authorizationCodeGrant(config, answer, checks, { resource: api });
console.log('Signed in as', tokens.claims()?.sub);

const headers = { authorization: `Bearer ${tokens.access_token}` };
const notes = await fetch(`${api}/notes`, { headers });
console.log('The API answered', notes.status, await notes.text());
