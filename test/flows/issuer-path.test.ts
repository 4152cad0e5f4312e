// An issuer with a path: metadata in every place, pages, forms, cookies and assets all stay below that path.
import { initiateDeviceAuthorization } from 'openid-client';
import { describe, expect, it } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import { freePort, useGatehouse } from '../support/gatehouse.ts';
import { createPerson, password } from '../support/people.ts';
import { relyingParty } from './relying-party.ts';

const port = await freePort();
const origin = `http://localhost:${port}`;
const gatehouse = useGatehouse({ settings: { PORT: String(port), ISSUER: `${origin}/auth` } });
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

describe('an issuer with a path', () => {
  it.each([
    '/auth/.well-known/openid-configuration',
    '/auth/.well-known/oauth-authorization-server',
    '/.well-known/oauth-authorization-server/auth',
    '/.well-known/openid-configuration/auth',
  ])('has its metadata at %s', async (path) => {
    const document = await (await fetch(`${origin}${path}`)).json();

    expect(document).toMatchObject({
      issuer: `${origin}/auth`,
      token_endpoint: `${origin}/auth/token`,
      authorization_endpoint: `${origin}/auth/authorize`,
    });
  });

  it('answers nothing outside its path', async () => {
    const statuses = await Promise.all(
      ['/jwks', '/authorize', '/.well-known/openid-configuration', '/authjwks'].map(
        async (path) => (await fetch(`${origin}${path}`)).status,
      ),
    );

    expect(statuses).toEqual([404, 404, 404, 404]);
  });

  it('leads the whole code flow through addresses below the path', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const begun = await app.begin();
    const browser = createBrowser(origin);

    const login = await browser.open(begun.url);
    expect(login.forms.map((form) => new URL(form.action).pathname)).toEqual([
      expect.stringMatching(/^\/auth\/interaction\/[^/]+\/login$/),
      expect.stringMatching(/^\/auth\/interaction\/[^/]+\/passkey$/),
      expect.stringMatching(/^\/auth\/interaction\/[^/]+\/cancel$/),
    ]);
    const consent = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
    for (const form of consent.forms) expect(new URL(form.action).pathname).toMatch(/^\/auth\/interaction\//);
    const landed = await browser.submit(consent, {}, '/consent');
    const tokens = await app.finish(landed.url, begun);

    expect(tokens.claims()).toMatchObject({ iss: `${origin}/auth`, sub: person.id });
  });

  it('shows a wrong password on the same page, which still works', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const browser = createBrowser(origin);
    const login = await browser.open((await app.begin()).url);

    const again = await browser.submit(login, { identifier: person.email ?? '', password: 'no' }, '/login');
    expect(again.status).toBe(401);
    const consent = await browser.submit(again, { identifier: person.email ?? '', password }, '/login');

    expect(consent.forms.some((form) => form.action.endsWith('/consent'))).toBe(true);
  });

  it('finds the assets of its pages', async () => {
    const app = await relyingParty(gatehouse);
    const page = await createBrowser(origin).open((await app.begin()).url);
    const assets = [...page.html.matchAll(/(?:href|src)="([^"]+\.(?:css|js|svg))"/g)].map(([, path]) => path);
    const statuses = await Promise.all(
      assets.map(async (path) => (await fetch(new URL(path ?? '', page.url))).status),
    );

    expect(assets.length).toBeGreaterThanOrEqual(2);
    for (const path of assets) expect(path).toMatch(/^\/auth\//);
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  it('keeps the cookies of a sign-in below the path', async () => {
    const app = await relyingParty(gatehouse);
    const response = await fetch((await app.begin()).url, { redirect: 'manual' });
    const paths = response.headers
      .getSetCookie()
      .filter((cookie) => /^(interaction|resume)/.test(cookie))
      .map((cookie) => /path=([^;]+)/i.exec(cookie)?.[1]);

    expect(paths.length).toBeGreaterThan(0);
    for (const path of paths) expect(path).toMatch(/^\/auth\/(interaction|authorize)\//);
  });

  it('takes a user code on a device page below the path', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, {
      kind: 'native',
      redirectUris: [],
      grantTypes: [DEVICE_CODE, 'refresh_token'],
    });
    const device = await initiateDeviceAuthorization(app.config, { scope: 'openid' });
    expect(device.verification_uri).toBe(`${origin}/auth/device`);

    const browser = createBrowser(origin);
    const input = await browser.open(device.verification_uri);
    const confirm = await browser.submit(input, { user_code: device.user_code }, '/auth/device');
    const login = await browser.submit(confirm, { confirm: 'yes' }, '/auth/device');
    const consent = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
    const done = await browser.submit(consent, {}, '/consent');

    expect(done.status).toBe(200);
    expect(done.url).toMatch(new RegExp(`^${origin}/auth/device/`));
  });

  it('signs out on a page below the path', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const { browser } = await app.signIn(person);

    const confirm = await browser.open(`${origin}/auth/end-session`);
    const done = await browser.submit(confirm, { logout: 'yes' });

    expect(new URL(done.url).pathname).toBe('/auth/end-session/success');
  });
});
