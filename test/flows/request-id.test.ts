// One id for one request, from the caller through answer, log and ledger.
import { describe, expect, it } from 'vitest';
import { createLog } from '../../src/platform/telemetry/log.ts';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, password } from '../support/people.ts';
import { basic, eventsOf, post, relyingParty } from './relying-party.ts';

const lines: string[] = [];
const log = createLog({ level: 'debug', format: 'json' }, { write: (line) => lines.push(line) });
const gatehouse = useGatehouse({ log });
const ID = /^[A-Za-z0-9][A-Za-z0-9._:+=/-]{0,127}$/;

describe('the request id', () => {
  it('E6 of the caller comes back, in the log, and in the ledger', async () => {
    const app = await relyingParty(gatehouse);
    const fields = { grant_type: 'refresh_token', refresh_token: 'made-up' };
    const headers = { ...basic(app.client, app.secret), 'x-request-id': 'trace-from-caller-1' };
    const answer = await post(`${gatehouse.issuer}/token`, fields, headers);

    expect(answer.headers.get('x-request-id')).toBe('trace-from-caller-1');
    expect(lines.some((line) => JSON.parse(line).requestId === 'trace-from-caller-1')).toBe(true);
    expect(
      await eventsOf(gatehouse.services, { clientId: app.client.id, type: 'request.refused' }),
    ).toMatchObject([{ requestId: 'trace-from-caller-1' }]);
  });

  it.each(['/authorize', '/token', '/userinfo', '/jwks', '/device', '/end-session', '/nothing-here'])(
    'is made for a request to %s that has none',
    async (path) => {
      const answer = await fetch(`${gatehouse.issuer}${path}`, { redirect: 'manual' });

      expect(answer.headers.get('x-request-id')).toMatch(ID);
    },
  );

  it('that would break a log line is replaced', async () => {
    const headers = { 'x-request-id': 'a"b{c}' };
    const answer = await fetch(`${gatehouse.issuer}/jwks`, { headers });

    expect(answer.headers.get('x-request-id')).toMatch(ID);
  });

  it('stands on the error page that a person sees', async () => {
    const app = await relyingParty(gatehouse);
    const { url } = await app.begin({ redirect_uri: 'https://evil.example/' });
    const page = await createBrowser(gatehouse.issuer).open(url);

    expect(page.html).toContain(page.headers.get('x-request-id'));
  });

  it('is one for the answer and every event of the request', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const browser = createBrowser(gatehouse.issuer);
    const login = await browser.open((await app.begin()).url);
    const consent = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
    browser.headers['x-request-id'] = 'allowed-1';
    await browser.submit(consent, {}, '/consent');
    const events = await eventsOf(gatehouse.services, { accountId: person.id, type: 'consent.granted' });

    expect(events).toMatchObject([{ requestId: 'allowed-1' }]);
  });
});
