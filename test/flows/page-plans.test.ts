// The pages of people where there are many: enough of everything that PostgreSQL, as it plans by itself, reads no table whole
// where there is an index to go by. Every statement of every page finds its rows by one.
import { Client } from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { type Browser, createBrowser } from '../support/browser.ts';
import { addAuthenticator } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, signInAt } from '../support/people.ts';
import { relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();

const ACCOUNTS = 2_500;

const hash = (name: string) => `sha256((n || '${name}')::bytea)`;
const account = `'acc_' || lpad(to_hex(n % ${ACCOUNTS} + 1), 26, '0')`;
const id = (prefix: string) => `'${prefix}_' || lpad(to_hex(n), 26, '0')`;

/** Table, how many rows, columns, and their values for row n. */
const crowd: readonly (readonly [table: string, rows: number, columns: string, values: string])[] = [
  ['accounts', ACCOUNTS, 'id, created_at, updated_at', `${account}, now(), now()`],
  [
    'account_identifiers',
    ACCOUNTS,
    'normalized, account_id, kind, value, created_at',
    `'crowd' || n, ${account}, 'username', 'crowd' || n, now()`,
  ],
  ['passwords', ACCOUNTS, 'account_id, hash, set_at, hashed_at', `${account}, '$', now(), now()`],
  [
    'factors',
    5_000,
    'id, account_id, kind, name, secret, created_at',
    `${id('fac')}, ${account}, 'totp', 'App', ''::bytea, now()`,
  ],
  ['recovery_codes', 5_000, 'account_id, code_hash, created_at', `${account}, ${hash('c')}, now()`],
  [
    'account_devices',
    5_000,
    'id, account_id, secret_hash, created_at, seen_at, expires_at',
    `${id('dev')}, ${account}, ${hash('d')}, now(), now(), now() + interval '1 day'`,
  ],
  [
    'oidc_sessions',
    25_000,
    'uid_hash, id_hash, account_id, payload, expires_at',
    `${hash('u')}, ${hash('i')}, ${account}, ''::bytea, now() + interval '1 day'`,
  ],
  [
    'oidc_session_clients',
    5_000,
    'uid_hash, client_id, sid, grant_id',
    `${hash('u')}, 'cli_' || n % 50, 's', 'g' || n`,
  ],
  [
    'oidc_grants',
    50_000,
    'id, account_id, client_id, payload, expires_at',
    `'g' || n, ${account}, 'cli_' || n / ${ACCOUNTS}, ''::bytea, now() + interval '1 day'`,
  ],
  ['consents', 5_000, 'account_id, client_id', `${account}, 'cli_' || n / ${ACCOUNTS}`],
  [
    'verifications',
    5_000,
    'id, purpose, channel, account_id, recipient, attempts_left, link_hash, created_at, expires_at',
    `${id('ver')}, 'recover', 'mail', ${account}, 'crowd' || n || '@example.com', 5, ${hash('l')}, now(), now() + interval '1 day'`,
  ],
  [
    'messages',
    5_000,
    'id, channel, template, account_id, recipient, locale, payload, state, created_at, finished_at',
    `${id('msg')}, 'mail', 'notice', ${account}, 'crowd' || n, 'en', ''::bytea, 'sent', now(), now()`,
  ],
  [
    'audit_events',
    25_000,
    'id, occurred_at, type, outcome, actor_kind, actor_id, account_id',
    `${id('evt')}, now() - n * interval '1 millisecond', 'sign-in.succeeded', 'success', 'account', ${account}, ${account}`,
  ],
];

const large = crowd.map(([table]) => table);

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
    const { rows: full } = await client.query('select relname from pg_class where reltuples >= 1000');
    const filled = full
      .map(({ relname }) => String(relname))
      .filter((name) => large.some((one) => name.startsWith(one)));
    const offenders: string[] = [];
    for (const { sql, bindings } of queries) {
      const { rows } = await client.query({ text: `explain ${sql}`, values: [...bindings] });
      const plan: string[] = rows.map((row) => row['QUERY PLAN']);
      const read = plan.flatMap((one) => /Seq Scan on (?:\w+\.)?(\w+)/.exec(one)?.[1] ?? []);
      const whole = read.filter((table) => filled.includes(table));
      if (whole.length > 0) offenders.push(`${whole.join(', ')}: ${sql.replaceAll(/\s+/g, ' ')}`);
    }
    return offenders;
  } finally {
    await client.end();
  }
}

/** Every page of the account that a link leads to. */
async function lookAround(browser: Browser): Promise<string[]> {
  const known = ['/account'];
  for (const path of known) {
    const { html } = await browser.open(path);
    for (const [, href = ''] of html.matchAll(/<a\b[^>]*\bhref="(\/account[^"#?]*)"/g)) {
      if (!known.includes(href)) known.push(href);
    }
  }
  return known;
}

describe('the pages of people where there are many', () => {
  let person: Account;

  beforeAll(async () => {
    const { db } = gatehouse.database;
    person = await createPerson(gatehouse.services);
    await addAuthenticator(gatehouse.services, person);
    for (const [table, rows, columns, values] of crowd) {
      await db.raw(
        `insert into ${table} (${columns}) select ${values} from generate_series(1, ${rows}) as n`,
      );
      await db.raw(`analyze ${table}`);
    }
  }, 120_000);

  it('find their rows by an index: signing in, every page of the account, getting back in, and lists for administrators', async () => {
    const app = await relyingParty(gatehouse, { name: 'Notes' });
    const browser = createBrowser(gatehouse.issuer);
    const pages: string[] = [];
    const queries = await record(async () => {
      const begun = await app.begin({ scope: 'openid email offline_access', prompt: 'consent' });
      const { landed } = await signInAt(begun.url, person, browser);
      await app.finish(landed.url, begun);
      pages.push(...(await lookAround(browser)));
      const others = createBrowser(gatehouse.issuer);
      await others.submit(await others.open('/recover'), {
        email: person.email ?? '',
        identifier: person.email ?? '',
      });
      const first = { limit: 20, cursor: null };
      const { sessions, audit, messages } = gatehouse.services;
      await sessions.list({ accountId: person.id }, first);
      await sessions.listGrants({ accountId: person.id }, first);
      await audit.list({ accountId: person.id }, first);
      await messages.list({ accountId: person.id }, first);
    });

    for (const page of ['profile', 'security', 'sessions', 'apps', 'activity'])
      expect(pages).toContain(`/account/${page}`);
    for (const table of large)
      expect(
        queries.filter(({ sql }) => sql.includes(table)),
        table,
      ).not.toEqual([]);
    expect(await wholeTablesRead(queries)).toEqual([]);
  }, 60_000);
});
