// Step-up by RFC 9470, end to end: an API refuses, the app asks for more, the person adds a factor, the API accepts.
import * as oauth from 'openid-client';
import { describe, expect, it } from 'vitest';
import { createGuard, requireAuthentication } from '../../src/guard/guard.ts';
import { addAuthenticator, codeOf } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createPerson, signInAt } from '../support/people.ts';
import { post, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();

async function world(tokenFormat: 'jwt' | 'opaque' = 'jwt') {
  const { audience } = await createApi(gatehouse.services, { tokenFormat });
  const app = await relyingParty(gatehouse, {
    firstParty: true,
    apis: [{ audience, permissions: ['*'] }],
    scopes: ['openid', 'email', 'offline_access'],
    mayIntrospectAny: true,
  });
  const person = await createPerson(gatehouse.services);
  const ask = { resource: audience, scope: 'openid offline_access notes:read' };
  return { app, person, audience, ask };
}

/** An API that gives its notes to whoever signed in with two factors, and not long ago. */
function notes(audience: string) {
  const guard = createGuard({ issuer: gatehouse.issuer, audience });
  const handler = guard.fetch(
    () => new Response('the notes'),
    requireAuthentication({ acrValues: ['mfa'], maxAgeSeconds: 600 }),
  );
  return (token: string) =>
    handler(new Request('https://notes.example.com/', { headers: { authorization: `Bearer ${token}` } }));
}

/** What the app learns from the refusal (RFC 9470 §3). */
function wantedIn(response: Response): Record<string, string> {
  const header = response.headers.get('www-authenticate') ?? '';
  return Object.fromEntries(
    [...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
  );
}

describe('an API that wants more than a password', () => {
  it('refuses, says what it wants, and takes the token that comes of a factor that was added', async () => {
    const { app, person, audience, ask } = await world();
    const api = notes(audience);
    const first = await app.signIn(person, ask);
    const refused = await api(first.tokens.access_token);
    const { error, acr_values = '', max_age = '' } = wantedIn(refused);
    expect([refused.status, error, acr_values]).toEqual([401, 'insufficient_user_authentication', 'mfa']);

    await addAuthenticator(gatehouse.services, person);
    const begun = await app.begin({ ...ask, acr_values, max_age });
    const asked = await first.browser.open(begun.url);
    expect(asked.html).toContain('one-time-code');
    const landed = await first.browser.submit(asked, { code: await codeOf(person) }, '/second-factor');
    const tokens = await app.finish(landed.url, begun, { resource: audience });

    const accepted = await api(tokens.access_token);
    expect([accepted.status, await accepted.text()]).toEqual([200, 'the notes']);
  });

  it('takes a token that is stronger than it asks', async () => {
    const { app, person, audience, ask } = await world();
    await addAuthenticator(gatehouse.services, person);
    const guard = createGuard({ issuer: gatehouse.issuer, audience });
    const { tokens } = await app.signIn(person, ask);
    const request = new Request('https://notes.example.com/', {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    });

    const handler = guard.fetch(() => new Response('in'), requireAuthentication({ acrValues: ['2sv'] }));
    expect((await handler(request)).status).toBe(200);
  });
});

describe('acr, amr and auth_time', () => {
  it.each(['jwt', 'opaque'] as const)(
    'are the same in every %s token and in what is told of it',
    async (format) => {
      const { app, person, audience, ask } = await world(format);
      await addAuthenticator(gatehouse.services, person);
      const { tokens } = await app.signIn(person, ask);
      const { auth_time, acr, amr } = { acr: undefined, amr: undefined, ...tokens.claims() };
      expect([acr, amr]).toEqual(['mfa', ['pwd', 'otp', 'mfa']]);

      const refreshed = await oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '', {
        resource: audience,
      });
      for (const token of [tokens.access_token, refreshed.access_token, refreshed.refresh_token ?? '']) {
        const told = await oauth.tokenIntrospection(app.config, token);
        expect(told).toMatchObject({ active: true, auth_time, acr, amr });
      }
      expect(refreshed.claims()).toMatchObject({ auth_time, acr, amr });
      const answer = await post(`${gatehouse.issuer}/userinfo`, { access_token: tokens.access_token });
      expect(answer.body.acr).toBeUndefined();
    },
  );

  it('are published: which values there are', async () => {
    const { acr_values_supported } = (await (
      await fetch(`${gatehouse.issuer}/.well-known/openid-configuration`)
    ).json()) as { acr_values_supported: string[] };
    expect(acr_values_supported).toEqual(['1fa', '2sv', 'mfa', 'phr']);
  });

  it.each([
    ['acr_values', { acr_values: '1fa 2sv phr' }, '2sv'],
    ['acr_values that are all too much to say', { acr_values: 'urn:gold' }, 'mfa'],
    ['an essential claim', { claims: essential({ value: '1fa' }) }, '1fa'],
    ['an essential claim of several values', { claims: essential({ values: ['1fa', '2sv'] }) }, '2sv'],
    ['both', { acr_values: 'mfa', claims: essential({ values: ['2sv'] }) }, '2sv'],
  ])('say the best of what was asked for and is true: %s', async (_how, params, word) => {
    const { app, person, audience, ask } = await world();
    await addAuthenticator(gatehouse.services, person);
    const { browser } = await app.signIn(person, ask);
    const begun = await app.begin({ ...ask, ...params });
    const { landed } = await signInAt(begun.url, person, browser);
    const tokens = await app.finish(landed.url, begun, { resource: audience });
    const refreshed = await oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '', {
      resource: audience,
    });

    const same = { acr: word, amr: ['pwd', 'otp', 'mfa'] };
    expect([tokens.claims(), refreshed.claims()]).toMatchObject([same, same]);
    for (const token of [tokens.access_token, refreshed.access_token])
      expect(await oauth.tokenIntrospection(app.config, token)).toMatchObject(same);

    const after = await app.signIn(person, ask, browser);
    expect(after.tokens.claims()).toMatchObject({ acr: 'mfa' });
  });
});

function essential(asked: { value: string } | { values: string[] }): string {
  return JSON.stringify({ id_token: { acr: { essential: true, ...asked } } });
}
