// A key is no session: it comes to no route that is a person's own, nor to one that makes keys, unless a permission says so.
import { beforeAll, describe, expect, it } from 'vitest';
import { managementRoutes } from '../../src/app.ts';
import { pathOf, type Route } from '../../src/platform/api/route.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createWorld, type World } from './world.ts';

const wide = { LIMIT_ADMIN_READ_PER_MINUTE: '1000000', LIMIT_ADMIN_WRITE_PER_MINUTE: '1000000' };
const gatehouse = useGatehouse({ settings: wide });
const made: { world?: World } = {};
const world = () => {
  if (made.world === undefined) throw new Error('the world is made before the tests');
  return made.world;
};
beforeAll(async () => {
  made.world = await createWorld(gatehouse);
});

const routes = () => managementRoutes(gatehouse.services).filter(({ permission }) => permission !== 'public');

async function statusOf(route: Route, headers: Record<string, string>): Promise<number> {
  const path = pathOf(route).replace(/:\w+/g, 'nothing');
  const isRead = route.method === 'GET';
  const response = await fetch(`${gatehouse.issuer}${path}`, {
    method: route.method,
    headers: { ...headers, ...(isRead ? {} : { 'Content-Type': 'application/json' }) },
    ...(isRead ? {} : { body: '{}' }),
  });
  await response.text();
  return response.status;
}

/** The management API's token for a key, as any client gets one. */
async function tokenFor({ id, secret }: { id: string; secret: string }, scope: string): Promise<string> {
  const response = await fetch(`${gatehouse.issuer}/token`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: id,
      client_secret: secret,
      scope,
      resource: `${gatehouse.issuer}/api`,
    }),
  });
  return ((await response.json()) as { access_token: string }).access_token;
}

describe('a key without a permission of ours', () => {
  it('comes to nothing but what tells it who it is', async () => {
    const { secret } = await world().key({ permissions: ['notes:read'] });
    const open: string[] = [];
    for (const route of routes()) {
      if ((await statusOf(route, { 'X-API-Key': secret })) !== 403) open.push(route.operation);
    }
    const said = routes().filter(({ openToKeys }) => openToKeys === true);
    expect(open.sort()).toEqual(said.map(({ operation }) => operation).sort());
    expect(said.map(({ method }) => method).every((method) => method === 'GET')).toBe(true);
  });
});

describe('a key with one permission', () => {
  it('comes to the routes that need it, and so does a token made with it', async () => {
    const { services } = gatehouse;
    const { client } = await services.clients.register(
      {
        name: 'Owner',
        kind: 'machine',
        apis: [{ audience: `${gatehouse.issuer}/api`, permissions: ['clients:read'] }],
      },
      { kind: 'operator', id: 'test' },
    );
    const key = await world().key({
      permissions: ['clients:read'],
      owner: { kind: 'client', id: client.id },
    });
    const token = await tokenFor(key, 'clients:read');
    for (const headers of [{ 'X-API-Key': key.secret }, { Authorization: `Bearer ${token}` }]) {
      const open: string[] = [];
      for (const route of routes()) {
        if ((await statusOf(route, headers)) !== 403) open.push(route.operation);
      }
      const needing = routes().filter(
        ({ permission, openToKeys }) => permission === 'clients:read' || openToKeys === true,
      );
      expect(open.sort()).toEqual(needing.map(({ operation }) => operation).sort());
    }
  });
});
