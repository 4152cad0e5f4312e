// Scheduled work: one row per job, claimed by a conditional update, so that one node runs it at a time.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('jobs', (table) => {
    table.text('name').primary();
    table.timestamp('next_run_at', { useTz: true }).notNullable();
    table.text('runner').comment('The process that holds the claim.');
    table
      .timestamp('running_until', { useTz: true })
      .comment('End of the claim; renewed while the job runs.');
    table.timestamp('last_started_at', { useTz: true });
    table.text('last_outcome').comment('ok or failed');
    table.text('last_error');
    table.integer('last_duration_milliseconds');
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('jobs');
}
