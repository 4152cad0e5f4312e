// Fills a Gatehouse database with people who have been there for a year: set-based SQL into every table that the pages of an
// account read. Values that only their owner could open (sealed sessions, secrets of factors) are as long as real ones.
import { Client } from 'pg';
import { apps } from './fixture.ts';

export interface CrowdSize {
  readonly accounts: number;
  /** Shared out evenly, as everything else. */
  readonly sessions: number;
}

export const crowdEmail = (number: number): string => `person.${number}@example.com`;
/** They have no second factor, so that a password signs them in: every third one has. */
export const crowdLookedAt = ({ accounts }: CrowdSize, count: number): number[] =>
  Array.from({ length: count }, (_, at) => 1 + 3 * Math.floor((at * (accounts - 2)) / 3 / count));

const APPS = 50;
const MONTHS = 12;

const hash = (name: string) => `sha256((n || '${name}')::bytea)`;
const id = (prefix: string, n = 'n') => `'${prefix}_' || lpad(to_hex(${n}), 26, '0')`;
const bytes = (length: number) => `decode(repeat('5a', ${length}), 'hex')`;
const AGENT = `'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'`;
const ADDRESS = `'198.51.100.' || n % 250`;
/** Spread over the year, in no order. */
const past = `now() - (n::bigint * 7919 % 31000000) * interval '1 second'`;

interface Filled {
  readonly table: string;
  readonly rows: number;
  readonly columns: string;
  /** Those of row n. */
  readonly values: string;
  readonly where?: string;
}

function filled({ accounts, sessions }: CrowdSize): Filled[] {
  const organizations = Math.ceil(accounts / 100);
  const owner = `(n % ${accounts} + 1)`;
  const account = id('acc', owner);
  // Of another app each time that it is the same account's turn.
  const app = `'app-' || (n / ${accounts} + n) % ${APPS}`;
  const email = `'person.' || ${owner} || '@example.com'`;
  return [
    {
      table: 'accounts',
      rows: accounts,
      columns: 'id, name, given_name, family_name, locale, created_at, updated_at',
      values: `${account}, 'Person ' || n, 'Person', 'Number ' || n, 'en', ${past}, ${past}`,
    },
    {
      table: 'account_identifiers',
      rows: accounts,
      columns: 'normalized, account_id, kind, value, verified, created_at',
      values: `${email}, ${account}, 'email', ${email}, true, ${past}`,
    },
    {
      table: 'passwords',
      rows: accounts,
      columns: 'account_id, hash, set_at, hashed_at',
      values: `${account}, (select hash from passwords limit 1), ${past}, ${past}`,
    },
    {
      table: 'factors',
      rows: accounts,
      columns: 'id, account_id, kind, name, secret, created_at',
      values: `${id('fac')}, ${account}, 'totp', 'App', ${bytes(60)}, ${past}`,
      where: `${owner} % 3 = 0`,
    },
    {
      table: 'recovery_codes',
      rows: 3 * accounts,
      columns: 'account_id, code_hash, created_at',
      values: `${account}, ${hash('code')}, ${past}`,
    },
    {
      table: 'account_devices',
      rows: 2 * accounts,
      columns: 'id, account_id, secret_hash, address, user_agent, created_at, seen_at, expires_at',
      values: `${id('dev')}, ${account}, ${hash('device')}, ${ADDRESS}, ${AGENT}, ${past}, ${past}, now() + interval '90 days'`,
    },
    {
      table: 'oidc_sessions',
      rows: sessions,
      columns:
        'uid_hash, id_hash, account_id, payload, address, user_agent, created_at, seen_at, expires_at, device_id',
      values: `${hash('uid')}, ${hash('id')}, ${account}, ${bytes(500)}, ${ADDRESS}, ${AGENT},
        now() - n % 600000 * interval '1 second', now(), now() + n % 600000 * interval '1 second' + interval '1 day',
        ${id('dev', `n % ${2 * accounts} + 1`)}`,
    },
    {
      table: 'oidc_session_clients',
      rows: sessions,
      columns: 'uid_hash, client_id, sid, grant_id',
      values: `${hash('uid')}, ${app}, 'sid' || n, 'grant' || n % ${3 * accounts} + 1`,
      where: 'n % 2 = 0',
    },
    {
      table: 'oidc_grants',
      rows: 3 * accounts,
      columns: 'id, account_id, client_id, payload, created_at, expires_at',
      values: `'grant' || n, ${account}, ${app}, ${bytes(300)}, ${past}, now() + interval '30 days'`,
    },
    {
      table: 'consents',
      rows: 3 * accounts,
      columns: 'account_id, client_id, scopes, granted_at',
      values: `${account}, ${app}, '{openid,email}', ${past}`,
    },
    {
      table: 'messages',
      rows: accounts,
      columns:
        'id, channel, template, account_id, recipient, locale, payload, state, created_at, finished_at',
      values: `${id('msg')}, 'mail', 'notice', ${account}, ${email}, 'en', ${bytes(300)}, 'sent', now(), now()`,
    },
    {
      table: 'verifications',
      rows: accounts,
      columns:
        'id, purpose, channel, account_id, recipient, attempts_left, link_hash, created_at, expires_at, used_at',
      values: `${id('ver')}, 'recover', 'mail', ${account}, ${email}, 5, ${hash('link')}, now(), now() + interval '1 day', now()`,
    },
    {
      table: 'organizations',
      rows: organizations,
      columns: 'id, slug, name, created_at, updated_at',
      values: `${id('org')}, 'org-' || n, 'Organization ' || n, ${past}, ${past}`,
    },
    {
      table: 'organization_members',
      rows: 2 * accounts,
      columns: 'organization_id, account_id, created_at',
      values: `${id('org', `(n / ${accounts} + n) % ${organizations} + 1`)}, ${account}, ${past}`,
    },
    {
      table: 'api_keys',
      rows: 2 * accounts,
      columns: 'id, account_id, name, created_at, root_id',
      values: `${id('key')}, ${account}, 'Key ' || n, ${past}, ${id('key')}`,
    },
    {
      table: 'audit_events',
      rows: 5 * accounts,
      columns:
        'id, occurred_at, type, outcome, actor_kind, actor_id, account_id, client_id, details, address, user_agent, request_id',
      values: `${id('evt')}, ${past}, (array['sign-in.succeeded', 'session.started', 'consent.granted', 'token.issued'])[n % 4 + 1],
        'success', 'account', ${account}, ${account}, ${app}, '{"methods": ["pwd"]}', ${ADDRESS}, ${AGENT}, 'req' || n`,
    },
  ];
}

