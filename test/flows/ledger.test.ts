// Each act of the protocol leaves its event: who, about whom, for which client, from where, under which request id.
import * as oauth from 'openid-client';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import type { EventFilter } from '../../src/audit/audit.ts';
import type { NewClient } from '../../src/clients/clients.ts';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createPerson, operator, password } from '../support/people.ts';
import {
  basic,
  eventsOf,
  eventTypes,
  post,
  type RelyingParty,
  refusal,
  relyingParty,
} from './relying-party.ts';

const gatehouse = useGatehouse();
const offline = { scope: 'openid offline_access', prompt: 'consent' };

function events(filter: EventFilter) {
  return eventsOf(gatehouse.services, filter);
}

async function scene(input: Partial<NewClient> = {}) {
  return { person: await createPerson(gatehouse.services), app: await relyingParty(gatehouse, input) };
}

async function failToSignIn(app: RelyingParty, person: Account) {
  const browser = createBrowser(gatehouse.issuer);
  const page = await browser.open((await app.begin()).url);
  return browser.submit(page, { identifier: person.email ?? '', password: 'wrong' }, '/login');
}

describe('a whole sign-in', () => {
  const told: { types: string[]; person?: Account } = { types: [] };

  beforeAll(async () => {
    const { app, person } = await scene();
    await app.signIn(person, offline);
    told.person = person;
    told.types = await eventTypes(gatehouse.services, { accountId: person.id });
  });

  it('leaves the proof, the session, the consent, the grant and both tokens, each once', () => {
    const signIn = told.types.filter((type) => !/^(account|password)\./.test(type));

    expect(signIn.sort()).toEqual([
      'consent.granted',
      'grant.created',
      'session.started',
      'sign-in.succeeded',
      'token.issued',
      'token.issued',
    ]);
  });

  it('carries address, user agent and request id in every event of the browser', async () => {
    const list = await events({ accountId: told.person?.id, type: 'consent.granted' });

    expect(list).toMatchObject([
      { userAgent: 'TestBrowser/1.0', address: expect.any(String), requestId: expect.any(String) },
    ]);
  });

  it('says what was allowed, to whom', async () => {
    const [event] = await events({ accountId: told.person?.id, type: 'consent.granted' });

    expect(event?.details).toMatchObject({ scopes: expect.arrayContaining(['openid', 'offline_access']) });
    expect(event?.clientId).toEqual(expect.any(String));
  });
});

describe('a sign-in', () => {
  it('that fails leaves one event of the account', async () => {
    const { app, person } = await scene();
    await failToSignIn(app, person);

    expect(await events({ accountId: person.id, type: 'sign-in.*' })).toMatchObject([
      { type: 'sign-in.failed', outcome: 'failure' },
    ]);
  });

  it('that goes on in a session starts no second one', async () => {
    const { app, person } = await scene({ firstParty: true });
    const { browser } = await app.signIn(person);
    await app.signIn(person, {}, browser);

    expect(await eventTypes(gatehouse.services, { accountId: person.id, type: 'session.*' })).toEqual([
      'session.started',
    ]);
  });

  it('whose consent was refused leaves consent.denied', async () => {
    const { app, person } = await scene();
    const browser = createBrowser(gatehouse.issuer);
    const login = await browser.open((await app.begin()).url);
    const page = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
    await browser.submit(page, {}, '/cancel');

    expect(await events({ clientId: app.client.id, type: 'consent.*' })).toMatchObject([
      { type: 'consent.denied', accountId: person.id, outcome: 'denied' },
    ]);
  });

  it('that an operator ended leaves session.ended in their name', async () => {
    const { app, person } = await scene();
    await app.signIn(person);
    const { items } = await gatehouse.services.sessions.list(
      { accountId: person.id },
      { limit: 1, cursor: null },
    );
    await gatehouse.services.sessions.end(items[0]?.id ?? '', operator);

    expect(await events({ accountId: person.id, type: 'session.ended' })).toMatchObject([
      { actor: operator, target: { kind: 'session' } },
    ]);
  });
});

describe('tokens', () => {
  it('that are JWTs leave token.issued with audience, scope and grant', async () => {
    const api = await createApi(gatehouse.services);
    const { app, person } = await scene({ apis: [{ audience: api.audience, permissions: ['*'] }] });
    await app.signIn(person, { resource: api.audience, scope: 'openid notes:read' });

    expect(await events({ clientId: app.client.id, type: 'token.issued' })).toMatchObject([
      {
        accountId: person.id,
        actor: { kind: 'client', id: app.client.id },
        details: { audience: api.audience, scope: 'notes:read', grantId: expect.any(String) },
      },
    ]);
  });

  it('that are opaque leave token.issued', async () => {
    const api = await createApi(gatehouse.services, { tokenFormat: 'opaque' });
    const machine = await relyingParty(gatehouse, {
      kind: 'machine',
      apis: [{ audience: api.audience, permissions: ['*'] }],
    });
    await oauth.clientCredentialsGrant(machine.config);

    expect(await events({ clientId: machine.client.id, type: 'token.issued' })).toMatchObject([
      { accountId: null, details: { audience: api.audience } },
    ]);
  });

  it('never stand in the ledger themselves', async () => {
    const { app, person } = await scene();
    const { tokens } = await app.signIn(person, offline);
    await oauth.tokenRevocation(app.config, tokens.refresh_token ?? '');
    const text = JSON.stringify(await events({ clientId: app.client.id }));

    for (const secret of [tokens.access_token, tokens.refresh_token ?? '', app.secret]) {
      expect(text).not.toContain(secret);
    }
  });

  it('that are exchanged leave token.refreshed', async () => {
    const { app, person } = await scene();
    const { tokens } = await app.signIn(person, offline);
    await oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '');

    expect(await events({ clientId: app.client.id, type: 'token.refreshed' })).toMatchObject([
      { accountId: person.id, outcome: 'success' },
    ]);
  });
});

describe('refusals', () => {
  it('of a client that proved itself are events', async () => {
    const { app } = await scene();
    await refusal(oauth.refreshTokenGrant(app.config, 'made-up'));

    expect(await events({ clientId: app.client.id, type: 'request.refused' })).toMatchObject([
      { outcome: 'denied', reason: 'invalid_grant', details: { route: 'token' } },
    ]);
  });

  it('of a stranger are only counted', async () => {
    const { app } = await scene();
    const before = (await events({})).length;
    const fields = { grant_type: 'client_credentials' };
    for (let attempt = 0; attempt < 5; attempt += 1) {
      await post(`${gatehouse.issuer}/token`, fields, basic(app.client, 'wrong'));
    }

    expect((await events({})).length).toBe(before);
  });

  it('that are counted are found by kind', async () => {
    const { app } = await scene();
    await post(`${gatehouse.issuer}/token`, { grant_type: 'client_credentials' }, basic(app.client, 'wrong'));
    // Counts are written in batches of a second.
    await expect
      .poll(
        async () =>
          (
            await gatehouse.services.audit.listRefusals(
              { kind: 'client_authentication' },
              { limit: 10, cursor: null },
            )
          ).items.reduce((sum, { count }) => sum + count, 0),
        { timeout: 5000 },
      )
      .toBeGreaterThan(0);
  });

  it('of an authorization request nobody stood behind are no events', async () => {
    const { app } = await scene();
    await createBrowser(gatehouse.issuer).open((await app.begin({ code_challenge_method: 'plain' })).url);

    expect(await events({ clientId: app.client.id, type: 'request.refused' })).toEqual([]);
  });
});
