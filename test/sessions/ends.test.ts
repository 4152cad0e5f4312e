// The end of sessions, grants and tokens: of one, of an account, of a client, of both together, of everybody; and who is told.
import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import { describe, expect, it, vi } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createServices } from '../../src/services.ts';
import {
  connect,
  eventsOf,
  type RelyingParty,
  refusal,
  relyingParty,
  type Tokens,
} from '../flows/relying-party.ts';
import { createBrowser } from '../support/browser.ts';
import { testConfig, useGatehouse } from '../support/gatehouse.ts';
import { createClient, createPerson, operator, password } from '../support/people.ts';
import { useReceiver } from '../support/receiver.ts';

const gatehouse = useGatehouse();
const receiver = useReceiver();
const all = { limit: 100, cursor: null };
const within = { timeout: 8000, interval: 20 };
const sessions = () => gatehouse.services.sessions;

function app(more: Parameters<typeof relyingParty>[1] = {}): Promise<RelyingParty> {
  return relyingParty(gatehouse, {
    backchannelLogoutUri: `${receiver.origin}/${randomUUID()}`,
    backchannelLogoutSessionRequired: true,
    grantTypes: ['authorization_code', 'refresh_token'],
    scopes: ['openid', 'email', 'offline_access'],
    firstParty: true,
    ...more,
  });
}

const scope = { scope: 'openid email offline_access', prompt: 'consent' };
const signIn = (party: RelyingParty, person: Account) => party.signIn(person, scope);

async function refreshes(party: RelyingParty, tokens: Tokens): Promise<boolean> {
  const answer = await refusal(oauth.refreshTokenGrant(party.config, tokens.refresh_token ?? ''));
  return answer === 'nothing was refused';
}

/** The sessions, as this client knows them, of which it was told that they ended; after all was sent. */
async function told(party: RelyingParty): Promise<(string | undefined)[]> {
  const { items } = await sessions().listDeliveries({ clientId: party.client.id }, all);
  await vi.waitFor(async () => {
    const waiting = await sessions().listDeliveries({ clientId: party.client.id, state: 'waiting' }, all);
    expect(waiting.items).toEqual([]);
  }, within);
  return items.map(({ sid }) => sid ?? undefined);
}

const sidOf = (tokens: Tokens) => String(tokens.claims()?.sid);

describe('ending everything', () => {
  it('of an account: sessions, offline access too, and its apps are told; other people stay', async () => {
    const [gone, stays] = [await createPerson(gatehouse.services), await createPerson(gatehouse.services)];
    const party = await app();
    const [ofGone, ofStays] = [await signIn(party, gone), await signIn(party, stays)];
    const counts = await sessions().endAll({ accountId: gone.id }, operator);

    expect(counts).toEqual({ sessions: 1, grants: 1, tokens: 2 });
    expect(await told(party)).toEqual([sidOf(ofGone.tokens)]);
    expect(await refreshes(party, ofGone.tokens)).toBe(false);
    expect(await refreshes(party, ofStays.tokens)).toBe(true);
  });

  it('of a client: what it was given by everybody; the browsers stay signed in for their other apps', async () => {
    const people = [await createPerson(gatehouse.services), await createPerson(gatehouse.services)];
    const [gone, stays] = [await app(), await app()];
    const ends = [];
    for (const person of people) {
      const { browser, tokens } = await signIn(gone, person);
      const other = await stays.signIn(person, scope, browser);
      ends.push({ browser, tokens, other: other.tokens });
    }
    const counts = await sessions().endAll({ clientId: gone.client.id }, operator);

    expect(counts).toEqual({ sessions: 2, grants: 2, tokens: 4 });
    expect((await told(gone)).toSorted()).toEqual(ends.map(({ tokens }) => sidOf(tokens)).toSorted());
    expect(await told(stays)).toEqual([]);
    for (const { browser, tokens, other } of ends) {
      expect(await refreshes(gone, tokens)).toBe(false);
      expect(await refreshes(stays, other)).toBe(true);
      const shown = await browser.open((await stays.begin({ prompt: 'none' })).url);
      expect(shown.url).toContain('code=');
    }
  });

  it('of a client for one account: nothing of another account or client, and consent is asked again', async () => {
    const [gone, stays] = [await createPerson(gatehouse.services), await createPerson(gatehouse.services)];
    const [party, other] = [await app({ firstParty: false }), await app()];
    const { browser, tokens } = await signIn(party, gone);
    const ofOther = await other.signIn(gone, scope, browser);
    const ofStays = await signIn(party, stays);
    await sessions().endAll({ accountId: gone.id, clientId: party.client.id }, operator);

    expect(await told(party)).toEqual([sidOf(tokens)]);
    expect(await refreshes(party, tokens)).toBe(false);
    expect(await refreshes(party, ofStays.tokens)).toBe(true);
    expect(await refreshes(other, ofOther.tokens)).toBe(true);
    const shown = await browser.open((await party.begin({ prompt: 'none' })).url);
    expect(new URL(shown.url).searchParams.get('error')).toBe('consent_required');
  });

  it('writes when, what and how much into the ledger', async () => {
    const person = await createPerson(gatehouse.services);
    await signIn(await app(), person);
    await sessions().endAll({ accountId: person.id }, operator);
    const events = await eventsOf(gatehouse.services, { accountId: person.id, type: 'sessions.ended' });

    expect(events.map(({ actor }) => actor)).toContainEqual(operator);
    expect(events.map(({ details }) => details)).toMatchObject([
      { of: 'account', before: expect.any(String) },
      { of: 'account', sessions: 1 },
      { of: 'account', grants: 1 },
      { of: 'account', tokens: 2 },
      { of: 'account', transients: 1 },
    ]);
  });

  it('of nobody in particular is refused, and does nothing', async () => {
    await expect(sessions().endAll({}, operator)).rejects.toThrow();
  });
});

