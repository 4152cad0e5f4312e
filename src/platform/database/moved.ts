// The note left in a database whose data was moved to another one: nobody serves or changes what is there any more.
import { failure } from '../errors.ts';
import type { Db } from './postgres.ts';

export interface Move {
  /** Host and database, without user and password. */
  movedTo: string;
  /** Null while the data is being copied, and after a copy that was interrupted. */
  finishedAt: Date | null;
}

/** Throws data_moved. */
export async function refuseMoved(db: Db): Promise<void> {
  const move = await readMove(db);
  if (move !== undefined) throw failure('data_moved', { to: move.movedTo });
}

export async function readMove(db: Db): Promise<Move | undefined> {
  const row = await db<{ moved_to: string; finished_at: Date | null }>('data_moves').first(
    'moved_to',
    'finished_at',
  );
  return row && { movedTo: row.moved_to, finishedAt: row.finished_at };
}

export async function noteMove(db: Db, movedTo: string, at: Date): Promise<void> {
  await db('data_moves')
    .insert({ moved_to: movedTo, begun_at: at, finished_at: null })
    .onConflict('only_one')
    .merge();
}

export async function finishMove(db: Db, at: Date): Promise<void> {
  await db('data_moves').update({ finished_at: at });
}

export async function forgetMove(db: Db): Promise<void> {
  await db('data_moves').delete();
}
