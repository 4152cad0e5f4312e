// Refresh tokens: rotation, theft, the grace of public clients, and what ends them (RFC 9700 §4.14).
import * as oauth from 'openid-client';
import { describe, expect, it } from 'vitest';
import type { NewClient } from '../../src/clients/clients.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator } from '../support/people.ts';
import { eventsOf, type RelyingParty, refusal, relyingParty, type Tokens } from './relying-party.ts';

const gatehouse = useGatehouse();
const offline = { scope: 'openid email offline_access', prompt: 'consent' };
const spa: Partial<NewClient> = { kind: 'spa', redirectUris: ['https://spa.example.com/callback'] };

function refresh(app: RelyingParty, tokens: { refresh_token?: string }, params: Record<string, string> = {}) {
  return oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? 'none', params);
}

async function userinfoStatus(tokens: { access_token: string }): Promise<number> {
  const headers = { authorization: `Bearer ${tokens.access_token}` };
  return (await fetch(`${gatehouse.issuer}/userinfo`, { headers })).status;
}

async function signedIn(input: Parameters<typeof relyingParty>[1] = {}, params = offline) {
  const person = await createPerson(gatehouse.services);
  const app = await relyingParty(gatehouse, input);
  return { person, app, ...(await app.signIn(person, params)) };
}

describe('rotation', () => {
  it('C5 gives a new refresh token with every refresh', async () => {
    const { app, tokens } = await signedIn();
    const second = await refresh(app, tokens);
    const third = await refresh(app, second);

    expect(new Set([tokens.refresh_token, second.refresh_token, third.refresh_token]).size).toBe(3);
    expect(third.claims()?.sub).toBe(tokens.claims()?.sub);
  });

  it('C5 a stale refresh token of a confidential client kills the whole family at once', async () => {
    const { app, tokens } = await signedIn();
    const second = await refresh(app, tokens);

    expect(await refusal(refresh(app, tokens))).toBe('invalid_grant');
    expect(await refusal(refresh(app, second))).toBe('invalid_grant');
    expect(await userinfoStatus(second)).toBe(401);
  });

  it('writes the theft to the ledger, with client and person', async () => {
    const { app, tokens, person } = await signedIn();
    await refresh(app, tokens);
    await refusal(refresh(app, tokens));

    const [event] = await eventsOf(gatehouse.services, {
      type: 'refresh-token.reused',
      clientId: app.client.id,
    });
    expect(event).toMatchObject({ accountId: person.id, outcome: 'denied' });
  });

  it('refuses an old token of a public client within the grace, and leaves the new one alone', async () => {
    const { app, tokens } = await signedIn(spa);
    const second = await refresh(app, tokens);

    expect(await refusal(refresh(app, tokens))).toBe('invalid_grant');
    const third = await refresh(app, second);
    expect(await userinfoStatus(third)).toBe(200);
  });

  it('kills the family when an old token of a public client comes after the grace', async () => {
    const { app, tokens } = await signedIn(spa);
    const second = await refresh(app, tokens);
    const { db } = gatehouse.database;
    await db('oidc_tokens')
      .where({ client_id: app.client.id })
      .whereNotNull('consumed_at')
      .update({ consumed_at: db.raw("now() - interval '11 seconds'") });

    expect(await refusal(refresh(app, tokens))).toBe('invalid_grant');
    expect(await refusal(refresh(app, second))).toBe('invalid_grant');
  });

  it('lets exactly one of many parallel refreshes of a public client win, whose tokens live', async () => {
    const { app, tokens } = await signedIn(spa);
    const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => refresh(app, tokens)));
    const won = attempts.filter((attempt) => attempt.status === 'fulfilled').map(({ value }) => value);

    expect(won.length).toBe(1);
    const [winner = tokens] = won;
    expect(await userinfoStatus(winner)).toBe(200);
  });

  it('belongs to its client', async () => {
    const { tokens } = await signedIn();
    const other = await relyingParty(gatehouse);

    expect(await refusal(refresh(other, tokens))).toBe('invalid_grant');
  });
});

