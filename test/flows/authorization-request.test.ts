// Authorization requests that are refused, how they are refused, and what every answer carries.
import { describe, expect, it } from 'vitest';
import { createBrowser, type Shown } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, signInAt } from '../support/people.ts';
import { basic, eventTypes, post, refusal, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const callback = 'https://app.example.com/callback';

function open(url: string): Promise<Shown> {
  return createBrowser(gatehouse.issuer).open(url);
}

function answered(shown: Shown): Record<string, string> {
  expect(shown.url.startsWith(callback)).toBe(true);
  return Object.fromEntries(new URL(shown.url).searchParams);
}

describe('PKCE (RFC 7636, RFC 9700 §2.1.1)', () => {
  it('is required of confidential clients too', async () => {
    const app = await relyingParty(gatehouse);
    const { url } = await app.begin({ code_challenge: '', code_challenge_method: '' });

    expect(answered(await open(url))).toMatchObject({ error: 'invalid_request' });
  });

  it('refuses the plain method', async () => {
    const app = await relyingParty(gatehouse);
    const { url } = await app.begin({ code_challenge_method: 'plain' });

    expect(answered(await open(url))).toMatchObject({ error: 'invalid_request' });
  });

  it('refuses a challenge without its method, which would mean plain', async () => {
    const app = await relyingParty(gatehouse);
    const { url } = await app.begin({ code_challenge_method: '' });

    expect(answered(await open(url))).toMatchObject({ error: 'invalid_request' });
  });

  it('may be left out by an exempted client that sends a nonce', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, { pkceExempt: true });
    const { url } = await app.begin({ code_challenge: '', code_challenge_method: '', nonce: 'n-1' });
    const { landed } = await signInAt(url, person);

    expect(answered(landed)).toHaveProperty('code');
  });

  it('may not be left out by an exempted client without a nonce', async () => {
    const app = await relyingParty(gatehouse, { pkceExempt: true });
    const { url } = await app.begin({ code_challenge: '', code_challenge_method: '' });

    expect(answered(await open(url))).toMatchObject({ error: 'invalid_request' });
  });

  it('may not be left out by any other confidential client, nonce or not', async () => {
    const app = await relyingParty(gatehouse);
    const { url } = await app.begin({ code_challenge: '', code_challenge_method: '', nonce: 'n-1' });

    expect(answered(await open(url))).toMatchObject({ error: 'invalid_request' });
  });

  it('refuses a verifier where no challenge was sent', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, { pkceExempt: true });
    const begun = await app.begin({ code_challenge: '', code_challenge_method: '', nonce: 'n-1' });
    const { landed } = await signInAt(begun.url, person);

    const answer = await post(
      `${gatehouse.issuer}/token`,
      {
        grant_type: 'authorization_code',
        code: answered(landed).code ?? '',
        redirect_uri: callback,
        code_verifier: begun.verifier,
      },
      basic(app.client, app.secret),
    );

    expect(answer.body.error).toBe('invalid_grant');
  });

  it('refuses a code with another verifier', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const begun = await app.begin();
    const { landed } = await signInAt(begun.url, person);

    const other = { ...begun, verifier: 'x'.repeat(43) };
    expect(await refusal(app.finish(landed.url, other))).toBe('invalid_grant');
  });
});

describe('redirects (RFC 9700 §4.11)', () => {
  it('stays on an error page when the redirect URI is not registered', async () => {
    const app = await relyingParty(gatehouse);
    const { url } = await app.begin({ redirect_uri: 'https://app.example.com/callback/more' });
    const shown = await open(url);

    expect(shown.status).toBe(400);
    expect(new URL(shown.url).origin).toBe(gatehouse.issuer);
    expect(shown.html).toContain('invalid_redirect_uri');
  });

  it.each([
    'https://app.example.com/callback?x=1',
    'https://APP.example.com/callback',
    'http://app.example.com/callback',
  ])('compares redirect URIs letter by letter: %s', async (redirect_uri) => {
    const app = await relyingParty(gatehouse);
    const shown = await open((await app.begin({ redirect_uri })).url);

    expect([shown.status, new URL(shown.url).origin]).toEqual([400, gatehouse.issuer]);
  });

  it('stays on an error page when the client is unknown', async () => {
    const app = await relyingParty(gatehouse);
    const { url } = await app.begin({ client_id: 'nobody-knows-me' });
    const shown = await open(url);

    expect([shown.status, new URL(shown.url).origin]).toEqual([400, gatehouse.issuer]);
    expect(shown.html).toContain('invalid_client');
  });

  it('never repeats on the error page what the request said', async () => {
    const app = await relyingParty(gatehouse);
    const { url } = await app.begin({
      redirect_uri: 'https://evil.example/<b>x</b>',
      client_id: '<i>me</i>',
    });
    const shown = await open(url);

    expect(shown.html).not.toContain('evil.example');
    expect(shown.html).not.toContain('<i>me');
  });
});

