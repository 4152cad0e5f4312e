// The device flow (RFC 8628): approve and deny on another screen, polling, guessing.
import * as oauth from 'openid-client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { NewClient } from '../../src/clients/clients.ts';
import { createBrowser, type Shown } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, password } from '../support/people.ts';
import { eventsOf, eventTypes, post, type RelyingParty, refusal, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
const television: Partial<NewClient> = {
  kind: 'native',
  redirectUris: [],
  grantTypes: [DEVICE_CODE, 'refresh_token'],
};

type Device = Awaited<ReturnType<typeof oauth.initiateDeviceAuthorization>>;

afterEach(() => {
  vi.useRealTimers();
});

async function begin(input: Partial<NewClient> = television) {
  const app = await relyingParty(gatehouse, input);
  const device = await oauth.initiateDeviceAuthorization(app.config, { scope: 'openid offline_access' });
  return { app, device };
}

function poll(app: RelyingParty, device: Device) {
  return oauth.genericGrantRequest(app.config, DEVICE_CODE, { device_code: device.device_code });
}

/** The page that asks "is this your device?", in a browser without JavaScript. */
async function confirmPage(device: Device) {
  const browser = createBrowser(gatehouse.issuer);
  const input = await browser.open(device.verification_uri);
  const page = await browser.submit(input, { user_code: device.user_code }, '/device');
  return { browser, page };
}

async function approve(device: Device, person: { email: string | null }): Promise<Shown> {
  const { browser, page } = await confirmPage(device);
  const login = await browser.submit(page, { confirm: 'yes' }, '/device');
  const consent = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
  return browser.submit(consent, {}, '/consent');
}

describe('a device', () => {
  it('of our own is connected without a consent page: the page for its code has asked', async () => {
    const { app, device } = await begin({ ...television, firstParty: true });
    const person = await createPerson(gatehouse.services);
    const { browser } = await (await relyingParty(gatehouse)).signIn(person);
    const input = await browser.open(device.verification_uri);
    const confirm = await browser.submit(input, { user_code: device.user_code }, '/device');
    const done = await browser.submit(confirm, { confirm: 'yes' }, '/device');

    expect([done.status, done.forms]).toEqual([200, []]);
    expect((await poll(app, device)).access_token).toEqual(expect.any(String));
  });

  it('waits until somebody decides', async () => {
    const { app, device } = await begin();

    expect(await refusal(poll(app, device))).toBe('authorization_pending');
  });

  it('is told to slow down when it asks too fast', async () => {
    const { app, device } = await begin();
    await refusal(poll(app, device));

    expect(await refusal(poll(app, device))).toBe('slow_down');
  });

  it('fills the ledger with nothing by waiting, though its client proves who it is', async () => {
    const { app, device } = await begin({
      kind: 'web',
      redirectUris: [],
      grantTypes: [DEVICE_CODE, 'refresh_token'],
    });
    expect(await refusal(poll(app, device))).toBe('authorization_pending');

    const { services } = gatehouse;
    expect(await eventsOf(services, { clientId: app.client.id, type: 'request.refused' })).toEqual([]);
  });

  it('may ask again after five seconds', async () => {
    const { app, device } = await begin();
    await refusal(poll(app, device));
    const { db } = gatehouse.database;
    await db('oidc_transients')
      .where({ client_id: app.client.id })
      .update({ polled_at: db.raw("now() - interval '5 seconds'") });

    expect(await refusal(poll(app, device))).toBe('authorization_pending');
  });

  it('gets tokens after a person approved it in a browser without JavaScript', async () => {
    const person = await createPerson(gatehouse.services);
    const { app, device } = await begin();
    const done = await approve(device, person);
    const tokens = await poll(app, device);

    expect(done.status).toBe(200);
    expect(tokens.claims()?.sub).toBe(person.id);
    expect(tokens.refresh_token).toEqual(expect.any(String));
  });

  it('gets tokens once', async () => {
    const { app, device } = await begin();
    await approve(device, await createPerson(gatehouse.services));
    await poll(app, device);

    expect(await refusal(poll(app, device))).toBe('invalid_grant');
  });

  it('is told when the person refused', async () => {
    const { app, device } = await begin();
    const { browser, page } = await confirmPage(device);
    const done = await browser.submit(page, { abort: 'yes' }, '/device');

    expect(done.status).toBe(200);
    expect(await refusal(poll(app, device))).toBe('access_denied');
  });

  it('is told when the person refused on the consent page', async () => {
    const person = await createPerson(gatehouse.services);
    const { app, device } = await begin();
    const { browser, page } = await confirmPage(device);
    const login = await browser.submit(page, { confirm: 'yes' }, '/device');
    const consent = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
    await browser.submit(consent, {}, '/cancel');

    expect(await refusal(poll(app, device))).toBe('access_denied');
  });

  it('is told when its code has expired', async () => {
    const { app, device } = await begin();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 601_000 });

    expect(await refusal(poll(app, device))).toBe('expired_token');
  });

  it('cannot use the code of another client', async () => {
    const { device } = await begin();
    const other = await relyingParty(gatehouse, television);
    await approve(device, await createPerson(gatehouse.services));

    expect(await refusal(poll(other, device))).toBe('invalid_grant');
  });

  it('of a client without the grant gets no code', async () => {
    const app = await relyingParty(gatehouse);
    const attempt = oauth.initiateDeviceAuthorization(app.config, { scope: 'openid' });

    expect(await refusal(attempt)).toBe('invalid_request');
  });

  it('leaves events of its approval', async () => {
    const { app, device } = await begin();
    await approve(device, await createPerson(gatehouse.services));

    expect(await eventTypes(gatehouse.services, { clientId: app.client.id, type: 'device.*' })).toEqual([
      'device.authorized',
    ]);
  });

  it('leaves events of its refusal', async () => {
    const { app, device } = await begin();
    const { browser, page } = await confirmPage(device);
    await browser.submit(page, { abort: 'yes' }, '/device');

    expect(await eventTypes(gatehouse.services, { clientId: app.client.id, type: 'device.*' })).toEqual([
      'device.denied',
    ]);
  });
});

