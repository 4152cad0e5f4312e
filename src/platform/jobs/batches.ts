// Removal in batches: short statements that hold few locks, until nothing is left or the job is told to stop.
import { setTimeout as delay } from 'node:timers/promises';

const BATCH = 1000;
// As long as a batch took, but not longer: requests get at least half of the database while old rows go.
const LONGEST_PAUSE_MILLISECONDS = 200;

/**
 * `remove` deletes up to so many rows, chosen `for update skip locked` so that it never waits for a request and no request
 * waits for a whole clean-up; it answers how many went.
 */
export async function inBatches(
  remove: (limit: number) => Promise<number>,
  signal?: AbortSignal,
  batch: number = BATCH,
): Promise<number> {
  let removed = 0;
  while (signal?.aborted !== true) {
    const begun = performance.now();
    const count = await remove(batch);
    removed += count;
    if (count < batch) break;
    await delay(Math.min(performance.now() - begun, LONGEST_PAUSE_MILLISECONDS));
  }
  return removed;
}
