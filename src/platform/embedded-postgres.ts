// A real PostgreSQL for whoever has none: made, started or adopted under the data directory when DATABASE_URL is not set.
import { mkdir, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { type Cluster, chooseSocketDirectory, ensureCluster } from './embedded/cluster.ts';
import { connect, ensureDatabase, hasOtherClients, isGoingAway, locks } from './embedded/connection.ts';
import { chooseDatabaseUser, type DatabaseUser, findBinaries, firstUnreachable } from './embedded/owner.ts';
import * as server from './embedded/server.ts';
import { failure } from './errors.ts';
import type { Log } from './telemetry/log.ts';

export interface EmbeddedPostgres {
  /** For DATABASE_URL: the product's own role and database. */
  url: string;
  /**
   * Call it last, when every pool is closed. `serve` stops the database; a command stops it when nobody else uses it.
   */
  release(): Promise<void>;
}

export interface EmbeddedPostgresSettings {
  dataDirectory: string;
  /** One `serve` at a time owns the data; commands come and go beside it. */
  role: 'serve' | 'command';
  log: Log;
  /** More server settings; only throwaway databases of tests have a reason. */
  serverSettings?: Record<string, string>;
}

// Advisory locks in the database `postgres`, where nothing else takes any. They die with their connection, and so with
// a killed process. USERS is shared by everyone who needs the server running; whoever stops it must have it alone.
const USERS_LOCK = 1;
const SERVE_LOCK = 2;

const START_DEADLINE_MILLISECONDS = 60_000;
// After a crash PostgreSQL replays its log before it answers; it says so, and we let it.
const RECOVERY_DEADLINE_MILLISECONDS = 10 * 60_000;
// A `serve` that was killed a moment ago may still be listed until the kernel has closed its connection.
const SERVE_LOCK_DEADLINE_MILLISECONDS = 2_000;
// A stop does not wait long for a database that cannot be brought back.
const REVIVAL_DEADLINE_MILLISECONDS = 5_000;
const START_RETRY_MILLISECONDS = 4_000;
const START_PAUSE_MILLISECONDS = 200;
const POLL_MILLISECONDS = 30;

export async function openEmbeddedPostgres(settings: EmbeddedPostgresSettings): Promise<EmbeddedPostgres> {
  const cluster = await prepareCluster(settings);
  let held = await hold(cluster, settings);
  let released = false;
  let revival = Promise.resolve();

  // PostgreSQL died under a running `serve` (killed for memory, say): bring it back, as a service manager would.
  const watch = (client: Client) => {
    client.once('end', () => {
      if (released) return;
      settings.log.error('the embedded PostgreSQL is gone; starting it again');
      revival = revive();
    });
  };
  const revive = async () => {
    while (!released) {
      try {
        held = await hold(cluster, settings);
        return watch(held);
      } catch (error) {
        settings.log.error('the embedded PostgreSQL could not be started again', { error });
        await delay(2_000);
      }
    }
  };
  if (settings.role === 'serve') watch(held);

  return {
    url: urlOf(cluster),
    release: async () => {
      if (released) return;
      released = true;
      await Promise.race([revival, delay(REVIVAL_DEADLINE_MILLISECONDS, undefined, { ref: false })]);
      await (settings.role === 'serve' ? stopAsOwner(cluster, held) : stopWhenUnused(cluster, held));
    },
  };
}

/** Whether there is a database to open; opening makes one. */
export async function hasEmbeddedPostgres(dataDirectory: string): Promise<boolean> {
  return stat(join(dataDirectory, 'postgres', 'PG_VERSION')).then(
    () => true,
    // One that this user may not see is there.
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}

async function prepareCluster(settings: EmbeddedPostgresSettings): Promise<Cluster> {
  if (process.platform === 'win32') {
    throw new Error(
      'The packaged PostgreSQL is not used on Windows. Set DATABASE_URL to a PostgreSQL server.',
    );
  }
  const parent = await makeDataDirectory(settings.dataDirectory);
  const directory = join(parent, 'postgres');
  const user = await chooseUser(directory);
  // On Linux the server is handed the open directory; elsewhere it must be able to walk there.
  const blocker = user && process.platform !== 'linux' ? await firstUnreachable(parent, user) : undefined;
  if (user !== undefined && blocker !== undefined) {
    throw new Error(
      `PostgreSQL does not run as root; it would run as the user ${user.name}, who cannot enter ${blocker}. ` +
        `Set DATA_DIRECTORY to a directory that ${user.name} can reach, or start as an ordinary user.`,
    );
  }
  return {
    directory,
    user,
    native: await findBinaries(user),
    socketDirectory: await chooseSocketDirectory(directory, user),
    logFile: join(parent, 'postgres.log'),
    serverSettings: settings.serverSettings ?? {},
  };
}

async function makeDataDirectory(path: string): Promise<string> {
  const wanted = resolve(path);
  try {
    await mkdir(wanted, { recursive: true });
    return await realpath(wanted);
  } catch (cause) {
    throw new Error(
      `The data directory ${wanted} cannot be made or entered. ` +
        'Set DATA_DIRECTORY to a directory that this user can write, or DATABASE_URL to a PostgreSQL server.',
      { cause },
    );
  }
}

/** Whoever made the cluster keeps it: root later runs it as that user, and another ordinary user is told. */
async function chooseUser(directory: string): Promise<DatabaseUser | undefined> {
  const uid = process.getuid?.();
  const found = await stat(directory).catch(() => undefined);
  if (found === undefined || found.uid === uid) {
    const user = chooseDatabaseUser(uid);
    if (user === undefined || found === undefined) return user;
    throw new Error(
      `The database in ${directory} belongs to root, and PostgreSQL does not run as root. ` +
        `Run \`chown -R ${user.name} '${directory}'\` and start again.`,
    );
  }
  if (uid === 0) return { name: `number ${found.uid}`, uid: found.uid, gid: found.gid };
  throw new Error(
    `The database in ${directory} belongs to another user (number ${found.uid}). ` +
      'Run this command as that user or as root.',
  );
}

/** A connection that keeps the server needed, on a server that answers and has our role and database. */
async function hold(cluster: Cluster, settings: EmbeddedPostgresSettings): Promise<Client> {
  await ensureCluster(cluster);
  for (;;) {
    const client = await connectOrStart(cluster, settings);
    try {
      if (await locks(client, 'pg_try_advisory_lock_shared', USERS_LOCK)) {
        if (settings.role === 'serve') await claimServe(client, cluster);
        await ensureDatabase(client);
        return client;
      }
    } catch (error) {
      await client.end().catch(() => {});
      // Its last user stopped the server while we were joining.
      if (!isGoingAway(error)) throw error;
    }
    await client.end().catch(() => {});
    await delay(POLL_MILLISECONDS);
  }
}

async function claimServe(client: Client, cluster: Cluster): Promise<void> {
  const deadline = Date.now() + SERVE_LOCK_DEADLINE_MILLISECONDS;
  while (!(await locks(client, 'pg_try_advisory_lock', SERVE_LOCK))) {
    if (Date.now() > deadline) {
      const { rows } = await client.query<{ name: string }>(
        `select application_name as name from pg_stat_activity
          where pid in (select pid from pg_locks where locktype = 'advisory' and objid = $1 and granted)`,
        [SERVE_LOCK],
      );
      throw failure('data_in_use', { server: rows[0]?.name ?? 'unknown', directory: cluster.directory });
    }
    await delay(POLL_MILLISECONDS);
  }
}

async function connectOrStart(cluster: Cluster, settings: EmbeddedPostgresSettings): Promise<Client> {
  const begun = Date.now();
  let failed: Promise<Error> | undefined;
  for (;;) {
    const attempt = await connect(cluster, settings.role);
    if (attempt instanceof Client) return attempt;
    const limit = isGoingAway(attempt) ? RECOVERY_DEADLINE_MILLISECONDS : START_DEADLINE_MILLISECONDS;
    if (Date.now() - begun > limit) throw await startFailure(cluster, attempt);
    if (await mustStart(cluster)) {
      const ended = failed && (await Promise.race([failed, delay(POLL_MILLISECONDS)]));
      // It may have lost a race for the data, or backends of a killed server linger; for seconds on end it is a mistake.
      if (ended instanceof Error && Date.now() - begun > START_RETRY_MILLISECONDS) {
        throw await startFailure(cluster, ended);
      }
      if (failed === undefined || ended instanceof Error) {
        if (ended instanceof Error) await delay(START_PAUSE_MILLISECONDS);
        await server.trimLog(cluster);
        failed = server.spawnServer(cluster).failed;
      }
    }
    await delay(POLL_MILLISECONDS);
  }
}

/** True when no process serves this data. */
async function mustStart(cluster: Cluster): Promise<boolean> {
  const found = await server.readPidFile(cluster);
  if (found === undefined) return true;
  if (await server.runsPostgres(found.pid)) return false;
  if (server.exists(found.pid)) await server.disownLockFiles(cluster, found);
  return true;
}

async function startFailure(cluster: Cluster, cause: Error): Promise<Error> {
  const tail = await server.logTail(cluster);
  return new Error(
    `The embedded PostgreSQL in ${cluster.directory} does not start: ${cause.message}. ` +
      `The last lines of ${cluster.logFile}:\n${tail}`,
    { cause },
  );
}

async function stopAsOwner(cluster: Cluster, client: Client): Promise<void> {
  const running = await server.readPidFile(cluster);
  // The connection, and with it the claim, is kept until the server ends it: no other `serve` can slip in between.
  if (running !== undefined && (await server.runsPostgres(running.pid)))
    await server.stopServer(cluster, running.pid);
  await client.end().catch(() => {});
}

async function stopWhenUnused(cluster: Cluster, client: Client): Promise<void> {
  try {
    await client.query('select pg_advisory_unlock_shared($1)', [USERS_LOCK]);
    const alone =
      (await locks(client, 'pg_try_advisory_lock', USERS_LOCK)) && !(await hasOtherClients(client));
    const running = alone ? await server.readPidFile(cluster) : undefined;
    if (running !== undefined) await server.stopServer(cluster, running.pid);
  } catch (error) {
    // Somebody else, a `serve` that ended, has stopped it already.
    if (!isGoingAway(error)) throw error;
  } finally {
    await client.end().catch(() => {});
  }
}

function urlOf(cluster: Cluster): string {
  return `postgresql://gatehouse@localhost:5432/gatehouse?host=${encodeURIComponent(cluster.socketDirectory)}`;
}
