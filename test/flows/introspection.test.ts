// Introspection (RFC 7662): only who owns the audience, or was flagged, learns anything. And revocation (RFC 7009).
import * as oauth from 'openid-client';
import { describe, expect, it } from 'vitest';
import type { Client, NewClient } from '../../src/clients/clients.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createPerson, operator } from '../support/people.ts';
import { eventsOf, type RelyingParty, refusal, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();

/** An API with opaque tokens, the client that owns it, and a person's token for it. */
async function scene(input: Partial<NewClient> = {}) {
  const api = await createApi(gatehouse.services, { tokenFormat: 'opaque' });
  const owner = await machine(api.audience);
  await gatehouse.services.apis.change(api.id, { ownerClientId: owner.client.id }, operator);
  const app = await relyingParty(gatehouse, {
    apis: [{ audience: api.audience, permissions: ['*'] }],
    ...input,
  });
  const person = await createPerson(gatehouse.services);
  const { tokens } = await app.signIn(person, {
    resource: api.audience,
    scope: 'openid offline_access notes:read',
    prompt: 'consent',
  });
  return { api, owner, app, person, tokens };
}

function machine(audience: string, input: Partial<NewClient> = {}): Promise<RelyingParty> {
  return relyingParty(gatehouse, { kind: 'machine', apis: [{ audience, permissions: [] }], ...input });
}

function introspectionsBy(client: Client) {
  return eventsOf(gatehouse.services, { type: 'token.introspected', actorId: client.id });
}

describe('introspection', () => {
  it('tells the owner of the API about a token for it', async () => {
    const { owner, app, person, tokens, api } = await scene();
    const told = await oauth.tokenIntrospection(owner.config, tokens.access_token);

    expect(told).toMatchObject({
      active: true,
      sub: person.id,
      client_id: app.client.id,
      aud: api.audience,
      scope: 'notes:read',
      iss: gatehouse.issuer,
      token_type: 'Bearer',
    });
  });

  it('tells another client nothing but "not active"', async () => {
    const { tokens, api } = await scene();
    const other = await machine(api.audience);

    expect(await oauth.tokenIntrospection(other.config, tokens.access_token)).toEqual({ active: false });
  });

  it('tells the client that got the token nothing either', async () => {
    const { app, tokens } = await scene();

    expect(await oauth.tokenIntrospection(app.config, tokens.access_token)).toEqual({ active: false });
    expect(await oauth.tokenIntrospection(app.config, tokens.refresh_token ?? '')).toEqual({ active: false });
  });

  it('tells a client that was flagged for it about any token', async () => {
    const { tokens, api } = await scene();
    const flagged = await machine(api.audience, { mayIntrospectAny: true });

    expect(await oauth.tokenIntrospection(flagged.config, tokens.access_token)).toMatchObject({
      active: true,
    });
  });

  it('answers a made-up token with "not active"', async () => {
    const { owner } = await scene();

    expect(await oauth.tokenIntrospection(owner.config, 'x'.repeat(43))).toEqual({ active: false });
  });

  it('needs the client to prove itself', async () => {
    const { owner, tokens } = await scene();
    const answer = await fetch(`${gatehouse.issuer}/introspect`, {
      method: 'POST',
      body: new URLSearchParams({ token: tokens.access_token, client_id: owner.client.id }),
    });

    expect(answer.status).toBe(401);
  });

  it('tells a public client nothing, even about its own API: anybody can use its name', async () => {
    const { api, tokens } = await scene();
    const owner = await relyingParty(
      gatehouse,
      { kind: 'native', authMethod: 'none', redirectUris: ['http://127.0.0.1/callback'] },
      oauth.None(),
    );
    await gatehouse.services.apis.change(api.id, { ownerClientId: owner.client.id }, operator);

    expect(await oauth.tokenIntrospection(owner.config, tokens.access_token)).toEqual({ active: false });
  });

  it('says "not active" of a token whose client was disabled', async () => {
    const { owner, app, tokens } = await scene();
    await gatehouse.services.clients.change(app.client.id, { status: 'disabled' }, operator);

    expect(await oauth.tokenIntrospection(owner.config, tokens.access_token)).toEqual({ active: false });
  });

  it('leaves an event with who asked and about whom', async () => {
    const { owner, app, person, tokens } = await scene();
    await oauth.tokenIntrospection(owner.config, tokens.access_token);

    expect(await introspectionsBy(owner.client)).toMatchObject([
      { outcome: 'success', accountId: person.id, clientId: app.client.id },
    ]);
  });

  it('leaves an event also when nothing was told', async () => {
    const { api, tokens } = await scene();
    const other = await machine(api.audience);
    await oauth.tokenIntrospection(other.config, tokens.access_token);

    expect(await introspectionsBy(other.client)).toMatchObject([{ outcome: 'denied' }]);
  });
});

describe('revocation', () => {
  it('of a refresh token ends its whole family', async () => {
    const { app, owner, tokens } = await scene();
    await oauth.tokenRevocation(app.config, tokens.refresh_token ?? '');

    expect(await oauth.tokenIntrospection(owner.config, tokens.access_token)).toEqual({ active: false });
    expect(await refusal(oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? ''))).toBe(
      'invalid_grant',
    );
  });

  it('of an access token ends it at once', async () => {
    const { app, owner, tokens } = await scene();
    await oauth.tokenRevocation(app.config, tokens.access_token);

    expect(await oauth.tokenIntrospection(owner.config, tokens.access_token)).toEqual({ active: false });
  });

  it('of an unknown token succeeds (RFC 7009 §2.2)', async () => {
    const { app } = await scene();

    await expect(oauth.tokenRevocation(app.config, 'x'.repeat(43))).resolves.toBeUndefined();
  });

  it('of the token of another client changes nothing', async () => {
    const { owner, tokens } = await scene();
    const other = await relyingParty(gatehouse);
    await refusal(oauth.tokenRevocation(other.config, tokens.refresh_token ?? ''));

    expect(await oauth.tokenIntrospection(owner.config, tokens.access_token)).toMatchObject({ active: true });
  });

  it('leaves an event of the token, and one of the grant', async () => {
    const { app, person, tokens } = await scene();
    await oauth.tokenRevocation(app.config, tokens.refresh_token ?? '');
    const events = await eventsOf(gatehouse.services, { clientId: app.client.id });
    const revoked = events.filter((event) => event.type.endsWith('.revoked'));

    expect(revoked.map((event) => event.type).sort()).toEqual(['grant.revoked', 'token.revoked']);
    for (const event of revoked) expect(event.accountId).toBe(person.id);
  });
});
