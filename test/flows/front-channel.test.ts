// OpenID Connect Front-Channel Logout 1.0: the browser that signs out tells each app that asked for it.
import { describe, expect, it } from 'vitest';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createClient, createPerson, signInAt } from '../support/people.ts';
import { type RelyingParty, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const URI = 'https://app.example.com/signed-out?of=harbour';

const app = (more: Parameters<typeof relyingParty>[1] = {}): Promise<RelyingParty> =>
  relyingParty(gatehouse, {
    firstParty: true,
    frontchannelLogoutUri: URI,
    frontchannelLogoutSessionRequired: true,
    ...more,
  });

function framesOf({ html }: Shown): URL[] {
  const found = [...html.matchAll(/<iframe [^>]*src="([^"]+)"/g)];
  return found.map(([, src = '']) => new URL(src.replaceAll('&amp;', '&')));
}

const policyOf = ({ headers }: Shown) => headers.get('content-security-policy') ?? '';

async function signOutAt(party: RelyingParty, browser: Browser, params: Record<string, string>) {
  const asked = await browser.open(
    `/end-session?${new URLSearchParams({ client_id: party.client.id, ...params })}`,
  );
  return browser.submit(asked, { logout: 'yes' }, '/confirm');
}

describe('signing out', () => {
  it('shows a frame for each app that took part and asked for it, with iss and its own sid', async () => {
    const person = await createPerson(gatehouse.services);
    const [one, two, silent] = [
      await app(),
      await app(),
      await app({
        frontchannelLogoutUri: null,
        frontchannelLogoutSessionRequired: false,
      }),
    ];
    const unused = await app({ frontchannelLogoutUri: 'https://app.example.com/never' });
    const { browser, tokens } = await one.signIn(person);
    const other = await two.signIn(person, {}, browser);
    await silent.signIn(person, {}, browser);
    const done = await signOutAt(one, browser, {});
    const frames = framesOf(done);

    expect(unused.client.frontchannelLogoutUri).toContain('/never');
    expect(frames.map((url) => `${url.origin}${url.pathname}`)).toEqual(
      Array(2).fill('https://app.example.com/signed-out'),
    );
    expect(frames.map(({ searchParams }) => Object.fromEntries(searchParams))).toEqual(
      [tokens, other.tokens].map((of) => ({
        of: 'harbour',
        iss: gatehouse.issuer,
        sid: of.claims()?.sid,
      })),
    );
    expect(policyOf(done)).toContain('; frame-src https://app.example.com;');
    expect(policyOf(await browser.open('/'))).not.toContain('frame-src');
  });

  it('goes on to where the app wants it after the frames had time to load', async () => {
    const person = await createPerson(gatehouse.services);
    const party = await app({ postLogoutRedirectUris: ['https://app.example.com/bye'] });
    const { browser } = await party.signIn(person);
    const done = await signOutAt(party, browser, {
      post_logout_redirect_uri: 'https://app.example.com/bye',
      state: 's1',
    });
    expect(framesOf(done)).toHaveLength(1);
    expect(done.headers.get('refresh')).toBe('3; url=https://app.example.com/bye?state=s1');
    expect(done.html).toContain('href="https://app.example.com/bye?state=s1"');
  });

  it('is a redirect as ever where no app wants a frame', async () => {
    const person = await createPerson(gatehouse.services);
    const party = await app({
      frontchannelLogoutUri: null,
      frontchannelLogoutSessionRequired: false,
      postLogoutRedirectUris: ['https://app.example.com/bye'],
    });
    const { browser } = await party.signIn(person);
    const done = await signOutAt(party, browser, { post_logout_redirect_uri: 'https://app.example.com/bye' });
    expect(done.url).toBe('https://app.example.com/bye');
  });

  it.each([
    ['by the button of every account page', '/account', '/sign-out'],
    ['everywhere, on the page of sessions', '/account/sessions/all', '/all'],
    ['of this session, on the page of sessions', '/account/sessions', '/end'],
  ])('on the account pages, too: %s', async (_how, path, action) => {
    const person = await createPerson(gatehouse.services);
    const browser = createBrowser(gatehouse.issuer);
    await signInAt(`${gatehouse.issuer}/account`, person, browser);
    await (await app()).signIn(person, {}, browser);
    const done = await browser.submit(await browser.open(path), {}, action);
    expect(done.url).toBe(`${gatehouse.issuer}/account/signed-out`);
    expect(framesOf(done)).toHaveLength(1);
    expect(policyOf(done)).toContain('frame-src https://app.example.com;');
  });
});

describe('the registration', () => {
  const register = (more: Parameters<typeof createClient>[1]) => createClient(gatehouse.services, more);

  it.each([
    ['another host', { frontchannelLogoutUri: 'https://elsewhere.example/out' }],
    ['another port', { frontchannelLogoutUri: 'https://app.example.com:8443/out' }],
    ['http', { frontchannelLogoutUri: 'http://app.example.com/out' }],
    ['a fragment', { frontchannelLogoutUri: 'https://app.example.com/out#here' }],
    ['a session without an address', { frontchannelLogoutSessionRequired: true }],
  ])('refuses %s', async (_what, more) => {
    await expect(register(more)).rejects.toMatchObject({ code: 'client_metadata_invalid' });
  });

  it('is announced', async () => {
    const answer = await fetch(`${gatehouse.issuer}/.well-known/openid-configuration`);
    expect(await answer.json()).toMatchObject({
      frontchannel_logout_supported: true,
      frontchannel_logout_session_supported: true,
    });
  });
});
