// Puts the bench's person, clients and APIs into a fresh Gatehouse database; answers the secrets that it made.

import { generateSync } from 'otplib';
import { asOperator } from '../src/api-keys/api-keys.ts';
import { openServices } from '../src/open-services.ts';
import { loadConfig } from '../src/platform/config/load.ts';
import type { Services } from '../src/services.ts';
import {
  api,
  apps,
  emailOf,
  machine,
  password,
  people,
  secondFactorEmailOf,
  secondFactorPeople,
} from './fixture.ts';

const by = { kind: 'operator', id: 'bench' } as const;

export async function prepare(environment: Record<string, string>) {
  const { services, close } = await openServices(loadConfig({ environment, directory: undefined }), {
    role: 'command',
  });
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
      authenticators: await authenticators(services),
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

/** The secrets of their apps. A code works once: here it works again, as nobody waits half a minute for the next one. */
async function authenticators({ accounts, credentials, postgres }: Services): Promise<string[]> {
  const { totp } = credentials.factors;
  const secrets: string[] = [];
  for (let loop = 0; loop < secondFactorPeople; loop += 1) {
    const person = await accounts.create({ email: secondFactorEmailOf(loop), name: `Person ${loop}` }, by);
    await credentials.setPassword(person.id, password, by);
    const { enrolment, secret: shown } = await totp.begin(person.id);
    const secret = shown.replaceAll(' ', '');
    await totp.confirm(person.id, { enrolment, code: generateSync({ secret }), name: 'App' }, by);
    secrets.push(secret);
  }
  await postgres.db.raw(`
    create function bench_codes_work_again() returns trigger language plpgsql
      as $$ begin new.counter := 0; return new; end $$;
    create trigger bench_codes_work_again before update on factors
      for each row execute function bench_codes_work_again();
    update factors set counter = 0`);
  return secrets;
}
