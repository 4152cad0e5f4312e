// Clean-up of what is over: messages that were sent or given up.
import type { Db } from '../platform/database/postgres.ts';
import { inBatches } from '../platform/jobs/batches.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import { deleteFinished } from './store.ts';

const HOUR_SECONDS = 3600;
/** Failed ones longer: somebody may still want to send them again, or to know. */
const DAYS = { sent: 7, failed: 30 };

export function messageJobs(deps: { db: Db }): Job[] {
  return [
    {
      name: 'messages-expiry',
      everySeconds: HOUR_SECONDS,
      async run(signal) {
        await inBatches((limit) => deleteFinished(deps.db, DAYS, limit), signal);
      },
    },
  ];
}
