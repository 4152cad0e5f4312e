// What is promised of every page: that its forms are sent by whom they were made for, and what browsers are told about it;
// and of sign-ins: several devices, growing waits, nobody there from the start.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { relyingParty } from './flows/relying-party.ts';
import { type Browser, createBrowser, type Form, type Shown } from './support/browser.ts';
import { addAuthenticator } from './support/factors.ts';
import { testConfig, useGatehouse } from './support/gatehouse.ts';
import { createPerson, operator, password, signInAt } from './support/people.ts';

const gatehouse = useGatehouse({
  settings: { LIMIT_RECOVERY_PER_MINUTE: '1000000', LIMIT_DEVICE_PER_MINUTE: '10' },
});
const CSRF = 'gatehouse_csrf';

afterEach(() => {
  vi.useRealTimers();
});

type Someone = { email: string | null };

async function signedIn(person: Someone): Promise<Browser> {
  const browser = createBrowser(gatehouse.issuer);
  await signInAt(`${gatehouse.issuer}/account`, person, browser);
  return browser;
}

/** Sends a form as its page would, with these cookies. */
function send(form: Form, cookies: ReadonlyMap<string, string>): Promise<Response> {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  return fetch(form.action, {
    method: 'POST',
    body: new URLSearchParams({ ...form.fields }),
    headers: { cookie, accept: 'text/html', 'sec-fetch-site': 'same-origin', origin: gatehouse.issuer },
    redirect: 'manual',
  });
}

/** All that this browser holds, but for the half of the double submit, which is that of another one. */
const withCsrfOf = (browser: Browser, other: Browser): Map<string, string> =>
  new Map([...browser.cookies, [CSRF, other.cookies.get(CSRF) ?? '']]);

const sectionsIn = ({ html }: Shown): string[] => [
  ...new Set([...html.matchAll(/href="(\/account(?:\/[\w-]+)?)"/g)].map(([, path = '']) => path)),
];

describe('a new server', () => {
  it('a new server has no account that anybody could sign in to', async () => {
    const { accounts, setup } = gatehouse.services;
    expect(await accounts.hasAny()).toBe(false);
    expect(await gatehouse.database.db('passwords')).toEqual([]);
    expect(await setup.newLink()).toMatch(/^[\w-]{43}$/);
  });

  it('C13 registration is closed until a setting opens it: no page, no prompt, no word of it', async () => {
    const { issuer, services } = gatehouse;
    expect(services.config.registration.mode).toBe('closed');
    expect((await createBrowser(issuer).open('/sign-up')).status).toBe(403);
    const discovery = await jsonAt('/.well-known/openid-configuration');
    expect(discovery.prompt_values_supported).not.toContain('create');
    const login = await createBrowser(issuer).open('/account');
    expect(login.html).not.toMatch(/sign-up|register/);
  });
});

describe('forms', () => {
  it('C12 of the account pages are of one session: refused in another one of the same person, and of anybody else', async () => {
    const [person, other] = [await createPerson(gatehouse.services), await createPerson(gatehouse.services)];
    const [mine, elsewhere, theirs] = [await signedIn(person), await signedIn(person), await signedIn(other)];
    const paths = sectionsIn(await mine.open('/account'));
    expect(paths.length).toBeGreaterThan(5);
    const further = ['/account/security/authenticator', '/account/security/password', '/account/email'];
    const pages = await Promise.all([...paths, ...further].map((path) => mine.open(path)));
    for (const { forms, status, url } of pages)
      expect([url, status, forms.length > 0]).toEqual([url, 200, true]);
    const forms = new Map(pages.flatMap((page) => page.forms).map((form) => [form.action, form]));
    expect(forms.size).toBeGreaterThan(6);
    for (const form of forms.values()) {
      const { _csrf, ...fields } = form.fields;
      const answers = await Promise.all([
        send(form, withCsrfOf(elsewhere, mine)),
        send(form, withCsrfOf(theirs, mine)),
        send(form, elsewhere.cookies),
        send({ ...form, fields }, mine.cookies),
        send(form, new Map([...mine.cookies].filter(([name]) => name !== CSRF))),
      ]);
      expect([form.action, ...answers.map((answer) => answer.status)]).toEqual([
        form.action,
        ...Array(5).fill(403),
      ]);
    }
    expect((await gatehouse.services.sessions.list({ accountId: person.id }, all)).items).toHaveLength(2);
    // The same form from its own page is taken.
    const appearance = await mine.open('/account/appearance');
    const form = appearance.forms.find(({ action }) => action.endsWith('/appearance'));
    expect(form && (await send(form, mine.cookies)).status).toBe(303);
  });

  it('C12 of one account are refused once another one is active in the same browser', async () => {
    const [one, two] = [await createPerson(gatehouse.services), await createPerson(gatehouse.services)];
    const browser = await signedIn(one);
    const before = await browser.open('/account/appearance');
    await signInAt(`${gatehouse.issuer}/account/sign-in?again=1`, two, browser);
    expect((await browser.open('/account')).html).toContain(two.email);
    expect((await browser.submit(before, {}, '/appearance')).status).toBe(403);
  });

  it('C12 of a sign-in are of that sign-in: password, second factor, and the way out', async () => {
    const person = await createPerson(gatehouse.services);
    await addAuthenticator(gatehouse.services, person);
    const app = await relyingParty(gatehouse, { firstParty: true });
    const browser = createBrowser(gatehouse.issuer);
    const login = async () => browser.open((await app.begin()).url);
    const [first, second] = [await login(), await login()];
    const typed = { identifier: person.email ?? '', password };
    const asked = await browser.submit(first, typed, '/login');
    const alsoAsked = await browser.submit(second, typed, '/login');
    expect(asked.html).toContain('one-time-code');
    const pairs = [
      [await login(), await login()],
      [asked, alsoAsked],
    ] as const;
    for (const [page, another] of pairs) {
      for (const form of page.forms) {
        const end = new URL(form.action).pathname.split('/').at(-1) ?? '';
        const token = another.forms.find(({ action }) => action.endsWith(`/${end}`))?.fields._csrf ?? '';
        expect(token).not.toBe('');
        const answer = await browser.submit(page, { _csrf: token }, `/${end}`);
        expect([end, answer.status]).toEqual([end, 403]);
      }
    }
  });
});

