// The management API's door: a token is worth no more than what it was issued from and what its client may have now.
import * as oauth from 'openid-client';
import { describe, expect, it } from 'vitest';
import { relyingParty } from '../flows/relying-party.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator } from '../support/people.ts';

const gatehouse = useGatehouse();
const audience = () => `${gatehouse.issuer}/api`;

async function status(token: string, path = 'accounts'): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(`${gatehouse.issuer}/api/v1/${path}`, { headers })).status;
}

async function adminSignedIn() {
  const person = await createPerson(gatehouse.services, { admin: true });
  const app = await relyingParty(gatehouse, { apis: [{ audience: audience(), permissions: ['*'] }] });
  const scope = 'openid accounts:read audit-events:read';
  const { tokens } = await app.signIn(person, { resource: audience(), scope });
  expect(await status(tokens.access_token)).toBe(200);
  return { person, app, token: tokens.access_token };
}

describe('the token of an administrator', () => {
  it('stops working when the session it came from is ended', async () => {
    const { person, token } = await adminSignedIn();
    const { items } = await gatehouse.services.sessions.list(
      { accountId: person.id },
      { limit: 10, cursor: null },
    );
    for (const session of items) await gatehouse.services.sessions.end(session.id, operator);

    expect(items).toHaveLength(1);
    expect(await status(token)).toBe(401);
  });

  it('stops working when the person gets a new password', async () => {
    const { person, token } = await adminSignedIn();
    await gatehouse.services.credentials.setPassword(person.id, 'a third lamp on the pier', operator);

    expect(await status(token)).toBe(401);
  });

  it('stops working when the grant is over', async () => {
    const { person, token } = await adminSignedIn();
    await gatehouse.database
      .db('oidc_grants')
      .where({ account_id: person.id })
      .update({ expires_at: new Date(0) });

    expect(await status(token)).toBe(401);
  });

  it('stops working when the client lost the API', async () => {
    const { app, token } = await adminSignedIn();
    await gatehouse.services.clients.change(app.client.id, { apis: [] }, operator);

    expect(await status(token)).toBe(401);
  });

  it('loses a permission with its client, and keeps the others', async () => {
    const { app, token } = await adminSignedIn();
    const apis = [{ audience: audience(), permissions: ['audit-events:read'] }];
    await gatehouse.services.clients.change(app.client.id, { apis }, operator);

    expect([await status(token), await status(token, 'audit-events')]).toEqual([403, 200]);
  });
});

describe('the token of a machine', () => {
  it('works without a grant, as far as the client may go now', async () => {
    const apis = [{ audience: audience(), permissions: ['accounts:read'] }];
    const app = await relyingParty(gatehouse, { kind: 'machine', apis });
    const { access_token } = await oauth.clientCredentialsGrant(app.config, { scope: 'accounts:read' });
    expect(await status(access_token)).toBe(200);
    await gatehouse.services.clients.change(app.client.id, { apis: [] }, operator);

    expect(await status(access_token)).toBe(401);
  });
});
