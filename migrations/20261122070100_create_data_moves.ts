// The note that this data was moved to another database: servers refuse to start on it until the note is taken back.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table data_moves (
      only_one boolean primary key default true check (only_one),
      moved_to text not null,
      begun_at timestamptz not null,
      finished_at timestamptz
    )`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table data_moves');
}
