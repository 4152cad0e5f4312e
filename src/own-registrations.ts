// What the server registers for itself: its management API, its command line as a client of it, and its account pages.
import type { Apis } from './apis/apis.ts';
import type { Clients } from './clients/clients.ts';
import { ACCOUNT_CLIENT_ID, SIGNED_IN_PATH } from './self-service/self-service.ts';
import { everyone, permissions } from './vocabulary/permissions.ts';

/** The management API is an API of the server like any other, and the command line and the account pages are clients like others. */
export async function registerOwn(deps: {
  apis: Apis;
  clients: Clients;
  audience: string;
  issuer: string;
  productName: string;
}): Promise<void> {
  await deps.apis.ensureSystem({
    audience: deps.audience,
    name: 'Management API',
    permissions: Object.entries(permissions).map(([name, sentence]) => ({
      name,
      sentence,
      everyone: everyone.some((one) => one === name),
    })),
  });
  await deps.clients.ensureSystem({
    id: 'gatehouse-cli',
    name: 'Gatehouse command line',
    kind: 'native',
    grantTypes: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
    scopes: ['openid', 'profile', 'email', 'offline_access'],
    apis: [{ audience: deps.audience, permissions: ['*'] }],
  });
  await deps.clients.ensureSystem({
    id: ACCOUNT_CLIENT_ID,
    name: deps.productName,
    kind: 'spa',
    firstParty: true,
    grantTypes: ['authorization_code'],
    redirectUris: [`${deps.issuer}${SIGNED_IN_PATH}`],
    scopes: ['openid'],
  });
}
