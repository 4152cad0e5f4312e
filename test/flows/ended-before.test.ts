// With Redis, what an end makes worthless is told by its time: a sign-in of after the end counts, whatever it belongs to.
import { setTimeout as delay } from 'node:timers/promises';
import * as oauth from 'openid-client';
import { describe, expect, it } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator, password, signInAt } from '../support/people.ts';
import { useRedis } from '../support/redis.ts';
import { needs } from '../support/tools.ts';
import { refusal, relyingParty } from './relying-party.ts';

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

describe.skipIf(needs('redis-server'))('after a new password', () => {
  const redis = useRedis();
  const gatehouse = useGatehouse({ settings: { REDIS_URL: redis.url, PASSWORD_HISTORY: '0' } });
  const renew = async (id: Parameters<typeof gatehouse.services.credentials.setPassword>[0]) => {
    for (const one of ['a meadow for a moment only', password]) {
      await gatehouse.services.credentials.setPassword(id, one, operator);
    }
  };

  it('a device that has waited since before is connected by whoever signs in now', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, {
      kind: 'native',
      redirectUris: [],
      grantTypes: [DEVICE_CODE, 'refresh_token'],
    });
    const device = await oauth.initiateDeviceAuthorization(app.config, { scope: 'openid offline_access' });
    await delay(1_100);
    await renew(person.id);
    const browser = createBrowser(gatehouse.issuer);
    const input = await browser.open(device.verification_uri);
    const confirm = await browser.submit(input, { user_code: device.user_code }, '/device');
    const login = await browser.submit(confirm, { confirm: 'yes' }, '/device');
    const consent = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
    await browser.submit(consent, {}, '/consent');
    const { device_code } = device;

    expect(await refusal(oauth.genericGrantRequest(app.config, DEVICE_CODE, { device_code }))).toBe(
      'nothing was refused',
    );
  });

  it('a code of the same second is good, and one of before is not', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, { firstParty: true });
    const old = await app.begin();
    const { landed } = await signInAt(old.url, person);
    await delay(1_020 - (Date.now() % 1_000));
    await renew(person.id);

    expect(await refusal(app.signIn(person))).toBe('nothing was refused');
    expect(await refusal(app.finish(landed.url, old))).toBe('invalid_grant');
  });
});
