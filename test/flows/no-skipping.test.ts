// The second factor cannot be skipped by any route. Each test walks one way around it, as far as it goes.
import * as oauth from 'openid-client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import { addAuthenticator, codeOf } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator, password } from '../support/people.ts';
import { type RelyingParty, refusal, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

afterEach(() => {
  vi.useRealTimers();
});

async function withFactor(): Promise<Account> {
  const person = await createPerson(gatehouse.services);
  await addAuthenticator(gatehouse.services, person);
  return person;
}

const ownApp = (more: Parameters<typeof relyingParty>[1] = {}) =>
  relyingParty(gatehouse, { firstParty: true, ...more });

/** Up to the page that asks for the second factor. */
async function halfway(
  app: RelyingParty,
  person: Account,
  params: Record<string, string> = {},
  browser: Browser = createBrowser(gatehouse.issuer),
) {
  const page = await browser.open((await app.begin(params)).url);
  const asked = await browser.submit(page, { identifier: person.email ?? '', password }, '/login');
  expect(asksForFactor(asked)).toBe(true);
  return { browser, page: asked };
}

const asksForFactor = (page: Shown) => page.html.includes('one-time-code');
const asksForPassword = (page: Shown) => page.html.includes('type="password"');
const isLetIn = (page: Shown) => page.url.includes('code=');
const errorIn = (page: Shown) => new URL(page.url).searchParams.get('error');

async function sessionsOf(person: Account) {
  const page = { limit: 10, cursor: null };
  return (await gatehouse.services.sessions.list({ accountId: person.id }, page)).items;
}

/** Posts the token of the shown page to another address of the same sign-in. */
function postTo(browser: Browser, page: Shown, action: string, fields: Record<string, string>) {
  const own = page.forms.find((form) => form.action.endsWith('/second-factor'));
  const uid = /\/interaction\/([^/]+)/.exec(own?.action ?? '')?.[1];
  const form = {
    action: `${gatehouse.issuer}/interaction/${uid}/${action}`,
    method: 'post',
    fields: own?.fields ?? {},
  };
  return browser.submit({ ...page, forms: [form] }, fields);
}

describe('the order of the steps', () => {
  it.each([
    ['consent', {}],
    ['organization', { choice: 'none' }],
    ['select-account', { choice: 'another' }],
    ['enrol-factor/totp', { enrolment: 'x', code: '123456' }],
    ['enrol-factor/passkey', { response: '{}' }],
    ['enrol-factor/sms', { to: '+43 660 1234567' }],
    ['enrol-factor/sms', { to: '+43 660 1234567', code: '123456' }],
    ['profile', { field_name: 'Eve' }],
    ['terms', { terms: 'yes' }],
    ['passkey', { response: '{}' }],
  ])('cannot be changed by posting to %s', async (action, fields) => {
    const [app, person] = [await ownApp(), await withFactor()];
    const { browser, page } = await halfway(app, person);

    const shown = await postTo(browser, page, action, fields);
    expect(isLetIn(shown)).toBe(false);
    expect(await sessionsOf(person)).toEqual([]);
    const none = await browser.open((await app.begin({ prompt: 'none' })).url);
    expect(errorIn(none)).toBe('login_required');
  });

  it('is not changed by going back to the engine without an answer', async () => {
    const [app, person] = [await ownApp(), await withFactor()];
    const { browser, page } = await halfway(app, person);

    const uid = /\/interaction\/([^/]+)/.exec(page.url)?.[1];
    const shown = await browser.open(`${gatehouse.issuer}/authorize/${uid}`);
    expect(isLetIn(shown)).toBe(false);
    expect(await sessionsOf(person)).toEqual([]);
  });

  it('is not changed by a factor that is asked for nowhere', async () => {
    const [app, person] = [await ownApp(), await withFactor()];
    const browser = createBrowser(gatehouse.issuer);
    const page = await browser.open((await app.begin()).url);
    const form = page.forms.find(({ action }) => action.endsWith('/login'));
    const action = form?.action.replace(/login$/, 'second-factor') ?? '';

    const fields = { ...form?.fields, way: 'totp', code: await codeOf(person) };
    const shown = await browser.submit({ ...page, forms: [{ action, method: 'post', fields }] }, {});
    expect(asksForPassword(shown)).toBe(true);
  });
});

describe('a sign-in under way', () => {
  it('is of no use to another browser', async () => {
    const [app, person] = [await ownApp(), await withFactor()];
    const { page } = await halfway(app, person);

    const shown = await createBrowser(gatehouse.issuer).submit(
      page,
      { code: await codeOf(person) },
      '/second-factor',
    );
    expect(shown.status).toBeGreaterThanOrEqual(400);
    expect(await sessionsOf(person)).toEqual([]);
  });

  it('is finished once: the page of before is over after it', async () => {
    const [app, person] = [await ownApp(), await withFactor()];
    const { browser, page } = await halfway(app, person);
    expect(isLetIn(await browser.submit(page, { code: await codeOf(person) }, '/second-factor'))).toBe(true);

    const back = await browser.submit(page, { code: await codeOf(person) }, '/second-factor');
    expect(back.status).toBe(400);
    expect(isLetIn(back)).toBe(false);
  });

  it('lends nothing to the same browser in another tab', async () => {
    const [app, person] = [await ownApp(), await withFactor()];
    const { browser } = await halfway(app, person);

    const other = await browser.open((await app.begin()).url);
    expect(asksForPassword(other)).toBe(true);
  });

  it('begins anew with the password of somebody else, whose factor it then is', async () => {
    const [app, person, other] = [await ownApp(), await withFactor(), await withFactor()];
    const { browser, page } = await halfway(app, person);

    const again = await postTo(browser, page, 'login', { identifier: other.email ?? '', password });
    expect(asksForFactor(again)).toBe(true);
    const refused = await browser.submit(again, { code: await codeOf(person) }, '/second-factor');
    expect(refused.status).toBe(401);
    expect(isLetIn(await browser.submit(refused, { code: await codeOf(other) }, '/second-factor'))).toBe(
      true,
    );
    expect(await sessionsOf(person)).toEqual([]);
    expect(await sessionsOf(other)).toHaveLength(1);
  });

  it('is worth nothing after a new password', async () => {
    const [app, person] = [await ownApp(), await withFactor()];
    const { browser, page } = await halfway(app, person);
    await gatehouse.services.credentials.setPassword(
      person.id,
      'another meadow under nine lanterns',
      operator,
    );

    const shown = await browser.submit(page, { code: await codeOf(person) }, '/second-factor');
    expect(isLetIn(shown)).toBe(false);
    expect(asksForPassword(shown)).toBe(true);
    expect(await sessionsOf(person)).toEqual([]);
  });

  it('is worth nothing after the account was suspended', async () => {
    const [app, person] = [await ownApp(), await withFactor()];
    const { browser, page } = await halfway(app, person);
    await gatehouse.services.accounts.suspend(person.id, null, operator);

    const shown = await browser.submit(page, { code: await codeOf(person) }, '/second-factor');
    expect(isLetIn(shown)).toBe(false);
    expect(await sessionsOf(person)).toEqual([]);
  });

  it('falls through to nobody who is signed in beside it, when what was missing is missed no more', async () => {
    const [app, person, other] = [await ownApp(), await withFactor(), await withFactor()];
    const { browser } = await app.signIn(other);
    const { page } = await halfway(app, person, { prompt: 'login' }, browser);
    const [factor] = await gatehouse.services.credentials.factors.list(person.id);
    const uid = /\/interaction\/([^/]+)/.exec(page.url)?.[1] ?? '';
    await gatehouse.services.credentials.factors.remove(person.id, factor?.id ?? '', operator);

    const engine = await browser.open(`${gatehouse.issuer}/authorize/${uid}`);
    expect(asksForPassword(engine)).toBe(true);
  });

  it('is left behind by choosing an account that is signed in', async () => {
    const [app, person, other] = [await ownApp(), await withFactor(), await withFactor()];
    const { browser } = await app.signIn(other);
    const { page } = await halfway(app, person, { prompt: 'login' }, browser);
    const accounts = await browser.submit(page, {}, '/switch-account');
    const [, choice = ''] = /name="choice" value="([^"]+)"/.exec(accounts.html) ?? [];
    const chosen = await browser.submit(accounts, { choice }, '/select-account');

    // The request asked for a sign-in: of whoever was chosen, from its beginning.
    expect(asksForPassword(chosen)).toBe(true);
  });

  it('begins anew when what was missing is missed no more', async () => {
    const [app, person] = [await ownApp(), await withFactor()];
    const { browser, page } = await halfway(app, person);
    const [factor] = await gatehouse.services.credentials.factors.list(person.id);
    const uid = /\/interaction\/([^/]+)/.exec(page.url)?.[1] ?? '';
    await gatehouse.services.credentials.factors.remove(person.id, factor?.id ?? '', operator);

    const engine = await browser.open(`${gatehouse.issuer}/authorize/${uid}`);
    expect(isLetIn(engine)).toBe(false);
  });
});

