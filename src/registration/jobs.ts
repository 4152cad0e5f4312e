// Removes who never became an account, and codes and invitations that ended a while ago.
import type { Clock } from '../platform/clock.ts';
import type { Db } from '../platform/database/postgres.ts';
import { inBatches } from '../platform/jobs/batches.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import { deleteBatch } from './store.ts';

const DAY_MILLISECONDS = 86_400_000;

/** How many days after its end each is kept. */
const kept = { registrations: 0, organization_invitations: 7, registration_codes: 30 } as const;

export function registrationJobs({ db, clock }: { db: Db; clock: Clock }): Job[] {
  return [
    {
      name: 'registrations-expiry',
      everySeconds: 3600,
      async run(signal) {
        for (const table of ['registrations', 'organization_invitations', 'registration_codes'] as const) {
          const before = new Date(clock.now().getTime() - kept[table] * DAY_MILLISECONDS);
          await inBatches((limit) => deleteBatch(db, table, before, limit), signal);
        }
      },
    },
  ];
}