describe('scope of a refresh', () => {
  it('may be narrowed', async () => {
    const { app, tokens } = await signedIn();
    const narrowed: Tokens = await refresh(app, tokens, { scope: 'openid' });

    expect(narrowed.scope).toBe('openid');
  });

  it('comes back whole after it was narrowed once', async () => {
    const { app, tokens } = await signedIn();
    const narrowed = await refresh(app, tokens, { scope: 'openid' });
    const whole = await refresh(app, narrowed);

    expect(whole.scope).toBe('openid email offline_access');
  });

  it('may not be widened', async () => {
    const { app, tokens } = await signedIn();

    expect(await refusal(refresh(app, tokens, { scope: 'openid profile' }))).toBe('invalid_scope');
  });
});

describe('who gets a refresh token', () => {
  it('a first-party client that is registered for it, without a consent page', async () => {
    const { tokens } = await signedIn({ firstParty: true }, { scope: 'openid', prompt: '' });

    expect(tokens.refresh_token).toEqual(expect.any(String));
  });

  it('no first-party client that is not registered for it', async () => {
    const { tokens } = await signedIn(
      { firstParty: true, grantTypes: ['authorization_code'], scopes: ['openid'] },
      { scope: 'openid', prompt: '' },
    );

    expect(tokens.refresh_token).toBeUndefined();
  });

  it('no third-party client that did not ask for offline access', async () => {
    const { tokens } = await signedIn({}, { scope: 'openid', prompt: 'consent' });

    expect(tokens.refresh_token).toBeUndefined();
  });
});

describe('the end of refresh tokens', () => {
  it('sign-out ends what was bound to the session', async () => {
    const { app, tokens, browser } = await signedIn({ firstParty: true }, { scope: 'openid', prompt: '' });
    const confirm = await browser.open(`${gatehouse.issuer}/end-session`);
    await browser.submit(confirm, { logout: 'yes' });

    expect(await refusal(refresh(app, tokens))).toBe('invalid_grant');
    expect(await userinfoStatus(tokens)).toBe(401);
  });

  it('sign-out in a browser leaves our own native app signed in', async () => {
    const native: Partial<NewClient> = {
      kind: 'native',
      redirectUris: ['http://127.0.0.1/callback'],
      firstParty: true,
    };
    const { app, tokens, browser } = await signedIn(native, { scope: 'openid', prompt: '' });
    const confirm = await browser.open(`${gatehouse.issuer}/end-session`);
    await browser.submit(confirm, { logout: 'yes' });

    expect(await refresh(app, tokens)).toHaveProperty('access_token');
  });

  it('sign-out leaves offline access alone', async () => {
    const { app, tokens, browser } = await signedIn();
    const confirm = await browser.open(`${gatehouse.issuer}/end-session`);
    await browser.submit(confirm, { logout: 'yes' });
    const again = await refresh(app, tokens);

    expect(await userinfoStatus(again)).toBe(200);
  });

  it('an operator who ends everything of a person ends offline access too', async () => {
    const { app, tokens, person } = await signedIn();
    await gatehouse.services.sessions.endAll({ accountId: person.id }, operator);

    expect(await refusal(refresh(app, tokens))).toBe('invalid_grant');
  });

  it('an operator who ends the sessions of a person ends what was bound to them', async () => {
    const bound = { scope: 'openid', prompt: '' };
    const { app, tokens, person } = await signedIn({ firstParty: true }, bound);
    await gatehouse.services.sessions.endAll({ accountId: person.id }, operator);

    expect(await refusal(refresh(app, tokens))).toBe('invalid_grant');
  });

  it('a disabled client refreshes nothing', async () => {
    const { app, tokens } = await signedIn();
    await gatehouse.services.clients.change(app.client.id, { status: 'disabled' }, operator);

    expect(await refusal(refresh(app, tokens))).toBe('invalid_client');
  });

  it('a deleted client leaves no token behind', async () => {
    const { app, tokens } = await signedIn();
    await gatehouse.services.clients.remove(app.client.id, operator);

    expect(await userinfoStatus(tokens)).toBe(401);
  });

  it('a client that may no longer refresh is refused', async () => {
    const { app, tokens } = await signedIn();
    await gatehouse.services.clients.change(
      app.client.id,
      { grantTypes: ['authorization_code'], scopes: ['openid', 'email'] },
      operator,
    );

    expect(await refusal(refresh(app, tokens))).toBe('invalid_request');
  });
});
