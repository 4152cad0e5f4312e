// Client authentication with a private key (RFC 7523): no secret is shared, the server knows only the public half.
import { readFile } from 'node:fs/promises';
import { importJWK } from 'jose';
import * as oidc from 'openid-client';
import { setting } from '../support/settings.ts';

const issuer = new URL(setting('ISSUER', 'http://localhost:3000'));
const clientId = setting('CLIENT_ID');
const api = setting('AUDIENCE', 'http://localhost:4001');
const execute = issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : [];
// new-key.ts in this folder makes such a file and prints what to register.
const jwk = JSON.parse(await readFile(setting('KEY_FILE'), 'utf8'));
const key = await importJWK(jwk, 'ES256');
if (key instanceof Uint8Array) throw new Error('KEY_FILE does not hold a private key');
const authentication = oidc.PrivateKeyJwt({ key, kid: jwk.kid });
const config = await oidc.discovery(issuer, clientId, undefined, authentication, { execute });

const tokens = await oidc.clientCredentialsGrant(config, { scope: 'notes:read', resource: api });
console.log('A token for', tokens.expires_in, 'seconds');

const headers = { authorization: `Bearer ${tokens.access_token}` };
const notes = await fetch(`${api}/notes`, { headers });
console.log('The API answered', notes.status, await notes.text());
