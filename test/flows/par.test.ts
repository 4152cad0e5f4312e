// Pushed authorization requests (RFC 9126): bound to their client, used once, and required where the client says so.
import * as oauth from 'openid-client';
import { describe, expect, it } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, signInAt } from '../support/people.ts';
import { basic, post, type RelyingParty, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();

async function pushed(app: RelyingParty, params: Record<string, string> = {}) {
  const begun = await app.begin(params);
  const url = await oauth.buildAuthorizationUrlWithPAR(app.config, new URL(begun.url).searchParams);
  return { ...begun, url: url.href };
}

describe('pushed authorization requests', () => {
  it('lead through sign-in and consent to tokens', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const begun = await pushed(app);
    const { landed } = await signInAt(begun.url, person);

    expect((await app.finish(landed.url, begun)).claims()?.sub).toBe(person.id);
  });

  it('keep what they ask out of the address', async () => {
    const app = await relyingParty(gatehouse);
    const { url } = await pushed(app);

    expect([...new URL(url).searchParams.keys()].sort()).toEqual(['client_id', 'request_uri']);
  });

  it('are answered with 201, a life of a minute, and nothing to store', async () => {
    const app = await relyingParty(gatehouse);
    const { url } = await app.begin();
    const answer = await post(
      `${gatehouse.issuer}/par`,
      new URL(url).searchParams,
      basic(app.client, app.secret),
    );

    expect([answer.status, answer.body.expires_in]).toEqual([201, 60]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('are used once', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const begun = await pushed(app);
    const { browser } = await signInAt(begun.url, person);
    const again = await browser.open(begun.url);

    expect(new URL(again.url).searchParams.get('error')).toBe('invalid_request_uri');
  });

  it('belong to the client that pushed them', async () => {
    const app = await relyingParty(gatehouse);
    const other = await relyingParty(gatehouse);
    const url = new URL((await pushed(app)).url);
    url.searchParams.set('client_id', other.client.id);
    const shown = await createBrowser(gatehouse.issuer).open(url.href);

    expect(shown.forms).toEqual([]);
    expect(new URL(shown.url).searchParams.get('error')).toBe('invalid_request_object');
  });

  it('need the client to prove itself', async () => {
    const app = await relyingParty(gatehouse);
    const { url } = await app.begin();
    const answer = await post(
      `${gatehouse.issuer}/par`,
      new URL(url).searchParams,
      basic(app.client, 'wrong'),
    );

    expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client']);
  });

  it('are checked when they are pushed', async () => {
    const app = await relyingParty(gatehouse);
    const { url } = await app.begin({ redirect_uri: 'https://evil.example/callback' });
    const answer = await post(
      `${gatehouse.issuer}/par`,
      new URL(url).searchParams,
      basic(app.client, app.secret),
    );

    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_request']);
  });
});

describe('a client that must push', () => {
  it('is refused a plain authorization request', async () => {
    const app = await relyingParty(gatehouse, { requirePar: true });
    const shown = await createBrowser(gatehouse.issuer).open((await app.begin()).url);

    expect(shown.forms).toEqual([]);
    expect(shown.url).toContain('error=invalid_request');
  });

  it('signs people in by a pushed one', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, { requirePar: true });
    const { landed } = await signInAt((await pushed(app)).url, person);

    expect(landed.url).toContain('code=');
  });
});
