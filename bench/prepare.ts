// Puts the bench's person, clients and APIs into a fresh Gatehouse database; answers the secrets that it made.

import { asOperator } from '../src/api-keys/api-keys.ts';
import { openServices } from '../src/open-services.ts';
import { loadConfig } from '../src/platform/config/load.ts';
import { api, apps, emailOf, machine, password, people } from './fixture.ts';

export async function prepare(environment: Record<string, string>) {
  const { services, close } = await openServices(loadConfig({ environment, directory: undefined }), {
    role: 'command',
  });
  const by = { kind: 'operator', id: 'bench' } as const;
  try {
    for (let loop = 0; loop < people; loop += 1) {
      const person = await services.accounts.create({ email: emailOf(loop) }, by);
      await services.credentials.setPassword(person.id, password, by);
    }
    for (const kind of ['jwt', 'opaque'] as const) {
      await services.apis.create(
        {
          audience: api[kind],
          name: kind,
          permissions: [{ name: 'notes:read', sentence: 'Read notes.', everyone: true }],
          tokenFormat: kind,
        },
        by,
      );
    }
    const secretOf = async (input: Parameters<typeof services.clients.register>[0]) =>
      (await services.clients.register(input, by)).secret ?? '';
    const machineInput = (kind: 'jwt' | 'opaque') => ({
      id: machine[kind].id,
      name: kind,
      kind: 'machine' as const,
      apis: [{ audience: api[kind], permissions: ['*'] }],
      mayIntrospectAny: true,
    });
    const jwt = await secretOf(machineInput('jwt'));
    const owner = { kind: 'client' as const, id: machine.jwt.id };
    const wanted = { name: 'key', owner, permissions: ['notes:read'], apis: [api.jwt] };
    const gateway = await services.accounts.create({ email: 'gateway@example.com', admin: true }, by);
    const asker = {
      name: 'gateway',
      owner: { kind: 'account' as const, id: gateway.id },
      permissions: ['api-keys:verify'],
    };
    return {
      jwt,
      gatewayKey: (await services.apiKeys.create(asker, asOperator(by))).secret,
      key: (await services.apiKeys.create(wanted, asOperator(by))).secret,
      opaque: await secretOf(machineInput('opaque')),
      web: await secretOf({
        id: apps.web.id,
        name: 'web',
        kind: 'web',
        redirectUris: [apps.web.redirectUri],
        firstParty: true,
        scopes: ['openid', 'offline_access'],
        grantTypes: ['authorization_code', 'refresh_token'],
      }),
    };
  } finally {
    await close();
  }
}
