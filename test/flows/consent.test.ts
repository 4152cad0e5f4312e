// Consent: what the page says, what is remembered, and that nobody can give it for somebody else (ASVS 10.7).
import { describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import type { NewClient } from '../../src/clients/clients.ts';
import { createBrowser, type Shown } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createPerson, password } from '../support/people.ts';
import { type RelyingParty, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();

/** Signs in a browser as far as the consent page. */
async function upToConsent(app: RelyingParty, person: Account, params: Record<string, string> = {}) {
  const browser = createBrowser(gatehouse.issuer);
  const login = await browser.open((await app.begin(params)).url);
  const page = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
  return { browser, login, page };
}

async function scene(input: Partial<NewClient> = {}) {
  return {
    person: await createPerson(gatehouse.services),
    app: await relyingParty(gatehouse, input),
  };
}

function asksForConsent(page: Shown): boolean {
  return page.forms.some((form) => form.action.endsWith('/consent'));
}

function wordsOf(page: Shown): string {
  return page.html.replaceAll(/<[^>]+>/g, ' ').replaceAll(/\s+/g, ' ');
}

function grantsOf(person: Account) {
  return gatehouse.database.db('oidc_grants').where({ account_id: person.id });
}

describe('the consent page', () => {
  it('names the app, the person and the host that the answer goes to', async () => {
    const { app, person } = await scene({ name: 'Wide Meadows' });
    const { page } = await upToConsent(app, person);

    for (const word of ['Wide Meadows', person.name, person.email, 'app.example.com']) {
      expect(wordsOf(page)).toContain(word);
    }
  });

  it('names the API and says each permission in its own sentence, and no other', async () => {
    const api = await createApi(gatehouse.services);
    const { app, person } = await scene({ apis: [{ audience: api.audience, permissions: ['*'] }] });
    const { page } = await upToConsent(app, person, { resource: api.audience, scope: 'openid notes:read' });

    expect(wordsOf(page)).toContain(api.name);
    expect(wordsOf(page)).toContain(api.audience);
    expect(wordsOf(page)).toContain('Read your notes.');
    expect(wordsOf(page)).not.toContain('Write your notes.');
  });

  it('says that access goes on while the person is away, and for how long', async () => {
    const { app, person } = await scene();
    const offline = { scope: 'openid offline_access', prompt: 'consent' };
    const { page } = await upToConsent(app, person, offline);

    expect(wordsOf(page)).toContain('For up to 30 days');
    expect(wordsOf(page)).toContain('the app keeps its access');
  });

  it('says how long access lasts without offline access', async () => {
    const { app, person } = await scene();
    const { page } = await upToConsent(app, person);

    expect(wordsOf(page)).toContain('For 10 minutes at a time');
  });

  it('warns when any program of the device may be behind the address', async () => {
    const { app, person } = await scene({ kind: 'native', redirectUris: ['http://127.0.0.1/callback'] });
    const { page } = await upToConsent(app, person);

    expect(wordsOf(page)).toContain('runs on the device you are using');
  });

  it('shows the name of the app as text', async () => {
    const { app, person } = await scene({ name: '<script>alert(1)</script>' });
    const { page } = await upToConsent(app, person);

    expect(page.html).not.toContain('<script>alert(1)');
  });
});

describe('consent that was given', () => {
  it('is remembered in another browser', async () => {
    const { app, person } = await scene();
    await app.signIn(person);
    const { page } = await upToConsent(app, person);

    expect(page.url).toContain('code=');
  });

  it('is asked again for a new scope', async () => {
    const { app, person } = await scene();
    await app.signIn(person);
    const { page } = await upToConsent(app, person, { scope: 'openid email profile' });

    expect(asksForConsent(page)).toBe(true);
  });

  it('is asked again for a new permission', async () => {
    const api = await createApi(gatehouse.services);
    const { app, person } = await scene({ apis: [{ audience: api.audience, permissions: ['*'] }] });
    await app.signIn(person, { resource: api.audience, scope: 'openid notes:read' });
    const { page } = await upToConsent(app, person, {
      resource: api.audience,
      scope: 'openid notes:read notes:write',
    });

    expect(asksForConsent(page)).toBe(true);
  });

  it('is asked again when the app wants it', async () => {
    const { app, person } = await scene();
    await app.signIn(person);
    const { page } = await upToConsent(app, person, { prompt: 'consent' });

    expect(asksForConsent(page)).toBe(true);
  });

  it('is of one person only', async () => {
    const { app, person } = await scene();
    await app.signIn(person);
    const { page } = await upToConsent(app, await createPerson(gatehouse.services));

    expect(asksForConsent(page)).toBe(true);
  });

  it('is asked every time of a native app that is not our own (RFC 8252 §8.6)', async () => {
    const { app, person } = await scene({ kind: 'native', redirectUris: ['http://127.0.0.1/callback'] });
    const { browser } = await app.signIn(person);

    expect(asksForConsent(await browser.open((await app.begin()).url))).toBe(true);
  });

  it('is never asked of our own apps', async () => {
    const { app, person } = await scene({ firstParty: true });
    const { page } = await upToConsent(app, person);

    expect(page.url).toContain('code=');
  });
});

describe('our own native app (RFC 8252 §8.6)', () => {
  const privateScheme = ['com.example.app:/callback'];
  const loopback = ['http://127.0.0.1/callback'];
  const own = (redirectUris: string[]) => scene({ kind: 'native', firstParty: true, redirectUris });

  it.each([privateScheme, loopback])('answers to %s without a question after a sign-in', async (uri) => {
    const { app, person } = await own([uri]);
    const { page } = await upToConsent(app, person);

    expect(page.url).toContain('code=');
  });

  it.each([privateScheme, loopback])(
    'sends no code to %s unseen: whoever is signed in is asked',
    async (uri) => {
      const { app, person } = await own([uri]);
      const { browser } = await app.signIn(person);
      const page = await browser.open((await app.begin()).url);

      expect(asksForConsent(page)).toBe(true);
      expect(wordsOf(page)).toContain(person.email);
      expect((await browser.submit(page, {}, '/consent')).url).toContain('code=');
      expect(asksForConsent(await browser.open((await app.begin()).url))).toBe(true);
    },
  );

  it('sends no code to an address that was left out of the request either', async () => {
    const { app, person } = await own(loopback);
    const { browser } = await app.signIn(person);

    expect(asksForConsent(await browser.open((await app.begin({ redirect_uri: '' })).url))).toBe(true);
  });

  it('is told that a question is needed when it allows none', async () => {
    const { app, person } = await own(loopback);
    const { browser } = await app.signIn(person);
    const { url } = await browser.open((await app.begin({ prompt: 'none' })).url);

    expect(new URL(url).searchParams.get('error')).toBe('interaction_required');
  });

  it('is never asked about when its address belongs to a domain', async () => {
    const { app, person } = await own(['https://app.example.com/native']);
    const { browser } = await app.signIn(person);

    expect((await browser.open((await app.begin()).url)).url).toContain('code=');
  });
});

describe('consent that was refused', () => {
  it('leads back with access_denied', async () => {
    const { app, person } = await scene();
    const { browser, page } = await upToConsent(app, person);
    const landed = await browser.submit(page, {}, '/cancel');

    expect(new URL(landed.url).searchParams.get('error')).toBe('access_denied');
  });

  it('grants nothing', async () => {
    const { app, person } = await scene();
    const { browser, page } = await upToConsent(app, person);
    await browser.submit(page, {}, '/cancel');

    expect(await grantsOf(person)).toEqual([]);
  });
});

describe('consent that nobody gave', () => {
  it('posted while the server waits for a password grants nothing', async () => {
    const { app, person } = await scene();
    const { browser } = await app.signIn(person);
    const other = await relyingParty(gatehouse);
    const login = await browser.open((await other.begin({ prompt: 'login' })).url);
    const forms = login.forms.map((form) => ({ ...form, action: form.action.replace('/login', '/consent') }));
    const answer = await browser.submit({ ...login, forms }, {}, '/consent');

    expect(answer.html).toContain('type="password"');
    const consents = gatehouse.database.db('consents');
    expect(await consents.where({ client_id: other.client.id })).toEqual([]);
    expect(await grantsOf(person).where({ client_id: other.client.id })).toEqual([]);
  });

  it('by a browser that did not begin the sign-in is refused', async () => {
    const { app, person } = await scene();
    const { page } = await upToConsent(app, person);
    const other = createBrowser(gatehouse.issuer);
    const shown = await other.open(page.url);
    const answer = await other.submit(page, {}, '/consent');

    expect([shown.status, shown.forms]).toEqual([400, []]);
    expect(answer.status).toBe(403);
    expect(await grantsOf(person)).toEqual([]);
  });

  it('with the form token of another sign-in of the same browser is refused', async () => {
    const { app, person } = await scene();
    const other = await relyingParty(gatehouse);
    const { browser, page } = await upToConsent(app, person);
    const second = await browser.open((await other.begin()).url);
    const answer = await browser.submit(page, { _csrf: second.forms[0]?.fields._csrf ?? '' }, '/consent');

    expect(answer.status).toBe(403);
    expect(await grantsOf(person)).toEqual([]);
  });

  it('from another site is refused', async () => {
    const { app, person } = await scene();
    const { browser, page } = await upToConsent(app, person);
    const form = page.forms.find(({ action }) => action.endsWith('/consent'));
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(form?.action ?? '', {
      method: 'POST',
      body: new URLSearchParams(form?.fields),
      headers: { cookie, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
      redirect: 'manual',
    });

    expect(answer.status).toBe(403);
    expect(await grantsOf(person)).toEqual([]);
  });
});