/** `url`: of a superuser, who fills tables without their foreign keys and makes their indexes afterwards, at once. */
export async function fillCrowd(url: string, size: CrowdSize, tell: (line: string) => void): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    // Tables are vacuumed and looked over here, as soon as they are full, and not while something is measured.
    await client.query('alter system set autovacuum = off');
    await client.query('select pg_reload_conf()');
    await client.query(`set session_replication_role = replica; set synchronous_commit = off;
      set maintenance_work_mem = '1GB'`);
    await makeMonths(client);
    await client.query(
      `insert into clients select (jsonb_populate_record(clients, jsonb_build_object('id', 'app-' || n, 'name', 'App ' || n))).*
       from clients, generate_series(0, $1::int) as n where id = $2`,
      [APPS - 1, apps.web.id],
    );
    for (const one of filled(size)) {
      const begun = performance.now();
      await fillTable(client, one);
      tell(
        `${one.table}: ${one.rows.toLocaleString('en')} in ${Math.round((performance.now() - begun) / 1000)} s`,
      );
    }
    await client.query('checkpoint');
  } finally {
    await client.end();
  }
}

/** A ledger of a year is one of as many partitions, at each size. */
async function makeMonths(client: Client): Promise<void> {
  for (let ago = 1; ago <= MONTHS; ago += 1) {
    const { rows } = await client.query(
      `select to_char(month, 'YYYY_MM') as name, month::text as from, (month + interval '1 month')::text as to
       from (select date_trunc('month', now()) - $1::int * interval '1 month' as month) as one`,
      [ago],
    );
    const [{ name, from, to }] = rows;
    await client.query(
      `create table audit_events_${name} partition of audit_events for values from ('${from}') to ('${to}')`,
    );
  }
}

async function fillTable(client: Client, { table, rows, columns, values, where }: Filled): Promise<void> {
  const parts = `select '${table}'::regclass union select relid from pg_partition_tree('${table}')`;
  await client.query(
    `update pg_index set indisready = false, indisvalid = false where indrelid in (${parts})`,
  );
  await client.query(
    `insert into ${table} (${columns}) select ${values} from generate_series(1, ${rows}) as n
     where ${where ?? 'true'}`,
  );
  await client.query(`reindex table ${table}`);
  await client.query(`update pg_index set indisready = true, indisvalid = true where indrelid in (${parts})`);
  await client.query(`vacuum analyze ${table}`);
}
