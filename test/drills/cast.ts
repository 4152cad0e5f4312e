// Who takes part in the drills: people, an app, machines, APIs; registered once, through the services beside the nodes.
import * as oauth from 'openid-client';
import type { NewClient } from '../../src/clients/clients.ts';
import { openRedis } from '../../src/open-services.ts';
import { createPostgres } from '../../src/platform/database/postgres.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createServices } from '../../src/services.ts';
import { permissions } from '../../src/vocabulary/permissions.ts';
import { type RelyingParty, relyingParty } from '../flows/relying-party.ts';
import { testConfig } from '../support/gatehouse.ts';
import { createApi, createPerson } from '../support/people.ts';
import { strictFetch } from './record.ts';
import type { World } from './world.ts';

export interface Person {
  readonly id: string;
  readonly email: string;
}

export interface Cast {
  readonly people: readonly Person[];
  /** For what is used twice: no two of these in one drill are of one person. */
  nextVictim(): Person;
  /** First-party, so that a signed-in browser gets its code at once. */
  readonly app: RelyingParty;
  /** Gets tokens that verifiers check by their signature. */
  readonly machine: RelyingParty;
  /** Gets tokens that only the server can judge, and owns their API. */
  readonly opaque: RelyingParty;
  readonly dpop: RelyingParty;
  readonly device: RelyingParty;
  /** For the management API, with every permission. */
  operatorToken(): Promise<string>;
  /** Only there to be changed. */
  readonly subject: RelyingParty;
}

const PEOPLE = 16;
/** Enough for one drill: whatever is used again ends everything of that person at that app. */
const VICTIMS = 120;
const TOKEN_MILLISECONDS = 120_000;
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

export async function castOf(world: World, { victims: wanted = VICTIMS } = {}): Promise<Cast> {
  const config = testConfig({
    ...world.environment(),
    // So many at once; each is hashed as shipped at its first sign-in.
    ARGON2_MEMORY_KIB: '64',
    ARGON2_ITERATIONS: '1',
  });
  const settings = { poolMax: 4, statementTimeoutSeconds: 10, applicationName: 'gatehouse drill' };
  const postgres = createPostgres({ ...settings, url: world.postgres.url() });
  const services = await createServices(config, {
    postgres,
    redis: openRedis(config, silentLog),
    log: silentLog,
  });
  try {
    const of = { issuer: world.issuer, services };
    const jwt = await createApi(services);
    const opaque = await createApi(services, { tokenFormat: 'opaque' });
    const mayAt = (audience: string) =>
      ({ kind: 'machine' as const, apis: [{ audience, permissions: ['*'] }] }) satisfies Partial<NewClient>;
    const management: Partial<NewClient> = {
      kind: 'machine',
      apis: [{ audience: `${world.issuer}/api`, permissions: Object.keys(permissions) }],
    };
    const all = async (input: Parameters<typeof relyingParty>[1]) => {
      const party = await relyingParty(of, input);
      party.config[oauth.customFetch] = strictFetch as oauth.CustomFetch;
      return party;
    };
    const everybody: Person[] = [];
    for (let count = 0; count < PEOPLE + wanted; count += 1) {
      const { id, email } = await createPerson(services);
      everybody.push({ id, email: email ?? '' });
    }
    const victims = everybody.splice(PEOPLE);
    const nextVictim = (): Person => {
      const victim = victims.shift() ?? { id: '', email: '' };
      victims.push(victim);
      return victim;
    };
    const operator = await all(management);
    const token = { text: Promise.resolve(''), until: 0 };
    const operatorToken = (): Promise<string> => {
      if (performance.now() < token.until) return token.text;
      token.until = performance.now() + TOKEN_MILLISECONDS;
      token.text = newToken();
      token.text.catch(() => {
        token.until = 0;
      });
      return token.text;
    };
    const newToken = async () => {
      const asked = { resource: `${world.issuer}/api`, scope: Object.keys(permissions).join(' ') };
      return (await oauth.clientCredentialsGrant(operator.config, asked)).access_token;
    };
    return {
      people: everybody,
      nextVictim,
      operatorToken,
      app: await all({ firstParty: true }),
      machine: await all(mayAt(jwt.audience)),
      opaque: await all({ ...mayAt(opaque.audience), mayIntrospectAny: true }),
      dpop: await all({ ...mayAt(jwt.audience), dpopBound: true }),
      device: await all({
        kind: 'native',
        firstParty: true,
        redirectUris: [],
        grantTypes: [DEVICE_CODE, 'refresh_token'],
      }),
      subject: await all(mayAt(jwt.audience)),
    };
  } finally {
    await services.audit.stop();
    await services.changes.stop();
    await services.redis?.close();
    await postgres.close();
  }
}
