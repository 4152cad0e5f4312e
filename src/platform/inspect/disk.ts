// How much room is left where a path lies.
import { statfs } from 'node:fs/promises';
import { measured, type Problem } from './problem.ts';

export interface DiskFacts {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export function inspectDisk(path: string): Promise<DiskFacts | Problem> {
  return measured(async () => {
    const { bavail, blocks, bsize } = await statfs(path);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  });
}
