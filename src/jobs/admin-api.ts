// /api/v1/jobs: scheduled work, how it went, and runs that somebody asks for.
import { z } from 'zod';
import { instant } from '../lib/instant.ts';
import { pageReply } from '../platform/api/pages.ts';
import { type Route, route } from '../platform/api/route.ts';
import type { Scheduler } from './jobs.ts';

const JobView = z
  .object({
    name: z.string(),
    everySeconds: z.int(),
    running: z.boolean(),
    nextRunAt: instant.nullable().describe('Null until a server has met the job.'),
    lastStartedAt: instant.nullable(),
    lastSucceededAt: instant.nullable(),
    lastOutcome: z.enum(['ok', 'failed']).nullable(),
    lastError: z.string().nullable().describe('The kind of error; its text is in the log.'),
    lastDurationMilliseconds: z.int().nullable(),
    failures: z.int().describe('In a row, up to now.'),
    failuresTotal: z.int(),
  })
  .meta({ id: 'Job' });

export function jobRoutes({ scheduler }: { scheduler: Pick<Scheduler, 'list' | 'runSoon'> }): Route[] {
  return [
    route({
      operation: 'listJobs',
      method: 'GET',
      path: '/jobs',
      permission: 'jobs:read',
      limit: 'admin-read',
      summary: 'Scheduled work: when each job ran, how it went, and when it runs again.',
      reply: { 200: pageReply(JobView) },
      // As many as the release has, so one page holds them all.
      run: async () => ({ items: await scheduler.list(), nextCursor: null }),
    }),
    route({
      operation: 'runJob',
      method: 'POST',
      path: '/jobs/:name/run',
      permission: 'jobs:execute',
      limit: 'admin-write',
      summary: 'Make a job due: a server starts it within a second. The list says how it went.',
      params: z.object({ name: z.string() }),
      reply: { 202: z.void() },
      errors: ['job_not_found'],
      run: ({ params, caller }) => scheduler.runSoon(params.name, caller),
    }),
  ];
}
