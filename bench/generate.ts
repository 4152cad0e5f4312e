// Fills a Gatehouse database with people, signed-in browsers and clients by the million: rows as the server writes them,
// sealed sessions included. Usage: node bench/generate.ts <accounts> <sessions> <clients>, with the settings of a server
// (DATABASE_URL, KEYS_DIRECTORY or MASTER_KEY) in the environment.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Client } from 'pg';
import { from } from 'pg-copy-streams';
import { createSealing } from '../src/oidc/adapter/sealing.ts';
import { openServices } from '../src/open-services.ts';
import { loadConfig } from '../src/platform/config/load.ts';
import type { Services } from '../src/services.ts';
import { api, password } from './fixture.ts';

export interface Amounts {
  accounts: number;
  sessions: number;
  clients: number;
}

export const loadEmail = (number: number): string => `load${number}@example.com`;
export const loadClient = (number: number): string => `load-${number}`;
/** The id that the cookie of a generated session carries. */
export const loadSession = (number: number): string =>
  createHash('sha256').update(`session ${number}`).digest('base64url');
export const accountId = (number: number): string => `acc_${number.toString(16).padStart(26, '0')}`;

const by = { kind: 'operator', id: 'bench' } as const;
const SESSION_SECONDS = 7 * 86_400;

/** Answers the secret that all of the clients share. */
export async function generate(
  services: Services,
  databaseUrl: string,
  amounts: Amounts,
): Promise<{ secret: string }> {
  const template = await services.accounts.create({ email: 'template@example.com' }, by);
  await services.credentials.setPassword(template.id, password, by);
  const { client, secret } = await services.clients.register(
    {
      name: 'load',
      kind: 'machine',
      apis: [{ audience: api.jwt, permissions: ['*'] }],
      grantTypes: ['client_credentials'],
    },
    by,
  );
  const connection = new Client({ connectionString: databaseUrl });
  await connection.connect();
  try {
    await accounts(connection, template.id, amounts.accounts);
    await clients(connection, client.id, amounts.clients);
    await sessions(connection, services, amounts);
    for (const table of ['accounts', 'account_identifiers', 'passwords', 'clients', 'oidc_sessions']) {
      await connection.query(`vacuum analyze ${table}`);
    }
  } finally {
    await connection.end();
  }
  return { secret: secret ?? '' };
}

async function accounts(connection: Client, template: string, count: number): Promise<void> {
  const id = `'acc_' || lpad(to_hex(n), 26, '0')`;
  const series = 'generate_series(1, $1::int) as n';
  await connection.query(
    `insert into accounts (id, name, created_at, updated_at) select ${id}, 'Person ' || n, now(), now() from ${series}`,
    [count],
  );
  await connection.query(
    `insert into account_identifiers (normalized, account_id, kind, value, verified, created_at)
     select 'load' || n || '@example.com', ${id}, 'email', 'load' || n || '@example.com', true, now() from ${series}`,
    [count],
  );
  await connection.query(
    `insert into passwords (account_id, hash, set_at, hashed_at)
     select ${id}, hash, set_at, hashed_at from passwords, ${series} where account_id = $2`,
    [count, template],
  );
}

async function clients(connection: Client, template: string, count: number): Promise<void> {
  const series = 'generate_series(1, $1::int) as n';
  await connection.query(
    `insert into clients
     select (jsonb_populate_record(clients, jsonb_build_object('id', 'load-' || n))).* from clients, ${series} where id = $2`,
    [count, template],
  );
  await connection.query(
    `insert into client_secrets (id, client_id, hash, created_at, expires_at)
     select 'sec_' || lpad(to_hex(n), 26, '0'), 'load-' || n, hash, created_at, expires_at
     from client_secrets, ${series} where client_id = $2`,
    [count, template],
  );
}

async function sessions(connection: Client, services: Services, amounts: Amounts): Promise<void> {
  const sealing = createSealing(services.serverSecrets.get('state'));
  const copy = connection.query(
    from('copy oidc_sessions (uid_hash, id_hash, account_id, payload, expires_at) from stdin'),
  );
  await pipeline(Readable.from(lines()), copy);

  function* lines() {
    const now = Math.floor(Date.now() / 1000);
    const expires = new Date((now + SESSION_SECONDS) * 1000).toISOString();
    for (let number = 1; number <= amounts.sessions; number += 1) {
      const account = accountId(1 + ((number - 1) % amounts.accounts));
      const [jti, uid] = [loadSession(number), loadSession(-number)];
      const uidHash = sealing.idHash(uid);
      const payload = sealing.seal('Session', uidHash, {
        kind: 'Session',
        jti,
        uid,
        accountId: account,
        loginTs: now,
        amr: ['pwd'],
        iat: now,
        exp: now + SESSION_SECONDS,
      });
      const bytes = (value: Buffer) => `\\\\x${value.toString('hex')}`;
      yield `${[bytes(uidHash), bytes(sealing.idHash(jti)), account, bytes(payload), expires].join('\t')}\n`;
    }
  }
}

if (import.meta.main) {
  const [accountCount = 0, sessionCount = 0, clientCount = 0] = process.argv.slice(2).map(Number);
  const config = loadConfig({ environment: process.env, directory: undefined });
  if (config.database.url === undefined)
    throw new Error('Set DATABASE_URL to the database that is to be filled.');
  const { services, close } = await openServices(config, { role: 'command' });
  const begun = performance.now();
  const counts = { accounts: accountCount, sessions: sessionCount, clients: clientCount };
  const { secret } = await generate(services, config.database.url, counts);
  console.log(
    `Filled in ${((performance.now() - begun) / 1000).toFixed(0)} s. The secret of every client: ${secret}`,
  );
  await close();
}
