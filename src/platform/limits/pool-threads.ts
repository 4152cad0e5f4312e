// The threads on which passwords are hashed give way to the one that answers, where both want the same core.
import { readdir, readFile } from 'node:fs/promises';
import { getPriority, setPriority } from 'node:os';

/** So much below the others: about a quarter of a core for hashing when the rest of the server can use all of it. */
const NICENESS = 5;
const TASKS = '/proc/self/task';

/**
 * On Linux, where a thread has a priority of its own (setpriority(2), notes) and libuv names its threads; nothing elsewhere,
 * and nothing is lost when it fails. Answers how many threads it was.
 */
export async function lowerPoolThreads(): Promise<number> {
  // Reading the folder has started all threads of the pool: libuv makes them together.
  const threads = await readdir(TASKS).catch(() => []);
  const lowered = await Promise.all(threads.map(lower));
  return lowered.filter(Boolean).length;
}

async function lower(thread: string): Promise<boolean> {
  try {
    if (!(await readFile(`${TASKS}/${thread}/comm`, 'utf8')).startsWith('libuv-worker')) return false;
    setPriority(Number(thread), Math.min(19, getPriority(process.pid) + NICENESS));
    return true;
  } catch {
    return false; // it ended, or the system does not allow it
  }
}
