// Several nodes on one database: they start together, agree on their secrets, and see each other's changes within seconds.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeProtectedHeader } from 'jose';
import { afterAll, describe, expect, it } from 'vitest';
import { migrationStatus } from '../../src/platform/database/migrations.ts';
import { useCluster } from '../support/cluster.ts';
import { useDatabase } from '../support/database.ts';
import { freePort, type ServerProcess, spawnServer } from '../support/gatehouse.ts';
import { createApi, createPerson, operator } from '../support/people.ts';
import { basic, post, type RelyingParty, relyingParty } from './relying-party.ts';

/** What is promised; messages and polling make it about one. */
const SEEN_MILLISECONDS = 5_000;

describe('four nodes that start at once on an empty database', () => {
  const database = useDatabase('empty');
  const nodes: ServerProcess[] = [];
  afterAll(() => Promise.all(nodes.map((node) => node.end('SIGKILL'))));
  const shared = { ISSUER: '', DATABASE_URL: '', MASTER_KEY: randomBytes(32).toString('base64') };

  it('migrate once and share keys and secrets', { timeout: 90_000 }, async () => {
    const ports = await Promise.all([1, 2, 3, 4].map(freePort));
    Object.assign(shared, { ISSUER: `http://localhost:${ports[0]}`, DATABASE_URL: database.databaseUrl() });
    nodes.push(...(await Promise.all(ports.map((port) => spawnServer({ ...shared, PORT: String(port) })))));

    const { pending, unknown } = await migrationStatus({ url: shared.DATABASE_URL });
    expect([pending, unknown]).toEqual([[], []]);
    const applied = nodes.flatMap((node) => node.output().match(/migration applied.*/g) ?? []);
    const names = applied.map((line) => /\d{14}_\w+/.exec(line)?.[0]);
    expect(new Set(names).size).toBe(names.length);
    const keySets = await Promise.all(
      ports.map(async (port) => (await fetch(`http://localhost:${port}/jwks`)).json()),
    );
    for (const keys of keySets) expect(keys).toEqual(keySets[0]);
  });

  it('do not let one join them that has another master key', { timeout: 30_000 }, async () => {
    const stranger = spawnServer({ ...shared, MASTER_KEY: randomBytes(32).toString('base64') });
    const { message } = await stranger.then(
      (node) => {
        nodes.push(node);
        return new Error('it started');
      },
      (error: Error) => error,
    );
    expect(message).toMatch(/error: The master key .*every node of one installation uses the same key/);
    expect(message).not.toContain('    at ');
  });
});

describe('what is changed on one node', () => {
  const cluster = useCluster({ size: 2, settings: { SIGNING_KEY_PUBLISH_DELAY_SECONDS: '0' } });

  async function machine(): Promise<{ party: RelyingParty; audience: string; apiId: string }> {
    const api = await createApi(cluster.services);
    await delay(1_200);
    const apis = [{ audience: api.audience, permissions: ['*'] }];
    return {
      party: await relyingParty(cluster, { kind: 'machine', apis }),
      audience: api.audience,
      apiId: api.id,
    };
  }

  const token = (origin: string, party: RelyingParty, more: Record<string, string> = {}) =>
    post(`${origin}/token`, { grant_type: 'client_credentials', ...more }, basic(party.client, party.secret));

  /** Of each node, so that what it has in memory is what was true before the change. */
  async function onEveryNode(run: (origin: string) => Promise<unknown>, expected: unknown): Promise<void> {
    for (const origin of cluster.origins) {
      await expect.poll(() => run(origin), { timeout: SEEN_MILLISECONDS, interval: 50 }).toEqual(expected);
    }
  }

  it('a client that is disabled is refused by the others within five seconds', async () => {
    const { party } = await machine();
    await onEveryNode(async (origin) => (await token(origin, party)).status, 200);
    await cluster.services.clients.change(
      party.client.id,
      { status: 'disabled', version: party.client.version },
      operator,
    );
    await onEveryNode(async (origin) => (await token(origin, party)).body.error, 'invalid_client');
  });

  it('a permission that an API has lost is no longer given out by the others', async () => {
    const { party, apiId } = await machine();
    const scope = { scope: 'notes:write' };
    const given = async (origin: string) => (await token(origin, party, scope)).body.scope;
    await onEveryNode(given, 'notes:write');
    const api = await cluster.services.apis.find(apiId);
    if (!api) throw new Error('the API is gone');
    const permissions = api.permissions.filter(({ name }) => name !== 'notes:write');
    await cluster.services.apis.change(api.id, { permissions, version: api.version }, operator);
    await onEveryNode(given, undefined);
  });

  it('a new signing key is published and used by the others', async () => {
    const { party } = await machine();
    const keys = await cluster.command('signing-keys', 'rotate', '--force');
    const listed = keys as { kid: string; algorithm: string; state: string }[];
    const kid = listed.find((key) => key.algorithm === 'ES256' && key.state === 'current')?.kid;
    const signer = async (origin: string) =>
      decodeProtectedHeader(String((await token(origin, party)).body.access_token)).kid;
    await onEveryNode(signer, kid);
    const published = async (origin: string) => {
      const { keys } = (await (await fetch(`${origin}/jwks`)).json()) as { keys: { kid: string }[] };
      return keys.some((key) => key.kid === kid);
    };
    await onEveryNode(published, true);
  });

  it('an account that is suspended is refused by the others', async () => {
    const app = await relyingParty(cluster);
    const person = await createPerson(cluster.services);
    const { tokens } = await app.signIn(person, { scope: 'openid offline_access', prompt: 'consent' });
    const userinfo = async (origin: string) =>
      (await fetch(`${origin}/userinfo`, { headers: { authorization: `Bearer ${tokens.access_token}` } }))
        .status;
    await onEveryNode(userinfo, 200);
    await cluster.services.accounts.suspend(person.id, 'left', operator);
    await onEveryNode(userinfo, 401);
    for (const origin of cluster.origins) {
      const fields = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' };
      const refreshed = await post(`${origin}/token`, fields, basic(app.client, app.secret));
      expect(refreshed.body.error).toBe('invalid_grant');
    }
  });
});