interface Published {
  readonly prompt_values_supported?: readonly string[];
  readonly keys?: readonly { kid: string }[];
}

async function jsonAt(path: string): Promise<Published> {
  const response = await fetch(`${gatehouse.issuer}${path}`);
  return (await response.json()) as Published;
}

const all = { limit: 100, cursor: null };

describe('headers', () => {
  it('C12 of every page: nothing but our own, no frame, nothing kept', async () => {
    const person = await createPerson(gatehouse.services);
    const inside = await signedIn(person);
    const stranger = createBrowser(gatehouse.issuer);
    const sections = sectionsIn(await inside.open('/account'));
    const outside = [
      '/',
      '/device',
      '/setup',
      '/recover',
      '/recover/sent',
      '/sign-up',
      '/account',
      '/nowhere',
    ];
    const looks = [
      ...[...sections, '/account/security/authenticator', '/account/nowhere'].map((path) =>
        inside.open(path),
      ),
      ...[...outside, '/end-session', '/authorize'].map((path) => stranger.open(path)),
    ];
    const pages = await Promise.all(looks);
    expect(pages.length).toBeGreaterThan(15);
    for (const { url, headers, html } of pages) {
      const policy = headers.get('content-security-policy') ?? '';
      const nonce = /script-src 'nonce-([\w-]{22})'/.exec(policy)?.[1] ?? 'none';
      expect(policy, url).toMatch(/^default-src 'none'; .*frame-ancestors 'none'; base-uri 'none'$/);
      expect(policy, url).not.toMatch(/unsafe|\*/);
      expect(Object.fromEntries(headers), url).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': expect.stringMatching(/^(same-origin|no-referrer)$/),
        'cache-control': 'no-store',
      });
      for (const [tag] of html.matchAll(/<(?:script|style)\b[^>]*>/g))
        expect(tag).toContain(`nonce="${nonce}"`);
      expect(html, url).not.toMatch(/\son[a-z]+="|\sstyle="/);
    }
  });

  it('C12 the cookie of a session has 43 random characters, and opens nothing after the sign-out', async () => {
    const person = await createPerson(gatehouse.services);
    const browser = await signedIn(person);
    const cookies = new Map(browser.cookies);
    expect(cookies.get('session')).toMatch(/^[\w-]{43}$/);
    await browser.submit(await browser.open('/account'), {}, '/sign-out');
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(`${gatehouse.issuer}/account`, { headers: { cookie }, redirect: 'manual' });
    expect([answer.status, answer.headers.get('location')]).toEqual([
      303,
      expect.stringContaining('/account/sign-in'),
    ]);
  });
});

describe('sign-in', () => {
  it('B9 several devices: each is a session of its own, and the end of one is none of the others', async () => {
    const person = await createPerson(gatehouse.services);
    const [desk, phone] = [await signedIn(person), await signedIn(person)];
    expect((await gatehouse.services.sessions.list({ accountId: person.id }, all)).items).toHaveLength(2);
    await phone.submit(await phone.open('/account'), {}, '/sign-out');
    expect((await phone.open('/account')).url).toContain('/interaction/');
    expect((await desk.open('/account')).url).toBe(`${gatehouse.issuer}/account`);
  });

  it('B9 waits that double with each wrong password, whether or not there is such an account', async () => {
    const { config, credentials } = gatehouse.services;
    const person = await createPerson(gatehouse.services);
    const known = await waitsOf(person.email ?? '');
    const unknown = await waitsOf('nobody-at-all@example.com');
    const { baseDelaySeconds: base } = config.lockout;
    expect(known).toEqual([base, 2 * base, 4 * base]);
    expect(unknown).toEqual(known);

    async function waitsOf(identifier: string): Promise<number[]> {
      const waits: number[] = [];
      for (let attempt = 0; attempt < 20 && waits.length < 3; attempt += 1) {
        const tried = await credentials.verify('password', { identifier, password: 'not this one' });
        if (tried.kind !== 'locked') continue;
        waits.push(tried.retryAfterSeconds);
        vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + tried.retryAfterSeconds * 1000 + 1 });
      }
      return waits;
    }
  });

  it('E5 keys rotate, requests are limited, and only https is spoken beyond this machine', async () => {
    const { services, issuer } = gatehouse;
    const published = async (): Promise<string[]> =>
      (await jsonAt('/jwks')).keys?.map(({ kid }) => kid) ?? [];
    const before = await published();
    await services.signingKeys.rotate({ force: true }, operator);
    await vi.waitFor(async () => expect(await published()).not.toEqual(before));
    expect(await published()).toEqual(expect.arrayContaining(before));
    expect(services.config.signingKeys.rotateAfterDays).toBe(90);

    const answers = await Promise.all(Array.from({ length: 12 }, () => fetch(`${issuer}/device`)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    for (const { headers } of refused) expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);

    expect(() => testConfig({ ISSUER: 'http://id.example.com' })).toThrow('must start with https://');
  });
});