describe('a session that is too weak', () => {
  /** Signed in by a password alone, before more was asked. */
  async function weakly() {
    const [app, person] = [await ownApp(), await createPerson(gatehouse.services)];
    const { browser } = await app.signIn(person);
    return { app, person, browser };
  }

  it('opens no app that wants more, after one that wants less', async () => {
    const { person, browser } = await weakly();
    const strict = await ownApp({ requiredAcr: 'mfa' });

    const shown = await browser.open((await strict.begin()).url);
    expect(isLetIn(shown)).toBe(false);
    expect(shown.html).toContain('kind=totp');
    expect(errorIn(await browser.open((await strict.begin({ prompt: 'none' })).url))).toBe(
      'interaction_required',
    );
    await addAuthenticator(gatehouse.services, person);
    expect(asksForFactor(await browser.open((await strict.begin()).url))).toBe(true);
  });

  it.each([
    ['acr_values', { acr_values: 'mfa' }],
    [
      'an essential claim',
      { claims: JSON.stringify({ id_token: { acr: { essential: true, value: 'mfa' } } }) },
    ],
    [
      'an essential claim of several values',
      { claims: JSON.stringify({ id_token: { acr: { essential: true, values: ['phr', 'mfa'] } } }) },
    ],
  ])('is told in the words of the request that asks by %s', async (_by, params) => {
    const { app, person, browser } = await weakly();
    await addAuthenticator(gatehouse.services, person);

    expect(errorIn(await browser.open((await app.begin({ ...params, prompt: 'none' })).url))).toBe(
      'unmet_authentication_requirements',
    );
    const asked = await browser.open((await app.begin(params)).url);
    expect(asksForFactor(asked)).toBe(true);
    expect(isLetIn(await browser.submit(asked, { code: await codeOf(person) }, '/second-factor'))).toBe(true);
  });

  it('is refused at once where nobody could be what is asked', async () => {
    const { app, browser } = await weakly();
    const claims = JSON.stringify({ id_token: { acr: { essential: true, value: 'urn:gold' } } });

    expect(errorIn(await browser.open((await app.begin({ claims })).url))).toBe(
      'unmet_authentication_requirements',
    );
    expect(isLetIn(await browser.open((await app.begin({ acr_values: 'urn:gold' })).url))).toBe(true);
  });

  it('of somebody who became an administrator is asked for more at the next authorization', async () => {
    const { app, person, browser } = await weakly();
    await gatehouse.services.accounts.change(person.id, { admin: true }, operator);

    expect(errorIn(await browser.open((await app.begin({ prompt: 'none' })).url))).toBe(
      'interaction_required',
    );
    expect((await browser.open((await app.begin()).url)).html).toContain('kind=totp');
  });

  it('is asked for more when it is chosen among several', async () => {
    const { person: weak, browser } = await weakly();
    const [app, strong] = [await ownApp({ requiredAcr: 'mfa' }), await withFactor()];
    await addAuthenticator(gatehouse.services, weak);
    const first = await browser.open((await app.begin({ prompt: 'login' })).url);
    const second = await browser.submit(first, { identifier: strong.email ?? '', password }, '/login');
    expect(isLetIn(await browser.submit(second, { code: await codeOf(strong) }, '/second-factor'))).toBe(
      true,
    );

    const choose = await browser.open((await app.begin({ prompt: 'select_account' })).url);
    const buttons = [...choose.html.matchAll(/name="choice" value="([^"]+)"/g)].map(
      ([, value]) => value ?? '',
    );
    const chosen = await browser.submit(choose, { choice: buttons[1] ?? '' }, '/select-account');
    expect(asksForFactor(chosen)).toBe(true);
    const wrong = await browser.submit(chosen, { code: await codeOf(strong) }, '/second-factor');
    expect(wrong.status).toBe(401);
    expect(isLetIn(await browser.submit(wrong, { code: await codeOf(weak) }, '/second-factor'))).toBe(true);
  });

  it('gets a new id with the factor, and keeps the time of its first proof', async () => {
    const [app, person] = [await ownApp(), await createPerson(gatehouse.services)];
    const { browser, tokens } = await app.signIn(person);
    const before = browser.cookies.get('session');
    await addAuthenticator(gatehouse.services, person);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 20_000 });
    const begun = await app.begin({ acr_values: 'mfa' });
    const asked = await browser.open(begun.url);
    const landed = await browser.submit(asked, { code: await codeOf(person) }, '/second-factor');
    const claims = (await app.finish(landed.url, begun)).claims();

    expect(claims).toMatchObject({ acr: 'mfa', amr: ['pwd', 'otp', 'mfa'] });
    expect(claims?.auth_time).toBe(tokens.claims()?.auth_time);
    expect(browser.cookies.get('session')).not.toBe(before);
    expect(await sessionsOf(person)).toHaveLength(1);
  });

  it('is not made young by a factor that is added to it', async () => {
    const [app, person] = [await ownApp(), await withFactor()];
    const { browser } = await app.signIn(person);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 100_000 });

    const page = await browser.open((await app.begin({ max_age: '60' })).url);
    expect(asksForPassword(page)).toBe(true);
    const asked = await browser.submit(page, { identifier: person.email ?? '', password }, '/login');
    expect(asksForFactor(asked)).toBe(true);
  });

  it('that grows too old on the page of the factor is asked for everything', async () => {
    const { app, person, browser } = await weakly();
    await addAuthenticator(gatehouse.services, person);
    const asked = await browser.open((await app.begin({ acr_values: 'mfa', max_age: '60' })).url);
    expect(asksForFactor(asked)).toBe(true);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 100_000 });

    const shown = await browser.submit(asked, { code: await codeOf(person) }, '/second-factor');
    expect(isLetIn(shown)).toBe(false);
    expect(asksForPassword(shown)).toBe(true);
  });
});

