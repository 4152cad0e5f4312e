// Suspended and deleted people: everything they had ends at once, and nothing answers with an error of ours.
import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import { describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator, password, signInAt } from '../support/people.ts';
import { refusal, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const offline = { scope: 'openid offline_access', prompt: 'consent' };

const ends = [
  {
    how: 'suspended',
    end: (person: Account) => gatehouse.services.accounts.suspend(person.id, 'test', operator),
  },
  { how: 'deleted', end: (person: Account) => gatehouse.services.accounts.remove(person.id, operator) },
];

async function userinfoStatus(tokens: { access_token: string }): Promise<number> {
  const headers = { authorization: `Bearer ${tokens.access_token}` };
  return (await fetch(`${gatehouse.issuer}/userinfo`, { headers })).status;
}

async function signedIn(params = offline) {
  const person = await createPerson(gatehouse.services);
  const app = await relyingParty(gatehouse);
  return { person, app, ...(await app.signIn(person, params)) };
}

describe.each(ends)('a person who was $how', ({ end }) => {
  it('is shown the sign-in page at the next request of any app', async () => {
    const { app, person, browser } = await signedIn();
    await end(person);
    const page = await browser.open((await app.begin()).url);

    expect(page.status).toBe(200);
    expect(page.html).toContain('type="password"');
  });

  it('is answered login_required when the app allows no page', async () => {
    const { app, person, browser } = await signedIn();
    await end(person);
    const shown = await browser.open((await app.begin({ prompt: 'none' })).url);

    expect(new URL(shown.url).searchParams.get('error')).toBe('login_required');
  });

  it('cannot sign in, and is not told why', async () => {
    const { app, person } = await signedIn();
    await end(person);
    const browser = createBrowser(gatehouse.issuer);
    const login = await browser.open((await app.begin()).url);
    const nobody = await browser.submit(login, { identifier: 'nobody@example.com', password }, '/login');
    const answer = await browser.submit(nobody, { identifier: person.email ?? '', password }, '/login');
    const words = (html: string) => /role="alert"[\s\S]*?<\/div>/.exec(html)?.[0];

    expect([answer.status, nobody.status]).toEqual([401, 401]);
    expect(words(answer.html)).toBe(words(nobody.html));
  });

  it('has no tokens left, offline access included', async () => {
    const { app, person, tokens } = await signedIn();
    await end(person);

    expect(await userinfoStatus(tokens)).toBe(401);
    expect(await refusal(oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? ''))).toBe(
      'invalid_grant',
    );
  });

  it('has no session, grant, token or remembered consent left in the database', async () => {
    const { person } = await signedIn();
    await end(person);
    const tables = ['oidc_sessions', 'oidc_grants', 'oidc_tokens', 'oidc_transients', 'consents'];
    const left = await Promise.all(
      tables.map((table) => gatehouse.database.db(table).where({ account_id: person.id })),
    );

    expect(left).toEqual([[], [], [], [], []]);
  });

  it('gets no tokens for a code that was issued before', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const begun = await app.begin();
    const { landed } = await signInAt(begun.url, person);
    await end(person);

    expect(await refusal(app.finish(landed.url, begun))).toBe('invalid_grant');
  });

  it('can allow nothing on a consent page that was open', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const browser = createBrowser(gatehouse.issuer);
    const login = await browser.open((await app.begin()).url);
    const consent = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
    await end(person);
    const answer = await browser.submit(consent, {}, '/consent');

    expect(answer.url).not.toContain('code=');
    expect(answer.status).toBeLessThan(500);
    expect(await gatehouse.database.db('oidc_grants').where({ account_id: person.id })).toEqual([]);
  });

  it('opens nothing in the management API with a JWT from before', async () => {
    const resource = `${gatehouse.issuer}/api`;
    const person = await createPerson(gatehouse.services, { admin: true });
    await createPerson(gatehouse.services, { admin: true });
    const app = await relyingParty(gatehouse, { apis: [{ audience: resource, permissions: ['*'] }] });
    const { tokens } = await app.signIn(person, { resource, scope: 'openid accounts:read' });
    const headers = { authorization: `Bearer ${tokens.access_token}` };
    expect(decodeJwt(tokens.access_token).scope).toBe('accounts:read');
    await end(person);

    expect((await fetch(`${gatehouse.issuer}/api/v1/accounts`, { headers })).status).toBe(401);
  });

  it('can sign out without an error', async () => {
    const { person, browser } = await signedIn();
    const confirm = await browser.open(`${gatehouse.issuer}/end-session`);
    await end(person);
    const answer = await browser.submit(confirm, { logout: 'yes' });

    expect(answer.status).toBeLessThan(500);
  });
});

describe('a session whose person is suspended by somebody who forgot the session', () => {
  it('shows the sign-in page, also to apps that were allowed before', async () => {
    const { app, person, browser } = await signedIn();
    await gatehouse.database.db('accounts').where({ id: person.id }).update({ status: 'suspended' });
    const page = await browser.open((await app.begin()).url);

    expect(page.status).toBe(200);
    expect(page.html).toContain('type="password"');
  });
});

describe('a person who was reinstated', () => {
  it('signs in again', async () => {
    const { app, person } = await signedIn();
    await gatehouse.services.accounts.suspend(person.id, 'test', operator);
    await gatehouse.services.accounts.reinstate(person.id, operator);
    const { tokens } = await app.signIn(person, { scope: 'openid', prompt: '' });

    expect(tokens.claims()?.sub).toBe(person.id);
  });

  it('does not get back what ended', async () => {
    const { person, tokens } = await signedIn();
    await gatehouse.services.accounts.suspend(person.id, 'test', operator);
    await gatehouse.services.accounts.reinstate(person.id, operator);

    expect(await userinfoStatus(tokens)).toBe(401);
  });

  it('does not get back what slipped in while suspended', async () => {
    const { person, tokens } = await signedIn();
    // As a request that was under way might have left it: suspended, and all of it still there.
    await gatehouse.database.db('accounts').where({ id: person.id }).update({ status: 'suspended' });
    await gatehouse.services.accounts.reinstate(person.id, operator);

    expect(await userinfoStatus(tokens)).toBe(401);
    expect(await gatehouse.database.db('oidc_sessions').where({ account_id: person.id })).toEqual([]);
  });
});

describe('a person whose password was replaced', () => {
  it('is signed out everywhere, and what was issued ends', async () => {
    const { app, person, tokens, browser } = await signedIn();
    await gatehouse.services.credentials.setPassword(person.id, 'another lamp above the harbour', operator);

    expect(await userinfoStatus(tokens)).toBe(401);
    expect(await refusal(oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? ''))).toBe(
      'invalid_grant',
    );
    expect((await browser.open((await app.begin()).url)).html).toContain('type="password"');
  });
});
