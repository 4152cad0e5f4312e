// Every query of the hot paths and the lists has its index: the real queries are recorded, then PostgreSQL is asked how it
// would run each of them if it could avoid reading whole tables.
import * as oauth from 'openid-client';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { useGatehouse } from '../../support/gatehouse.ts';
import { createApi, createClient, createPerson, operator, signInAt } from '../../support/people.ts';

const gatehouse = useGatehouse();

/** Tables that hold a handful of rows by their nature; reading them whole is what an index would do slower. */
const small = new Set([
  'apis',
  'change_counters',
  'jobs',
  'master_keys',
  'master_key_nodes',
  'server_secrets',
  'setup_links',
  'signing_keys',
  'audit_listeners',
]);

interface Recorded {
  sql: string;
  bindings: readonly unknown[];
}

async function record(run: () => Promise<void>): Promise<Recorded[]> {
  const { db } = gatehouse.database;
  const seen = new Map<string, Recorded>();
  const note = ({ sql, bindings }: Recorded) => seen.set(sql, { sql, bindings: bindings ?? [] });
  db.on('query', note);
  await run();
  db.off('query', note);
  return [...seen.values()].filter(({ sql }) => /^(select|with|update|delete)/i.test(sql.trim()));
}

async function wholeTablesRead(queries: readonly Recorded[]): Promise<string[]> {
  const client = new Client({ connectionString: gatehouse.database.databaseUrl() });
  await client.connect();
  try {
    await client.query('set enable_seqscan = off');
    const offenders: string[] = [];
    for (const { sql, bindings } of queries) {
      const { rows } = await client.query({ text: `explain ${sql}`, values: [...bindings] });
      const plan: string[] = rows.map((row) => row['QUERY PLAN']);
      const read = plan.flatMap((line) => /Seq Scan on (?:\w+\.)?(\w+)/.exec(line)?.[1] ?? []);
      const large = read.filter((table) => !small.has(table));
      if (large.length > 0) offenders.push(`${large.join(', ')}: ${sql.replaceAll(/\s+/g, ' ')}`);
    }
    return offenders;
  } finally {
    await client.end();
  }
}

describe('the queries of the server', () => {
  it('find their rows by an index on every hot path and in every list', async () => {
    const { services, issuer } = gatehouse;
    const person = await createPerson(services, { admin: true });
    const other = await createPerson(services);
    const api = await createApi(services, { tokenFormat: 'opaque' });
    const { client, secret } = await createClient(services, {
      scopes: ['openid', 'offline_access'],
      grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'],
      apis: [{ audience: api.audience, permissions: ['*'] }],
      mayIntrospectAny: true,
    });
    const config = await oauth.discovery(new URL(issuer), client.id, secret, undefined, {
      execute: [oauth.allowInsecureRequests],
    });

    const { organizations } = services;
    const { id: organizationId } = await organizations.create({ slug: 'acme', name: 'Acme' }, operator);
    const guest = await createPerson(services);

    const queries = await record(async () => {
      const verifier = oauth.randomPKCECodeVerifier();
      const url = oauth.buildAuthorizationUrl(config, {
        redirect_uri: 'https://app.example.com/callback',
        scope: 'openid offline_access',
        prompt: 'consent',
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      });
      const { landed } = await signInAt(url.href, person);
      const tokens = await oauth.authorizationCodeGrant(config, new URL(landed.url), {
        pkceCodeVerifier: verifier,
      });
      const refreshed = await oauth.refreshTokenGrant(config, tokens.refresh_token ?? '');
      await oauth.fetchUserInfo(config, refreshed.access_token, person.id);
      await oauth.tokenIntrospection(config, refreshed.refresh_token ?? '');
      await oauth.tokenRevocation(config, refreshed.refresh_token ?? '');
      await oauth.clientCredentialsGrant(config, { resource: api.audience });

      const first = { limit: 10, cursor: null };
      await organizations.addMember(organizationId, guest.id, operator);
      const team = await organizations.createTeam(organizationId, { name: 'Crew' }, operator);
      await organizations.addTeamMember(organizationId, team.id, guest.id, operator);
      await organizations.membershipsOf(guest.id);
      await organizations.findBySlug('acme');
      await organizations.findTeamByName(organizationId, 'crew');
      await organizations.list({}, first);
      await organizations.list({ slug: 'acme' }, first);
      await organizations.listMembers(organizationId, first);
      await organizations.listTeams(organizationId, first);
      await organizations.listTeamMembers(organizationId, team.id, first);
      await organizations.organizationsOf(guest.id, {}, first);
      await organizations.removeTeam(organizationId, team.id, operator);
      await organizations.removeMember(organizationId, guest.id, operator);
      await organizations.remove(organizationId, operator);
      await services.accounts.list({}, first);
      await services.accounts.list({ status: 'active' }, first);
      await services.accounts.list({ search: 'person' }, first);
      await services.clients.list({}, first);
      await services.sessions.list({}, first);
      await services.sessions.list({ accountId: person.id }, first);
      for (const filter of [
        {},
        { type: 'token.issued' },
        { type: 'sign-in.*' },
        { accountId: person.id },
        { clientId: client.id },
        { actorId: client.id },
        { targetKind: 'account', targetId: person.id },
        { from: new Date(0), to: new Date() },
      ]) {
        await services.audit.list(filter, first);
      }
      await services.audit.listRefusals({}, first);
      await services.sessions.endAll({ accountId: person.id }, operator);
      await services.accounts.suspend(other.id, null, operator);
      await services.clients.remove(client.id, operator);
      for (const job of services.jobs) await job.run();
    });

    expect(queries.length).toBeGreaterThan(40);
    expect(await wholeTablesRead(queries)).toEqual([]);
  });
});
