// The process of the embedded PostgreSQL: spawned detached, found again through postmaster.pid, stopped in good order.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, constants, fchownSync, openSync } from 'node:fs';
import { lchown, link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Cluster,
  DESCRIPTOR_PATH,
  openDataDirectory,
  runAs,
  SOCKET_FILE,
  usesDescriptor,
} from './cluster.ts';
import type { DatabaseUser } from './owner.ts';

/** Durability stays at its defaults (fsync and synchronous_commit on): the ledger promises it. */
const SETTINGS: Record<string, string> = {
  // Only the private socket: no port that others on the machine could knock at.
  listen_addresses: '',
  unix_socket_permissions: '0700',
  shared_buffers: '64MB',
  max_connections: '100',
  max_wal_size: '512MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // Statements carry no secrets (values are bound), but errors would print the bound values beside them.
  log_parameter_max_length_on_error: '0',
  log_checkpoints: 'off',
};

const LOG_LIMIT_BYTES = 5_000_000;
// Root gives this file away, in a directory that may be another user's: never what a link there leads to.
const LOG_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;

/** What postmaster.pid says, or undefined when there is none. Root and the owner can read it. */
export async function readPidFile(cluster: Cluster): Promise<{ pid: number; text: string } | undefined> {
  const text = await readFile(join(cluster.directory, 'postmaster.pid'), 'utf8').catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    },
  );
  const pid = Number(text?.split('\n')[0]);
  return text !== undefined && Number.isInteger(pid) && pid > 0 ? { pid, text } : undefined;
}

export function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * False when the process is gone, is a zombie that nobody reaps (an orphan in a container whose first process is no
 * init), or surely is something else that got the number of a dead postmaster (containers count from 1 again).
 */
export async function runsPostgres(pid: number): Promise<boolean> {
  if (!exists(pid)) return false;
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const [, name, state] = /^\d+ \((.*)\) (\w)/s.exec(status) ?? [];
  // Without /proc the number is all there is to go by.
  return name === undefined || (name === 'postgres' && state !== 'Z');
}

/**
 * Makes the lock files of a dead postmaster, whose number somebody else has now, look stale to PostgreSQL: it takes the
 * number of its own parent for a reused one. Deleting postmaster.pid would also skip its check for surviving backends.
 */
export async function disownLockFiles(cluster: Cluster, stale: { pid: number; text: string }): Promise<void> {
  await disown(join(cluster.directory, 'postmaster.pid'), stale.text, cluster.user);
  const socketLock = join(cluster.socketDirectory, `${SOCKET_FILE}.lock`);
  const text = await readFile(socketLock, 'utf8').catch(() => '');
  if (Number(text.split('\n')[0]) === stale.pid) await disown(socketLock, text, cluster.user);
}

/** Never touches a file that is not the one judged stale: another process may have started a server since. */
async function disown(path: string, text: string, user: DatabaseUser | undefined): Promise<void> {
  const moved = `${path}.${randomUUID()}`;
  const ours = `${moved}.ours`;
  const put = (from: string) => link(from, path).catch(ignore('EEXIST'));
  try {
    await rename(path, moved);
    if ((await readFile(moved, 'utf8')) !== text) return await put(moved);
    await writeFile(ours, [process.pid, ...text.split('\n').slice(1)].join('\n'), { mode: 0o600 });
    if (user) await lchown(ours, user.uid, user.gid);
    await put(ours);
  } catch (error) {
    ignore('ENOENT')(error as NodeJS.ErrnoException);
  } finally {
    await rm(moved, { force: true });
    await rm(ours, { force: true });
  }
}

function ignore(code: string): (error: NodeJS.ErrnoException) => void {
  return (error) => {
    if (error.code !== code) throw error;
  };
}

/** Spawns the server in its own session, so that Ctrl-C reaches only us and the database outlives us until released. */
export function spawnServer(cluster: Cluster): { pid: number | undefined; failed: Promise<Error> } {
  const log = openSync(cluster.logFile, LOG_FLAGS, 0o600);
  // So that the same user can go on without root next time.
  if (cluster.user) fchownSync(log, cluster.user.uid, cluster.user.gid);
  const data = openDataDirectory(cluster, cluster.directory);
  const settings = {
    ...SETTINGS,
    unix_socket_directories: quoted(socketArgument(cluster)),
    ...cluster.serverSettings,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(join(cluster.native, 'bin', 'postgres'), ['-D', data.argument, ...flags], {
    ...runAs(cluster.user),
    detached: true,
    stdio: ['ignore', log, log, ...data.inherited],
  });
  closeSync(log);
  data.close();
  child.unref();
  const failed = new Promise<Error>((resolve) => {
    child.once('error', resolve);
    child.once('exit', (code, signal) => resolve(new Error(`postgres ended with ${code ?? signal}`)));
  });
  return { pid: child.pid, failed };
}

/** Fast shutdown: connections are ended, everything committed is on disk. Resolves when the process is gone. */
export async function stopServer(cluster: Cluster, pid: number): Promise<void> {
  const deadline = Date.now() + 60_000;
  if (!signal(pid, 'SIGINT')) return;
  while ((await runsPostgres(pid)) && (await readPidFile(cluster))?.pid === pid) {
    if (Date.now() > deadline) throw new Error(`PostgreSQL (process ${pid}) does not stop.`);
    await delay(20);
  }
}

/** The last lines of the server's log, for the message of a failed start. */
export async function logTail(cluster: Cluster): Promise<string> {
  const text = await readFile(cluster.logFile, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-8).join('\n');
}

export async function trimLog(cluster: Cluster): Promise<void> {
  const size = await stat(cluster.logFile).then(
    (found) => found.size,
    () => 0,
  );
  if (size > LOG_LIMIT_BYTES) await rename(cluster.logFile, `${cluster.logFile}.old`);
}

function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function socketArgument(cluster: Cluster): string {
  const inData = cluster.socketDirectory === cluster.directory;
  return inData && usesDescriptor(cluster) ? DESCRIPTOR_PATH : cluster.socketDirectory;
}

// unix_socket_directories is a list; quotes keep commas and spaces of a path together.
function quoted(path: string): string {
  return `"${path.replaceAll('"', '""')}"`;
}
