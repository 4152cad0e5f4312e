// Device flow (RFC 8628): a program without a browser shows a code, which the person types on another device.
import * as oidc from 'openid-client';
import { setting } from '../support/settings.ts';

const issuer = new URL(setting('ISSUER', 'http://localhost:3000'));
const clientId = setting('CLIENT_ID', 'demo-terminal');
const api = setting('AUDIENCE', 'http://localhost:4001');
const execute = issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : [];
const config = await oidc.discovery(issuer, clientId, undefined, oidc.None(), { execute });

const request = { scope: 'openid notes:read', resource: api };
const device = await oidc.initiateDeviceAuthorization(config, request);
console.log(`Open ${device.verification_uri} on any device and type\n\n  ${device.user_code}\n`);
console.log(`Or open this address:\n\n  ${device.verification_uri_complete}\n`);

// Asks again in the interval the server wants, until the person has decided or the code has expired.
const tokens = await oidc.pollDeviceAuthorizationGrant(config, device, { resource: api });
console.log('Signed in as', tokens.claims()?.sub);

const headers = { authorization: `Bearer ${tokens.access_token}` };
const notes = await fetch(`${api}/notes`, { headers });
console.log('The API answered', notes.status, await notes.text());
