// Conversations with the embedded PostgreSQL about itself: is it ours, who uses it, has it our role and database.
import { Client } from 'pg';
import type { Cluster } from './cluster.ts';
import { readPidFile } from './server.ts';

export async function connect(cluster: Cluster, role: string): Promise<Client | Error> {
  const client = new Client({
    host: cluster.socketDirectory,
    port: 5432,
    user: 'postgres',
    database: 'postgres',
    application_name: `gatehouse ${role} (process ${process.pid})`,
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    await checkIdentity(client, cluster);
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    if (error instanceof Error && (isGoingAway(error) || isAbsent(error))) return error;
    throw error;
  }
}

/** The server that answers must be the one that holds this very data, not one left over from a moved directory. */
async function checkIdentity(client: Client, cluster: Cluster): Promise<void> {
  const { rows } = await client.query<{ text: string }>(`select pg_read_file('postmaster.pid') as text`);
  const identity = (text: string | undefined) =>
    text?.split('\n').filter((_, line) => line === 0 || line === 2);
  const theirs = identity(rows[0]?.text)?.join();
  const ours = identity((await readPidFile(cluster))?.text)?.join();
  if (theirs === ours) return;
  throw new Error(
    `The PostgreSQL that answers in ${cluster.socketDirectory} does not hold the data of ${cluster.directory}. ` +
      'Stop that server, then start again.',
  );
}

export async function hasOtherClients(client: Client): Promise<boolean> {
  const { rows } = await client.query(
    `select 1 from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() limit 1`,
  );
  return rows.length > 0;
}

export async function locks(
  client: Client,
  attempt: 'pg_try_advisory_lock' | 'pg_try_advisory_lock_shared',
  key: number,
): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(`select ${attempt}($1) as locked`, [key]);
  return rows[0]?.locked === true;
}

/** The product works as a plain owner of its database, not as the superuser: an injection stays in the database. */
export async function ensureDatabase(client: Client): Promise<void> {
  const { rows } = await client.query(`select 1 from pg_database where datname = 'gatehouse'`);
  if (rows.length > 0) return;
  await client.query('create role gatehouse login').catch(ignoreDuplicate);
  await client.query('create database gatehouse owner gatehouse').catch(ignoreDuplicate);
}

// duplicate_object, duplicate_database, and the unique violation that a real race ends in.
function ignoreDuplicate(error: { code?: string }): void {
  if (!['42710', '42P04', '23505'].includes(error.code ?? '')) throw error;
}

export function isGoingAway(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  if (code === '57P01' || code === '57P03' || code === 'ECONNRESET' || code === 'EPIPE') return true;
  return /Connection terminated|connection error and is not queryable/.test(message ?? '');
}

function isAbsent(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}