describe('the page for the code', () => {
  it('asks before it approves, also by the complete address', async () => {
    const { app, device } = await begin();
    const browser = createBrowser(gatehouse.issuer);
    const first = await browser.open(device.verification_uri_complete ?? '');
    const page = await browser.submit(first, {}, '/device');

    expect(page.html).toContain(device.user_code);
    expect(page.html).toContain(app.client.name);
    expect(await refusal(poll(app, device))).toBe('authorization_pending');
  });

  it('shows from where the device asked', async () => {
    const { page } = await confirmPage((await begin()).device);

    expect(page.html).toMatch(/127\.0\.0\.1|::1/);
  });

  it('takes the code in small letters and without the dash', async () => {
    const { device } = await begin();
    const typed = { ...device, user_code: device.user_code.toLowerCase().replaceAll('-', ' ') };
    const { page } = await confirmPage(typed);

    expect(page.html).toContain(device.user_code);
  });

  it('says so when the code does not exist', async () => {
    const { device } = await begin();
    const { page } = await confirmPage({ ...device, user_code: 'BBBB-BBBB' });

    expect(page.status).toBe(400);
    expect(page.forms.length).toBe(1);
  });

  it('refuses a form that another browser was given', async () => {
    const { device } = await begin();
    const { page } = await confirmPage(device);
    const other = createBrowser(gatehouse.issuer);
    await other.open(device.verification_uri);
    const answer = await other.submit(page, { confirm: 'yes' }, '/device');

    expect(answer.status).toBe(400);
  });
});

describe('guessing', () => {
  it('ends after sixty codes in a quarter of an hour', async () => {
    const { device } = await begin();
    const browser = createBrowser(gatehouse.issuer);
    let page = await browser.open(device.verification_uri);
    for (let guess = 0; guess < 60 && page.status !== 429; guess += 1) {
      page = await browser.submit(page, { user_code: `BBBB-BB${String(guess).padStart(2, '0')}` }, '/device');
    }
    const answer = await post(`${gatehouse.issuer}/device`, { user_code: device.user_code });

    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});