describe('answers to the client', () => {
  it('names the issuer in a success (RFC 9207)', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const { landed, begun } = await app.signIn(person);

    expect(answered(landed)).toMatchObject({ iss: gatehouse.issuer, state: begun.state });
  });

  it('names the issuer in an error (RFC 9207)', async () => {
    const app = await relyingParty(gatehouse);
    const begun = await app.begin({ prompt: 'none' });

    expect(answered(await open(begun.url))).toMatchObject({
      iss: gatehouse.issuer,
      state: begun.state,
      error: 'login_required',
    });
  });

  it.each(['token', 'id_token', 'code id_token', 'code token'])(
    'refuses response_type=%s',
    async (response_type) => {
      const app = await relyingParty(gatehouse);
      const shown = await open((await app.begin({ response_type, nonce: 'n-1' })).url);

      expect(shown.url).toMatch(/error=(unsupported_response_type|unauthorized_client)/);
    },
  );

  it('keeps response_type=none to the account pages', async () => {
    const app = await relyingParty(gatehouse);
    const shown = await open((await app.begin({ response_type: 'none' })).url);

    expect(shown.url).toContain('error=invalid_request&error_description=requested+response_type');
  });

  it.each(['client_id', 'redirect_uri', 'scope', 'state', 'code_challenge', 'response_type'])(
    'refuses a request that repeats %s',
    async (name) => {
      const app = await relyingParty(gatehouse);
      const url = new URL((await app.begin()).url);
      url.searchParams.append(name, url.searchParams.get(name) ?? 'again');
      const shown = await open(url.href);

      expect(shown.url.includes('error=invalid_request') || shown.status === 400).toBe(true);
      expect(shown.forms).toEqual([]);
    },
  );

  it('refuses a token request that repeats a parameter', async () => {
    const app = await relyingParty(gatehouse);
    const fields = new URLSearchParams([
      ['grant_type', 'authorization_code'],
      ['code', 'one'],
      ['code', 'two'],
      ['redirect_uri', callback],
    ]);

    const answer = await post(`${gatehouse.issuer}/token`, fields, basic(app.client, app.secret));

    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_request']);
  });
});

describe('codes (RFC 6749 §4.1.2)', () => {
  it('a code used twice ends everything that came from it', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const { tokens, landed, begun } = await app.signIn(person, {
      scope: 'openid offline_access',
      prompt: 'consent',
    });

    expect(await refusal(app.finish(landed.url, begun))).toBe('invalid_grant');

    const userinfo = await fetch(`${gatehouse.issuer}/userinfo`, {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    });
    expect(userinfo.status).toBe(401);
    const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' };
    const answer = await post(`${gatehouse.issuer}/token`, refresh, basic(app.client, app.secret));
    expect(answer.body.error).toBe('invalid_grant');
  });

  it('a code used twice is an event of the person and the client', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const { landed, begun } = await app.signIn(person);
    await refusal(app.finish(landed.url, begun));

    expect(await eventTypes(gatehouse.services, { clientId: app.client.id, type: 'code.reused' })).toEqual([
      'code.reused',
    ]);
    expect(await eventTypes(gatehouse.services, { accountId: person.id, type: 'code.reused' })).toEqual([
      'code.reused',
    ]);
  });

  it('a code belongs to the client that asked for it', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const other = await relyingParty(gatehouse);
    const begun = await app.begin();
    const { landed } = await signInAt(begun.url, person);

    expect(await refusal(other.finish(landed.url, begun))).toBe('invalid_grant');
  });
});

describe('a posted authorization request', () => {
  it('goes on as the same request by GET, with everything that was in it', async () => {
    const body = new URLSearchParams([
      ['client_id', 'app'],
      ['resource', 'https://one.example.com'],
      ['resource', 'https://two.example.com'],
    ]);
    const response = await fetch(`${gatehouse.issuer}/authorize`, {
      method: 'POST',
      body,
      redirect: 'manual',
    });
    expect(response.status).toBe(303);
    expect(response.headers.get('location')).toBe(`${gatehouse.issuer}/authorize?${body}`);
  });

  it('is refused when it would not fit into an address', async () => {
    const body = new URLSearchParams({ client_id: 'app', state: 'x'.repeat(9000) });
    const response = await fetch(`${gatehouse.issuer}/authorize`, {
      method: 'POST',
      body,
      redirect: 'manual',
    });
    expect(response.status).toBe(413);
  });
});
