// gatehouse job …: see scheduled work and run it by hand.
import type { Command, CommandResult } from '../platform/command.ts';
import type { JobView, Scheduler } from './jobs.ts';

type Services = { scheduler: Scheduler };

const list: Omit<Command<Services>, 'name' | 'summary'> = {
  run: async ({ services }) => shown(await services.scheduler.list()),
};

export const commands: Command<Services>[] = [
  {
    name: 'job list',
    summary: 'Show scheduled work: when each job ran, how it went, and when it runs again.',
    ...list,
  },
  { name: 'jobs', summary: 'The same as `job list`.', ...list },
  {
    name: 'job run',
    summary: 'Run a job now and wait for its end, after a run that is under way on a server.',
    arguments: [{ name: 'name', summary: 'Its name, as `job list` shows it.' }],
    async run({ services, args, by }) {
      const name = args.text('name');
      await services.scheduler.runNow(name, by);
      const job = (await services.scheduler.list()).find((one) => one.name === name);
      return {
        json: job,
        text: `${name} went well, in ${seconds(job?.lastDurationMilliseconds ?? 0)}.`,
      };
    },
  },
];

function shown(jobs: JobView[]): CommandResult {
  const date = (at: Date | null) => at?.toISOString() ?? null;
  return {
    json: jobs,
    text: {
      columns: ['job', 'state', 'last success', 'took', 'failures', 'last error', 'runs again'],
      rows: jobs.map((job) => [
        job.name,
        job.running ? 'running' : (job.lastOutcome ?? 'never ran'),
        date(job.lastSucceededAt),
        job.lastDurationMilliseconds === null ? null : seconds(job.lastDurationMilliseconds),
        job.failures,
        job.lastError,
        date(job.nextRunAt),
      ]),
      empty: 'There are no jobs.',
    },
  };
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 2 : 0)} s`;
}
