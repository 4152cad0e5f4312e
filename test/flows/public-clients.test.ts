// Clients without a secret: a single-page app called from its own origin only, and a native app on a loopback port.
import { describe, expect, it } from 'vitest';
import type { NewClient } from '../../src/clients/clients.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator, signInAt } from '../support/people.ts';
import { type Answer, post, refusal, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();

const callback = 'https://spa.example.com/callback';
const spa: Partial<NewClient> = { kind: 'spa', redirectUris: [callback] };
const native: Partial<NewClient> = { kind: 'native', redirectUris: ['http://127.0.0.1/callback'] };

/** A token request as a page of this origin sends it. */
async function exchangeFrom(origin: string): Promise<Answer> {
  const person = await createPerson(gatehouse.services);
  const app = await relyingParty(gatehouse, spa);
  const begun = await app.begin();
  const { landed } = await signInAt(begun.url, person);
  const code = new URL(landed.url).searchParams.get('code') ?? '';
  return post(
    `${gatehouse.issuer}/token`,
    {
      grant_type: 'authorization_code',
      client_id: app.client.id,
      redirect_uri: callback,
      code,
      code_verifier: begun.verifier,
    },
    { origin },
  );
}

describe('a single-page app', () => {
  it('completes the code flow with PKCE and no secret', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, spa);
    const { tokens } = await app.signIn(person);

    expect(tokens.claims()?.sub).toBe(person.id);
  });

  it('reads the answer of the token endpoint from its own origin', async () => {
    const answer = await exchangeFrom('https://spa.example.com');

    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://spa.example.com');
  });

  it('is refused from any other origin', async () => {
    const answer = await exchangeFrom('https://evil.example');

    expect(answer.status).toBe(400);
    expect(answer.body).not.toHaveProperty('access_token');
    expect(answer.headers.get('access-control-allow-origin')).not.toBe('https://evil.example');
  });

  it('may be called from origins that were registered for it', async () => {
    const app = await relyingParty(gatehouse, { ...spa, corsOrigins: ['https://other.example.com'] });
    const fields = { grant_type: 'refresh_token', refresh_token: 'nothing', client_id: app.client.id };
    const answer = await post(`${gatehouse.issuer}/token`, fields, { origin: 'https://other.example.com' });

    expect(answer.headers.get('access-control-allow-origin')).toBe('https://other.example.com');
  });

  it('may be called from where it moved to, and no longer from where it was', async () => {
    const app = await relyingParty(gatehouse, spa);
    const redirectUris = ['https://moved.example.com/callback'];
    await gatehouse.services.clients.change(app.client.id, { redirectUris }, operator);
    const fields = { grant_type: 'refresh_token', refresh_token: 'nothing', client_id: app.client.id };
    const from = (origin: string) => post(`${gatehouse.issuer}/token`, fields, { origin });

    const [moved, old] = [await from('https://moved.example.com'), await from('https://spa.example.com')];
    expect(moved.headers.get('access-control-allow-origin')).toBe('https://moved.example.com');
    expect(old.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('cannot pass as a confidential client by its id alone', async () => {
    const app = await relyingParty(gatehouse);
    const fields = { grant_type: 'refresh_token', refresh_token: 'nothing', client_id: app.client.id };
    const answer = await post(`${gatehouse.issuer}/token`, fields);

    expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client']);
  });

  it('gets no CORS headers at the authorization endpoint (RFC 9700 §2.6)', async () => {
    const app = await relyingParty(gatehouse, spa);
    const { url } = await app.begin();
    const answer = await fetch(url, { headers: { origin: 'https://spa.example.com' }, redirect: 'manual' });

    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('a native app', () => {
  it('is answered on whatever loopback port it listens (RFC 8252 §7.3)', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, native);
    const { landed, tokens } = await app.signIn(person, { redirect_uri: 'http://127.0.0.1:51234/callback' });

    expect(new URL(landed.url).host).toBe('127.0.0.1:51234');
    expect(tokens.claims()?.sub).toBe(person.id);
  });

  it('is not answered on another path of that port', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, native);
    const { url } = await app.begin({ redirect_uri: 'http://127.0.0.1:51234/elsewhere' });
    const { landed } = await signInAt(url, person);

    expect([landed.status, new URL(landed.url).origin]).toEqual([400, gatehouse.issuer]);
  });

  it('exchanges its code only for the port that it began with', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, native);
    const begun = await app.begin({ redirect_uri: 'http://127.0.0.1:51234/callback' });
    const { landed } = await signInAt(begun.url, person);
    const moved = landed.url.replace(':51234', ':51235');

    expect(await refusal(app.finish(moved, begun))).toBe('invalid_grant');
  });

  it('may use a private-use scheme', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, {
      kind: 'native',
      redirectUris: ['com.example.app:/callback'],
    });
    const { landed } = await signInAt((await app.begin()).url, person);

    expect(landed.url).toMatch(/^com\.example\.app:\/callback\?code=/);
  });
});
