// Back-channel logout: apps are told when a session ends, by sign-out and by an operator.
import { createServer, type Server } from 'node:http';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator } from '../support/people.ts';
import { eventTypes, type RelyingParty, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const all = { limit: 100, cursor: null };
const received: { path: string; body: URLSearchParams }[] = [];
const receiver: { server?: Server; origin: string; status: number } = { origin: '', status: 200 };

beforeAll(async () => {
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      received.push({ path: request.url ?? '', body: new URLSearchParams(text) });
      response.writeHead(request.url === '/broken' ? 500 : 200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the receiver has no port');
  receiver.server = server;
  receiver.origin = `http://127.0.0.1:${address.port}`;
});
afterAll(() => {
  receiver.server?.close();
});

async function signedIn(path: string) {
  received.length = 0;
  const person = await createPerson(gatehouse.services);
  const app = await relyingParty(gatehouse, {
    backchannelLogoutUri: `${receiver.origin}${path}`,
    backchannelLogoutSessionRequired: true,
    firstParty: true,
  });
  const { tokens, browser } = await app.signIn(person);
  const { items } = await gatehouse.services.sessions.list(
    { accountId: person.id },
    { limit: 10, cursor: null },
  );
  return { person, app, tokens, browser, session: items[0]?.id ?? '' };
}

async function logoutToken(audience: string) {
  await vi.waitFor(() => expect(received.length).toBeGreaterThan(0), 5000);
  const keys = createRemoteJWKSet(new URL(`${gatehouse.issuer}/jwks`));
  const token = received[0]?.body.get('logout_token') ?? '';
  const { payload } = await jwtVerify(token, keys, {
    issuer: gatehouse.issuer,
    audience,
    typ: 'logout+jwt',
  });
  return payload;
}

function noted(app: Pick<RelyingParty, 'client'>): Promise<string[]> {
  return eventTypes(gatehouse.services, { clientId: app.client.id, type: 'backchannel-logout.*' });
}

describe('back-channel logout', () => {
  it('tells the app at sign-out, signed, with subject and session', async () => {
    const { app, browser, person, tokens } = await signedIn('/told');
    const page = await browser.open(`${gatehouse.issuer}/end-session`);
    await browser.submit(page, { logout: 'yes' });

    const payload = await logoutToken(app.client.id);
    expect(received.map(({ path }) => path)).toEqual(['/told']);
    expect(payload).toMatchObject({
      sub: person.id,
      sid: tokens.claims()?.sid,
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    });
    expect(payload).not.toHaveProperty('nonce');
  });

  it('tells the app when an operator ends the session', async () => {
    const { app, session, person, tokens } = await signedIn('/told');
    await gatehouse.services.sessions.end(session, operator);

    expect(await logoutToken(app.client.id)).toMatchObject({ sub: person.id, sid: tokens.claims()?.sid });
  });

  it('ends the session and its tokens when an operator does it', async () => {
    const { app, session, browser, tokens } = await signedIn('/told');
    await gatehouse.services.sessions.end(session, operator);
    const login = await browser.open((await app.begin()).url);
    const headers = { authorization: `Bearer ${tokens.access_token}` };

    expect(login.forms.some((form) => form.action.endsWith('/login'))).toBe(true);
    expect((await fetch(`${gatehouse.issuer}/userinfo`, { headers })).status).toBe(401);
  });

  it('leaves an event of the delivery', async () => {
    const { app, session } = await signedIn('/told');
    await gatehouse.services.sessions.end(session, operator);

    await vi.waitFor(async () => expect(await noted(app)).toEqual(['backchannel-logout.delivered']), 5000);
  });

  it('signs the person out also when the app does not answer well, and notes that', async () => {
    const { app, browser } = await signedIn('/broken');
    const page = await browser.open(`${gatehouse.issuer}/end-session`);
    const done = await browser.submit(page, { logout: 'yes' });
    const login = await browser.open((await app.begin()).url);

    expect(done.status).toBe(200);
    expect(login.forms.some((form) => form.action.endsWith('/login'))).toBe(true);
    await vi.waitFor(async () => expect(await noted(app)).toEqual(['backchannel-logout.failed']), 5000);
  });

  it('tells nobody when the person stays', async () => {
    const { browser, app } = await signedIn('/told');
    const page = await browser.open(`${gatehouse.issuer}/end-session`);
    await browser.submit(page, {});

    expect(
      (await gatehouse.services.sessions.listDeliveries({ clientId: app.client.id }, all)).items,
    ).toEqual([]);
  });
});
