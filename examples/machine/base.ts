// Client credentials: a program that acts for itself gets a token with its secret, and calls the API.
import * as oidc from 'openid-client';
import { setting } from '../support/settings.ts';

const issuer = new URL(setting('ISSUER', 'http://localhost:3000'));
const clientId = setting('CLIENT_ID', 'demo-service');
const api = setting('AUDIENCE', 'http://localhost:4001');
const execute = issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : [];
const authentication = oidc.ClientSecretBasic(setting('CLIENT_SECRET'));
const config = await oidc.discovery(issuer, clientId, undefined, authentication, { execute });

const tokens = await oidc.clientCredentialsGrant(config, { scope: 'notes:read', resource: api });
console.log('A token for', tokens.expires_in, 'seconds');

const headers = { authorization: `Bearer ${tokens.access_token}` };
const notes = await fetch(`${api}/notes`, { headers });
console.log('The API answered', notes.status, await notes.text());
