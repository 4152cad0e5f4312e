// One PostgreSQL cluster on disk: where its socket lies, how it is made, and how its programs reach it.
import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { lchown, lstat, mkdir, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { DatabaseUser } from './owner.ts';

export interface Cluster {
  /** PGDATA, an absolute path without symlinks. */
  directory: string;
  socketDirectory: string;
  logFile: string;
  native: string;
  user: DatabaseUser | undefined;
  /** More `-c name=value`; for throwaway databases of tests. */
  serverSettings: Record<string, string>;
}

const ENVIRONMENT = { PATH: '/usr/bin:/bin:/usr/local/bin', LC_ALL: 'C', TZ: 'UTC' };
export const SOCKET_FILE = '.s.PGSQL.5432';
const SOCKET_PATH_LIMIT = process.platform === 'darwin' ? 103 : 107;
const UNFINISHED_AGE_MILLISECONDS = 10 * 60_000;

/**
 * The socket lies in PGDATA, which PostgreSQL itself insists is private to its owner, so the socket needs no password,
 * has no port to collide and is found by every process that sees the data. Only when the path is longer than a socket
 * address can be does it move to a private directory below the temporary one.
 */
export async function chooseSocketDirectory(
  directory: string,
  user: DatabaseUser | undefined,
): Promise<string> {
  if (Buffer.byteLength(join(directory, SOCKET_FILE)) <= SOCKET_PATH_LIMIT) return directory;
  const name = createHash('sha256').update(directory).digest('hex').slice(0, 16);
  const short = join(await realpath(tmpdir()), `gatehouse-${name}`);
  const owner = user?.uid ?? process.getuid?.();
  await mkdir(short, { mode: 0o700 }).then(
    () => user && lchown(short, user.uid, user.gid),
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    },
  );
  const found = await lstat(short);
  // Somebody else's directory under this name would let them answer in the database's place.
  if (!found.isDirectory() || found.uid !== owner || (found.mode & 0o077) !== 0) {
    throw new Error(`${short} should be a private directory of the database's user and is not. Remove it.`);
  }
  return short;
}

/** Makes the cluster when there is none. Several processes may try: it appears whole under its name, once. */
export async function ensureCluster(cluster: Cluster): Promise<void> {
  if (await exists(join(cluster.directory, 'PG_VERSION'))) return checkMajorVersion(cluster);
  await removeUnfinished(cluster.directory);
  const unfinished = `${cluster.directory}.new-${randomUUID()}`;
  await mkdir(unfinished, { mode: 0o700 });
  if (cluster.user) await lchown(unfinished, cluster.user.uid, cluster.user.gid);
  await runInitdb(cluster, unfinished);
  try {
    await rename(unfinished, cluster.directory);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // Another process was faster; its cluster is as good as ours.
    if (!(await exists(join(cluster.directory, 'PG_VERSION')))) throw error;
  }
}

export function runAs(user: DatabaseUser | undefined): {
  env: NodeJS.ProcessEnv;
  cwd: string;
  uid?: number;
  gid?: number;
} {
  return { env: ENVIRONMENT, cwd: '/', ...(user && { uid: user.uid, gid: user.gid }) };
}

/**
 * Under root the data may lie below a directory that the database's user cannot enter (a clone in /root). So the server
 * gets the open directory itself, as descriptor 3: no path is walked. Elsewhere than on Linux it gets the path.
 */
export function openDataDirectory(
  cluster: Cluster,
  directory: string,
): { argument: string; inherited: number[]; close(): void } {
  if (!usesDescriptor(cluster)) return { argument: directory, inherited: [], close: () => {} };
  const descriptor = openSync(directory, 'r');
  return { argument: DESCRIPTOR_PATH, inherited: [descriptor], close: () => closeSync(descriptor) };
}

export const DESCRIPTOR_PATH = '/proc/self/fd/3';

export function usesDescriptor(cluster: Cluster): boolean {
  return cluster.user !== undefined && process.platform === 'linux';
}

async function runInitdb(cluster: Cluster, directory: string): Promise<void> {
  const data = openDataDirectory(cluster, directory);
  const child = spawn(join(cluster.native, 'bin', 'initdb'), initdbArguments(data.argument), {
    ...runAs(cluster.user),
    stdio: ['ignore', 'pipe', 'pipe', ...data.inherited],
  });
  data.close();
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
  });
  const problem = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, name) =>
      resolve(code === 0 ? undefined : `initdb ended with ${code ?? name}`),
    );
  });
  if (problem === undefined) return;
  await rm(directory, { recursive: true, force: true });
  throw new Error(
    `The database in ${cluster.directory} could not be made: ${problem}.\n${output.trim().split('\n').slice(-5).join('\n')}\n` +
      'Set DATA_DIRECTORY to another directory, or DATABASE_URL to a PostgreSQL server.',
  );
}

function initdbArguments(directory: string): string[] {
  return [
    `--pgdata=${directory}`,
    '--username=postgres',
    '--auth-local=trust',
    '--auth-host=reject',
    '--encoding=UTF8',
    // PostgreSQL's own C.UTF-8: the same order on every machine, whatever locales or ICU it has.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
  ];
}

async function checkMajorVersion(cluster: Cluster): Promise<void> {
  const cut = (text: string) => text.trim().split('.')[0];
  const onDisk = cut(await readFile(join(cluster.directory, 'PG_VERSION'), 'utf8'));
  const catalog = await readFile(join(cluster.native, 'share/postgresql/postgres.bki'), 'utf8').catch(
    () => '',
  );
  const packaged = /^# PostgreSQL (\d+)/.exec(catalog)?.[1];
  if (packaged === undefined || packaged === onDisk) return;
  throw new Error(
    `The database in ${cluster.directory} was made by PostgreSQL ${onDisk}, and this release brings ${packaged}. ` +
      'Write a backup with the release that made it (`gatehouse backup`), set DATA_DIRECTORY to a new directory, and bring ' +
      'it back with this one (`gatehouse restore`). Nothing was changed. More in docs/operations/embedded-database.md.',
  );
}

/** What a process killed in the middle of initdb left behind; young ones may still be at work. */
async function removeUnfinished(directory: string): Promise<void> {
  const parent = join(directory, '..');
  for (const name of await readdir(parent)) {
    if (!name.startsWith(`${basename(directory)}.new-`)) continue;
    const { mtimeMs } = await stat(join(parent, name)).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > UNFINISHED_AGE_MILLISECONDS) {
      await rm(join(parent, name), { recursive: true, force: true });
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}