describe('a remembered browser', () => {
  it('is one to the account that asked for it, and to no other', async () => {
    const [app, person, other] = [await ownApp(), await withFactor(), await withFactor()];
    const { browser, page } = await halfway(app, person);
    await browser.submit(page, { code: await codeOf(person), remember: 'yes' }, '/second-factor');

    await halfway(app, other, { prompt: 'login' }, browser);
  });

  it('is none unless somebody ticked the box', async () => {
    const [app, person] = [await ownApp(), await withFactor()];
    const { browser } = await app.signIn(person);

    await halfway(app, person, { prompt: 'login' }, browser);
  });

  it('is none to administrators', async () => {
    const app = await ownApp();
    const person = await createPerson(gatehouse.services, { admin: true });
    const { browser, page } = await halfway(app, person);
    expect(page.html).not.toContain('name="remember"');
    await browser.submit(page, { code: await codeOf(person), remember: 'yes' }, '/second-factor');

    await halfway(app, person, { prompt: 'login' }, browser);
  });

  it('is none any more to somebody who became an administrator', async () => {
    const [app, person] = [await ownApp(), await withFactor()];
    const { browser, page } = await halfway(app, person);
    await browser.submit(page, { code: await codeOf(person), remember: 'yes' }, '/second-factor');
    await gatehouse.services.accounts.change(person.id, { admin: true }, operator);

    await halfway(app, person, { prompt: 'login' }, browser);
  });
});

describe('a device', () => {
  it.each([
    ['of somebody', false],
    ['of an administrator', true],
  ])('%s is connected only after the second factor', async (_whose, admin) => {
    const person = admin ? await createPerson(gatehouse.services, { admin }) : await withFactor();
    const app = await ownApp({
      kind: 'native',
      redirectUris: [],
      grantTypes: [DEVICE_CODE, 'refresh_token'],
    });
    const device = await oauth.initiateDeviceAuthorization(app.config, { scope: 'openid' });
    const poll = () =>
      oauth.genericGrantRequest(app.config, DEVICE_CODE, { device_code: device.device_code });
    const browser = createBrowser(gatehouse.issuer);
    const input = await browser.open(device.verification_uri);
    const confirm = await browser.submit(input, { user_code: device.user_code }, '/device');
    const login = await browser.submit(confirm, { confirm: 'yes' }, '/device');
    const asked = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');

    expect(asksForFactor(asked)).toBe(true);
    expect(await refusal(poll())).toBe('authorization_pending');
    await browser.submit(asked, { code: await codeOf(person) }, '/second-factor');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10_000 });
    const tokens = await poll();
    expect(tokens.claims()).toMatchObject({ acr: 'mfa' });
  });
});