describe('revoking a grant', () => {
  it('ends its tokens and no others, and tells the app', async () => {
    const person = await createPerson(gatehouse.services);
    const [gone, stays] = [await app(), await app()];
    const { tokens, browser } = await signIn(gone, person);
    const other = await stays.signIn(person, scope, browser);
    const { items } = await sessions().listGrants({ accountId: person.id, clientId: gone.client.id }, all);
    await sessions().revokeGrant(items[0]?.id ?? '', operator);

    expect(items[0]).toMatchObject({ accountId: person.id, scopes: ['openid', 'email', 'offline_access'] });
    expect(await told(gone)).toEqual([sidOf(tokens)]);
    expect(await refreshes(gone, tokens)).toBe(false);
    expect(await refreshes(stays, other.tokens)).toBe(true);
  });

  it('that is not there says so', async () => {
    await expect(sessions().revokeGrant('none', operator)).rejects.toMatchObject({ code: 'grant_not_found' });
  });
});

describe('the apps of somebody', () => {
  it.each([
    ['is suspended', (id: Account['id']) => gatehouse.services.accounts.suspend(id, null, operator)],
    ['is deleted', (id: Account['id']) => gatehouse.services.accounts.remove(id, operator)],
    [
      'gets a new password',
      (id: Account['id']) =>
        gatehouse.services.credentials.setPassword(id, 'another fine meadow 77', operator),
    ],
  ])('are told when that person %s', async (_what, act) => {
    const person = await createPerson(gatehouse.services);
    const party = await app();
    const { tokens } = await signIn(party, person);
    await act(person.id);

    expect(await told(party)).toEqual([sidOf(tokens)]);
  });
});

const ROUNDS = 50;

describe('two tabs at once', () => {
  it('each with an app of its own: at the end of the session both are told, fifty times', async () => {
    const person = await createPerson(gatehouse.services);
    const [left, right] = [await app(), await app()];
    const outsider = await relyingParty(gatehouse, { firstParty: true });
    for (let round = 0; round < ROUNDS; round += 1) {
      const { browser } = await outsider.signIn(person);
      const begun = [await left.begin(), await right.begin()];
      const landed = await Promise.all(begun.map(({ url }) => browser.open(url)));
      expect(landed.map(({ url }) => url.includes('code='))).toEqual([true, true]);
      const { items } = await sessions().list({ accountId: person.id }, all);
      await sessions().end(items[0]?.id ?? '', operator);
    }
    for (const party of [left, right]) {
      const { items } = await sessions().listDeliveries({ clientId: party.client.id }, all);
      expect(items).toHaveLength(ROUNDS);
    }
  }, 120_000);
});

