// Where PostgreSQL keeps its files during the drills: on a small file system of its own where one can be mounted, so that it can be filled.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

export interface PostgresFolder {
  readonly path: string;
  /** Takes every free byte; undefined where nothing could be mounted. */
  readonly fill: (() => void) | undefined;
  makeRoom(): void;
  remove(): void;
}

const IMAGE_BYTES = 700 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;

export function postgresFolder(folder: string, small: boolean): PostgresFolder {
  const path = join(folder, 'postgres');
  mkdirSync(path);
  const mounted = small && mount(join(folder, 'disk.ext4'), path);
  chmodSync(path, 0o755);
  const ballast = join(path, 'ballast');
  return {
    path,
    fill: mounted ? () => fill(path, ballast) : undefined,
    makeRoom: () => rmSync(ballast, { force: true }),
    remove: () => {
      if (mounted) execFileSync('umount', ['--lazy', path]);
    },
  };
}

/** A file with an ext4 in it: not tmpfs, so that fsync means what it says. Needs root and a loop device. */
function mount(image: string, path: string): boolean {
  try {
    writeFileSync(image, '');
    truncateSync(image, IMAGE_BYTES);
    // No blocks kept back for root, who fills it.
    execFileSync('mkfs.ext4', ['-q', '-m', '0', image], { stdio: 'ignore' });
    execFileSync('mount', ['-o', 'loop', image, path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function fill(path: string, ballast: string): void {
  for (let bytes = CHUNK_BYTES; bytes >= 512; ) {
    try {
      appendFileSync(ballast, Buffer.alloc(bytes, 1));
    } catch {
      bytes = Math.floor(bytes / 4);
    }
    if (statfsSync(path).bfree === 0) return;
  }
}
