// RP-initiated logout: with the app's proof, with a question, and never as an open redirect.
import * as oauth from 'openid-client';
import { describe, expect, it } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson } from '../support/people.ts';
import { eventTypes, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const bye = 'https://app.example.com/bye';

async function signedIn() {
  const person = await createPerson(gatehouse.services);
  const app = await relyingParty(gatehouse, { postLogoutRedirectUris: [bye], firstParty: true });
  return { person, app, ...(await app.signIn(person)) };
}

describe('signing out', () => {
  it('by the app asks the person, then leads back with the state', async () => {
    const { app, tokens, browser } = await signedIn();
    const url = oauth.buildEndSessionUrl(app.config, {
      id_token_hint: tokens.id_token ?? '',
      post_logout_redirect_uri: bye,
      state: 'over',
    });
    const page = await browser.open(url.href);
    const landed = await browser.submit(page, { logout: 'yes' });

    expect(page.html).toContain(app.client.name);
    expect(landed.url).toBe(`${bye}?state=over`);
  });

  it('ends the session: the next sign-in asks for the password', async () => {
    const { app, browser } = await signedIn();
    const page = await browser.open(`${gatehouse.issuer}/end-session`);
    await browser.submit(page, { logout: 'yes' });
    const login = await browser.open((await app.begin()).url);

    expect(login.forms.some((form) => form.action.endsWith('/login'))).toBe(true);
  });

  it('a session cookie that was kept opens nothing afterwards', async () => {
    const { app, browser } = await signedIn();
    const kept = createBrowser(gatehouse.issuer);
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const page = await browser.open(`${gatehouse.issuer}/end-session`);
    await browser.submit(page, { logout: 'yes' });
    kept.headers.cookie = cookie;
    const answer = await fetch((await app.begin({ prompt: 'none' })).url, {
      headers: { cookie },
      redirect: 'manual',
    });

    expect(answer.headers.get('location')).toContain('error=login_required');
  });

  it('without a client ends on our own page', async () => {
    const { browser } = await signedIn();
    const page = await browser.open(`${gatehouse.issuer}/end-session`);
    const done = await browser.submit(page, { logout: 'yes' });

    expect([done.status, new URL(done.url).origin]).toEqual([200, gatehouse.issuer]);
  });

  it('may be declined: the person stays signed in', async () => {
    const { app, browser } = await signedIn();
    const page = await browser.open(`${gatehouse.issuer}/end-session`);
    await browser.submit(page, {});
    const shown = await browser.open((await app.begin({ prompt: 'none' })).url);

    expect(shown.url).toContain('code=');
  });

  it('never leads to an address that is not registered', async () => {
    const { app, tokens, browser } = await signedIn();
    const url = oauth.buildEndSessionUrl(app.config, {
      id_token_hint: tokens.id_token ?? '',
      post_logout_redirect_uri: 'https://evil.example/',
    });
    const page = await browser.open(url.href);

    expect([page.status, new URL(page.url).origin, page.forms]).toEqual([400, gatehouse.issuer, []]);
  });

  it('never leads anywhere for nobody in particular', async () => {
    const { browser } = await signedIn();
    const url = `${gatehouse.issuer}/end-session?post_logout_redirect_uri=${encodeURIComponent(bye)}`;
    const page = await browser.open(url);
    const done = await browser.submit(page, { logout: 'yes' });

    expect(new URL(done.url).origin).toBe(gatehouse.issuer);
  });

  it('refuses a hint that this server did not sign', async () => {
    const { tokens, browser } = await signedIn();
    const [header, payload] = (tokens.id_token ?? '').split('.');
    const forged = `${header}.${payload}.${'A'.repeat(342)}`;
    const page = await browser.open(`${gatehouse.issuer}/end-session?id_token_hint=${forged}`);

    expect([page.status, page.forms]).toEqual([400, []]);
  });

  it('cannot be done by another site', async () => {
    const { app, browser } = await signedIn();
    await browser.open(`${gatehouse.issuer}/end-session`);
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(`${gatehouse.issuer}/end-session/confirm`, {
      method: 'POST',
      body: new URLSearchParams({ logout: 'yes' }),
      headers: { cookie, origin: 'https://evil.example', accept: 'text/html' },
      redirect: 'manual',
    });
    const shown = await browser.open((await app.begin({ prompt: 'none' })).url);

    expect(answer.status).toBe(400);
    expect(shown.url).toContain('code=');
  });

  it('leaves the end of the session and the sign-out in the ledger', async () => {
    const { person, browser } = await signedIn();
    const page = await browser.open(`${gatehouse.issuer}/end-session`);
    await browser.submit(page, { logout: 'yes' });
    const types = await eventTypes(gatehouse.services, { accountId: person.id });

    expect(types.slice(-3).sort()).toEqual(['grant.revoked', 'logout.completed', 'session.ended']);
  });
});