describe('a JWT access token', () => {
  it.each(['account', 'client', 'everyone'] as const)(
    'from before an end of the %s is worth nothing, on this node at once and on others within five seconds',
    async (kind) => {
      const person = await createPerson(gatehouse.services, { admin: true });
      const party = await managementApp();
      const { tokens } = await party.signIn(person, {
        scope: 'openid accounts:read',
        resource: gatehouse.services.managementAudience,
      });
      const node = await otherNode();
      const bearer = { authorization: `Bearer ${tokens.access_token}` };
      expect(await node.gateway.authenticate(bearer)).toBeDefined();
      const by = {
        account: { accountId: person.id },
        client: { clientId: party.client.id },
        everyone: 'everyone',
      } as const;
      await sessions().endAll(by[kind], operator);

      expect(await gatehouse.services.gateway.authenticate(bearer)).toBeUndefined();
      expect(await node.gateway.authenticate(bearer)).toBeUndefined();
      // Its grant is gone, which is enough; but also by its time alone it is over, on this node at once.
      const made = {
        atSeconds: decodeJwt(tokens.access_token).iat ?? 0,
        accountId: person.id,
        clientId: party.client.id,
      };
      expect(gatehouse.services.oidc.cutoffs.isOver(made)).toBe(true);
      const heard = () => expect(node.oidc.cutoffs.isOver(made)).toBe(true);
      await vi.waitFor(heard, { timeout: 5000, interval: 50 });
      await node.changes.stop();
    },
    30_000,
  );

  it('of a machine dies as well, which has no grant', async () => {
    const { client, secret } = await createClient(gatehouse.services, {
      kind: 'machine',
      grantTypes: ['client_credentials'],
      apis: [{ audience: gatehouse.services.managementAudience, permissions: ['accounts:read'] }],
    });
    const config = await connect(gatehouse.issuer, client, secret);
    const tokens = await oauth.clientCredentialsGrant(config, {
      scope: 'accounts:read',
      resource: gatehouse.services.managementAudience,
    });
    const bearer = { authorization: `Bearer ${tokens.access_token}` };
    expect(await gatehouse.services.gateway.authenticate(bearer)).toBeDefined();
    await sessions().endAll({ clientId: client.id }, operator);

    expect(await gatehouse.services.gateway.authenticate(bearer)).toBeUndefined();
  });
});

function managementApp(): Promise<RelyingParty> {
  return app({ apis: [{ audience: gatehouse.services.managementAudience, permissions: ['*'] }] });
}

/** On the same database, without a bus: only the look of every second. */
async function otherNode() {
  const { postgres, config } = gatehouse.services;
  const own = testConfig({
    PORT: new URL(gatehouse.issuer).port,
    KEYS_DIRECTORY: config.secrets.keysDirectory,
  });
  const services = await createServices(own, {
    postgres: { ...postgres, listen: () => ({ stop: async () => {} }) },
    log: silentLog,
  });
  await services.changes.start();
  return services;
}

describe('a sign-in under way', () => {
  it('whose password is replaced before it is finished leaves nobody signed in', async () => {
    const person = await createPerson(gatehouse.services);
    const party = await app();
    const browser = createBrowser(gatehouse.issuer);
    const page = await browser.open((await party.begin()).url);
    const login = page.forms.find(({ action }) => action.endsWith('/login'));
    const proved = await fetch(login?.action ?? '', {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie: cookiesOf(browser), origin: gatehouse.issuer },
      body: new URLSearchParams({ ...login?.fields, identifier: person.email ?? '', password }),
    });
    const onwards = proved.headers.get('location') ?? '';
    expect(onwards).toContain('/authorize/');
    await gatehouse.services.credentials.setPassword(person.id, 'another fine meadow 78', operator);
    const landed = await browser.open(onwards);

    expect(landed.url).not.toContain('code=');
    expect(await sessionWorks(party, browser)).toBe(false);
  });
});

function cookiesOf(browser: ReturnType<typeof createBrowser>): string {
  return [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
}

async function sessionWorks(
  party: RelyingParty,
  browser: ReturnType<typeof createBrowser>,
): Promise<boolean> {
  const shown = await browser.open((await party.begin({ prompt: 'none' })).url);
  return shown.url.includes('code=');
}
