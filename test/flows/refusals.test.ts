// Every refused request leaves its trace: an event when it is known who asked, a count when it is not.
import { beforeAll, describe, expect, it } from 'vitest';
import type { RefusalKind } from '../../src/audit/audit.ts';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createClient, createPerson } from '../support/people.ts';
import { basic, eventsOf, post, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();

async function counted(kind: RefusalKind, reason: string): Promise<number> {
  const { items } = await gatehouse.services.audit.listRefusals({ kind }, { limit: 100, cursor: null });
  return items.filter((item) => item.reason === reason).reduce((sum, { count }) => sum + count, 0);
}

const expectCounted = (kind: RefusalKind, reason: string) =>
  expect.poll(() => counted(kind, reason), { timeout: 8000 }).toBeGreaterThan(0);

const at = (path: string, init?: RequestInit) =>
  fetch(`${gatehouse.issuer}${path}`, { redirect: 'manual', ...init });
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

const asked: Record<string, { kind: RefusalKind; reason: string; ask(): Promise<{ status: number }> }> = {
  'at the management API': {
    kind: 'api',
    reason: 'authentication_required',
    ask: () => at('/api/v1/accounts', bearer('made-up')),
  },
  'at userinfo': {
    kind: 'userinfo',
    reason: 'invalid_token',
    ask: () => at('/userinfo', bearer('made-up')),
  },
  'with a made-up set-up link': {
    kind: 'setup',
    reason: 'setup_link_invalid',
    ask: () => at(`/setup?token=${'x'.repeat(43)}`),
  },
  'with a forged form': {
    kind: 'form',
    reason: 'form_expired',
    ask: () => post(`${gatehouse.issuer}/setup`, { setup_link: 'x' }),
  },
};

describe('a stranger is counted', { timeout: 15_000 }, () => {
  const statuses = new Map<string, number>();
  const app: { id?: string } = {};

  // All at once: counts are written every few seconds.
  beforeAll(async () => {
    for (const [where, { ask }] of Object.entries(asked)) statuses.set(where, (await ask()).status);
    const { client } = await relyingParty(gatehouse);
    app.id = client.id;
    const query = new URLSearchParams({
      client_id: client.id,
      post_logout_redirect_uri: 'https://x.example/',
    });
    await createBrowser(gatehouse.issuer).open(`/end-session?${query}`);
  });

  it.each(Object.entries(asked))('%s', async (where, { kind, reason }) => {
    expect(statuses.get(where)).toBeGreaterThanOrEqual(400);
    await expectCounted(kind, reason);
  });

  it('whose sign-out names an app that it is not, and leaves no event of that app', async () => {
    await expectCounted('logout', 'invalid_request');
    expect(await eventsOf(gatehouse.services, { clientId: app.id, type: 'request.refused' })).toEqual([]);
  });
});

describe('who is known gets an event', () => {
  it('when a permission is missing at the management API', async () => {
    const { services, issuer } = gatehouse;
    await createPerson(services);
    const { client, secret } = await createClient(services, {
      kind: 'machine',
      apis: [{ audience: `${issuer}/api`, permissions: ['accounts:read'] }],
    });
    const issued = await post(
      `${issuer}/token`,
      { grant_type: 'client_credentials', scope: 'accounts:read' },
      basic({ id: client.id }, secret ?? ''),
    );
    const token = String(issued.body.access_token);

    expect((await at('/api/v1/audit-events', bearer(token))).status).toBe(403);
    expect(await eventsOf(services, { clientId: client.id, type: 'request.refused' })).toMatchObject([
      {
        actor: { kind: 'client', id: client.id },
        outcome: 'denied',
        reason: 'permission_denied',
        details: { permission: 'audit-events:read' },
      },
    ]);
  });
});
