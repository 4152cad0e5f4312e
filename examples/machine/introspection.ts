// Introspection (RFC 7662): the owner of an API asks whether a token is good now, not only when it was signed.
import * as oidc from 'openid-client';
import { setting } from '../support/settings.ts';

const issuer = new URL(setting('ISSUER', 'http://localhost:3000'));
const clientId = setting('CLIENT_ID', 'demo-service');
// An API whose tokens are opaque: they say nothing by themselves, so whoever gets one has to ask.
const api = `${setting('AUDIENCE', 'http://localhost:4001')}/reports`;
const execute = issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : [];
const authentication = oidc.ClientSecretBasic(setting('CLIENT_SECRET'));
const config = await oidc.discovery(issuer, clientId, undefined, authentication, { execute });

const tokens = await oidc.clientCredentialsGrant(config, { scope: 'reports:read', resource: api });
console.log('A token for', tokens.expires_in, 'seconds');

const token = await oidc.tokenIntrospection(config, tokens.access_token);
console.log('The token is active:', token.active, 'and permits', token.scope);

await oidc.tokenRevocation(config, tokens.access_token);
const after = await oidc.tokenIntrospection(config, tokens.access_token);
console.log('After it was revoked:', after.active);
