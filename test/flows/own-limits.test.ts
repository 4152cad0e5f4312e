// Limits that a client or key brings along hold at the token endpoint in place of the general limit of its address.
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NewClient } from '../../src/clients/clients.ts';
import type { RateLimit } from '../../src/lib/rate-limits.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createClient } from '../support/people.ts';
import { createWorld, tokenForKey, type World } from './machines.ts';
import { basic, post } from './relying-party.ts';

/** Four at once and one each ten seconds: whatever comes after is above it. */
const GENERAL_PER_MINUTE = '6';
const BURST = 4;

const gatehouse = useGatehouse({
  settings: { LIMIT_TOKEN_PER_MINUTE: GENERAL_PER_MINUTE, TRUSTED_PROXIES: '127.0.0.1' },
});
const worlds: { jwt?: World; opaque?: World } = {};

beforeAll(async () => {
  worlds.jwt = await createWorld(gatehouse);
  worlds.opaque = await createWorld(gatehouse, 'opaque');
});

const many: RateLimit = { permits: 1000, per: 'minute' };
const one: RateLimit = { permits: 1, per: 'hour' };

/** A service account at an address of its own; answers how it asks for a token. */
async function service(rateLimits: RateLimit[], address: string, more: Partial<NewClient> = {}) {
  const audience = worlds.jwt?.audience ?? '';
  const apis = [{ audience, permissions: ['notes:read'] }];
  const { client, secret } = await createClient(gatehouse.services, {
    kind: 'machine',
    apis,
    rateLimits,
    ...more,
  });
  const ask = (given = secret, from = address) =>
    post(
      `${gatehouse.issuer}/token`,
      { grant_type: 'client_credentials' },
      { ...basic(client, given), 'x-forwarded-for': from },
    );
  return { client, ask };
}

async function statuses(times: number, ask: () => Promise<{ status: number }>): Promise<number[]> {
  const found: number[] = [];
  for (let turn = 0; turn < times; turn += 1) found.push((await ask()).status);
  return found;
}

const allOf = (status: number, times: number) => Array.from({ length: times }, () => status);

describe('a limit of its own at the token endpoint', () => {
  it('C11: lifts a service account above the limit of its address', async () => {
    const { ask } = await service([many], '192.0.2.1');

    expect(await statuses(20, ask)).toEqual(allOf(200, 20));
  });

  it('C11: lifts one that the engine answers as well', async () => {
    const audience = worlds.opaque?.audience ?? '';
    const { ask } = await service([many], '192.0.2.2', {
      apis: [{ audience, permissions: ['notes:read'] }],
    });

    expect(await statuses(20, ask)).toEqual(allOf(200, 20));
  });

  it('C11: lifts one that proves itself with a key pair', async () => {
    const { ask } = await signing([many], '192.0.2.3');

    expect(await statuses(20, ask)).toEqual(allOf(200, 20));
  });

  it('C11: lifts an API key', async () => {
    const { secret } = (await worlds.jwt?.key({ rateLimits: [many] })) ?? { secret: '' };
    const ask = () =>
      post(
        `${gatehouse.issuer}/token`,
        { grant_type: 'client_credentials' },
        { 'x-api-key': secret, 'x-forwarded-for': '192.0.2.4' },
      );

    expect(await statuses(20, ask)).toEqual(allOf(200, 20));
  });

  it('C11: holds below the limit of its address, with the time to wait', async () => {
    const { ask } = await service([one], '192.0.2.5');
    const first = await ask();
    const second = await ask();

    expect([first.status, second.status]).toEqual([200, 429]);
    expect(second.body).toMatchObject({ error: 'temporarily_unavailable', code: 'rate_limited' });
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('C11: holds for one that the engine answers, and for one with a key pair', async () => {
    const audience = worlds.opaque?.audience ?? '';
    const { ask } = await service([one], '192.0.2.6', { apis: [{ audience, permissions: ['notes:read'] }] });
    const pair = await signing([{ permits: 2, per: 'hour' }], '192.0.2.7');

    expect(await statuses(2, ask)).toEqual([200, 429]);
    expect(await statuses(3, pair.ask)).toEqual([200, 200, 429]);
  });

  it('is for whoever proves to be it: guesses count against their address, and take nothing from it', async () => {
    const { ask } = await service([{ permits: 2, per: 'hour' }], '192.0.2.8');
    const guessed = await statuses(BURST + 2, () => ask('a guess'));

    expect(guessed).toEqual([...allOf(401, BURST), 429, 429]);
    expect(await statuses(3, () => ask(undefined, '192.0.2.9'))).toEqual([200, 200, 429]);
  });

  it('leaves everybody else with the limit of their address', async () => {
    const { ask } = await service([], '192.0.2.11');

    expect(await statuses(BURST + 2, ask)).toEqual([...allOf(200, BURST), 429, 429]);
  });

  it('leaves an API key without one with the limit of its address', async () => {
    const { secret } = (await worlds.jwt?.key()) ?? { secret: '' };
    const found = await statuses(BURST + 1, () => tokenForKey(gatehouse.issuer, secret));

    expect(found).toEqual([...allOf(200, BURST), 429]);
  });
});

async function signing(rateLimits: RateLimit[], address: string) {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256' }] };
  const { client } = await service(rateLimits, address, { authMethod: 'private_key_jwt', jwks });
  async function ask() {
    const assertion = await new SignJWT({ jti: crypto.randomUUID() })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(client.id)
      .setSubject(client.id)
      .setAudience(gatehouse.issuer)
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(privateKey);
    return post(
      `${gatehouse.issuer}/token`,
      {
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      },
      { 'x-forwarded-for': address },
    );
  }
  return { client, ask };
}
